"""Share pictures with planted metadata among the tests of rights."""

from __future__ import annotations

from pathlib import Path

import pytest

from rights.samples import plant


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A picture of each format, with rights and with forty fields that must not get out."""
    return plant(tmp_path_factory.mktemp("planted"))
