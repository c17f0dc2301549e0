"""Fork renderers, replace them, and exit when no process needs them any more.

The nursery is a process with a single thread. It imports the engines and never renders, so a fork of it is ready to
render at once. It imports only the preferred engine before the first fork, because the first picture waits for it.
Renderers that lack the rest exit after a second without work.

Web workers hold leases: open connections on which they state how many renderers they want, and ask how a renderer died.
The docstring of this package describes the whole life of a pool.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from . import wire
from .renderer import GROWN, IDLE, serve, set_process_name
from .wire import FIRST_DESCRIPTOR, LISTENERS

logger = logging.getLogger("flask_images_vips")

_CROWD_SECONDS = 0.005  # that an idle renderer has to accept a connection before another renderer is forked
_QUIET_SECONDS = 0.2  # without an event, before the nursery imports what the first pictures did not need
_FAILED = 1  # exit code of a renderer after an error outside of a request
_EARLY_SECONDS = 1.0  # like *idle_seconds*, for a renderer that was forked before all libraries were imported
_LEAST_PRIORITY = 19
_MAX_FAILURES = 3  # then the pool ends, because renderers cannot run here
_NO_FORK_SECONDS = 0.05  # to wait after a fork failed
_DYING_SECONDS = 0.02  # for the kernel to end a process after its signal
_ENDING_SECONDS = 0.5  # after SIGKILL, which a process that waits for a disk obeys only afterwards
_REMEMBERED = 256


class Death(NamedTuple):
    """How a renderer ended: its *status*, as ``os.waitpid`` returns it, and its peak memory."""

    status: int
    peak_bytes: int


@dataclass(slots=True)
class _Lease:
    connection: socket.socket
    wanted: int = 0


@dataclass(slots=True)
class _Crew:
    """The renderers of one *listener*. With *yields*, they get only the time of processors that nobody else wants."""

    listener: socket.socket
    yields: bool = False
    watched: bool = False
    renderers: set[int] = field(default_factory=set)


class Nursery:
    """The renderers of one pool: those of visitors, and at most one for background work.

    *engines* imports another engine at each step. *paths* are those of the listeners. If another pool replaces this
    one, they have other inodes than *inodes*. *lock* is the file that is locked during a start. A renderer exits after
    *idle_seconds* without work, and the nursery *grace_seconds* after the end of the last lease.
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        engines: Iterator[object],
        *,
        paths: list[str],
        inodes: list[int],
        lock: str,
        idle_seconds: float,
        grace_seconds: float,
    ) -> None:
        visitors, background, self.leases = listeners
        self.crews = _Crew(visitors), _Crew(background, yields=True)
        self.engines: Iterator[object] | None = engines
        self.paths = paths
        self.inodes = inodes
        self.lock = lock
        self.idle_seconds = idle_seconds
        self.grace_seconds = grace_seconds
        self._leases: dict[int, _Lease] = {}
        self._deaths: dict[int, Death] = {}
        self._alone_since = time.monotonic()
        self._poll = select.epoll()
        self._life = os.pipe()  # closes when this process ends, so that the renderers exit too
        self._woken, wake = os.pipe()
        for descriptor in (self._woken, wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.leases.setblocking(False)
        for readable in (self.leases.fileno(), self._woken):
            self._poll.register(readable, select.EPOLLIN)
        self._failures = 0

    def run(self) -> None:
        """Work until no process has needed the pool for some seconds."""
        while True:
            for crew in self.crews:
                self._watch(crew)
            patience = None if self._leases else max(0.0, self._alone_since + self.grace_seconds - time.monotonic())
            events = self._poll.poll(patience if self.engines is None else _QUIET_SECONDS)
            if not events and self.engines is not None and next(self.engines, None) is None:
                self.engines = None
            for descriptor, _ in events:
                if descriptor == self.leases.fileno():
                    self._lease()
                elif descriptor == self._woken:
                    self._reap()
                elif descriptor in self._leases:
                    self._listen(self._leases[descriptor])
                else:
                    self._enlarge(next(crew for crew in self.crews if crew.listener.fileno() == descriptor))
            over = not self._leases and time.monotonic() >= self._alone_since + self.grace_seconds
            if (over or self._failures >= _MAX_FAILURES) and self._has_ended():
                return

    @property
    def wanted(self) -> int:
        """The largest number of renderers that a process wants. It is 1 as long as none has stated a number."""
        return max((lease.wanted for lease in self._leases.values()), default=0) or 1

    def _has_room(self, crew: _Crew) -> bool:
        return len(crew.renderers) < (1 if crew.yields else self.wanted)

    def _watch(self, crew: _Crew) -> None:
        """Start or stop watching for connections that no renderer of *crew* accepts."""
        wanted = self._has_room(crew)
        if wanted and not crew.watched:
            self._poll.register(crew.listener.fileno(), select.EPOLLIN)
        elif crew.watched and not wanted:
            self._poll.unregister(crew.listener.fileno())
        crew.watched = wanted

    def _enlarge(self, crew: _Crew) -> None:
        """Fork a renderer if a connection waits although idle renderers had the time to accept it."""
        if crew.renderers:
            time.sleep(_CROWD_SECONDS)
        if self._has_room(crew) and select.select([crew.listener], [], [], 0)[0]:
            self._fork(crew)

    def _fork(self, crew: _Crew) -> None:
        try:
            pid = os.fork()
        except OSError:  # too many processes, or no memory
            self._failures += not crew.renderers  # if others run, requests wait for them
            time.sleep(_NO_FORK_SECONDS)
            return
        if not pid:
            code = _FAILED
            try:
                code = self._become_renderer(crew)
            except Exception:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        crew.renderers.add(pid)

    def _become_renderer(self, crew: _Crew) -> int:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        life = self._life[0]
        kept = {0, 1, 2, crew.listener.fileno(), life}
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            if descriptor not in kept:
                with suppress(OSError):
                    os.close(descriptor)
        if crew.yields:
            os.nice(_LEAST_PRIORITY)
        idle_seconds = self.idle_seconds if self.engines is None else min(self.idle_seconds, _EARLY_SECONDS)
        return serve(crew.listener, life, idle_seconds)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            crew = self._crew_of(pid)
            if crew is not None:
                crew.renderers.discard(pid)
            if len(self._deaths) >= _REMEMBERED:
                del self._deaths[next(iter(self._deaths))]
            self._deaths[pid] = Death(status, used.ru_maxrss * 1024)
            code = os.waitstatus_to_exitcode(status)
            if code in (_FAILED, -signal.SIGSYS):
                self._failures += 1
                continue
            if code in (IDLE, GROWN):
                self._failures = 0
            # After an idle end, it is replaced only when there is work again, as is one for background work.
            if code != IDLE and crew is not None and not crew.yields and self._has_room(crew) and self._leases:
                self._fork(crew)

    def _crew_of(self, pid: int) -> _Crew | None:
        return next((crew for crew in self.crews if pid in crew.renderers), None)

    def _lease(self) -> None:
        with suppress(OSError):
            connection, _ = self.leases.accept()
            if not wire.is_own_user(connection):
                connection.close()
                return
            connection.settimeout(1.0)
            self._leases[connection.fileno()] = _Lease(connection)
            self._poll.register(connection.fileno(), select.EPOLLIN)

    def _listen(self, lease: _Lease) -> None:
        """Read one message of a lease: the wanted number of renderers, and perhaps a question about a renderer."""
        try:
            fields = wire.receive(lease.connection).fields
            lease.wanted = int(fields["wanted"])
            pid = fields.get("pid")
            if pid is not None:
                wire.send(lease.connection, self._death_of(int(pid)))
        except (OSError, KeyError, TypeError, ValueError):
            self._poll.unregister(lease.connection.fileno())
            del self._leases[lease.connection.fileno()]
            lease.connection.close()
            self._alone_since = time.monotonic()

    def _death_of(self, pid: int) -> dict[str, float]:
        """End the renderer *pid* if it still runs, and return how it died. Empty if that is not known."""
        if self._crew_of(pid) is not None:
            time.sleep(_DYING_SECONDS)  # the client may notice the death before SIGCHLD arrives
            self._reap()
        crew = self._crew_of(pid)
        if crew is not None:
            os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + _ENDING_SECONDS
            while pid in crew.renderers and time.monotonic() < until:
                time.sleep(0.001)
                self._reap()
            crew.renderers.discard(pid)  # replace it even if it cannot end, because it waits for a disk
        return self._deaths[pid]._asdict() if pid in self._deaths else {}

    def _has_ended(self) -> bool:
        """End the pool, unless a process is just connecting. Returns whether it has ended."""
        with suppress(OSError), open(self.lock, "ab") as lock:  # the folder may have been removed
            fcntl.flock(lock, fcntl.LOCK_EX)
            if any(map(_has_clients, (self.leases, *(crew.listener for crew in self.crews)))):
                self._alone_since = time.monotonic()
                if self._failures < _MAX_FAILURES:
                    return False
            for path, inode in zip(self.paths, self.inodes, strict=True):
                with suppress(OSError):
                    if os.stat(path).st_ino == inode:
                        os.unlink(path)
        return True


def _has_clients(listener: socket.socket) -> bool:
    """Drop the connections that wait at *listener*. Return whether one of their clients is still there.

    Such a client notices the end of its connection, and connects again.
    """
    listener.setblocking(False)
    found = False
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                poll = select.poll()
                poll.register(connection, select.POLLRDHUP)
                found = found or not poll.poll(0)
    return found


def main(argument: str) -> None:
    """Run the nursery. *argument* is a JSON object with the arguments of `Nursery`, and folders, which are ignored."""
    fields = json.loads(argument)
    del fields["folders"]
    os.closerange(FIRST_DESCRIPTOR + len(LISTENERS), os.sysconf("SC_OPEN_MAX"))
    # A renderer's messages are logged by its clients, see `renderer.Notes`.
    logger.propagate = False
    set_process_name("images-nursery")
    engines = _engines()
    next(engines, None)
    _end_boot(fields.pop("errors"))
    listeners = [socket.socket(fileno=FIRST_DESCRIPTOR + number) for number in range(len(LISTENERS))]
    for listener in listeners:
        os.set_inheritable(listener.fileno(), False)
    Nursery(listeners, engines, **fields).run()
    sys.exit(0)


def _end_boot(errors: str) -> None:
    """Send further errors to nowhere: libraries would print a line for each broken file."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    with suppress(OSError):
        os.unlink(errors)


def _engines() -> Iterator[object]:
    """Import the libraries of renderers, and yield after each engine. Renderers that are forked later have them."""
    from ..config.keys import Config  # noqa: PLC0415
    from ..engines.choice import Engines  # noqa: PLC0415
    from ..svg import drawing  # noqa: F401, PLC0415  (a renderer may not import it, because it opens no files)

    with suppress(Exception):  # each request reports what is missing
        yield from Engines(Config())
        from ..engines.vips import small_jpeg, turbo  # noqa: PLC0415
        from ..rendering import kept_rights  # noqa: F401, PLC0415

        small_jpeg.load()
        turbo.load()
