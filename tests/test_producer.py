"""A producer opens sources, has renderers render them with the first engine that can, and counts the time together."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import all_renderers_taken
from flask import Flask
from PIL import Image

from flask_images_vips.errors import Busy, LimitExceeded, UnreadableSource
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options
from flask_images_vips.pool.outcome import Budget, Done
from flask_images_vips.producer import Producer
from flask_images_vips.rendering.result import Result
from flask_images_vips.rendition import Rendition
from flask_images_vips.state import images_of


def producer_of(app: Flask) -> Producer:
    return images_of(app).pipeline.producer


def rendition(app_or_path: Path, format: str = "png", **options: Any) -> Rendition:
    from flask_images_vips.sources.local import LocalSources

    source = LocalSources([str(app_or_path.parent)]).find(app_or_path.name)
    return Rendition(source, Options(**options), by_name(format))


def test_a_render_returns_one_file_and_its_size(app: Flask, draw: Any) -> None:
    made = producer_of(app).render(rendition(draw("a.png", (64, 48)), width=32), time.monotonic())
    (data,) = made.files
    assert Image.open(io.BytesIO(data)).size == made.size == (32, 24)


def test_without_a_free_renderer_it_is_busy(make_app: Any, draw: Any) -> None:
    app = make_app(IMAGES_MAX_RENDERS=1, IMAGES_LOCK_TIMEOUT=0.1)
    wanted = rendition(draw("a.png", (64, 48)), width=32)
    producer_of(app).render(wanted, time.monotonic())
    with all_renderers_taken(app), pytest.raises(Busy):
        producer_of(app).render(wanted, time.monotonic())
    producer_of(app).render(wanted, time.monotonic())


def test_a_render_that_fails_keeps_no_turn(make_app: Any, static: Path, draw: Any) -> None:
    producer = producer_of(make_app(IMAGES_MAX_RENDERS=1))
    (static / "a.png").write_bytes(b"no picture")
    for _ in range(3):
        with pytest.raises(UnreadableSource, match=r"a\.png"):
            producer.render(rendition(static / "a.png"), time.monotonic())
    assert producer.render(rendition(draw("b.png")), time.monotonic()).files


def test_what_the_first_engine_cannot_write_the_next_one_does(app: Flask, draw: Any) -> None:
    pytest.importorskip("pyvips")
    producer, path = producer_of(app), draw("a.png", (64, 48))
    assert producer.render(rendition(path), time.monotonic()).by == "vips"
    assert producer.render(rendition(path, "bmp"), time.monotonic()).by == "pillow"


def test_a_plan_beyond_a_limit_is_refused(make_app: Any, draw: Any) -> None:
    producer = producer_of(make_app(IMAGES_MAX_WIDTH=10))
    with pytest.raises(LimitExceeded, match="IMAGES_MAX_WIDTH"):
        producer.render(rendition(draw("a.png", (64, 48)), width=11), time.monotonic())


def test_the_seconds_of_all_work_for_a_rendition_are_counted_together(
    make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(IMAGES_RENDER_TIMEOUT=10)
    limits: list[float] = []

    def run(*of: Any, budget: Budget, **more: Any) -> Done:
        limits.append(budget.left)
        budget.spent += 6
        return Done(Result("vips", [b""]), seconds=6)

    monkeypatch.setattr(producer_of(app).renderers, "run", run)
    wanted, one = rendition(draw("a.png")), producer_of(app).once()
    for _ in range(2):
        one.render(wanted, time.monotonic())
    with pytest.raises(LimitExceeded, match="IMAGES_RENDER_TIMEOUT"):
        one.render(wanted, time.monotonic())
    producer_of(app).once().render(wanted, time.monotonic())
    assert limits == [10, 4, 10]


def test_a_wait_for_a_renderer_is_no_render_time(make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(IMAGES_RENDER_TIMEOUT=0.05)

    def run(*of: Any, **more: Any) -> Done:
        time.sleep(0.1)  # in the queue
        raise UnreadableSource("a.png", "broken")

    monkeypatch.setattr(producer_of(app).renderers, "run", run)
    wanted, one = rendition(draw("a.png")), producer_of(app).once()
    for _ in range(2):
        with pytest.raises(UnreadableSource):
            one.render(wanted, time.monotonic())
