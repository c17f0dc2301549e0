"""What happened a moment ago? Remembered for some seconds, so that it need not happen again at once."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

_REMEMBERED = 4096


class Recent(Generic[T]):
    """Values by key, each for *seconds*, in this process."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[Hashable, tuple[float, T]] = {}

    def add(self, key: Hashable, value: T) -> None:
        if len(self._kept) >= _REMEMBERED:
            self.clear()
        self._kept[key] = time.monotonic() + self._seconds, value

    def clear(self) -> None:
        self._kept.clear()

    def get(self, key: Hashable) -> T | None:
        end, value = self._kept.get(key, (0.0, None))
        return value if time.monotonic() < end else None
