"""The compressed pixels of a PNG are sent as they are, and nothing else of it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch, gradient
from engines.test_engine import exif, psnr
from flask import Flask
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from flask_images_vips import resized_img_src
from flask_images_vips.engines.vips import abilities
from flask_images_vips.rendering.same_pixels import same_pixels

SIZE = (120, 80)


def drawing(size: tuple[int, int] = SIZE) -> Image.Image:
    """A drawing in 16 colours, in a mode with a palette."""
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for number in range(60):
        x, y = number * 37 % size[0], number * 23 % size[1]
        colour = tuple(number % 15 * factor % 256 for factor in (70, 130, 190))
        draw.ellipse((x - 30, y - 12, x + 30, y + 12), fill=colour)
    return picture.quantize(16)


def png(picture: Image.Image, **save: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **save)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def behind_header(data: bytes, *chunks: bytes) -> bytes:
    return data[:33] + b"".join(chunks) + data[33:]


def with_stream(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The PNG *data*, whose pixels are one chunk, with *change* made to their stream."""
    at = data.index(b"IDAT")
    (length,) = struct.unpack_from(">I", data, at - 4)
    return data[: at - 4] + chunk(b"IDAT", change(data[at + 4 : at + 4 + length])) + data[at + 8 + length :]


def made_of(data: bytes, folder: Path) -> bytes | None:
    (folder / "a.png").write_bytes(data)
    with (folder / "a.png").open("rb") as file:
        return same_pixels(file.fileno())


KINDS = {
    "palette": drawing(),
    "clear palette": gradient(SIZE).convert("RGBA").quantize(8),
    "grey": gradient(SIZE).convert("L"),
    "one bit": gradient(SIZE).convert("1"),
    "alpha": gradient(SIZE).convert("RGBA"),
    "deep": gradient(SIZE).convert("L").convert("I;16"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_kept_and_metadata_is_not(kind: str, tmp_path: Path) -> None:
    text = PngInfo()
    text.add_text("Comment", "a secret", zip=False)
    plain = png(KINDS[kind])
    srgb = chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 45455))
    made = made_of(behind_header(png(KINDS[kind], pnginfo=text, dpi=(300, 300)), srgb) + b"behind the end", tmp_path)
    assert made == plain


def test_what_cannot_be_left_out_is_not_left_out(tmp_path: Path) -> None:
    plain = png(gradient(SIZE))
    assert made_of(plain, tmp_path) == plain
    for kind, content in ((b"gAMA", struct.pack(">I", 100_000)), (b"cICP", b"\x0c\x0d\0\1"), (b"CRIT", b"")):
        assert made_of(behind_header(plain, chunk(kind, content)), tmp_path) is None
    assert made_of(png(gradient(SIZE), exif=exif(6)), tmp_path) is None
    assert made_of(png(gradient(SIZE), icc_profile=b"any"), tmp_path) is None


def test_data_that_is_hidden_among_the_pixels_is_not_sent(tmp_path: Path) -> None:
    plain = png(gradient(SIZE))
    hidden = {
        "behind the stream": lambda stream: stream + b"hidden",
        "behind the last row": lambda stream: zlib.compress(zlib.decompress(stream) + b"hidden"),
        "a million zeros": lambda stream: zlib.compress(zlib.decompress(stream) + bytes(1_000_000)),
        "cut": lambda stream: stream[:-9],
        "a row less": lambda stream: zlib.compress(zlib.decompress(stream)[: -1 - 3 * SIZE[0]]),
    }
    for how, change in hidden.items():
        assert made_of(with_stream(plain, change), tmp_path) is None, how
    for broken in (b"", plain[:20], plain[:60], plain[:-12], plain.replace(b"IDAT", b"IDAU"), b"GIF89a" + plain):
        assert made_of(broken, tmp_path) is None


@pytest.mark.parametrize("engine", ["vips", "pillow"])
@pytest.mark.parametrize("clear", [False, True])
def test_a_png_with_a_palette_stays_small(
    engine: str, clear: bool, make_app: Callable[..., Flask], static: Path, caplog: pytest.LogCaptureFixture
) -> None:
    large = drawing((600, 400))
    source = png(large, optimize=True, **({"transparency": 2} if clear else {}))
    (static / "a.png").write_bytes(source)
    app = make_app(IMAGES_ENGINE=engine)
    most = 1.1 if abilities.version() >= (8, 15) else 1.15  # the quantizer of Debian 12 dithers more
    with app.test_request_context():
        urls = {width: resized_img_src("a.png", width=width) for width in (600, 450, 300, 150)}
    for width, url in urls.items():
        made = app.test_client().get(url).data
        assert len(made) <= len(source) * (most if width == 600 or engine == "vips" else 2), width
        with Image.open(io.BytesIO(made)) as shown, Image.open(io.BytesIO(source)) as original:
            reference = original.convert("RGBA").resize(shown.size, Image.Resampling.LANCZOS)
            assert psnr(shown.convert("RGBA"), reference) > (40 if width == 600 else 25), width
    assert not caplog.records


def test_lossless_is_without_a_palette_of_fewer_colours(make_app: Callable[..., Flask], static: Path) -> None:
    (static / "a.png").write_bytes(png(drawing((600, 400))))
    assert fetch(make_app(), "a.png", width=300, lossless=True).mode == "RGB"
