"""What the options do to pixels: each engine against what Pillow or numpy makes of the whole picture, step by step.

Sizes, and pixels that are only moved, are compared exactly; those that are counted anew by PSNR, in dB, or by the
largest difference.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PHOTOGRAPHS, cached_files, fetch, sample, url_of
from flask import Flask
from PIL import Image, ImageChops, ImageDraw, ImageOps

from engines.conftest import ENGINES
from engines.test_engine import decoded, exif, in_front_of, psnr, stored, whole
from flask_images_vips import (
    Images,
    ImageSize,
    resized_img_attrs,
    resized_img_size,
    resized_img_src,
    resized_img_tag,
)
from flask_images_vips.engines.engine import Engine
from flask_images_vips.formats import choose
from flask_images_vips.geometry import Size, lay_out, region
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.options.values import MODES, Gravity
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.local import LocalSources

MakeApp = Callable[..., Flask]

DIRECTIONS = [gravity.value for gravity in Gravity if not gravity.smart]


def rendered(engine: Engine, path: Path, size: Size | None = None, **wishes: Any) -> tuple[Image.Image, Size]:
    """The rendition of the file at *path*, and the size that a template would be told."""
    options = Options.parse(write_query({"format": "png", **wishes}))
    sources = LocalSources([str(path.parent)])
    source, mark, mark_size = sources.find(path.name), None, None
    with source.open() as descriptor:
        size = size or engine.header(descriptor, path.name).size
        trimmed = None
        if options.trim:
            trimmed = engine.trim_box(descriptor, path.name, region(size, options), options.trim)
        if options.watermark:
            mark = sources.find(options.watermark.ref)
            with mark.open() as other:
                mark_size = engine.header(other, mark.ref).size
        geometry = lay_out(size, options, trimmed=trimmed, mark=mark_size)
        rendition = Rendition(source, options, choose(path.name, options.format), watermark=mark)
        data = engine.render(descriptor, rendition, geometry)
    planned = ImageSize.planned(size, options, trimmed)
    return decoded(data), Size(planned.width, planned.height)


def made_by(engine: Engine, path: Path, **wishes: Any) -> Image.Image:
    return rendered(engine, path, **wishes)[0]


def draw(path: Path, size: tuple[int, int] = (61, 43), mode: str = "RGB", seed: int = 1) -> Image.Image:
    """A picture of random colours without any symmetry, saved at *path*."""
    bands = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], len(mode)), np.uint8)
    picture = Image.fromarray(bands if len(mode) > 1 else bands[..., 0])
    picture.save(path)
    return picture


def same(one: Image.Image, other: Image.Image) -> bool:
    return (
        one.size == other.size and ImageChops.difference(one.convert("RGBA"), other.convert("RGBA")).getbbox() is None
    )


def furthest(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of two pictures in any value."""
    assert one.size == other.size
    difference = ImageChops.difference(one.convert("RGBA"), other.convert("RGBA"))
    return max(most for _, most in difference.getextrema())


def array(picture: Image.Image) -> Any:
    return np.asarray(picture, float)


# Sizes

CASES = 5_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Size]]:
    """Small files of several kinds, in every orientation, some with a border of one colour."""
    folder, chance = tmp_path_factory.mktemp("small"), random.Random(3)
    files = []
    for number in range(160):
        extension, mode = chance.choice((("jpg", "RGB"), ("jpg", "L"), ("png", "RGB"), ("png", "RGBA"), ("png", "L")))
        width, height = chance.choice((1, chance.randint(2, 40))), chance.choice((1, chance.randint(2, 40)))
        picture = draw(folder / "drawn.png", (width, height), mode, number)
        if number % 2:
            picture = ImageOps.expand(picture, chance.randint(1, 9), fill=0)
        orientation = chance.randint(1, 8)
        path = folder / f"{number}.{extension}"
        stored(picture, orientation).save(path, exif=exif(orientation))
        files.append((path, Size(*picture.size)))
    return files


