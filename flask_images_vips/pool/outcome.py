"""Define how long a request may take, and how it may end, in a renderer or in the thread."""

from __future__ import annotations

from typing import NamedTuple

from ..engines.engine import overtime
from ..rendering.result import Result


class Budget:
    """The *seconds* that renders may take for one rendition, all of its requests together. Waiting does not count."""

    def __init__(self, seconds: float) -> None:
        self.limit = seconds
        self.spent = 0.0

    @property
    def left(self) -> float:
        return self.limit - self.spent

    def check(self) -> None:
        """Raise `LimitExceeded` if nothing is left."""
        if self.left <= 0:
            raise overtime(self.spent, self.limit)


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
