"""The gain map of an Ultra HDR JPEG is cut, scaled and turned like its picture, which stays as it was without it."""

from __future__ import annotations

import io
import json
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fetch, share, url_of
from engines.test_colour import display_p3_profile, srgb_profile
from engines.test_engine import exif, psnr, stored
from flask import Flask
from PIL import Image

from flask_images_vips.config.keys import Config
from flask_images_vips.engines.choice import Engines
from flask_images_vips.engines.vips import abilities
from flask_images_vips.engines.vips.load import pyvips
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.rendering.gain_map import obstacle
from flask_images_vips.rendering.job import Job
from flask_images_vips.rendering.quality import Deadline
from flask_images_vips.rendering.request import Request, Work, settings_of
from flask_images_vips.rendering.result import Result
from rendering.ultra_hdr_files import DATA, MAP_SIZE, SIZE, coordinates, jpeg, map_in, ramp, taken_apart, ultra_hdr

CASES = 300


@pytest.fixture(params=["vips", "pillow"])
def by(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(ultra_hdr(coordinates(SIZE), ramp(MAP_SIZE)))
    return path


def render(path: Path, by: str, format: str = "jpeg", *, auto_orient: bool = True, **wishes: Any) -> Result:
    config = Config(engine=by, auto_orient=auto_orient)
    options = (Options.parse(write_query(wishes)),)
    request = Request(
        work=Work.RENDER, settings=settings_of(config), options=options, format=by_name(format), suffix=".jpg"
    )
    with path.open("rb") as file:
        return Job(request, [file.fileno()], config, Engines(config), Deadline(10)).run()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def off_by(picture: Image.Image, gain_map: Image.Image, *, down: bool) -> float:
    """How many of its pixels the map is off, at most, but for one pixel in a hundred.

    *picture*, from `coordinates`, and the map, from `ramp`, both say where each of their pixels was in the source.
    """
    there = np.asarray(picture.convert("RGB").resize(gain_map.size, Image.Resampling.BOX), float)[..., int(down)]
    levels = np.abs(there - np.asarray(gain_map.convert("L"), float))
    return float(np.percentile(levels, 99)) / 255 * MAP_SIZE[int(down)]


def wishes_of(chance: random.Random) -> dict[str, Any]:
    wishes: dict[str, Any] = {"mode": chance.choice(["fit", "crop", "reshape"]), "width": chance.randint(24, 300)}
    left, top = chance.uniform(0, 0.5), chance.uniform(0, 0.5)
    more = {
        "height": chance.randint(24, 200),
        "rotate": chance.choice([90, 180, 270]),
        "flip": chance.choice(["h", "v", "hv"]),
        "focal": (chance.random(), chance.random()),
        "gravity": chance.choice(["n", "se", "w"]),
        "region": (left, top, chance.uniform(0.3, 1 - left), chance.uniform(0.3, 1 - top)),
        "enlarge": True,
        "dpr": 1.5,
    }
    return wishes | {name: value for name, value in more.items() if chance.random() < 0.4}


def test_the_map_shows_the_same_part_as_the_picture_to_a_pixel_of_the_map(tmp_path: Path) -> None:
    """Over the modes, turns, focal points, gravities, regions, and all orientations of EXIF."""
    chance, path = random.Random(7), tmp_path / "a.jpg"
    for case in range(share(CASES)):
        orientation, down, wishes = case % 8 + 1, chance.random() < 0.5, wishes_of(chance)
        picture, gain_map = coordinates(SIZE), ramp(MAP_SIZE, down=down)
        path.write_bytes(ultra_hdr(stored(picture, orientation), stored(gain_map, orientation), exif=exif(orientation)))
        engine = chance.choice(["vips", "pillow"])
        made, found, data = taken_apart(render(path, engine, keep="gainmap", **wishes).files[0], tmp_path)
        assert data == DATA
        assert max(found.size) <= max(MAP_SIZE)
        exact = opened(render(path, engine, "png", **wishes).files[0])
        assert made.size == exact.size
        assert off_by(exact, found, down=down) < 1.1, wishes


@pytest.mark.parametrize("wishes", [{"width": 100}, {"width": 90, "height": 90, "mode": "crop"}, {"rotate": 90}, {}])
def test_the_picture_is_the_one_without_the_map_to_the_bit(by: str, wishes: Any, source: Path, tmp_path: Path) -> None:
    plain = render(source, by, **wishes).files[0]
    kept = render(source, by, keep="gainmap", **wishes).files[0]
    picture, _, _ = taken_apart(kept, tmp_path)
    assert np.array_equal(np.asarray(picture), np.asarray(opened(plain)))
    start = plain.index(b"\xff\xdb")  # the tables and the pixels, which follow after the metadata
    assert plain[start:] in kept


def test_a_smart_crop_takes_the_same_part_of_both(tmp_path: Path) -> None:
    picture = coordinates(SIZE)
    picture.paste((255, 0, 0), (200, 60, 230, 90))
    (tmp_path / "a.jpg").write_bytes(ultra_hdr(picture, ramp(MAP_SIZE)))
    wishes: Any = {"width": 80, "height": 80, "mode": "crop", "gravity": "attention"}
    made, gain_map, _ = taken_apart(render(tmp_path / "a.jpg", "vips", keep="gainmap", **wishes).files[0], tmp_path)
    assert np.array_equal(np.asarray(made), np.asarray(opened(render(tmp_path / "a.jpg", "vips", **wishes).files[0])))
    left = np.asarray(gain_map.convert("L"), float)[:, 0].mean() / 255 * SIZE[0]
    assert left > 60  # not the middle, which begins at 48 pixels


def test_without_auto_orient_both_stay_as_they_are_stored(by: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(ultra_hdr(coordinates(SIZE), ramp(MAP_SIZE), exif=exif(6)))
    made, gain_map, _ = taken_apart(render(path, by, keep="gainmap", auto_orient=False).files[0], tmp_path)
    assert (made.size, gain_map.size) == (SIZE, MAP_SIZE)
    assert off_by(made, gain_map, down=False) < 1


@pytest.mark.parametrize(
    ("wishes", "format", "why"),
    [
        ({"blur": 2}, "jpeg", "the map does not fit a picture with blur"),
        ({"flip": "h", "grayscale": True}, "jpeg", "the map does not fit a picture with saturation"),
        ({"padding": 4}, "jpeg", "the map does not fit a picture with padding"),
        ({"radius": 4}, "jpeg", "the map does not fit a picture with radius"),
        ({"border": "2,red"}, "jpeg", "the map does not fit a picture with border"),
        ({"width": 50, "height": 50, "mode": "pad"}, "jpeg", "the map does not fit a picture on a background"),
        ({"transform": "EXTENT,0,0,10%,10%,90%,90%"}, "jpeg", "the map does not fit a picture with transform"),
        ({}, "webp", "gain maps are written into JPEG only, not webp"),
        ({}, "avif", "gain maps are written into JPEG only, not avif"),
    ],
)
def test_a_rendition_that_cannot_have_the_map_goes_without_and_says_why(
    wishes: Any, format: str, why: str, source: Path
) -> None:
    made = render(source, "auto", format, keep="gainmap", **wishes)
    assert made.unkept == why
    assert made.files[0] == render(source, "auto", format, **wishes).files[0]
    assert (obstacle(Options.parse(write_query(wishes)), by_name(format)) == why) == ("background" not in why)


def test_a_sharpened_or_padded_picture_that_fills_its_canvas_has_the_map(source: Path) -> None:
    for wishes in ({"sharpen": "1,100,2"}, {"width": 128, "height": 80, "mode": "pad"}, {"trim": 5}):
        assert render(source, "pillow", keep="gainmap", **wishes).unkept == ""


def test_a_picture_without_a_map_is_rendered_as_ever(by: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(coordinates(SIZE)))
    coordinates(SIZE).save(tmp_path / "a.png")
    for name in ("a.jpg", "a.png"):
        made = render(tmp_path / name, by, keep="gainmap", width=50)
        assert (made.files[0], made.unkept) == (render(tmp_path / name, by, width=50).files[0], "")


def test_gains_of_single_colours_need_the_colour_space_of_the_picture(tmp_path: Path) -> None:
    """A map in grey is the same in each of them."""
    colours = Image.merge("RGB", (ramp(MAP_SIZE), ramp(MAP_SIZE, down=True), ramp(MAP_SIZE)))
    for gain_map, profile, keep, kept in (
        (colours, display_p3_profile(), "gainmap", False),
        (colours, display_p3_profile(), "icc,gainmap", True),
        (colours, srgb_profile(), "gainmap", True),
        (ramp(MAP_SIZE), display_p3_profile(), "gainmap", True),
    ):
        (tmp_path / "a.jpg").write_bytes(ultra_hdr(coordinates(SIZE), gain_map, icc_profile=profile))
        made = render(tmp_path / "a.jpg", "pillow", keep=keep, width=64)
        assert ("keep='icc,gainmap'" in made.unkept) is not kept
        if kept:
            assert taken_apart(made.files[0], tmp_path)[1].mode == gain_map.mode


@pytest.mark.parametrize("broken", ["cut off", "no JPEG", "large"])
def test_a_broken_map_is_left_out(broken: str, source: Path) -> None:
    whole, size = source.read_bytes(), len(source.read_bytes())
    found = map_in(source)
    assert found is not None
    if broken == "cut off":
        source.write_bytes(whole[: found.start + found.size // 2].ljust(size, b"\0"))
    elif broken == "no JPEG":
        source.write_bytes(whole[: found.start] + b"\0" * found.size)
    else:
        source.write_bytes(ultra_hdr(coordinates((64, 40)), ramp((65, 40))))
    made = render(source, "pillow", keep="gainmap", width=50)
    assert made.files[0] == render(source, "pillow", width=50).files[0]
    assert ("it" in made.unkept) == (broken != "no JPEG")


def test_the_limit_of_bytes_is_for_picture_and_map_together(source: Path) -> None:
    whole = len(render(source, "pillow", keep="gainmap").files[0])
    assert len(render(source, "pillow", keep="gainmap", max_bytes=whole - 300).files[0]) <= whole - 300


def test_a_reader_of_libultrahdr_sees_the_light_of_the_source(by: str, tmp_path: Path) -> None:
    """In linear light, where 1 is white, and the brightest of the source are at 4."""
    if abilities.version() < (8, 18) or not abilities.has_operation("uhdrload_buffer"):
        pytest.skip(f"libvips {abilities.version_name()} does not read Ultra HDR")
    light = np.full((160, 256, 3), 0.2, np.float32)
    light[40:100, 100:200] = 4.0
    light[..., 1] *= 0.8
    path = tmp_path / "a.jpg"
    path.write_bytes(pyvips.Image.new_from_array(light, interpretation="scrgb").uhdrsave_buffer())
    for wishes, box in (
        ({"width": 128}, (0, 0, 256, 160)),
        ({"width": 60, "height": 60, "mode": "crop", "gravity": "e"}, (96, 0, 256, 160)),
    ):
        data = render(path, by, keep="gainmap", **wishes).files[0]
        seen = pyvips.Image.uhdrload_buffer(data).uhdr2scRGB().numpy()
        left, top, right, bottom = box
        wanted = pyvips.Image.new_from_array(light, interpretation="scrgb").crop(left, top, right - left, bottom - top)
        wanted = wanted.resize(seen.shape[1] / wanted.width).numpy()
        stops = np.abs(np.log2(np.clip(seen, 0.05, 8)) - np.log2(np.clip(wanted, 0.05, 8)))
        assert np.median(stops) < 0.1
        assert seen[..., 0].max() > 3.5


def test_the_log_says_why_a_map_was_left_out(
    make_app: Callable[..., Flask], static: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (static / "a.jpg").write_bytes(ultra_hdr(coordinates(SIZE), ramp(MAP_SIZE)))
    caplog.set_level(logging.INFO, "flask_images_vips")
    fetch(make_app(), "a.jpg", width=50, blur=1, keep="gainmap")
    assert "without its gain map: the map does not fit a picture with blur" in caplog.text


def test_a_renderer_keeps_the_map_too(make_app: Callable[..., Flask], static: Path, tmp_path: Path) -> None:
    (static / "a.jpg").write_bytes(ultra_hdr(coordinates(SIZE), ramp(MAP_SIZE)))
    app = make_app()
    data = app.test_client().get(url_of(app, "a.jpg", width=100, keep="gainmap")).data
    _, gain_map, made = taken_apart(data, tmp_path)
    assert (gain_map.size, made) == ((25, 16), DATA)
    assert psnr(gain_map.convert("RGB"), ramp((25, 16)).convert("RGB")) > 35


def test_why_it_was_left_out_reaches_the_web_worker() -> None:
    from flask_images_vips.pool.wire import result_from_json, result_to_json

    fields = json.loads(json.dumps(result_to_json(Result(by="vips", unkept="the reason"))))
    assert result_from_json(fields, []).unkept == "the reason"
