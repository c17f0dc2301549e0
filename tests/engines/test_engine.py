"""The contract of engines: they render what was planned, to the pixel, in the right colours, or say that they cannot.

Every test runs on every engine. Sizes are compared exactly. Pixels are compared by PSNR, in dB, with what Pillow makes
of the whole decoded picture, and flat colours by their values.
"""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import pyvips
from conftest import PHOTOGRAPHS, cached_files, fetch, gradient, sample, url_of
from flask import Flask
from PIL import Image, ImageCms, ImageFilter, ImageOps, features
from PIL.PngImagePlugin import PngInfo

from engines.conftest import converted
from engines.test_colour import DISPLAY_P3, SRGB, display_p3_profile, gamma, grey_profile, srgb_profile
from flask_images_vips.engines import jxl
from flask_images_vips.engines.engine import Engine
from flask_images_vips.engines.vips import abilities
from flask_images_vips.errors import UnreadableSource
from flask_images_vips.formats import by_name, choose
from flask_images_vips.geometry import Geometry, Size, plan, transformed
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.options.values import MODES
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.local import LocalSources

MakeApp = Callable[..., Flask]

ORIENTATION = 0x0112
# What turns an upright picture into the one that a file of each EXIF orientation stores.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def header_size(engine: Engine, path: Path) -> Size:
    with path.open("rb") as file:
        return engine.header(file.fileno(), path.name).size


def render(engine: Engine, path: Path, *, size: Size | None = None, **wishes: Any) -> bytes:
    """The file that *engine* makes of the source at *path*; *wishes* are keywords as templates give them.

    The *size* of the source is asked of the engine where it is not given.
    """
    options = Options.parse(write_query(wishes))
    source = LocalSources([str(path.parent)]).find(path.name)
    geometry = plan(transformed(size or header_size(engine, path), options), options)
    with source.open() as descriptor:
        return engine.render(descriptor, Rendition(source, options, choose(source.ref, options.format)), geometry)


def rendered(engine: Engine, path: Path, **wishes: Any) -> Image.Image:
    """The rendition, without loss, as a decoded picture."""
    return decoded(render(engine, path, format="png", **wishes))


