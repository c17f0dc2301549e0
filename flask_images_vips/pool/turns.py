"""Let one thread of a process work at a time, in the order in which the threads have asked."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from ..cache.per_process import PerProcess
from ..errors import Busy, WaitedTooLong


class _Process:
    """The threads of one process that ask for a turn. The first one in the queue has it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.queue: deque[object] = deque()


class Turns:
    """Gives each process one turn at a time. A thread waits for it for at most *timeout* seconds."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._process = PerProcess(_Process)

    def waiting(self) -> int:
        """Return how many threads of this process wait for their turn."""
        return max(0, len(self._process.get().queue) - 1)

    @contextmanager
    def take(self, since: float, *, yields: bool = False) -> Iterator[None]:
        """Hold the turn for the block. The timeout counts from the monotonic time *since*.

        With *yields*, take the turn only if no other thread holds it or waits for it.

        Raises:
            Busy: If the turn does not come in time, or with *yields* at once.
        """
        here, ticket = self._process.get(), object()
        with here.changed:
            if yields and here.queue:
                raise Busy(f"{len(here.queue)} renders already run or wait in this process")
            here.queue.append(ticket)
        try:
            with here.changed:
                while here.queue[0] is not ticket:
                    if not here.changed.wait(since + self.timeout - time.monotonic()):
                        waited = f"waited {self.timeout:g} s for other renders of this process"
                        raise WaitedTooLong(f"{waited} (IMAGES_LOCK_TIMEOUT)")
            yield
        finally:
            with here.changed:
                here.queue.remove(ticket)
                here.changed.notify_all()
