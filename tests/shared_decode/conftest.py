"""Fixtures of several test files."""

from __future__ import annotations

import pytest

from flask_images_vips.shared_decode import prices


@pytest.fixture
def cheap_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make copies also of JPEGs that are quickly drawn, and so quickly decoded that a copy would not pay off."""
    monkeypatch.setattr(prices, "_EXPECTED", 100)