def decoded(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    if picture.format == "JXL" and jxl.decoded(data).profile is None:  # its decoder describes sRGB by a profile
        del picture.info["icc_profile"]
    return picture


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    method = STORED_AS[orientation]
    return upright if method is None else upright.transpose(method)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


def in_front_of(colour: str, picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    canvas = Image.new("RGBA", picture.size, colour)
    canvas.alpha_composite(picture.convert("RGBA"))
    return canvas.convert("RGB")


def psnr(picture: Image.Image, reference: Image.Image) -> float:
    """How alike two pictures look, in dB: in front of black or of white, whichever is worse."""
    assert picture.size == reference.size
    clear = picture.has_transparency_data or reference.has_transparency_data
    errors = []
    for shade in ("black", "white") if clear else ("black",):
        one, other = (np.asarray(in_front_of(shade, each), np.float32) for each in (picture, reference))
        errors.append(np.square(one - other).mean())
    return float(10 * np.log10(255**2 / max(errors))) if max(errors) else 99.0


# Sizes


CASES = 10_000
_KINDS = [  # file extensions with the modes of Pillow that they can hold
    *[("jpg", mode) for mode in ("RGB", "RGB", "RGB", "L", "CMYK")],
    *[("png", mode) for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")],
    *[("tif", mode) for mode in ("RGB", "RGBA", "L", "CMYK")],
    *[("webp", "RGB"), ("webp", "RGBA"), ("gif", "P"), ("avif", "RGB")],
]
_TRANSFORMS = (
    "EXTENT,0,0,10%,10%,90%,90%",
    "EXTENT,1%,50%,0,0,100%,100%",
    "AFFINE,40,0,1,.2,0,0,1,0",
    "QUAD,0,0,0,0,0,100%,90%,90%,100%,0",
    "PERSPECTIVE,30,20,1,0,0,0,1,0,0.001,0",
)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Size]]:
    """Small files of every kind and orientation, with the upright size of each."""
    folder, chance = tmp_path_factory.mktemp("noise"), random.Random(1)
    files = []
    for number in range(300):
        extension, mode = chance.choice(_KINDS)
        width, height = (chance.choice((1, *[chance.randint(1, 80)] * 4)) for _ in range(2))
        orientation = chance.randint(1, 8) if extension in ("jpg", "png", "webp", "avif") else 1
        path = folder / f"{number}.{extension}"
        save = {"exif": exif(orientation)} if orientation > 1 else {}
        stored(_noise((width, height), mode), orientation).save(path, **save)
        files.append((path, Size(width, height)))
    return files


def _noise(size: tuple[int, int], mode: str) -> Image.Image:
    bands = [Image.effect_noise(size, 60) for _ in range(4)]
    if mode == "I;16":
        return Image.fromarray(np.asarray(bands[0]).astype(np.uint16) * 257)
    if mode in ("LA", "RGBA"):
        return Image.merge(mode, bands[: len(mode)])
    return Image.merge("RGB", bands[:3]).convert(mode)


def _wishes(chance: random.Random, *, transforms: bool) -> dict[str, Any]:
    wishes: dict[str, Any] = {
        "width": chance.choice((None, *[chance.randint(1, 120)] * 4)),
        "height": chance.choice((None, *[chance.randint(1, 120)] * 4)),
        "mode": chance.choice((None, *MODES)),
        "enlarge": chance.random() < 0.4,
        "format": chance.choice(["jpeg", "png", "webp"] * 12 + ["avif", "gif"]),
        "background": chance.choice((None, "white", "#fa780a", "transparent", "#11223344")),
    }
    if chance.random() < 0.1:
        wishes["sharpen"] = chance.choice(("0,100,1", "0.3,250,2", "1,100,0", "3,150,3", "20,50,0"))
    if transforms and chance.random() < 0.1:
        wishes["transform"] = chance.choice(_TRANSFORMS)
    return wishes


def test_every_rendition_has_exactly_the_size_that_was_planned(engine: Engine, noise: list[tuple[Path, Size]]) -> None:
    transforms = not engine.refusal(Options.parse({"x": _TRANSFORMS[0]}), by_name("png"))
    chance = random.Random(2)
    cases = sample((*chance.choice(noise), _wishes(chance, transforms=transforms)) for _ in range(CASES))

    def wrong(case: tuple[Path, Size, dict[str, Any]]) -> object:
        path, size, wishes = case
        options = Options.parse(write_query(wishes))
        planned = plan(transformed(size, options), options).canvas
        try:
            with Image.open(io.BytesIO(render(engine, path, size=size, **wishes))) as image:
                return None if image.size == planned else (image.size, "instead of", planned, *case)
        except Exception as error:
            return (error, *case)

    with ThreadPoolExecutor(2) as threads:
        assert [found for found in threads.map(wrong, cases) if found] == []


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif", "tif"])
def test_the_header_says_the_upright_size(engine: Engine, extension: str, orientation: int, tmp_path: Path) -> None:
    path = _turned_file(tmp_path / f"a.{extension}", orientation)
    assert header_size(engine, path) == (96, 64)


def test_the_header_of_a_file_of_any_kind_says_its_size(engine: Engine, noise: list[tuple[Path, Size]]) -> None:
    assert [path.name for path, size in noise if header_size(engine, path) != size] == []


# Likeness


WITH_AND_WITHOUT_ALPHA = ("cat", "coffee", "cup", "rocket")
OPAQUE = ("cat", "canyon", "flower", "rocket")


def whole(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def by_lanczos(picture: Image.Image, geometry: Geometry) -> Image.Image:
    """*picture* scaled as a whole, on its black canvas."""
    scaled = picture.resize(geometry.scaled, Image.Resampling.LANCZOS)
    canvas = Image.new(scaled.mode, geometry.canvas, (0, 0, 0, 255)[: len(scaled.mode)])
    canvas.paste(scaled, geometry.offset)
    return canvas


def _box(picture: Image.Image, mode: str, reduction: float) -> dict[str, Any]:
    """A box of another shape than *picture*, which *mode* reaches by making it *reduction* times smaller."""
    width, height = (max(1, int(side / reduction)) for side in picture.size)
    box = {"fit": (2 * width, height), "crop": (width, 2 * height // 3), "pad": (width, 2 * height)}
    width, height = box.get(mode, (width, min(picture.height, int(1.2 * height))))
    return {"width": width, "height": height, "mode": mode}


def _likeness(engine: Engine, path: Path, picture: Image.Image, **wishes: Any) -> float:
    """How alike the rendition of the file at *path*, which holds *picture*, is to its reference."""
    options = Options.parse(write_query(wishes))
    return psnr(rendered(engine, path, **wishes), by_lanczos(picture, plan(Size(*picture.size), options)))


@pytest.mark.parametrize("name", WITH_AND_WITHOUT_ALPHA)
@pytest.mark.parametrize("mode", MODES)
def test_a_png_is_scaled_as_well_as_by_lanczos(engine: Engine, mode: str, name: str, photographs: Path) -> None:
    path = photographs / f"{name}.png"
    picture = whole(path)
    # libvips 8.14 rounds twice where there is alpha, and reaches 44.3 dB.
    least = 44 if engine.name == "vips" and abilities.version() < (8, 15) else 45
    for reduction in (1, 1.3, 2, 3, 4, 5):
        assert _likeness(engine, path, picture, **_box(picture, mode, reduction)) >= least, reduction
    for reduction in (6, 8, 11, 16):
        assert _likeness(engine, path, picture, **_box(picture, mode, reduction)) >= 37, reduction


def test_a_webp_is_not_made_smaller_twice_where_that_gains_nothing(
    engine: Engine, photographs: Path, tmp_path: Path
) -> None:
    picture = whole(photographs / "coffee.png")
    picture.save(tmp_path / "a.webp", lossless=True, method=0)
    for reduction in (1, 1.5, 1.9, 2.3, 2.6):
        size = {"width": int(picture.width / reduction), "height": int(picture.height / reduction)}
        assert _likeness(engine, tmp_path / "a.webp", picture, **size) >= 50, reduction


@pytest.mark.parametrize("name", OPAQUE)
@pytest.mark.parametrize("mode", MODES)
def test_a_jpeg_decoded_at_a_fraction_looks_like_the_whole(
    engine: Engine, mode: str, name: str, photographs: Path
) -> None:
    path = photographs / f"{name}.jpg"
    picture = whole(path)
    for reduction in (2, 4, 5, 8, 12, 16):
        assert _likeness(engine, path, picture, **_box(picture, mode, reduction)) >= 37, reduction


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("cat", (451, 300)),
        ("cat", (450, 300)),
        ("coffee", (449, 301)),
        ("canyon", (1023, 749)),
        ("earth", (1365, 1023)),
        ("earth", (2047, 1021)),
    ],
)
def test_a_jpeg_whose_sides_are_no_multiples_of_8_is_not_stretched(
    engine: Engine, name: str, size: tuple[int, int], photographs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.jpg"
    whole(photographs / f"{name}.png").crop((0, 0, *size)).save(path, quality=92)
    picture = whole(path)
    for reduction in (2, 3, 3.65, 3.8, 3.95, 4, 5, 6, 8, 10, 12, 16):
        width, height = (int(side / reduction) for side in size)
        assert _likeness(engine, path, picture, width=width, height=height) >= 37, reduction


@pytest.mark.parametrize("orientation", [1, 2, 6])
@pytest.mark.parametrize(("name", "size"), [("cat", (451, 300)), ("earth", (1365, 1023)), ("cup", (449, 301))])
def test_an_avif_is_neither_stretched_nor_shifted(
    engine: Engine, name: str, size: tuple[int, int], orientation: int, photographs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.avif"
    upright = whole(photographs / f"{name}.png").crop((0, 0, *size))
    stored(upright, orientation).save(path, quality=92, speed=10, exif=exif(orientation))
    picture = ImageOps.exif_transpose(whole(path))
    for reduction in (1, 2, 3, 3.65, 3.8, 5, 7, 10, 16):
        width, height = (int(side / reduction) for side in size)
        assert _likeness(engine, path, picture, width=width, height=height) >= 37, reduction


@pytest.mark.parametrize("size", [(1, 1), (400, 1), (1, 400), (2, 3), (32, 24), (6, 5)])
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif"])
def test_a_large_picture_shrinks_to_a_few_pixels(
    engine: Engine, extension: str, size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / f"a.{extension}"
    Image.new("RGB", (4001, 3003), "#c82828").save(path, compress_level=1, method=0, speed=10)
    made = rendered(engine, path, width=size[0], height=size[1])
    assert made.size == size
    assert furthest(made, Image.new("RGB", size, "#c82828"), [(0, 0)]) <= 1


@pytest.mark.parametrize("name", ["cat.png", "cat.jpg", "cup.png"])
def test_an_enlarged_picture_stays_where_it_was(engine: Engine, name: str, photographs: Path) -> None:
    path = photographs / name
    picture = whole(path)
    for scale in (1.1, 1.5, 2.5):
        width, height = (int(side * scale) for side in picture.size)
        assert _likeness(engine, path, picture, width=width, height=height, enlarge=True) >= 36, scale


def test_a_picture_made_wider_and_lower_at_once_stays_where_it_was(engine: Engine, photographs: Path) -> None:
    path = photographs / "cat.png"
    picture = whole(path)
    assert _likeness(engine, path, picture, width=2 * picture.width, height=picture.height // 3, enlarge=True) >= 36


@pytest.mark.parametrize("radius", [0.3, 0.5, 1, 1.7, 3])
def test_sharpening_is_the_unsharp_mask_of_pillow(engine: Engine, radius: float, photographs: Path) -> None:
    for name in ("cat", "cup"):
        path = photographs / f"{name}.png"
        for percent, threshold in ((150, 3), (250, 0)):
            reference = whole(path).filter(ImageFilter.UnsharpMask(radius, percent, threshold))
            sharpened = rendered(engine, path, sharpen=(radius, percent, threshold))
            assert psnr(sharpened, reference) >= 40, (name, percent, threshold)


def test_a_clear_pixels_colour_does_not_show(engine: Engine, tmp_path: Path) -> None:
    picture = Image.new("RGBA", (60, 60), (0, 255, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 31, 60))
    picture.save(tmp_path / "a.png")
    for width in (20, 90):
        made = in_front_of("black", rendered(engine, tmp_path / "a.png", width=width, enlarge=True))
        assert made.getextrema()[1][1] <= 3, width


# Transforms


@pytest.mark.parametrize(
    ("transform", "size", "method", "data"),
    [
        ("EXTENT,0,0,10%,20%,90%,80%", (600, 400), Image.Transform.EXTENT, (60, 80, 540, 320)),
        ("EXTENT,300,50%,0,0,100%,100%", (300, 200), Image.Transform.EXTENT, (0, 0, 600, 400)),
        ("AFFINE,0,0,1,.2,-10%,.1,.9,5%", (600, 400), Image.Transform.AFFINE, (1, 0.2, -60, 0.1, 0.9, 20)),
        (
            "QUAD,500,350,0,0,5%,100%,95%,90%,100%,10%",
            (500, 350),
            Image.Transform.QUAD,
            (0, 0, 30, 400, 570, 360, 600, 40),
        ),
        (
            "PERSPECTIVE,0,0,1,.1,-20,0,1.1,-10,.0002,.0001",
            (600, 400),
            Image.Transform.PERSPECTIVE,
            (1, 0.1, -20, 0, 1.1, -10, 0.0002, 0.0001),
        ),
    ],
)
@pytest.mark.parametrize("name", ["coffee.png", "coffee.jpg"])
@pytest.mark.parametrize("setting", ["auto", "pillow"])
def test_a_transform_is_pils_before_scaling(
    make_app: MakeApp,
    photographs: Path,
    setting: str,
    name: str,
    transform: str,
    size: tuple[int, int],
    method: Image.Transform,
    data: tuple[float, ...],
) -> None:
    app = make_app(IMAGES_ENGINE=setting, IMAGES_PATH=[str(photographs)])
    reference = whole(photographs / name).transform(size, method, data, Image.Resampling.BILINEAR)
    for reduction in (1, 2, 5):
        width = size[0] // reduction
        scaled = reference.resize((width, size[1] * width // size[0]), Image.Resampling.LANCZOS)
        made = fetch(app, name, transform=transform, width=width, format="png")
        assert psnr(made, scaled) >= 36, reduction


def test_a_transform_is_of_the_upright_picture(make_app: MakeApp, static: Path) -> None:
    _turned_file(static / "a.jpg", 6)
    made = fetch(make_app(), "a.jpg", transform="EXTENT,0,0,0,0,50%,50%", format="png")
    assert made.size == (96, 64)
    assert furthest(made, Image.new("RGB", made.size, QUARTERS[0]), [(20, 20), (70, 45)]) <= 4


# Colours


Colour = tuple[int, ...]
Quarters = tuple[Colour, Colour, Colour, Colour]

QUARTERS: Quarters = ((200, 40, 40), (40, 160, 60), (30, 60, 200), (230, 220, 120))
GREYS: Quarters = ((20, 20, 20), (90, 90, 90), (160, 160, 160), (240, 240, 240))
BLACK_AND_WHITE: Quarters = ((0, 0, 0), (255, 255, 255), (255, 255, 255), (0, 0, 0))
ALPHAS = (255, 128, 0, 255)
ORANGE = (250, 120, 10)
SIZE = (128, 96)
LOSSLESS: dict[str, dict[str, Any]] = {
    "jpg": {"quality": 95, "subsampling": 0},
    "webp": {"lossless": True},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
}


class Patches(NamedTuple):
    """A source of four flat colours: how it is saved, and the colours it ought to show."""

    save: Callable[[Path], object]
    colours: Quarters


def quarters(mode: str, colours: Any, size: tuple[int, int] = SIZE) -> Image.Image:
    """Four flat colours: left and right above, left and right below."""
    picture = Image.new(mode, size)
    width, height = size[0] // 2, size[1] // 2
    for number, colour in enumerate(colours):
        left, top = number % 2 * width, number // 2 * height
        picture.paste(colour, (left, top, left + width, top + height))
    return picture


def saved(picture: Image.Image, **save: Any) -> Callable[[Path], None]:
    """Saves *picture*, as nearly without loss as the extension's format can."""

    def write(path: Path) -> None:
        picture.save(path, **LOSSLESS.get(path.suffix[1:], {}), **save)

    return write


def with_alpha(colours: Quarters) -> Quarters:
    first, second, third, fourth = ((*colour, alpha) for colour, alpha in zip(colours, ALPHAS, strict=True))
    return first, second, third, fourth


def _turned_file(path: Path, orientation: int) -> Path:
    """A picture of `QUARTERS`, 96 by 64 pixels if it is upright, of that EXIF *orientation*."""
    turned = stored(quarters("RGB", QUARTERS, (96, 64)), orientation)
    # Pillow writes no orientation into a TIFF from ``exif``.
    tags = {"tiffinfo": {ORIENTATION: orientation}} if path.suffix == ".tif" else {"exif": exif(orientation)}
    saved(turned, **tags)(path)
    return path


def _palette() -> Image.Image:
    picture = quarters("P", range(4))
    picture.putpalette([band for colour in QUARTERS for band in colour])
    return picture


def _save_16_bits(picture: Image.Image) -> Callable[[Path], None]:
    """Pillow writes no colours of 16 bits."""
    pixels = np.asarray(picture).astype(np.uint16) * 257
    interpretation = "rgb16" if len(picture.getbands()) >= 3 else "grey16"

    def write(path: Path) -> None:
        pyvips.Image.new_from_array(pixels, interpretation=interpretation).write_to_file(str(path))

    return write


def _save_without_adobe_marker(picture: Image.Image) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        saved(picture)(path)
        data = path.read_bytes()
        start = data.index(b"\xff\xee")
        (length,) = struct.unpack_from(">H", data, start + 2)
        path.write_bytes(data[:start] + data[start + 2 + length :])

    return write


def _in_display_p3(colour: Colour) -> Colour:
    """The values by which Display P3 states a colour of sRGB. Both have the same transfer curve."""
    encoded = np.array(colour) / 255
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    light = np.linalg.solve(np.transpose(DISPLAY_P3), np.transpose(SRGB) @ light).clip(0, 1)
    encoded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return tuple(int(value) for value in (255 * encoded).round())


P3_QUARTERS: Quarters = (
    _in_display_p3(QUARTERS[0]),
    _in_display_p3(QUARTERS[1]),
    _in_display_p3(QUARTERS[2]),
    _in_display_p3(QUARTERS[3]),
)
_RGB, _RGBA = quarters("RGB", QUARTERS), quarters("RGBA", with_alpha(QUARTERS))
_GREY = quarters("L", [grey[0] for grey in GREYS])
_GREY_ALPHA = quarters("LA", [(grey[0], alpha) for grey, alpha in zip(GREYS, ALPHAS, strict=True)])
_CMYK = _RGB.convert("CMYK")
_P3 = quarters("RGB", P3_QUARTERS)
_ONE_CLEAR: Quarters = ((*QUARTERS[0], 255), (*QUARTERS[1], 255), (*QUARTERS[2], 0), (*QUARTERS[3], 255))
_ONE_GREY_CLEAR: Quarters = ((*GREYS[0], 255), (*GREYS[1], 255), (*GREYS[2], 0), (*GREYS[3], 255))

SOURCES: dict[str, Patches] = {
    **{
        f"rgb.{extension}": Patches(saved(_RGB), QUARTERS) for extension in ("jpg", "png", "webp", "avif", "gif", "tif")
    },
    "progressive.jpg": Patches(saved(_RGB, progressive=True), QUARTERS),
    "16 bits.png": Patches(_save_16_bits(_RGB), QUARTERS),
    "16 bits.tif": Patches(_save_16_bits(_RGB), QUARTERS),
    "grey.jpg": Patches(saved(_GREY), GREYS),
    "grey.png": Patches(saved(_GREY), GREYS),
    "grey of 16 bits.png": Patches(_save_16_bits(_GREY), GREYS),
    "grey of 16 bits.tif": Patches(_save_16_bits(_GREY), GREYS),
    "one bit.png": Patches(saved(quarters("1", (0, 1, 1, 0))), BLACK_AND_WHITE),
    "one bit.tif": Patches(saved(quarters("1", (0, 1, 1, 0))), BLACK_AND_WHITE),
    **{
        f"alpha.{extension}": Patches(saved(_RGBA), with_alpha(QUARTERS))
        for extension in ("png", "webp", "avif", "tif")
    },
    "alpha of 16 bits.png": Patches(_save_16_bits(_RGBA), with_alpha(QUARTERS)),
    "grey alpha.png": Patches(saved(_GREY_ALPHA), with_alpha(GREYS)),
    "grey alpha of 16 bits.png": Patches(_save_16_bits(_GREY_ALPHA), with_alpha(GREYS)),
    "palette.png": Patches(saved(_palette()), QUARTERS),
    "palette with alphas.png": Patches(saved(_palette(), transparency=bytes(ALPHAS)), with_alpha(QUARTERS)),
    "palette with a clear colour.png": Patches(saved(_palette(), transparency=2), _ONE_CLEAR),
    "palette with a clear colour.gif": Patches(saved(_palette(), transparency=2), _ONE_CLEAR),
    "rgb with a clear colour.png": Patches(saved(_RGB, transparency=QUARTERS[2]), _ONE_CLEAR),
    "grey with a clear shade.png": Patches(saved(_GREY, transparency=GREYS[2][0]), _ONE_GREY_CLEAR),
    "cmyk.jpg": Patches(saved(_CMYK), QUARTERS),
    "cmyk without Adobe's marker.jpg": Patches(_save_without_adobe_marker(_CMYK), QUARTERS),
    "cmyk.tif": Patches(saved(_CMYK), QUARTERS),
    **{
        f"display p3.{extension}": Patches(saved(_P3, icc_profile=display_p3_profile()), QUARTERS)
        for extension in ("jpg", "png", "webp", "avif", "tif")
    },
    "display p3 with alpha.png": Patches(
        saved(quarters("RGBA", with_alpha(P3_QUARTERS)), icc_profile=display_p3_profile()), with_alpha(QUARTERS)
    ),
    "srgb.png": Patches(saved(_RGB, icc_profile=srgb_profile()), QUARTERS),
    "a profile that is none.png": Patches(saved(_RGB, icc_profile=b"x" * 200), QUARTERS),
    "a profile that is none.jpg": Patches(saved(_RGB, icc_profile=b"x" * 200), QUARTERS),
    "grey with a profile of colours.jpg": Patches(saved(_GREY, icc_profile=display_p3_profile()), GREYS),
    "colours with a profile of grey.jpg": Patches(saved(_RGB, icc_profile=grey_profile(gamma(1))), QUARTERS),
    **{
        f"orientation {orientation}.jpg": Patches(saved(stored(_RGB, orientation), exif=exif(orientation)), QUARTERS)
        for orientation in STORED_AS
    },
}


def furthest(picture: Image.Image, reference: Image.Image, points: list[tuple[int, int]]) -> int:
    """The largest difference of a band, in levels, at *points*, in front of black and of white."""
    return max(
        abs(one - other)
        for shade in ("black", "white")
        for bands in [[in_front_of(shade, image).getpixel(point) for image in (picture, reference)] for point in points]
        for one, other in zip(*bands, strict=True)
    )


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_of_source_has_its_colours_in_every_format(
    engine: Engine, name: str, make_app: MakeApp, static: Path
) -> None:
    SOURCES[name].save(static / name)
    app = make_app(IMAGES_ENGINE=engine.name)
    upright = quarters("RGBA", [(*colour, 255)[:4] for colour in SOURCES[name].colours], (64, 48))
    padded = Image.new("RGBA", (64, 80), (*ORANGE, 255))
    padded.paste(upright, (0, 16))
    points = [(16, 12), (48, 12), (16, 36), (48, 36)]
    for format, tolerance in (("jpeg", 8), ("png", 5), ("webp", 8), ("avif", 8)):
        opaque = format == "jpeg"
        made = fetch(app, name, width=64, format=format, background=ORANGE)
        assert made.size == (64, 48)
        reference = in_front_of("#fa780a", upright) if opaque else upright
        assert furthest(made, reference, points) <= tolerance, format

        made = fetch(app, name, width=64, height=80, mode="pad", format=format, background=ORANGE)
        assert made.size == (64, 80)
        reference = in_front_of("#fa780a", padded) if opaque else padded
        lower = [(x, y + 16) for x, y in points]
        assert furthest(made, reference, [*lower, (32, 7), (32, 72)]) <= tolerance, f"{format}, padded"


def test_colours_that_are_srgb_by_their_profile_are_left_alone(engine: Engine, tmp_path: Path) -> None:
    gradient((64, 48)).save(tmp_path / "a.png", icc_profile=srgb_profile())
    assert rendered(engine, tmp_path / "a.png").tobytes() == gradient((64, 48)).tobytes()


def test_a_photograph_in_adobe_rgb_is_converted(engine: Engine, photographs: Path) -> None:
    """The `photographs` are converted; the demo's own are not."""
    reference = whole(photographs / "rocket.png").resize((320, 213), Image.Resampling.LANCZOS)
    assert psnr(rendered(engine, PHOTOGRAPHS / "rocket.jpg", width=320), reference) >= 37


def test_a_photograph_in_cmyk_is_converted_by_its_profile(engine: Engine, photographs: Path, tmp_path: Path) -> None:
    profile = pyvips.Image.profile_load("cmyk")
    press = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    printed = ImageCms.profileToProfile(
        whole(photographs / "coffee.png"), ImageCms.createProfile("sRGB"), press, outputMode="CMYK"
    )
    assert printed is not None
    printed.save(tmp_path / "a.tif", icc_profile=profile)
    # Pillow's own littlecms makes the reference. In 2.17 (Pillow 11.3), its dark blues differ from those of 2.19.
    least = 28 if engine.name == "vips" and features.version("littlecms2") < "2.18" else 37
    assert psnr(rendered(engine, tmp_path / "a.tif"), converted(printed, profile)) >= least


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_is_converted_by_its_profile(engine: Engine, mode: str, tmp_path: Path) -> None:
    Image.new(mode, (40, 30), {"L": 55, "LA": (55, 255)}[mode]).save(
        tmp_path / "a.png", icc_profile=grey_profile(gamma(1))
    )
    made = rendered(engine, tmp_path / "a.png", width=20)
    assert furthest(made, Image.new("L", made.size, 128), [(10, 7)]) <= 2  # 55 / 255 of the light


# Orientation


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif", "tif"])
def test_a_turned_picture_is_rendered_upright(engine: Engine, extension: str, orientation: int, tmp_path: Path) -> None:
    path = _turned_file(tmp_path / f"a.{extension}", orientation)
    made = rendered(engine, path, width=48)
    assert made.size == (48, 32)
    assert furthest(made, quarters("RGB", QUARTERS, (48, 32)), [(12, 8), (36, 8), (12, 24), (36, 24)]) <= 5


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "tif"])
def test_the_stored_orientation_is_kept_where_it_is_configured(
    engine: Engine, extension: str, orientation: int, make_app: MakeApp, static: Path
) -> None:
    path = _turned_file(static / f"a.{extension}", orientation)
    app = make_app(IMAGES_ENGINE=engine.name, IMAGES_AUTO_ORIENT=False)
    made = fetch(app, path.name, format="png")
    reference = stored(quarters("RGB", QUARTERS, (96, 64)), orientation)
    assert made.size == reference.size
    assert furthest(made, reference, [(12, 12), (50, 12), (12, 50), (50, 50)]) <= 5


@pytest.mark.parametrize("orientation", STORED_AS)
def test_the_turn_of_an_avif_is_part_of_its_format_and_not_of_exif(
    engine: Engine, orientation: int, make_app: MakeApp, static: Path
) -> None:
    """``irot`` and ``imir`` (ISO/IEC 23008-12) say how the stored pixels make the picture, as its size does."""
    path = _turned_file(static / "a.avif", orientation)
    made = fetch(make_app(IMAGES_ENGINE=engine.name, IMAGES_AUTO_ORIENT=False), path.name, format="png")
    assert made.size == (96, 64)
    assert furthest(made, quarters("RGB", QUARTERS, (96, 64)), [(12, 12), (80, 12), (12, 50), (80, 50)]) <= 5


# Outputs


SECRET = b"taken at my home"
EVERY_FORMAT = ("jpeg", "png", "webp", "avif", "jxl", "gif", "tiff", "bmp", "ico")
_METADATA = {"comment", "exif", "icc_profile", "photoshop", "xmp", "XML:com.adobe.xmp"}
# ImageDescription, Orientation, Software, Artist, XMP, Copyright, IPTC, Photoshop, Exif, ICC profile, GPS; others lay
# out a TIFF.
_METADATA_TAGS = {270, ORIENTATION, 305, 315, 700, 33432, 33723, 34377, 34665, 34675, 34853}


def _save_with_metadata(path: Path) -> None:
    tags = exif(3)
    tags[270] = SECRET.decode()
    tags.get_ifd(0x8825)[29] = SECRET.decode()  # GPSDateStamp: any text of the place
    caption = b"\x1c\x02\x78" + struct.pack(">H", len(SECRET)) + SECRET  # IPTC-IIM 2:120
    photoshop = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(caption)) + caption + bytes(len(caption) % 2)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"
    text = PngInfo()
    text.add_text("Comment", SECRET.decode())
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    save: dict[str, dict[str, Any]] = {
        ".jpg": {"exif": tags, "icc_profile": display_p3_profile(), "xmp": xmp, "comment": SECRET},
        ".png": {"exif": tags, "icc_profile": display_p3_profile(), "pnginfo": text},
        ".webp": {"exif": tags, "icc_profile": display_p3_profile(), "xmp": xmp},
        ".avif": {"exif": tags, "icc_profile": display_p3_profile(), "xmp": xmp},
        ".tif": {
            "tiffinfo": {270: SECRET.decode(), 700: xmp, 33723: caption, 34377: photoshop},
            "icc_profile": display_p3_profile(),
        },
        ".gif": {"comment": SECRET},
    }
    gradient((64, 48)).save(path, **save[path.suffix])
    if path.suffix == ".jpg":
        data, segment = path.read_bytes(), b"Photoshop 3.0\0" + photoshop
        path.write_bytes(data[:2] + b"\xff\xed" + struct.pack(">H", 2 + len(segment)) + segment + data[2:])
    assert SECRET in path.read_bytes()


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif", "tif", "gif"])
def test_no_output_has_metadata(engine: Engine, extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{extension}"
    _save_with_metadata(path)
    for format in _formats_of(engine):
        data = render(engine, path, width=32, format=format)
        assert SECRET not in data, format
        # libvips 8.14 always writes a block of EXIF into WebP, with nothing but the size and the resolution.
        allowed = {"exif"} if format == "webp" and engine.name == "vips" and abilities.version() < (8, 15) else set()
        with decoded(data) as image:
            assert not (_METADATA - allowed) & image.info.keys(), format
            assert not (_METADATA_TAGS - ({ORIENTATION, 34665} if allowed else set())) & image.getexif().keys(), format
            assert image.getexif().get(ORIENTATION, 1) == 1, format
            assert not getattr(image, "text", None), format


def _formats_of(engine: Engine) -> list[str]:
    return [format for format in EVERY_FORMAT if not engine.refusal(Options(), by_name(format))]


@pytest.mark.parametrize("setting", ["auto", "pillow"])
@pytest.mark.parametrize(("format", "clear"), [("tiff", True), ("ico", True), ("bmp", False)])
def test_alpha_is_kept_where_the_format_has_it(
    setting: str, format: str, clear: bool, make_app: MakeApp, static: Path
) -> None:
    Image.new("RGBA", (40, 40), (10, 20, 30, 0)).save(static / "a.png")
    made = fetch(make_app(IMAGES_ENGINE=setting), "a.png", format=format, background=ORANGE).convert("RGBA")
    assert made.getpixel((20, 20))[3] == (0 if clear else 255)
    if not clear:
        assert made.getpixel((20, 20)) == (*ORANGE, 255)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_transparent_background_is_clear_in_a_png_and_opaque_in_a_jpeg(
    engine: Engine, mode: str, make_app: MakeApp, draw: Callable[..., Path]
) -> None:
    draw("a.png", (64, 32), mode)
    app = make_app(IMAGES_ENGINE=engine.name)
    wishes = {"width": 64, "height": 64, "mode": "pad", "background": "transparent"}
    png = fetch(app, "a.png", format="png", **wishes)
    assert (png.mode, png.size) == ("RGBA", (64, 64))
    assert [png.getpixel((32, y))[3] for y in (0, 15, 16, 47, 48, 63)] == [0, 0, 255, 255, 0, 0]
    jpeg = fetch(app, "a.png", format="jpeg", **wishes)
    assert (jpeg.mode, jpeg.size) == ("RGB", (64, 64))
    assert max(jpeg.getpixel((32, 2))) <= 2  # transparent is black


def test_an_opaque_background_leaves_what_is_clear_inside(engine: Engine, tmp_path: Path) -> None:
    quarters("RGBA", with_alpha(QUARTERS), (40, 20)).save(tmp_path / "a.png")
    made = rendered(engine, tmp_path / "a.png", width=40, height=40, mode="pad", background="#fa780a")
    alphas = [made.getpixel(point)[3] for point in ((10, 15), (30, 15), (10, 25), (30, 25), (20, 5))]
    assert alphas == [*ALPHAS, 255]


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_an_animation_gives_its_first_frame(engine: Engine, format: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{format}"
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("#c82828", "#28a03c", "#1e3cc8")]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    with Image.open(path) as image:
        assert image.n_frames == 3
    for wanted in ("png", format):
        made = decoded(render(engine, path, width=20, format=wanted))
        assert (made.size, getattr(made, "n_frames", 1)) == ((20, 15), 1)
        assert furthest(made, Image.new("RGB", made.size, "#c82828"), [(10, 7)]) <= 8


# Sources that are none


def _encoded(picture: Image.Image, format: str, **save: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **save)
    return file.getvalue()


def _broken() -> Iterator[tuple[str, bytes]]:
    """Names and contents of files that are no image, none that is wanted, or not the whole of one."""
    picture = _noise((60, 40), "RGB")
    yield "empty.jpg", b""
    yield "text.png", b"This is no image.\n"
    yield "zeros.gif", bytes(500)
    yield "begin.jpg", b"\xff\xd8\xff"
    yield "postscript.jpg", _encoded(picture, "EPS")
    yield (
        "drawing.svg",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    )
    yield "matrix.jpg", b"3 3\n1 2 3\n4 5 6\n7 8 9\n"
    yield "table.png", b"1,2,3\n4,5,6\n7,8,9\n"
    yield "document.jpg", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n"
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("jpg", "JPEG", {}),
        ("progressive.jpg", "JPEG", {"progressive": True}),
        ("png", "PNG", {}),
        ("gif", "GIF", {}),
        ("webp", "WEBP", {}),
        ("lossless.webp", "WEBP", {"lossless": True}),
        ("avif", "AVIF", {}),
        ("tif", "TIFF", {}),
        ("lzw.tif", "TIFF", {"compression": "tiff_lzw"}),
    ]
    for ending, format, save in kinds:
        data = _encoded(picture, format, **save)
        for percent in (10, 50, 90):
            yield f"{percent} percent.{ending}", data[: len(data) * percent // 100]


BROKEN = dict(_broken())


@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow on a TIFF, before the error
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_image_is_unreadable(engine: Engine, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    for wishes in ({}, {"width": 30}, {"width": 5}):
        with pytest.raises(UnreadableSource):
            render(engine, path, format="png", **wishes)


@pytest.mark.filterwarnings("ignore:Truncated File Read")
@pytest.mark.parametrize("setting", ["auto", "vips", "pillow"])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_image_is_answered_422_and_not_stored(
    setting: str, name: str, make_app: MakeApp, static: Path, tmp_path: Path
) -> None:
    (static / name).write_bytes(BROKEN[name])
    app = make_app(IMAGES_ENGINE=setting)
    for _ in range(2):
        assert app.test_client().get(url_of(app, name, width=30)).status_code == 422
    assert cached_files(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("name", "decoy", "save"),
    [
        (
            "a.gif[n=-1]",
            "a.gif",
            {"format": "GIF", "save_all": True, "append_images": [Image.new("RGB", (40, 30), "lime")]},
        ),
        ("a[1].jpg", "a.jpg", {"format": "JPEG"}),
        ("a.jpg[shrink=2]", "a.jpg", {"format": "JPEG"}),
        ("a,b.png", "a", {"format": "PNG"}),
        ("a%20b.png", "a b.png", {"format": "PNG"}),
        ("-a.webp", "a.webp", {"format": "WEBP"}),
    ],
)
def test_a_name_is_only_a_name(
    engine: Engine, name: str, decoy: str, save: dict[str, Any], make_app: MakeApp, static: Path
) -> None:
    Image.new("RGB", (40, 30), "#c82828").save(static / name, **save)
    Image.new("RGB", (50, 50), "#1e3cc8").save(static / decoy, format="PNG")
    made = fetch(make_app(IMAGES_ENGINE=engine.name), name, format="png")
    assert made.size == (40, 30)
    assert furthest(made, Image.new("RGB", made.size, "#c82828"), [(20, 15)]) <= 4
