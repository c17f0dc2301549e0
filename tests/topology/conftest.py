"""Fixtures of the tests of several hosts."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder for the disks of hosts. Its path is short, because the sockets of renderers are below it."""
    with tempfile.TemporaryDirectory(prefix="fleet-", ignore_cleanup_errors=True) as name:
        path = Path(name).resolve()
        path.chmod(0o755)  # workers of nginx are another user
        yield path


@pytest.fixture
def disks() -> Iterator[Path]:
    with short_folder() as path:
        yield path
