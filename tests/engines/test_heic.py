"""HEIC by both engines: the pixels of Debian's ``heif-convert``, and a reason for each file that is refused."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, gradient, needs
from headers.heics import BOMBS, KINDS, SIZE, clear, deep, heic, of_kind, pillow_heif, several, turned
from PIL import Image, ImageCms

from engines.conftest import ENGINES, converted
from engines.test_engine import STORED_AS, decoded, header_size, psnr, render, rendered
from flask_images_vips.engines import heic as decoder
from flask_images_vips.engines.abilities import abilities_of
from flask_images_vips.engines.coded_colour import profile_of
from flask_images_vips.engines.engine import Engine
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.errors import ImagesError, UnreadableSource, UnsupportedSource
from flask_images_vips.geometry import Box
from flask_images_vips.headers.coding import PLAIN, of_numbers

INPUTS = ("jpeg", "heic")
BRANDS = {"mif1", "msf1", "hevc", "hevx", "heix", "heim", "heis"}  # heif-convert does not open all of them
MOST_PIXELS = 25_000_000
_COPYRIGHT = 0x8298


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    made: Engine = ENGINES[request.param](inputs=INPUTS)
    return made


@pytest.fixture
def put(tmp_path: Path) -> Callable[[bytes], Path]:
    def put(data: bytes) -> Path:
        (tmp_path / "a.heic").write_bytes(data)
        return tmp_path / "a.heic"

    return put


@cache
def by_heif_convert(data: bytes) -> Image.Image:
    """The primary picture of a HEIC, in sRGB, as Debian's heif-convert decodes it. It writes further ones to ``-2``."""
    program = shutil.which("heif-convert")
    needs("heif-convert", program, "apt install libheif-examples")
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "a.heic"), Path(folder, "a.png")
        source.write_bytes(data)
        subprocess.run([str(program), "--quiet", source, made], check=True, capture_output=True)
        with Image.open(made if made.exists() else Path(folder, "a-1.png")) as image:
            image.load()
    profile = image.info.get("icc_profile")
    if image.mode == "RGBA" or profile is None:
        return image
    return converted(image, profile)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - BRANDS - {"second"}))
