"""What the tests of pages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask


@pytest.fixture
def page(app: Flask, draw: Any) -> Iterator[Flask]:
    """A request of an application that has pictures of several sizes; clear.png is transparent."""
    draw("a.png", (64, 48))
    draw("wide.jpg", (1600, 800))
    draw("small.png", (64, 48))
    draw("clear.png", (64, 48), "RGBA")
    with app.test_request_context():
        yield app
