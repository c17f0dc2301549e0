"""Fixtures for the tests of caches in front."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cdn.api import Api, Planned
from flask_images_vips.cdn import http


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Api]]:
    """A function that starts an API with planned answers. Nobody waits before a request is tried again."""
    monkeypatch.setattr(http.time, "sleep", lambda seconds: None)
    made: list[Api] = []

    def start(*plan: Planned) -> Api:
        made.append(Api(*plan))
        return made[-1]

    yield start
    for each in made:
        each.close()
