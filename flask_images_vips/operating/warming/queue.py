"""Hand out tasks to several threads, so that no two of them work on the same source at the same time.

Two threads that render one source would both decode it, before one of them could make a copy for the other.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Task(Protocol):
    """Something to do with the source *ref*."""

    @property
    def ref(self) -> str: ...


T = TypeVar("T", bound=Task)


class Queue(Generic[T]):
    """Hands out *tasks* in their order, as far as their sources are free."""

    def __init__(self, tasks: Iterable[T]) -> None:
        self._waiting: dict[str, deque[tuple[int, T]]] = {}
        for number, task in enumerate(tasks):
            self._waiting.setdefault(task.ref, deque()).append((number, task))
        self._free = [(queue[0][0], ref) for ref, queue in self._waiting.items()]
        heapq.heapify(self._free)
        self._changed = threading.Condition()
        self._stopped = False

    def take(self) -> T | None:
        """Return the next task. Waits while the sources of all tasks are taken. None if there is nothing left to do."""
        with self._changed:
            while not self._free and self._waiting and not self._stopped:
                self._changed.wait()
            if self._stopped or not self._free:
                return None
            _, ref = heapq.heappop(self._free)
            return self._waiting[ref].popleft()[1]

    def release(self, task: T) -> None:
        """Say that *task* is done, so that the next task with its source is handed out."""
        with self._changed:
            queue = self._waiting[task.ref]
            if queue:
                heapq.heappush(self._free, (queue[0][0], task.ref))
            else:
                del self._waiting[task.ref]
            self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
