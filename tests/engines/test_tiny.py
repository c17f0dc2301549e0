"""While an engine renders, it also makes the tiny picture of the whole source that placeholders are drawn from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient
from PIL import Image

from engines.test_colour import display_p3_profile
from engines.test_engine import exif, psnr, stored
from flask_images_vips.engines.engine import Engine, Tiny
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Geometry, Size, lay_out
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.rendering import placeholders
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.local import LocalSources

SIDES = Size(600, 400)


def empty(source: Size = SIDES, kinds: Any = placeholders.KINDS) -> Tiny:
    return placeholders.empty(source, kinds)


def rendered(engine: Engine, path: Path, tiny: Tiny | None, size: Size = SIDES, **wishes: Any) -> bytes:
    options = Options.parse(write_query(wishes))
    format = by_name(wishes.get("format", "png"))
    rendition = Rendition(LocalSources([str(path.parent)]).find(path.name), options, format)
    with rendition.source.open() as descriptor:
        return engine.render(descriptor, rendition, lay_out(size, options), 1, tiny)


def shown(tiny: Tiny, size: Size = SIDES, colour: Any = gradient) -> bool:
    """Whether *tiny* shows the gradient, in both of its forms."""
    whole = colour(size)
    pixels = Image.frombytes("RGBA", tiny.size, tiny.rgba)
    encoded = Image.open(io.BytesIO(tiny.webp))
    assert (encoded.format, encoded.size) == ("WEBP", tiny.half)
    assert pixels.getchannel("A").getextrema() == (255, 255)
    close = psnr(pixels.convert("RGB"), whole.resize(tiny.size)), psnr(encoded.convert("RGB"), whole.resize(tiny.half))
    return close[0] > 35 and close[1] > 25


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"width": 90},
        {"width": 90, "height": 90, "mode": "crop"},
        {"width": 90, "height": 90, "mode": "crop", "gravity": "east"},
        {"width": 90, "height": 90},
        {"width": 90, "height": 90, "mode": "pad", "background": "red"},
        {"width": 90, "rotate": 90},
        {"width": 90, "flip": "h"},
        {"width": 90, "grayscale": True},
        {"width": 90, "brightness": 2, "padding": 9, "border": "5,red", "radius": 40},
        {"width": 90, "quality": 5, "format": "jpeg"},
    ],
    ids=str,
)
def test_it_shows_the_whole_source_as_it_is(engine: Engine, wishes: dict[str, Any], tmp_path: Path) -> None:
    gradient(SIDES).save(tmp_path / "a.png")
    tiny = empty()
    assert tiny.size == (32, 21)
    made = rendered(engine, tmp_path / "a.png", tiny, **wishes)
    assert shown(tiny)
    assert made == rendered(engine, tmp_path / "a.png", None, **wishes)


@pytest.mark.parametrize(
    "wishes",
    [
        {"region": (0, 0, 300, 400)},
        {"width": 31},
        {"width": 32, "height": 9},
    ],
    ids=str,
)
def test_it_stays_empty_where_the_whole_is_not_seen(engine: Engine, wishes: dict[str, Any], tmp_path: Path) -> None:
    gradient(SIDES).save(tmp_path / "a.png")
    tiny = empty()
    rendered(engine, tmp_path / "a.png", tiny, **wishes)
    assert tiny == empty()


def test_only_what_is_wanted_is_made(engine: Engine, tmp_path: Path) -> None:
    gradient(SIDES).save(tmp_path / "a.png")
    for kinds, found in ((["lqip"], (False, True)), (["color"], (True, False)), (["blurhash", "lqip"], (True, True))):
        tiny = empty(SIDES, kinds)
        rendered(engine, tmp_path / "a.png", tiny, width=90)
        assert (bool(tiny.rgba), bool(tiny.webp)) == found


def test_it_is_upright(engine: Engine, tmp_path: Path) -> None:
    upright = Size(400, 600)
    stored(gradient(upright), 6).save(tmp_path / "a.png", exif=exif(6))
    tiny = empty(upright)
    rendered(engine, tmp_path / "a.png", tiny, upright, width=100)
    assert tiny.size == (21, 32)
    assert shown(tiny, upright)


def test_it_is_in_srgb_although_the_rendition_keeps_its_profile(engine: Engine, tmp_path: Path) -> None:
    Image.new("RGB", SIDES, (200, 60, 40)).save(tmp_path / "a.png", icc_profile=display_p3_profile())
    tinies = empty(), empty()
    rendered(engine, tmp_path / "a.png", tinies[0], width=90)
    rendered(engine, tmp_path / "a.png", tinies[1], width=90, keep="icc")
    assert tinies[0].rgba[:3] == tinies[1].rgba[:3] != bytes((200, 60, 40))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_it_has_four_bands_of_any_picture(engine: Engine, mode: str, tmp_path: Path) -> None:
    gradient(SIDES).convert(mode).save(tmp_path / "a.png")
    tiny = empty()
    rendered(engine, tmp_path / "a.png", tiny, width=90)
    assert len(tiny.rgba) == 4 * tiny.size.pixels
    assert tiny.webp


def test_a_clear_part_stays_clear_although_the_rendition_has_a_background(engine: Engine, tmp_path: Path) -> None:
    picture = gradient(SIDES).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 300, 400))
    picture.save(tmp_path / "a.png")
    tiny = empty()
    rendered(engine, tmp_path / "a.png", tiny, width=90, format="jpeg")
    assert (tiny.rgba[3], tiny.rgba[4 * 31 + 3]) == (0, 255)


def test_a_picture_of_very_many_pixels_is_not_held_for_it(engine: Engine, tmp_path: Path) -> None:
    size = Size(2001, 2000)
    Image.new("L", size).save(tmp_path / "a.png")
    tiny = empty(size)
    rendered(engine, tmp_path / "a.png", tiny, size)
    assert tiny == empty(size)


def test_sets_and_copies_make_it_too(tmp_path: Path) -> None:
    gradient(SIDES).save(tmp_path / "a.png")
    rendition = Rendition(LocalSources([str(tmp_path)]).find("a.png"), Options(), by_name("jpeg"))
    sizes = [Size(300, 200), Size(150, 100)]
    engine, tinies = VipsEngine(), [empty() for _ in range(3)]
    with rendition.source.open() as descriptor:
        engine.render_set(descriptor, [(rendition, Geometry(size, size)) for size in sizes], tinies[0])
        shown_at = Geometry(Size(60, 40), Size(60, 40))
        with engine.reduced(descriptor, rendition, shown_at, sizes, "tiff", tinies[1]) as (copies, render):
            render(rendition)
    (tmp_path / "a.tif").write_bytes(copies[1])
    with (tmp_path / "a.tif").open("rb") as copy:
        engine.render_copy(copy.fileno(), rendition, shown_at, tinies[2])
    assert all(map(shown, tinies))
