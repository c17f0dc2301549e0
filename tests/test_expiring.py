"""What happened a moment ago is forgotten in time, and takes bounded memory."""

from __future__ import annotations

import pytest

from flask_images_vips.expiring import Expiring


def test_it_is_known_for_so_many_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("flask_images_vips.expiring.time.monotonic", lambda: now)
    expiring: Expiring[str] = Expiring()
    assert expiring.get("a") is None
    expiring.add("a", "first", 10)
    now = 109.9
    assert expiring.get("a") == "first"
    expiring.add("a", "second", 10)
    now = 110.1
    assert expiring.get("a") == "second"
    now = 120.0
    assert expiring.get("a") is None


def test_it_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.expiring._REMEMBERED", 5)
    expiring: Expiring[int] = Expiring()
    for number in range(12):
        expiring.add(number, number, 10)
        assert expiring.get(number) == number
    assert sum(expiring.get(number) is not None for number in range(12)) <= 5
