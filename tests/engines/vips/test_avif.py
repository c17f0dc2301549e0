"""AVIF is decoded by Pillow, and by libvips where Pillow cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import pyvips
from PIL import AvifImagePlugin, Image

from engines.test_engine import QUARTERS, exif, psnr, quarters, rendered, stored, whole
from flask_images_vips.engines.vips import abilities
from flask_images_vips.engines.vips.avif import pixels
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.errors import UnreadableSource
from flask_images_vips.geometry import Size


def test_an_avif_whose_data_is_corrupt_is_refused_where_that_is_asked_for(photographs: Path, tmp_path: Path) -> None:
    if abilities.version() < (8, 15):
        pytest.skip("the decoder of Debian 12, whose libvips is 8.14, does not notice that data is corrupt")
    whole(photographs / "cat.png").save(tmp_path / "a.avif", quality=80, speed=10)
    data = bytearray((tmp_path / "a.avif").read_bytes())
    for position in range(len(data) // 2, len(data) // 2 + 200):
        data[position] ^= 0xFF
    (tmp_path / "a.avif").write_bytes(data)
    with pytest.raises(UnreadableSource):
        rendered(VipsEngine(fail_on="warning"), tmp_path / "a.avif", width=200)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_an_avif_without_a_decoder_in_pillow_is_decoded_by_libvips(
    bits: int, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bits == 10 and abilities.version() < (8, 15):
        pytest.skip("the libaom of Debian 12 aborts when libvips 8.14 writes 10 bits, which no rendition has")
    source = pyvips.Image.new_from_file(str(photographs / "cat.png")).colourspace("rgb16" if bits > 8 else "srgb")
    source.heifsave(str(tmp_path / "a.avif"), compression="av1", Q=90, bitdepth=bits, effort=0)
    engine = VipsEngine()
    by_pillow = rendered(engine, tmp_path / "a.avif", width=200)
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    by_libvips = rendered(engine, tmp_path / "a.avif", width=200)
    assert by_pillow.tobytes() != by_libvips.tobytes()
    assert psnr(by_pillow, by_libvips) >= 40


def test_pixels_are_upright_and_averages(tmp_path: Path) -> None:
    upright = quarters("RGB", QUARTERS, (96, 64))
    stored(upright, 6).save(tmp_path / "a.avif", quality=100, speed=10, subsampling="4:4:4", exif=exif(6))
    with (tmp_path / "a.avif").open("rb") as file:
        found = pixels(file.fileno(), Size(96, 64), 5)
        assert found is not None
        assert (found.size, found.bands) == (Size(20, 13), 3)
        made = Image.frombytes("RGB", found.size, found.data)
        assert max(abs(a - b) for a, b in zip(made.getpixel((3, 3)), QUARTERS[0], strict=True)) <= 8
        assert pixels(file.fileno(), Size(64, 96), 1) is None  # libvips reads another size: let it decide


@pytest.mark.parametrize("data", [b"", b"no AVIF", b"\0\0\0\x18ftypavif" + bytes(50)])
def test_what_pillow_cannot_decode_is_left_to_libvips(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.avif").write_bytes(data)
    with (tmp_path / "a.avif").open("rb") as file:
        assert pixels(file.fileno(), Size(1, 1), 1) is None
