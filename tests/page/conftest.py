"""What the tests of pages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_images_vips.rendering.placeholders import KINDS
from flask_images_vips.state import images_of


@pytest.fixture
def with_placeholders(page: Flask) -> Flask:
    """`page`, after the placeholders of its pictures were made."""
    pipeline = images_of(page).pipeline
    for name in ("wide.jpg", "clear.png"):
        for kind in KINDS:
            pipeline.placeholder(pipeline.sources.here(name), kind)
    return page


@pytest.fixture
def page(app: Flask, draw: Any) -> Iterator[Flask]:
    """A request of an application that has pictures of several sizes; clear.png is transparent."""
    draw("a.png", (64, 48))
    draw("wide.jpg", (1600, 800))
    draw("small.png", (64, 48))
    draw("clear.png", (64, 48), "RGBA")
    with app.test_request_context():
        yield app
