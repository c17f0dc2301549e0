"""Share the fixture of a right set-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from operating.checking.ground import Ground


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    return Ground(tmp_path, monkeypatch)
