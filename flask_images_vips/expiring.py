"""Define a small in-memory cache whose values expire."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

_REMEMBERED = 4096


class Expiring(Generic[T]):
    """Keeps values by key in this process, each for a number of seconds. When it is full, all values are dropped."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, T]] = {}

    def add(self, key: Hashable, value: T, seconds: float) -> None:
        if len(self._kept) >= _REMEMBERED:
            self.clear()
        self._kept[key] = time.monotonic() + seconds, value

    def discard(self, key: Hashable) -> None:
        self._kept.pop(key, None)

    def clear(self) -> None:
        self._kept.clear()

    def get(self, key: Hashable) -> T | None:
        end, value = self._kept.get(key, (0.0, None))
        return value if time.monotonic() < end else None

    def __contains__(self, key: Hashable) -> bool:
        return self.get(key) is not None