def wish(chance: random.Random, size: Size, *, smart: bool) -> dict[str, Any]:
    """Any of the options that change a size, each now and then."""

    def now_and_then(values: list[Any]) -> Any:
        return chance.choice(values) if chance.random() < 0.3 else None

    turned = size if (rotate := now_and_then([90, 180, 270])) in (None, 180) else Size(size.height, size.width)
    left, top = chance.randrange(turned.width), chance.randrange(turned.height)
    pixels = (left, top, chance.randint(1, turned.width - left), chance.randint(1, turned.height - top))
    share = round(chance.random() / 2, 3)
    wishes: dict[str, Any] = {
        "width": chance.choice((None, *[chance.randint(1, 50)] * 2)),
        "height": chance.choice((None, *[chance.randint(1, 50)] * 2)),
        "mode": chance.choice(MODES),
        "enlarge": chance.random() < 0.4,
        "format": chance.choice(("jpeg", "png")),
        "rotate": rotate,
        "flip": now_and_then(["horizontal", "vertical", "both"]),
        "region": now_and_then(
            [pixels if max(pixels) > 1 else (0, 0, 1, 1), (share, share, 0.5, 0.31), (0, 0, 0.001, 1)]
        ),
        "trim": now_and_then([1, True, 200]),
        "gravity": now_and_then([*DIRECTIONS, *(["attention", "entropy"] if smart else [])]),
        "focal": now_and_then([(0, 0), (1, 0.3), (share, 0.9)]),
        "dpr": now_and_then([1.15, 1.5, 2, 3]),
        "padding": now_and_then([3, (0, 1, 2, 5)]),
        "border": now_and_then(["1,red", "4"]),
        "radius": now_and_then([2, 9, "max"]),
        "background": now_and_then(["white", "transparent"]),
    }
    if not (wishes["width"] and wishes["height"]):
        wishes["aspect"] = now_and_then(["16:9", "1:3", 1])
    return wishes


def test_every_rendition_has_exactly_the_size_that_templates_tell(
    engine: Engine, small: list[tuple[Path, Size]]
) -> None:
    chance = random.Random(4)
    smart = not engine.refusal(Options.parse({"g": "attention", "m": "crop"}), choose("a.png", None))
    cases = sample((path, size, wish(chance, size, smart=smart)) for path, size in chance.choices(small, k=CASES))

    def wrong(case: tuple[Path, Size, dict[str, Any]]) -> object:
        path, size, wishes = case
        try:
            picture, planned = rendered(engine, path, size, **wishes)
            return None if picture.size == planned else (picture.size, "instead of", planned, *case)
        except Exception as error:
            return (error, *case)

    with ThreadPoolExecutor(2) as threads:
        assert [found for found in threads.map(wrong, cases) if found] == []


# Turning and cutting


def turned(picture: Image.Image, rotate: int, flip: str | None) -> Image.Image:
    picture = picture.rotate(-rotate, expand=True)
    if flip in ("horizontal", "both"):
        picture = ImageOps.mirror(picture)
    return ImageOps.flip(picture) if flip in ("vertical", "both") else picture


