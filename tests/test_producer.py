"""A producer renders on a slot of the host, with the first engine that can, and keeps the slot for its caller."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from flask_images_vips.cache.slots import AT_ONCE
from flask_images_vips.errors import Busy, LimitExceeded, UnreadableSource
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options
from flask_images_vips.producer import Producer
from flask_images_vips.rendition import Rendition
from flask_images_vips.state import images_of


@pytest.fixture
def producer(make_app: Any) -> Producer:
    return producer_of(make_app(IMAGES_MAX_RENDERS=1))


def producer_of(app: Flask) -> Producer:
    return images_of(app).pipeline.producer


def rendition(app_or_path: Path, format: str = "png", **options: Any) -> Rendition:
    from flask_images_vips.sources.local import LocalSources

    source = LocalSources([str(app_or_path.parent)]).find(app_or_path.name)
    return Rendition(source, Options(**options), by_name(format))


def test_a_slot_stays_taken_until_its_keeper_closes(producer: Producer, draw: Any) -> None:
    wanted = rendition(draw("a.png", (64, 48)), width=32)
    with ExitStack() as slot:
        made = producer.render(wanted, AT_ONCE, slot)
        assert Image.open(io.BytesIO(made.data)).size == made.geometry.final == (32, 24)
        with pytest.raises(Busy), ExitStack() as another:
            producer.render(wanted, AT_ONCE, another)
    with ExitStack() as slot:
        producer.render(wanted, AT_ONCE, slot)


def test_a_render_that_fails_keeps_no_slot(producer: Producer, static: Path) -> None:
    (static / "a.png").write_bytes(b"no picture")
    with ExitStack() as slot:
        for _ in range(3):
            with pytest.raises(UnreadableSource):
                producer.render(rendition(static / "a.png"), AT_ONCE, slot)
        with producer.slots.hold(1, AT_ONCE):
            pass


def test_what_the_first_engine_cannot_write_the_next_one_does(make_app: Any, draw: Any) -> None:
    pytest.importorskip("pyvips")
    producer, path = producer_of(make_app()), draw("a.png", (64, 48))
    with ExitStack() as slot:
        assert producer.render(rendition(path), AT_ONCE, slot).by == "vips"
        assert producer.render(rendition(path, "bmp"), AT_ONCE, slot).by == "pillow"


def test_a_plan_beyond_a_limit_is_refused_before_a_slot_is_taken(make_app: Any, draw: Any) -> None:
    producer = producer_of(make_app(IMAGES_MAX_WIDTH=10, IMAGES_MAX_RENDERS=1))
    with (
        producer.slots.hold(1, AT_ONCE),
        ExitStack() as slot,
        pytest.raises(LimitExceeded, match="IMAGES_MAX_WIDTH"),
    ):
        producer.render(rendition(draw("a.png", (64, 48)), width=11), AT_ONCE, slot)
