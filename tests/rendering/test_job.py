"""A job is run by its engine, and says what rendered it at which size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.engines.engine import Header
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.errors import UnreadableSource
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Size, lay_out
from flask_images_vips.options.options import Options
from flask_images_vips.rendering.job import Job
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.source import Source


def job(path: Path, size: Size, frames: int = 1, **options: Any) -> Job:
    status = path.stat()
    source = Source(path.name, str(path.parent), str(path), status.st_size, status.st_mtime_ns)
    rendition = Rendition(source, Options(**options), by_name("png"))
    return Job(PillowEngine(), rendition, Header(size, "png", frames), frames, lay_out(size, rendition.options))


def test_a_job_counts_the_pixels_of_all_its_frames(draw: Any) -> None:
    assert job(draw("a.png", (64, 48)), Size(64, 48), frames=3).pixels == 3 * 64 * 48


def test_a_job_renders_from_an_open_file(draw: Any) -> None:
    path = draw("a.png", (64, 48))
    with path.open("rb") as file:
        rendered = job(path, Size(64, 48), width=32).run(file.fileno())
    assert (rendered.by, rendered.geometry.final) == ("pillow", (32, 24))
    assert rendered.data.startswith(b"\x89PNG")


def test_a_broken_file_is_an_error_of_its_source(static: Path) -> None:
    path = static / "a.png"
    path.write_bytes(b"no picture")
    with path.open("rb") as file, pytest.raises(UnreadableSource, match=r"a\.png"):
        job(path, Size(64, 48)).run(file.fileno())
    assert os.path.exists(path)
