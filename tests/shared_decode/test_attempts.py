"""A step that shares a decode costs nothing but itself where it fails, and is left out for a while then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch, url_of
from flask import Flask
from PIL import Image

from flask_images_vips.errors import Busy, UnreadableSource
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options
from flask_images_vips.rendition import Rendition
from flask_images_vips.shared_decode.attempts import SharedDecode, SharedDecodes
from shared_decode.test_copies import pipeline_of

pytest.importorskip("pyvips")
pytestmark = pytest.mark.usefixtures("cheap_copies")

LARGE = (2900, 1500)
Draw = Callable[..., Path]


def share(app: Flask, name: str, format: str = "jpeg", **options: Any) -> SharedDecode | None:
    pipeline = pipeline_of(app)
    assert isinstance(pipeline.shared, SharedDecodes)
    rendition = Rendition(pipeline.sources.local.find(name), Options(**options), by_name(format))
    return pipeline.shared.of(rendition, pipeline.producer)


def engine_of(app: Flask) -> Any:
    """The engine of an application that renders in this process."""
    return next(iter(pipeline_of(app).producer.renderers.thread.engines))


def test_what_needs_the_source_itself_shares_nothing(app: Flask, draw: Draw) -> None:
    draw("a.jpg")
    assert share(app, "a.jpg", width=20) is not None
    assert share(app, "a.jpg", trim=10) is None
    assert share(app, "a.jpg", cache=False) is None


def test_an_engine_that_cannot_share_is_not_asked_to(make_app: Any, draw: Draw) -> None:
    draw("a.jpg")
    assert share(make_app(IMAGES_ENGINE="pillow"), "a.jpg", width=20) is None
    assert share(make_app(), "a.jpg", "bmp", width=20) is None


@pytest.mark.parametrize("content", [b"no picture", b""])
def test_what_is_wrong_with_the_source_is_raised_as_by_the_render(app: Flask, static: Path, content: bytes) -> None:
    (static / "a.jpg").write_bytes(content)
    with pytest.raises(UnreadableSource):
        share(app, "a.jpg", width=20)
    assert app.test_client().get(url_of(app, "a.jpg", width=20)).status_code == 422


def test_copies_that_fail_are_not_tried_again_for_each_rendition(
    make_app: Any, draw: Draw, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(IMAGES_MAX_RENDERS=0)
    draw("large.jpg", LARGE)
    engine, tries = engine_of(app), []

    def fail(*of: Any) -> list[bytes]:
        tries.append(of)
        raise UnreadableSource("large.jpg", "for a test")

    monkeypatch.setattr(engine, "reduced", fail)
    with caplog.at_level(logging.INFO, "flask_images_vips"):
        for width in (100, 200, 300, 400):
            assert fetch(app, "large.jpg", width=width).width == width
    assert len(tries) == 1
    assert "could not make the copies of 'large.jpg'" in caplog.text


def test_a_host_that_is_busy_is_no_failure_of_the_copies(
    make_app: Any, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(IMAGES_MAX_RENDERS=0)
    draw("large.jpg", LARGE)
    fetch(app, "large.jpg", width=100)
    engine = engine_of(app)
    reduced = engine.reduced

    def busy(*of: Any) -> list[bytes]:
        raise Busy("for a test")

    monkeypatch.setattr(engine, "reduced", busy)
    assert app.test_client().get(url_of(app, "large.jpg", width=200)).status_code in (200, 503)
    monkeypatch.setattr(engine, "reduced", reduced)
    with app.app_context():
        assert share(app, "large.jpg", width=300) is not None
    assert isinstance(fetch(app, "large.jpg", width=300), Image.Image)
    assert len(list(Path(pipeline_of(app).shared.copies.store.folder).rglob("*-1024"))) == 1  # type: ignore[union-attr]
