"""Both engines refuse JPEGs that lack pixels where warnings count, whatever their sampling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import gradient
from headers.containers import saved
from headers.jpegs import KINDS, jpeg, without

from engines.test_engine import render
from flask_images_vips.engines.engine import Engine
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.errors import UnreadableSource

ENGINES: list[Callable[..., Engine]] = [VipsEngine, PillowEngine]
engines = pytest.mark.parametrize("engine", ENGINES)


def is_refused(engine: Engine, path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    try:
        render(engine, path, width=20, format="png")
    except UnreadableSource:
        return True
    return False


@engines
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_lacks_pixels_is_refused(engine: Callable[..., Engine], kind: str, tmp_path: Path) -> None:
    data, strict = jpeg(kind), engine(fail_on="warning")
    answers = {count: is_refused(strict, tmp_path / "a.jpg", without(data, count)) for count in (0, 2, 20, 400)}
    assert answers == {0: False, 2: True, 20: True, 400: True}


@engines
@pytest.mark.parametrize("height", [1, 7, 8, 9, 16, 17, 120])
def test_the_height_does_not_matter(engine: Callable[..., Engine], height: int, tmp_path: Path) -> None:
    for kind in ("baseline, 4:4:4", "baseline, 4:2:2", "baseline, 4:2:0", "baseline, grey"):
        data, strict = jpeg(kind, (160, height)), engine(fail_on="warning")
        assert [is_refused(strict, tmp_path / "a.jpg", without(data, count)) for count in (0, 20)] == [False, True]


@engines
def test_pixels_that_are_missing_before_a_restart_count_as_well(engine: Callable[..., Engine], tmp_path: Path) -> None:
    data = jpeg("with restarts, 4:2:0")
    at = data.rindex(b"\xff\xd1")
    assert is_refused(engine(fail_on="warning"), tmp_path / "a.jpg", data[: at - 20] + data[at:])


@engines
def test_the_default_shows_what_there_is(engine: Callable[..., Engine], tmp_path: Path) -> None:
    assert not is_refused(engine(), tmp_path / "a.jpg", without(jpeg("baseline, 4:4:4"), 20))


@engines
def test_what_stands_behind_the_end_and_what_only_lacks_it_is_shown(
    engine: Callable[..., Engine], tmp_path: Path
) -> None:
    data, strict = jpeg("baseline, 4:4:4"), engine(fail_on="warning")
    for harmless in (data + b"a video", data[:-2], saved(gradient((1, 1)), "JPEG")):
        assert not is_refused(strict, tmp_path / "a.jpg", harmless)