TURNS = list(itertools.product((0, 90, 180, 270), (None, "horizontal", "vertical", "both")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_after_it_was_made_upright(engine: Engine, orientation: int, tmp_path: Path) -> None:
    upright = draw(tmp_path / "a.png")
    stored(upright, orientation).save(tmp_path / "a.png", exif=exif(orientation))
    for rotate, flip in TURNS:
        assert same(made_by(engine, tmp_path / "a.png", rotate=rotate, flip=flip), turned(upright, rotate, flip))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_is_of_the_upright_and_turned_picture(engine: Engine, orientation: int, tmp_path: Path) -> None:
    upright = draw(tmp_path / "a.png")
    stored(upright, orientation).save(tmp_path / "a.png", exif=exif(orientation))
    for rotate, flip in TURNS:
        whole = turned(upright, rotate, flip)
        part = whole.crop((5, 8, 35, 25))
        assert same(made_by(engine, tmp_path / "a.png", rotate=rotate, flip=flip, region=(5, 8, 30, 17)), part)
        width, height = whole.size
        quarter = whole.crop((round(width / 4), round(height / 2), round(width * 3 / 4), height))
        assert same(
            made_by(engine, tmp_path / "a.png", rotate=rotate, flip=flip, region=(0.25, 0.5, 0.5, 0.5)), quarter
        )


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of 1801×1203 pixels, as PNG and WebP and, in two orientations, as JPEG and AVIF."""
    folder = tmp_path_factory.mktemp("photograph")
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as image:
        picture = image.convert("RGB").resize((1801, 1203), Image.Resampling.BICUBIC)
    picture.save(folder / "a.png", compress_level=1)
    picture.save(folder / "a.jpg", quality=95)
    picture.save(folder / "a.webp", quality=95, method=0)
    stored(picture, 6).save(folder / "b.jpg", quality=95, exif=exif(6))
    picture.save(folder / "a.avif", quality=95, speed=10, subsampling="4:4:4")
    stored(picture, 6).save(folder / "b.avif", quality=95, speed=10, subsampling="4:4:4", exif=exif(6))
    return folder


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "b.jpg", "a.webp", "a.avif", "b.avif"])
@pytest.mark.parametrize("box", [(0, 0, 1801, 1203), (301, 207, 1203, 803), (1001, 3, 800, 1200)])
def test_a_region_scaled_down_looks_like_the_whole_that_is_cut_and_scaled(
    engine: Engine, box: tuple[int, int, int, int], name: str, photograph: Path
) -> None:
    left, top, width, height = box
    part = whole(photograph / "a.png").rotate(180).crop((left, top, left + width, top + height))
    for reduction in (1, 2, 3.3, 5, 9, 16):
        size = int(width / reduction), int(height / reduction)
        made = made_by(engine, photograph / name, region=box, width=size[0], height=size[1], rotate=180)
        least = 34 if name == "a.webp" else 37
        assert psnr(made, part.resize(size, Image.Resampling.LANCZOS)) >= least, reduction


@pytest.mark.parametrize(("name", "reduced"), [("a.png", 3), ("a.jpg", 4), ("b.jpg", 4)])
def test_a_turned_picture_is_scaled_as_one_that_is_not(
    engine: Engine, name: str, reduced: int, photograph: Path
) -> None:
    picture = whole(photograph / "a.png")
    for rotate, flip in TURNS:
        reference = turned(picture, rotate, flip)
        size = reference.width // reduced, reference.height // reduced
        made = made_by(engine, photograph / name, rotate=rotate, flip=flip, width=size[0], height=size[1])
        assert psnr(made, reference.resize(size, Image.Resampling.LANCZOS)) >= 37, (rotate, flip)


# Trim


def bordered(path: Path, mode: str = "RGB", colour: Any = "white", **save: Any) -> Image.Image:
    """A dark picture of 40×30 pixels on a canvas of 100×80 of one colour, 20 from the left and 35 from the top."""
    canvas = Image.new(mode, (100, 80), colour)
    canvas.paste(Image.new("RGB", (40, 30), "#306040").convert(mode), (20, 35))
    canvas.save(path, **save)
    return canvas


@pytest.mark.parametrize(
    ("name", "mode", "colour"),
    [
        ("a.png", "RGB", "white"),
        ("a.png", "L", 255),
        ("a.png", "RGBA", (0, 0, 0, 0)),
        ("a.png", "LA", (9, 0)),
        ("a.png", "P", "white"),
        ("a.jpg", "RGB", "#fe00fe"),
        ("a.jpg", "CMYK", (0, 0, 0, 0)),
        ("a.tif", "RGB", "red"),
        ("a.gif", "RGB", "white"),
    ],
)
def test_a_border_of_one_colour_is_trimmed(engine: Engine, name: str, mode: str, colour: Any, tmp_path: Path) -> None:
    bordered(tmp_path / name, mode, colour, **({"quality": 95, "subsampling": 0} if name == "a.jpg" else {}))
    picture, planned = rendered(engine, tmp_path / name, trim=60 if name == "a.jpg" else True)
    assert picture.size == planned == (40, 30)


def test_a_border_of_16_bits_is_trimmed(engine: Engine, tmp_path: Path) -> None:
    values = np.full((80, 100), 65535, np.uint16)
    values[35:65, 20:60] = 900
    Image.fromarray(values).save(tmp_path / "a.png")
    assert rendered(engine, tmp_path / "a.png", trim=True)[0].size == (40, 30)


def test_what_is_clear_is_of_one_colour_whatever_lies_behind(engine: Engine, tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png", (100, 80), "RGBA")
    alpha = Image.new("L", (100, 80))
    alpha.paste(200, (20, 35, 60, 65))
    picture.putalpha(alpha)
    picture.save(tmp_path / "a.png")
    assert same(made_by(engine, tmp_path / "a.png", trim=1), picture.crop((20, 35, 60, 65)))


def test_the_threshold_forgives_what_is_not_further_off(engine: Engine, tmp_path: Path) -> None:
    canvas = bordered(tmp_path / "a.png")
    canvas.putpixel((3, 3), (255, 245, 255))
    canvas.save(tmp_path / "a.png")
    assert made_by(engine, tmp_path / "a.png", trim=10).size == (40, 30)
    assert made_by(engine, tmp_path / "a.png", trim=9).size == (57, 62)


def test_a_picture_of_one_colour_is_left_as_it_is(engine: Engine, tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.png")
    assert made_by(engine, tmp_path / "a.png", trim=True).size == (30, 20)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_trim_is_of_the_region_and_of_the_upright_picture(engine: Engine, orientation: int, tmp_path: Path) -> None:
    canvas = bordered(tmp_path / "a.png")
    canvas.paste(draw(tmp_path / "drawn.png", (40, 30)), (20, 35))
    stored(canvas, orientation).save(tmp_path / "a.png", exif=exif(orientation))
    assert same(made_by(engine, tmp_path / "a.png", trim=1), canvas.crop((20, 35, 60, 65)))
    part = canvas.crop((20, 35, 50, 65))
    assert same(made_by(engine, tmp_path / "a.png", trim=1, region=(0, 0, 50, 80)), part)
    for rotate, flip in TURNS:
        whole = turned(canvas.crop((20, 35, 60, 65)), rotate, flip)
        assert same(made_by(engine, tmp_path / "a.png", trim=1, rotate=rotate, flip=flip), whole)


def test_templates_know_the_size_of_a_trimmed_picture_and_look_once(
    app: Flask, static: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bordered(static / "a.png")
    with app.app_context():
        facts = app.extensions["images"].pipeline.facts
    looks, look = [], facts._read_trim_box
    monkeypatch.setattr(facts, "_read_trim_box", lambda *of: looks.append(of) or look(*of))
    with app.app_context():  # a page would leave the size out at first
        for _ in range(3):
            size = resized_img_size("a.png", width=20, trim=True, padding=2)
            assert size is not None
            assert (size.width, size.height) == (24, 19)
            assert (size.image_width, size.image_height) == (40, 30)
    assert fetch(app, "a.png", width=20, trim=True, padding=2).size == (24, 19)
    assert len(looks) == 1


# What a crop keeps


def test_a_crop_keeps_what_lies_at_its_gravity(engine: Engine, tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png", (60, 40))
    for place in DIRECTIONS:
        across = 0 if "west" in place else 30 if "east" in place else 15
        down = 0 if "north" in place else 20 if "south" in place else 10
        for size, box in (((30, 40), (across, 0, across + 30, 40)), ((60, 20), (0, down, 60, down + 20))):
            made = made_by(engine, tmp_path / "a.png", mode="crop", width=size[0], height=size[1], gravity=place)
            assert same(made, picture.crop(box)), place


def test_a_padded_picture_lies_at_its_gravity(engine: Engine, tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png", (60, 40))
    for place in DIRECTIONS:
        across = 0 if "west" in place else 21 if "east" in place else 10
        down = 0 if "north" in place else 31 if "south" in place else 15
        canvas = Image.new("RGB", (81, 71), "red")
        canvas.paste(picture, (across, down))
        wishes = {"mode": "pad", "width": 81, "height": 71, "gravity": place, "background": "red"}
        assert same(made_by(engine, tmp_path / "a.png", **wishes), canvas), place


@pytest.mark.parametrize(
    ("focal", "wishes", "left"),
    [
        ((0.5, 0.9), {}, 15),
        ((0, 0), {}, 0),
        ((0.4, 0), {}, 9),
        ((0.9, 1), {}, 30),
        ((0.9, 1), {"gravity": "west"}, 30),
        ((0.4, 0), {"flip": "horizontal"}, 60 - 30 - 9),
        ((0.4, 0), {"rotate": 180}, 60 - 30 - 9),
    ],
)
def test_a_crop_has_the_focal_point_in_the_middle_as_far_as_it_can(
    engine: Engine, focal: tuple[float, float], wishes: dict[str, Any], left: int, tmp_path: Path
) -> None:
    picture = draw(tmp_path / "a.png", (60, 40))
    reference = turned(picture, wishes.get("rotate", 0), wishes.get("flip")).crop((left, 0, left + 30, 40))
    made = made_by(engine, tmp_path / "a.png", mode="crop", width=30, height=40, focal=focal, **wishes)
    assert same(made, reference)


def test_the_focal_point_is_one_of_the_source_also_where_a_part_is_used(engine: Engine, tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png", (100, 40))
    wishes = {"region": (40, 0, 60, 40), "mode": "crop", "width": 20, "height": 40}
    assert same(made_by(engine, tmp_path / "a.png", focal=(0.6, 0.5), **wishes), picture.crop((50, 0, 70, 40)))
    assert same(made_by(engine, tmp_path / "a.png", focal=(0.1, 0.5), **wishes), picture.crop((40, 0, 60, 40)))


@pytest.mark.parametrize("gravity", ["attention", "entropy"])
@pytest.mark.parametrize("left", [10, 250])
def test_a_crop_finds_what_stands_out(gravity: str, left: int, tmp_path: Path) -> None:
    picture = Image.new("RGB", (300, 100), "#808080")
    picture.paste(draw(tmp_path / "b.png", (40, 40)), (left, 30))
    picture.save(tmp_path / "a.png")
    made = made_by(ENGINES["vips"](), tmp_path / "a.png", mode="crop", width=100, height=100, gravity=gravity)
    assert array(made.convert("L")).std() > 15
    centre = made_by(ENGINES["vips"](), tmp_path / "a.png", mode="crop", width=100, height=100)
    assert array(centre.convert("L")).std() < 1


def test_all_frames_of_an_animation_are_cropped_alike(make_app: MakeApp, static: Path) -> None:
    frames = []
    for left, grey in ((20, "#606060"), (120, "#808080"), (240, "#a0a0a0")):
        frame = Image.new("RGB", (300, 100), grey)
        frame.paste("red", (left, 30, left + 40, 70))
        frames.append(frame)
    frames[0].save(static / "a.webp", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    made = fetch(make_app(), "a.webp", mode="crop", width=100, height=100, gravity="attention", rotate=180)
    assert getattr(made, "n_frames", 1) == 3
    reds = []
    for number in range(3):
        made.seek(number)
        reds.append(int((array(made.convert("RGB"))[..., 1] < 60).sum()))
    assert reds[0] > 1000
    assert max(reds[1:]) < 1000


# The application says where the subject is


def test_the_focal_point_that_the_application_knows_stands_in_the_url(make_app: MakeApp, static: Path) -> None:
    draw(static / "a.png", (60, 40))
    app = make_app()
    images: Images = app.extensions["images"]
    crop = {"mode": "crop", "width": 30, "height": 40}
    assert "fp=" not in url_of(app, "a.png", **crop)
    asked = []

    @images.focal_point
    def subject(ref: str) -> tuple[float, float] | None:
        asked.append(ref)
        return (1 / 3, 0.5) if ref == "a.png" else None

    assert url_of(app, "a.png", **crop) == url_of(app, "a.png", focal="0.3333,0.5", **crop)
    assert url_of(app, "a.png", aspect="1:1", mode="crop") == url_of(
        app, "a.png", aspect="1:1", mode="crop", focal=(0.3333, 0.5)
    )
    assert "fp=" not in url_of(app, "b.png", **crop)
    assert asked == ["a.png", "a.png", "b.png"]
    for wishes in ({"width": 30}, {"width": 9, "height": 9}, {**crop, "gravity": "north"}, {**crop, "focal": "0,0"}):
        assert "fp=0.3333" not in url_of(app, "a.png", **wishes)
    assert len(asked) == 3
    with app.test_request_context():
        assert "fp=0.3333" in resized_img_tag("a.png", **crop)
    asked.clear()
    served = app.test_client().get(url_of(app, "a.png", focal="0.3333,0.5", **crop))
    assert served.status_code == 200
    assert asked == []


# Colours

FACTORS: list[dict[str, Any]] = [
    {"grayscale": True},
    {"saturation": 0},
    {"saturation": 2.5},
    {"saturation": 0.4},
    {"brightness": 0},
    {"brightness": 1.7},
    {"contrast": 0},
    {"contrast": 3},
    {"saturation": 1.5, "brightness": 0.8, "contrast": 1.3},
]


def as_css(
    values: Any, saturation: float = 1, brightness: float = 1, contrast: float = 1, grayscale: bool = False
) -> Any:
    """The filters of CSS (Filter Effects Module Level 1), one after the other, cut off once."""
    grey = values @ np.array([0.2126, 0.7152, 0.0722])
    values = grey[..., None] + (values - grey[..., None]) * (0 if grayscale else saturation)
    values = values * brightness
    values = (values - 127.5) * contrast + 127.5
    return values.clip(0, 255)


@pytest.mark.parametrize("wishes", FACTORS)
def test_colours_are_those_of_the_filters_of_css(engine: Engine, wishes: dict[str, Any], tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png")
    made = made_by(engine, tmp_path / "a.png", **wishes).convert("RGB")
    assert np.abs(array(made) - as_css(array(picture), **wishes)).max() <= 1.01


@pytest.mark.parametrize("wishes", FACTORS)
def test_the_colours_of_what_is_clear_or_grey_too(engine: Engine, wishes: dict[str, Any], tmp_path: Path) -> None:
    for mode in ("RGBA", "L", "LA"):
        picture = draw(tmp_path / f"{mode}.png", mode=mode) if mode != "LA" else None
        if picture is None:
            picture = draw(tmp_path / "x.png", mode="RGBA").convert("LA")
            picture.save(tmp_path / "LA.png")
        made = made_by(engine, tmp_path / f"{mode}.png", **wishes)
        if mode != "L":
            assert same(made.getchannel("A"), picture.getchannel("A"))
        opaque = picture.convert("RGBA").convert("RGB")
        assert np.abs(array(made.convert("RGBA").convert("RGB")) - as_css(array(opaque), **wishes)).max() <= 1.01


def test_the_background_stays_the_colour_that_was_asked_for(engine: Engine, tmp_path: Path) -> None:
    draw(tmp_path / "a.png", mode="RGBA")
    wishes = {"mode": "pad", "width": 90, "height": 60, "background": "#ff8800", "grayscale": True, "padding": 3}
    for format in ("png", "jpeg"):
        made = made_by(engine, tmp_path / "a.png", format=format, **wishes).convert("RGB")
        assert furthest(made.crop((0, 0, 8, 66)), Image.new("RGB", (8, 66), "#ff8800")) <= 3


# Blur


def blurred(values: Any, sigma: float) -> Any:
    """A Gaussian of 5 sigma, in both directions, where the picture goes on beyond its edges as it ends."""
    reach = int(5 * sigma) + 1
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        wide = np.pad(values, [(reach, reach) if a == axis else (0, 0) for a in range(values.ndim)], mode="edge")
        values = np.apply_along_axis(np.convolve, axis, wide, kernel, "valid")
    return values


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1, 2.5, 6, 30])
def test_a_blur_is_a_gaussian(engine: Engine, sigma: float, photograph: Path, tmp_path: Path) -> None:
    picture = whole(photograph / "a.png").resize((240, 160))
    picture.save(tmp_path / "a.png")
    made = array(made_by(engine, tmp_path / "a.png", blur=sigma))
    error = np.square(made - blurred(array(picture), sigma)).mean()
    assert 10 * np.log10(255**2 / error) >= 40


def test_the_colour_of_what_is_clear_does_not_bleed(engine: Engine, tmp_path: Path) -> None:
    picture = Image.new("RGBA", (60, 60), (0, 255, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 31, 60))
    picture.save(tmp_path / "a.png")
    for sigma in (1, 6):
        made = made_by(engine, tmp_path / "a.png", blur=sigma)
        assert in_front_of("black", made).getextrema()[1][1] <= 3
        alpha = blurred(array(picture.getchannel("A")), sigma)
        assert np.abs(array(made.getchannel("A")) - alpha).max() <= 5


# Around the canvas


def test_padding_is_added_around_the_result(engine: Engine, tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png")
    for text, edges in (("7", (7, 7, 7, 7)), ("1,2,3,4", (4, 1, 2, 3))):
        reference = ImageOps.expand(picture, edges, fill="#123456")
        assert same(made_by(engine, tmp_path / "a.png", padding=text, background="#123456"), reference)
    clear = made_by(engine, tmp_path / "a.png", padding=5, background="transparent")
    assert clear.getpixel((2, 2)) == (0, 0, 0, 0)
    assert same(clear.crop((5, 5, 66, 48)), picture)


def test_a_border_is_drawn_around_the_padding(engine: Engine, tmp_path: Path) -> None:
    for mode in ("RGB", "L"):
        picture = draw(tmp_path / "a.png", mode=mode).convert("RGB")
        reference = ImageOps.expand(ImageOps.expand(picture, 4, fill="white"), 3, fill="#ff8800")
        made = made_by(engine, tmp_path / "a.png", padding=4, border=(3, (255, 136, 0)), background="white")
        assert same(made, reference)


def disc(size: tuple[int, int], radius: int, inset: int = 0) -> Image.Image:
    """A mask with round corners, drawn 16 times as large."""
    large = Image.new("L", (16 * size[0], 16 * size[1]))
    box = (16 * inset, 16 * inset, 16 * (size[0] - inset) - 1, 16 * (size[1] - inset) - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, 16 * radius, fill=255)
    return large.resize(size, Image.Resampling.BOX)


@pytest.mark.parametrize("radius", [1, 2, 3, 7, 20, "max"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_corners_are_round_and_clear(engine: Engine, mode: str, radius: Any, tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png", mode=mode)
    made = made_by(engine, tmp_path / "a.png", radius=radius)
    mask = disc(picture.size, min(picture.size) // 2 if radius == "max" else radius)
    if mode == "RGBA":
        mask = ImageChops.multiply(mask, picture.getchannel("A"))
    assert furthest(made.getchannel("A"), mask) <= (64 if radius in (1, 2) else 32)
    assert np.abs(array(made.getchannel("A")) - array(mask)).mean() < 0.6
    assert same(made.convert("RGBA").convert("RGB"), picture.convert("RGBA").convert("RGB"))


def test_both_engines_draw_the_same_corners(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", (200, 150))
    for radius in (1, 5, 33, 75):
        one, other = (made_by(ENGINES[name](), tmp_path / "a.png", radius=radius) for name in ("vips", "pillow"))
        assert same(one, other)


def test_where_the_format_has_no_alpha_corners_are_of_the_background(engine: Engine, tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png")
    made = made_by(
        engine,
        tmp_path / "a.png",
        radius=15,
        background="#ff8800",
        format="bmp" if engine.name == "pillow" else "jpeg",
        quality=100,
    )
    reference = Image.composite(picture, Image.new("RGB", picture.size, "#ff8800"), disc(picture.size, 15))
    assert psnr(made, reference) >= 27
    assert furthest(made.crop((0, 0, 2, 2)), Image.new("RGB", (2, 2), "#ff8800")) <= 40


def test_a_border_follows_the_round_corner(engine: Engine, tmp_path: Path) -> None:
    Image.new("RGB", (80, 80), "#203040").save(tmp_path / "a.png")
    made = made_by(engine, tmp_path / "a.png", border="10,white", radius="max")
    assert made.size == (100, 100)
    inside = Image.composite(
        Image.new("RGB", (100, 100), "#203040"), Image.new("RGB", (100, 100), "white"), disc((100, 100), 40, 10)
    )
    inside.putalpha(disc((100, 100), 50))
    assert furthest(made.getchannel("A"), inside.getchannel("A")) <= 32
    assert psnr(made, inside) >= 38


# Watermarks


def laid_over(picture: Image.Image, mark: Image.Image, at: tuple[int, int], opacity: float) -> Image.Image:
    mark = mark.convert("RGBA")
    mark.putalpha(mark.getchannel("A").point(lambda value: round(value * opacity)))
    canvas = picture.convert("RGBA")
    canvas.alpha_composite(mark, at)
    return canvas if picture.mode == "RGBA" else canvas.convert("RGB")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("mark_mode", ["RGBA", "RGB", "L"])
def test_a_watermark_is_laid_over_the_picture(engine: Engine, mode: str, mark_mode: str, tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png", (100, 80), mode)
    mark = draw(tmp_path / "mark.png", (20, 10), mark_mode, seed=2)
    for place, at in (("se", (75, 65)), ("northwest", (5, 5)), ("c", (40, 35)), ("e", (75, 35))):
        for opacity in (1, 0.5):
            made = made_by(engine, tmp_path / "a.png", watermark=("mark.png", place, 5, opacity))
            reference = laid_over(picture.convert("RGB") if mode == "L" else picture, mark, at, opacity)
            assert psnr(made, reference) >= 46, (place, opacity)


def test_a_watermark_takes_its_share_of_the_width_and_no_more_than_it_has(engine: Engine, tmp_path: Path) -> None:
    Image.new("RGB", (100, 80), "white").save(tmp_path / "a.png")
    for size, expected in (((10, 6), (10, 6)), ((400, 200), (25, 12)), ((10, 4000), (1, 80)), ((4000, 1), (25, 1))):
        Image.new("RGB", size, "black").save(tmp_path / "mark.png")
        made = made_by(engine, tmp_path / "a.png", watermark="mark.png,nw,0")
        dark = ImageOps.invert(made.convert("L")).point(lambda value: 255 * (value > 128)).getbbox()
        assert dark == (0, 0, *expected) or size == (10, 4000)
        assert made.size == (100, 80)
    assert made_by(engine, tmp_path / "a.png", watermark="mark.png,se,90,1,1", width=3).size == (3, 2)


def test_a_changed_watermark_is_another_rendition_and_another_url(make_app: MakeApp, static: Path) -> None:
    draw(static / "a.png", (100, 80))
    draw(static / "mark.png", (20, 10))
    for name in ("a.png", "mark.png"):
        os.utime(static / name, (1_600_000_000, 1_600_000_000))
    app = make_app(IMAGES_FRONT_DOOR=True)
    client = app.test_client()
    url = url_of(app, "a.png", watermark="mark.png")
    first = client.get(url)
    again = client.get(url)
    assert first.data == again.data
    assert re.search(r"[?&]v=[\w-]+\.[\w-]+&", url)
    assert "immutable" in first.headers["Cache-Control"]

    draw(static / "mark.png", (20, 10), seed=5)
    os.utime(static / "mark.png", (1_500_000_000, 1_500_000_000))
    assert client.get(url).data != first.data
    assert "immutable" not in client.get(url).headers["Cache-Control"]
    assert url_of(app, "a.png", watermark="mark.png") != url


@pytest.mark.parametrize(
    "name", ["missing.png", "../secret.png", "/etc/passwd", "http://127.0.0.1/a.png", "%2e%2e/secret.png"]
)
@pytest.mark.parametrize("setting", ["auto", "pillow"])
def test_a_watermark_lies_below_the_path_or_there_is_none(
    make_app: MakeApp, static: Path, setting: str, name: str, caplog: Any
) -> None:
    draw(static / "a.png")
    draw(static.parent / "secret.png")
    app = make_app(IMAGES_ENGINE=setting)
    assert app.test_client().get(url_of(app, "a.png", watermark=name)).status_code == 404
    assert "as a watermark" in caplog.text


@pytest.mark.parametrize("setting", ["auto", "pillow"])
def test_a_watermark_that_is_no_picture_or_too_large_answers_422(
    make_app: MakeApp, static: Path, setting: str, tmp_path: Path
) -> None:
    draw(static / "a.png")
    (static / "text.png").write_text("no picture")
    data = (static / "a.png").read_bytes()
    (static / "cut.png").write_bytes(data[: len(data) // 2])
    Image.new("L", (400, 400)).save(static / "large.png")
    app = make_app(IMAGES_ENGINE=setting, IMAGES_MAX_SOURCE_PIXELS=100_000)
    for name in ("text.png", "cut.png", "large.png"):
        assert app.test_client().get(url_of(app, "a.png", watermark=name)).status_code == 422, name
    assert cached_files(tmp_path / "cache") == []


# Over HTTP


@pytest.mark.parametrize("setting", ["auto", "pillow"])
@pytest.mark.parametrize(
    ("wishes", "status"),
    [
        ({"region": (0, 0, 64, 48)}, 200),
        ({"region": (0, 0, 65, 48)}, 400),
        ({"region": (0, 0, 48, 64), "rotate": 90}, 200),
        ({"region": (0, 0, 64, 48), "rotate": 90}, 400),
        ({"region": (0.5, 0, 0.6, 1)}, 400),
        ({"aspect": "1:1", "width": 9, "height": 9}, 400),
        ({"rotate": 45}, 200),  # ignored, because it only changes the look
        ({"padding": 300}, 422),
        ({"border": 300}, 422),
        ({"width": 200, "enlarge": True, "dpr": 4}, 422),
        ({"width": 200, "enlarge": True, "dpr": 2}, 200),
    ],
)
def test_what_is_asked_for_is_checked_and_within_the_limits(
    make_app: MakeApp, draw: Any, wishes: dict[str, Any], status: int, setting: str, tmp_path: Path
) -> None:
    draw("a.png")
    app = make_app(IMAGES_ENGINE=setting, IMAGES_MAX_WIDTH=500, IMAGES_MAX_HEIGHT=500)
    assert app.test_client().get(url_of(app, "a.png", **wishes)).status_code == status
    with app.test_request_context():
        resized_img_tag("a.png", **wishes)
    assert len(cached_files(tmp_path / "cache")) == (status == 200)


@pytest.mark.parametrize("setting", ["auto", "pillow"])
def test_all_at_once_comes_out_at_the_size_that_the_tag_says(make_app: MakeApp, static: Path, setting: str) -> None:
    shutil.copy2(PHOTOGRAPHS / "coffee.jpg", static)
    shutil.copy2(PHOTOGRAPHS / "cup.png", static)
    app = make_app(IMAGES_ENGINE=setting)
    wishes: dict[str, Any] = {
        "rotate": 90,
        "flip": "vertical",
        "region": (0.1, 0.1, 0.8, 0.8),
        "trim": 3,
        "aspect": "3:2",
        "width": 120,
        "mode": "crop",
        "focal": (0.2, 0.7),
        "dpr": 1.5,
        "saturation": 0.5,
        "brightness": 1.1,
        "contrast": 1.2,
        "blur": 0.7,
        "sharpen": "1,100,0",
        "watermark": "cup.png,nw,4,0.5,0.3",
        "padding": 6,
        "border": "2,red",
        "radius": 20,
        "background": "white",
        "format": "webp",
    }
    with app.app_context():
        size = resized_img_size("coffee.jpg", **wishes)
    assert size is not None
    assert fetch(app, "coffee.jpg", **wishes).size == (size.width, size.height) == (180 + 24, 120 + 24)


def test_a_transform_takes_the_turned_part(make_app: MakeApp, static: Path) -> None:
    picture = draw(static / "a.png", (60, 40))
    made = fetch(
        make_app(), "a.png", rotate=90, region=(0, 0, 40, 30), transform="EXTENT,0,0,50%,0,100%,100%", padding=2
    )
    whole = picture.rotate(-90, expand=True).crop((0, 0, 40, 30))
    reference = whole.transform((40, 30), Image.Transform.EXTENT, (20, 0, 40, 30), Image.Resampling.BILINEAR)
    assert same(made, ImageOps.expand(reference, 2))


def test_hidpi_doubles_all_that_is_in_pixels(make_app: MakeApp, draw: Any) -> None:
    draw("a.png", (64, 48))
    app = make_app()
    wishes: dict[str, Any] = {"width": 20, "height": 20, "mode": "crop", "padding": 3, "radius": 4}
    with app.test_request_context():
        once, twice = resized_img_attrs("a.png", **wishes), resized_img_attrs("a.png", hidpi=2, **wishes)
        src = resized_img_src("a.png", **wishes, dpr=2.0, quality=60)
    assert (once["width"], twice["width"], twice["height"]) == (26, 26, 26)
    assert twice["src"] == src
    assert fetch(app, "a.png", **wishes, dpr=2).size == (52, 52)


def test_the_size_of_a_source_that_is_not_here_yet_is_the_one_of_the_whole(app: Flask) -> None:
    with app.test_request_context():
        wishes: dict[str, Any] = {"width": 30, "aspect": "3:2", "mode": "crop", "dpr": 2, "padding": 1, "border": 3}
        attributes = resized_img_attrs("https://example.com/a.jpg", **wishes)
    assert (attributes["width"], attributes["height"]) == (60 + 16, 40 + 16)


def test_images_of_pil_are_resized_with_all_of_it(app: Flask, tmp_path: Path) -> None:
    images: Images = app.extensions["images"]
    picture = bordered(tmp_path / "a.png")
    assert images.resize(picture, trim=True, rotate=90, padding=1).size == (32, 42)
