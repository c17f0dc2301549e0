"""A job does one piece of work with open files, and says what did it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from flask_images_vips.config.keys import Config
from flask_images_vips.engines.choice import Engines
from flask_images_vips.engines.engine import Header
from flask_images_vips.errors import InvalidOption, LimitExceeded, UnreadableSource
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Box, Size
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.rendering.job import Job
from flask_images_vips.rendering.placeholders import KINDS, is_valid
from flask_images_vips.rendering.quality import Deadline
from flask_images_vips.rendering.request import Request, Work, settings_of
from flask_images_vips.rendering.result import Result


def run(
    work: Work,
    path: Path,
    *,
    options: tuple[Options, ...] = (),
    format: str = "png",
    config: dict[str, Any],
    **more: Any,
) -> Result:
    settings = Config(**{"engine": "pillow", **config})
    request = Request(
        work=work, settings=settings_of(settings), options=options, format=by_name(format), suffix=".png", **more
    )
    with path.open("rb") as file:
        return Job(request, [file.fileno()], settings, Engines(settings), Deadline(10)).run()


def test_a_rendition_of_an_open_file(draw: Any) -> None:
    result = run(Work.RENDER, draw("a.png", (64, 48)), options=(Options(width=32),), config={})
    assert (result.by, result.size) == ("pillow", (32, 24))
    assert result.files[0].startswith(b"\x89PNG")


def test_the_header_of_an_open_file(draw: Any) -> None:
    header = run(Work.HEADER, draw("a.png", (64, 48)), config={}).header
    assert header is not None
    assert (header.size, header.format) == ((64, 48), "png")


def test_a_trim_is_found_in_the_same_job_and_told(draw: Any, static: Path) -> None:
    picture = Image.new("RGB", (40, 30), "white")
    picture.paste("black", (10, 5, 30, 25))
    picture.save(static / "a.png")
    options = Options(trim=10)
    result = run(Work.RENDER, static / "a.png", options=(options,), config={})
    assert (result.box, result.size) == (Box(10, 5, 20, 20), (20, 20))
    whole = Box(0, 0, 40, 30)
    assert run(Work.TRIM, static / "a.png", region=whole, threshold=10, config={}).box == result.box


def test_several_renditions_of_one_decode_come_in_the_order_asked_for(draw: Any) -> None:
    sizes = (100, 200, 50)
    members = tuple(Options(width=width) for width in sizes)
    result = run(Work.SET, draw("a.jpg", (640, 480)), options=members, format="jpeg", config={"engine": "vips"})
    assert [Image.open(io.BytesIO(file)).width for file in result.files] == list(sizes)


def test_a_rendition_and_copies_of_an_open_file(draw: Any) -> None:
    sizes = (Size(320, 240), Size(160, 120))
    path = draw("a.jpg", (640, 480))
    more = {"options": (Options(width=150),), "format": "webp", "sizes": sizes, "copy_format": "tiff"}
    result = run(Work.REDUCE, path, config={"engine": "vips"}, **more)
    made = [Image.open(io.BytesIO(file)) for file in result.files]
    assert [(each.format, each.width) for each in made] == [("WEBP", 150), ("TIFF", 320), ("TIFF", 160)]
    assert result.size == made[0].size
    with pytest.raises(UnreadableSource):
        run(Work.REDUCE, path, config={}, **more)


def test_placeholders_are_made_on_the_way(draw: Any, tmp_path: Path) -> None:
    path, small = draw("a.jpg", (640, 480)), (Size(320, 240),)
    more: dict[str, Any] = {"format": "jpeg", "placeholders": KINDS, "config": {"engine": "vips"}}
    each, two = (Options(width=100),), (Options(width=100), Options(width=50))
    made = [run(Work.RENDER, path, options=each, **more), run(Work.SET, path, options=two, **more)]
    made += [run(Work.REDUCE, path, options=each, sizes=small, copy_format="tiff", **more)]
    (tmp_path / "a.tif").write_bytes(made[-1].files[0])
    made += [run(Work.COPY, tmp_path / "a.tif", options=each, header=Header(Size(640, 480), "jpeg"), **more)]
    for result in made:
        assert tuple(result.placeholders) == KINDS
        assert all(is_valid(kind, text) for kind, text in result.placeholders.items())
    assert run(Work.RENDER, path, options=(Options(width=9),), **more).placeholders == {}
    assert run(Work.RENDER, path, options=each, **{**more, "placeholders": ()}).placeholders == {}


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_an_animation_that_stays_one_makes_none(engine: str, static: Path) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    frames[0].save(static / "a.gif", save_all=True, append_images=frames[1:])
    more: dict[str, Any] = {"placeholders": ["color"], "config": {"engine": engine}}
    for format, found in (("gif", {}), ("png", {"color": "#ff0000"})):
        result = run(Work.RENDER, static / "a.gif", options=(Options(width=40),), format=format, **more)
        assert result.placeholders == found


def test_a_broken_file_is_an_error_of_the_source_which_has_no_other_name(static: Path) -> None:
    (static / "a.png").write_bytes(b"no picture")
    with pytest.raises(UnreadableSource, match="'source'"):
        run(Work.RENDER, static / "a.png", options=(Options(),), config={})


def test_limits_and_options_are_checked_before_pixels_are_made(draw: Any) -> None:
    path = draw("a.png", (64, 48))
    with pytest.raises(LimitExceeded):
        run(Work.RENDER, path, options=(Options(),), config={"max_source_pixels": 64 * 48 - 1})
    with pytest.raises(InvalidOption):
        run(Work.RENDER, path, options=(Options.parse({"w": "5", "h": "5", "m": "crop", "g": "entropy"}),), config={})


@pytest.mark.parametrize("work", [Work.RENDER, Work.HEADER, Work.TRIM])
@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_a_file_of_too_many_parts_is_refused_before_a_decoder_reads_it(
    work: Work, engine: str, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw("a.jpg")
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xfe\0\2" * 500 + data[2:])
    monkeypatch.setattr(f"flask_images_vips.engines.{engine}.reader.Reader.open", None)
    details = {"region": Box(0, 0, 9, 9), "threshold": 1} if work is Work.TRIM else {}
    with pytest.raises(LimitExceeded, match="segments"):
        run(work, path, options=(Options(width=32),), config={"engine": engine}, **details)


def test_so_is_a_watermark(draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    picture, mark = draw("a.png"), draw("mark.jpg")
    data = mark.read_bytes()
    mark.write_bytes(data[:2] + b"\xff\xfe\0\2" * 500 + data[2:])
    settings = Config(engine="pillow")
    options = Options.parse(write_query({"width": 20, "watermark": "mark.jpg"}))
    request = Request(
        work=Work.RENDER, settings=settings_of(settings), options=(options,), format=by_name("png"), suffix=".png"
    )
    with picture.open("rb") as file, mark.open("rb") as other, pytest.raises(LimitExceeded, match="segments"):
        Job(request, [file.fileno(), other.fileno()], settings, Engines(settings), Deadline(10)).run()
