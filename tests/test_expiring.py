"""What happened a moment ago is forgotten in time, and takes bounded memory."""

from __future__ import annotations

import pytest

from flask_images_vips.expiring import Recent


def test_it_is_known_for_so_many_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("flask_images_vips.expiring.time.monotonic", lambda: now)
    recent: Recent[str] = Recent(10)
    assert recent.get("a") is None
    recent.add("a", "first")
    now = 109.9
    assert recent.get("a") == "first"
    recent.add("a", "second")
    now = 110.1
    assert recent.get("a") == "second"
    now = 120.0
    assert recent.get("a") is None


def test_it_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.expiring._REMEMBERED", 5)
    recent: Recent[int] = Recent(10)
    for number in range(12):
        recent.add(number, number)
        assert recent.get(number) == number
    assert sum(recent.get(number) is not None for number in range(12)) <= 5
