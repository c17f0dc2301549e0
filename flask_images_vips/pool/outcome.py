"""Define how a request may end, in a renderer or in the thread."""

from __future__ import annotations

from typing import NamedTuple

from ..rendering.job import Result


class Done(NamedTuple):
    """A result, the seconds since its turn came, its CPU seconds, and the peak memory of the renderer in bytes."""

    result: Result
    seconds: float
    cpu_seconds: float = 0.0
    peak_bytes: int = 0


class NoPool(Exception):
    """Renderers cannot be started. The message says why."""


class Crashed(Exception):
    """Two renderers died while they ran the same request. The file may have changed meanwhile, or may be an attack."""
