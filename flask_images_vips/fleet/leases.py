"""Hold things in Redis for a short time, which one thread of each process renews while they are needed.

If a process dies, nobody renews its leases, so they end by themselves. Only the clock of Redis counts.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from ..cache.per_process import PerProcess, ProcessThread
from ..errors import WaitedTooLong
from .connection import RedisConnection, RedisFailed
from .listener import Listener

LEASE_SECONDS = 5.0
"""How long a process that died keeps others waiting. A slow Redis, or a busy host, must not end a lease by mistake."""

_CHANNEL = "released"
"""The channel on which the name of each lease is published that was released and that somebody waits for."""

_RENEWALS = 3.3  # per lease, so that two of them may fail
_POLL_SECONDS = 0.2  # how often to look while no messages are heard
_MARGIN_SECONDS = 0.01  # after the end of a lease, it is free for certain
_MOST_UNRELEASED = 1000


class Scripts(NamedTuple):
    """Take, renew and release a kind of lease: scripts in Lua, which get the keys and arguments of the lease.

    ``ARGV`` has the length of the lease in milliseconds, a token of its holder, the channel for its release, and its
    name; the other arguments of the lease follow. *take* returns 0 if the lease is taken, and otherwise how many
    milliseconds to wait for a message before the next attempt. *renew* takes the lease again if Redis has lost it.
    """

    take: str
    renew: str
    release: str


class Lease(NamedTuple):
    """A lease that others may wait for by *name*."""

    name: str
    scripts: Scripts
    keys: tuple[str, ...]
    arguments: tuple[str | int, ...]


class Leases:
    """Takes, renews and releases leases of this process, each for *seconds*, and waits for those of others.

    *listener* tells when one is released. A message may be lost, so the end of a lease ends a wait, too.
    """

    def __init__(self, connection: RedisConnection, listener: Listener, seconds: float = LEASE_SECONDS) -> None:
        self.seconds = seconds
        self._connection = connection
        self._listener = listener
        self._process: PerProcess[_Process] = PerProcess(_Process)
        self._thread = ProcessThread("flask-images-vips-leases", self._work)
        listener.hear(_CHANNEL, lambda name: self._process.get().waiters.wake(name.decode("utf-8", "replace")))
        listener.on_connect(self._wake_all)
        connection.on_failure(self._wake_all)

    def lease(self, name: str, scripts: Scripts, keys: Sequence[str], *arguments: str | int) -> Lease:
        """Return a new lease, which nobody else holds. *keys* are without the prefix of this site."""
        key = self._connection.key
        return Lease(name, scripts, tuple(map(key, keys)), (secrets.token_hex(8), key(_CHANNEL), name, *arguments))

    def take(self, lease: Lease, until: float, needless: Callable[[], bool] = lambda: False) -> bool:
        """Take *lease*, wait for it until a monotonic time, and return whether it is taken.

        It is not if Redis is away, or if *needless* returns True after a wait.

        Raises:
            WaitedTooLong: If somebody else holds it for too long.
        """
        if self._connection.is_away:
            return False
        mine = self._process.get()
        with mine.waiters.registered(lease.name) as woken:
            while True:
                woken.clear()  # a message from now on ends the wait
                try:
                    left_ms = self._connection.run(partial(self._run, lease, lease.scripts.take))
                except RedisFailed:
                    self._release_later(mine, lease)  # Redis may have taken it nevertheless
                    return False
                if not left_ms:
                    self._keep(mine, lease)
                    return True
                left = until - time.monotonic()
                if left <= 0:
                    raise WaitedTooLong(f"another host holds {lease.name}")
                self._listener.start()
                pause = left_ms / 1000 + _MARGIN_SECONDS if self._listener.is_connected else _POLL_SECONDS
                woken.wait(min(left, pause))
                if needless():
                    return False

    def release(self, lease: Lease) -> None:
        """Release *lease*, and tell those who wait for it. If Redis fails, this is done as soon as it is back."""
        mine = self._process.get()
        with mine.lock:
            mine.held.discard(lease)
        try:
            self._connection.run(partial(self._run, lease, lease.scripts.release))
        except RedisFailed:
            self._release_later(mine, lease)

    def _wake_all(self) -> None:
        self._process.get().waiters.wake_all()

    def _keep(self, mine: _Process, lease: Lease) -> None:
        with mine.lock:
            mine.held.add(lease)
        self._wake_thread(mine)

    def _release_later(self, mine: _Process, lease: Lease) -> None:
        """Let the thread release *lease*."""
        with mine.lock:
            if len(mine.unreleased) < _MOST_UNRELEASED:
                mine.unreleased.add(lease)
        self._wake_thread(mine)

    def _wake_thread(self, mine: _Process) -> None:
        mine.is_needed.set()
        self._thread.start()  # if that is impossible now, the leases end by themselves

    def _work(self) -> None:
        mine = self._process.get()
        while True:
            mine.is_needed.wait()
            time.sleep(self.seconds / _RENEWALS)
            with suppress(RedisFailed):
                self._renew(mine)

    def _renew(self, mine: _Process) -> None:
        """Renew what this process holds, and release what could not be released.

        Raises:
            RedisFailed: If Redis fails. The next call does the same.
        """
        with mine.lock:
            held, unreleased = set(mine.held), set(mine.unreleased)
            if not held and not unreleased:
                mine.is_needed.clear()
                return
        steps = [(lease, lease.scripts.renew) for lease in held]
        steps += [(lease, lease.scripts.release) for lease in unreleased]
        self._connection.run(partial(self._run_all, steps))
        with mine.lock:
            mine.unreleased -= unreleased
            mine.unreleased |= held - mine.held  # released meanwhile: renewing may have taken it again

    def _run_all(self, steps: Collection[tuple[Lease, str]], client: Any) -> None:
        with client.pipeline(transaction=False) as pipeline:
            for lease, script in steps:
                self._run(lease, script, pipeline)
            pipeline.execute()

    def _run(self, lease: Lease, script: str, client: Any) -> Any:
        """Run *script* by *client*, which may also be a pipeline."""
        return client.eval(script, len(lease.keys), *lease.keys, int(1000 * self.seconds), *lease.arguments)


class _Process:
    """The leases of one process. *unreleased* are to be released: Redis failed, but may have taken them before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: set[Lease] = set()
        self.unreleased: set[Lease] = set()
        self.is_needed = threading.Event()
        self.waiters = _Waiters()


class _Waiters:
    """The threads of one process that wait, by the name that they wait for, in the order of their arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, deque[threading.Event]] = {}

    @contextmanager
    def registered(self, name: str) -> Iterator[threading.Event]:
        """Yield an event that is set when it is this thread's turn to try again. The next one is woken afterwards."""
        event = threading.Event()
        with self._lock:
            self._events.setdefault(name, deque()).append(event)
        try:
            yield event
        finally:
            with self._lock:
                self._events[name].remove(event)
                if not self._events[name]:
                    del self._events[name]
            self.wake(name)

    def wake(self, name: str) -> None:
        with self._lock:
            events = self._events.get(name)
            if events:
                events[0].set()

    def wake_all(self) -> None:
        with self._lock:
            for events in self._events.values():
                for event in events:
                    event.set()