def test_its_pixels_are_those_of_heif_convert(engine: Engine, name: str, put: Callable[[bytes], Path]) -> None:
    path, reference = put(of_kind(name)), by_heif_convert(of_kind(name))
    likeness = psnr(rendered(engine, path), reference)
    print(f"{engine.name} {name}: {likeness:.1f} dB")
    assert likeness > 49
    half = (reference.width // 2, reference.height // 2)
    assert (
        psnr(rendered(engine, path, width=half[0], height=half[1]), reference.resize(half, Image.Resampling.LANCZOS))
        > 38
    )


@pytest.mark.parametrize("name", sorted(BRANDS | {"second"}))
def test_a_sequence_and_a_file_of_any_brand_show_their_primary_picture(
    engine: Engine, name: str, put: Callable[[bytes], Path]
) -> None:
    assert psnr(rendered(engine, put(of_kind(name))), gradient(SIZE)) > 38


@pytest.mark.parametrize("exif", [None, 1, 3, 6, 8])
@pytest.mark.parametrize("auto_orient", [True, False])
def test_only_irot_and_imir_turn_it(
    name_of: str, exif: int | None, auto_orient: bool, put: Callable[[bytes], Path]
) -> None:
    engine = ENGINES[name_of](inputs=INPUTS, auto_orient=auto_orient)
    for orientation in (1, 5, 6) if exif else range(1, 9):
        path = put(turned(orientation, exif))
        upright = turned_by(orientation)
        assert header_size(engine, path) == upright.size
        assert psnr(rendered(engine, path), upright) > 38, orientation


@pytest.fixture(params=ENGINES)
def name_of(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def turned_by(orientation: int) -> Image.Image:
    """A gradient that is stored, made upright from *orientation*: the other way round than `STORED_AS`."""
    method = STORED_AS[{6: 8, 8: 6}.get(orientation, orientation)]
    return gradient(SIZE) if method is None else gradient(SIZE).transpose(method)


def test_its_rights_are_kept_without_its_orientation(engine: Engine, put: Callable[[bytes], Path]) -> None:
    tags = Image.Exif()
    tags[0x0112], tags[_COPYRIGHT] = 6, "mine"
    made = pillow_heif.HeifFile()
    made.add_frombytes("RGB", SIZE, gradient(SIZE).tobytes())
    made[0].info["exif"] = tags.tobytes()
    file = io.BytesIO()
    made.save(file)
    path = put(file.getvalue())
    for format in ("jpeg", "webp", "avif"):
        with Image.open(io.BytesIO(render(engine, path, format=format, keep="copyright"))) as image:
            assert image.size == SIZE[::-1]
            assert image.getexif()[_COPYRIGHT] == "mine"
            assert image.getexif().get(0x0112, 1) == 1
        with Image.open(io.BytesIO(render(engine, path, format=format))) as image:
            assert not image.getexif()


# Colour


def patches() -> Image.Image:
    """Strong colours, in large patches."""
    colours = np.array([(220, 40, 40), (40, 200, 60), (40, 60, 210), (230, 200, 40), (128, 128, 128), (250, 250, 250)])
    return Image.fromarray(np.repeat(np.repeat(colours.reshape(2, 3, 3), 80, 0), 80, 1).astype(np.uint8))


def display_p3() -> bytes:
    """The profile of iPhones' pictures: P3's primaries and sRGB's curve."""
    made = profile_of(of_numbers(12, 13), grey=False)
    assert made is not None
    return made


def test_display_p3_is_converted_by_its_profile(engine: Engine, put: Callable[[bytes], Path]) -> None:
    data = heic(with_profile(patches()), chroma=444)
    made = rendered(engine, put(data))
    assert psnr(made, by_heif_convert(data)) > 38
    assert psnr(made, converted(patches(), display_p3())) > 38
    assert psnr(made, patches()) < 30  # it was converted


def test_display_p3_is_kept_where_that_is_asked_for(engine: Engine, put: Callable[[bytes], Path]) -> None:
    made = rendered(engine, put(heic(with_profile(patches()), chroma=444)), keep="icc")
    assert psnr(made, patches()) > 38
    assert "Display" not in made.info
    assert ImageCms.ImageCmsProfile(io.BytesIO(made.info["icc_profile"])).tobytes()


def with_profile(picture: Image.Image) -> Image.Image:
    picture.info["icc_profile"] = display_p3()
    return picture


@pytest.mark.parametrize(
    ("numbers", "level"),
    [((1, 13), 128), ((12, 13), 128), ((9, 16), None), ((9, 18), None), ((2, 2), 128)],
)
def test_colours_that_are_stated_by_numbers_are_converted_as_by_a_profile(
    engine: Engine, numbers: tuple[int, int], level: int | None, put: Callable[[bytes], Path]
) -> None:
    made = pillow_heif.from_pillow(patches())
    stated = {"color_primaries": numbers[0], "transfer_characteristics": numbers[1]}
    made[0].info["nclx_profile"] = {**stated, "matrix_coefficients": 6, "full_range_flag": 1}
    file = io.BytesIO()
    made.save(file, quality=95, chroma=444)
    coding = of_numbers(*numbers)
    profile = profile_of(coding, grey=False)
    assert profile is not None
    right = patches() if coding == PLAIN else converted(patches(), profile)
    shown = rendered(engine, put(file.getvalue()))
    assert psnr(shown, right) > 36
    if level is not None:
        assert abs(shown.getpixel((120, 120))[0] - level) < 4  # type: ignore[index]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_10_bits_are_shown_as_8(engine: Engine, mode: str, put: Callable[[bytes], Path]) -> None:
    made = rendered(engine, put(deep(mode)))
    assert made.mode == mode
    assert psnr(made, gradient(SIZE).convert(mode)) > 38


def test_alpha_is_kept(engine: Engine, put: Callable[[bytes], Path]) -> None:
    made = rendered(engine, put(heic(clear())))
    assert made.mode == "RGBA"
    assert psnr(made, clear()) > 36
    alpha, right = (np.asarray(each.getchannel("A"), int) for each in (made, clear()))
    assert np.abs(alpha - right).max() <= 6


# Other images of the file


def test_its_thumbnail_is_not_shown(engine: Engine, put: Callable[[bytes], Path]) -> None:
    path = put(heic(gradient((1024, 640)), thumbnails=[512]))
    made = rendered(engine, path, width=256)
    assert psnr(made, gradient((1024, 640)).resize((256, 160), Image.Resampling.LANCZOS)) > 40


def test_nothing_is_animated(engine: Engine, put: Callable[[bytes], Path]) -> None:
    path = put(several(gradient(SIZE), gradient(SIZE).rotate(180)))
    with path.open("rb") as file:
        assert engine.header(file.fileno(), "a").frames == 1
    made = decoded(render(engine, path, format="webp"))
    assert getattr(made, "n_frames", 1) == 1


def test_the_border_of_a_single_colour_is_trimmed(engine: Engine, put: Callable[[bytes], Path]) -> None:
    canvas = Image.new("RGB", (192, 128), (20, 200, 90))
    canvas.paste((200, 20, 20), (64, 32, 160, 96))
    path = put(heic(canvas, chroma=444))
    with path.open("rb") as file:
        found = engine.trim_box(file.fileno(), "a", Box(0, 0, 192, 128), 20)
    assert all(abs(one - other) <= 2 for one, other in zip(found, (64, 32, 96, 64), strict=True))


# What is refused


def header_then_pixels(engine: Engine, path: Path) -> None:
    """Do what a job does: read the header, check the limit, decode."""
    with path.open("rb") as file:
        header = engine.header(file.fileno(), path.name)
    assert header.whole
    if header.size.pixels <= MOST_PIXELS:
        rendered(engine, path, width=20)
    else:
        raise UnreadableSource(path.name, "too many pixels")


@pytest.mark.parametrize("name", [name for name in BOMBS if name not in ("images", "tiles", "a tile many times")])
def test_a_bomb_or_a_broken_file_is_unreadable(engine: Engine, name: str, put: Callable[[bytes], Path]) -> None:
    path = put(BOMBS[name]())
    with pytest.raises(ImagesError) as caught:
        header_then_pixels(engine, path)
    assert isinstance(caught.value, (UnreadableSource, UnsupportedSource))
    print(caught.value)


def test_without_pillow_heif_the_reason_says_what_to_install(
    engine: Engine, put: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("flask_images_vips.engines.heic.metadata.version", missing)
    decoder._module.cache_clear()
    with pytest.raises(UnsupportedSource, match=r"needs pillow-heif, .* pip install .*flask-images-vips\[heic\]"):
        header_size(engine, put(of_kind("one")))


@pytest.mark.parametrize(("version", "refused"), [("1.8.0", True), ("0.22.0", True), ("1.8.1", False), ("1.10", False)])
def test_a_pillow_heif_with_a_hole_is_refused(
    version: str, refused: bool, put: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_images_vips.engines.heic.metadata.version", lambda _: version)
    decoder._module.cache_clear()
    assert (decoder.problem() is not None) is refused
    if refused:
        with pytest.raises(UnsupportedSource, match=rf"1\.8\.1 or newer, because of holes in older ones; {version} is"):
            header_size(PillowEngine(inputs=INPUTS), put(of_kind("one")))


@pytest.fixture(autouse=True)
def forget_the_package() -> Any:
    yield
    decoder._module.cache_clear()


def test_it_is_refused_where_it_is_not_listed(put: Callable[[bytes], Path]) -> None:
    with pytest.raises(
        UnsupportedSource, match=r"a HEIC image; expected JPEG .* and add 'heic' to IMAGES_INPUT_FORMATS"
    ):
        header_size(PillowEngine(inputs=["jpeg"]), put(of_kind("one")))


BESIDE_ANOTHER = """
import ctypes, sys
ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
from flask_images_vips.engines import heic
with open(sys.argv[2], "rb") as file:
    print(heic._has_loaded("libheif.so.1"), heic.decoded(file.fileno(), "a").size.width)
"""


def test_a_libheif_that_libvips_has_loaded_is_kept_apart(tmp_path: Path) -> None:
    """As with the libvips of Debian, whose modules load libheif for the whole process."""
    folders = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
    found = next((library for each in folders if (library := Path(each, "libheif.so.1")).exists()), None)
    needs("libheif", found, "apt install libheif1")
    (tmp_path / "a.heic").write_bytes(of_kind("grid"))
    command = [sys.executable, "-c", BESIDE_ANOTHER, str(found), str(tmp_path / "a.heic")]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.stdout.split() == ["True", "256"], process.stderr


@pytest.mark.parametrize("installed", [True, False])
def test_the_abilities_name_it_and_its_library_if_it_can_be_decoded(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not installed:
        monkeypatch.setattr(decoder, "_LEAST", (99, 0, 0))
    decoder._module.cache_clear()
    libraries = abilities_of("auto")["libraries"]
    assert all(("heic" in library["inputs"]) is installed for library in libraries.values())
    parts = libraries["pillow"]["parts"]
    assert len(parts) == installed
    if installed:
        assert re.fullmatch(r"libheif [\d.]+ \(pillow-heif [\d.]+\)", parts[0])


def test_a_broken_pillow_heif_is_a_reason_and_not_a_crash(
    put: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder._module.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if one of its libraries were missing
    with pytest.raises(UnsupportedSource, match=r"pillow-heif cannot be imported .*flask-images-vips\[heic\]"):
        header_size(PillowEngine(inputs=INPUTS), put(of_kind("one")))


def test_premultiplied_alpha_is_undone(engine: Engine, put: Callable[[bytes], Path]) -> None:
    whole = Image.new("RGBA", (64, 64), (200, 100, 40, 128))
    made = pillow_heif.from_bytes("RGBa", whole.size, whole.convert("RGBa").tobytes())
    file = io.BytesIO()
    made.save(file, quality=95, chroma=444)
    picture = rendered(engine, put(file.getvalue()))
    with (put(file.getvalue())).open("rb") as opened:
        assert decoder.decoded(opened.fileno(), "a").mode == "RGBa"
    shown = picture.getpixel((32, 32))
    assert isinstance(shown, tuple)
    assert max(abs(one - other) for one, other in zip(shown, (200, 100, 40, 128), strict=True)) <= 6
