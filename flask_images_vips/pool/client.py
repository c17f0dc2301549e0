"""Send requests to the renderers of this host.

A request waits in the queue of a socket until a renderer accepts it. Its deadline counts from then, and the kernel
enforces it.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto

from ..cache.per_process import PerProcess
from ..engines.engine import out_of_memory, overtime
from ..errors import Busy, WaitedTooLong, shown
from ..formats import is_file_of
from ..log_fields import fields
from ..rendering.request import Request, Work
from ..rendering.result import Result
from . import wire
from .lease import Lease
from .outcome import Budget, Crashed, Done, NoPool
from .place import Place
from .start import check_descriptors, start

logger = logging.getLogger("flask_images_vips")

_STARTS = 2  # attempts to start a pool that ends at once
_LOST = 5  # connections that closed before a renderer had begun, because the pool or the renderer was ending
_MAX_ANSWER = 1 << 28  # bytes, more than any rendition or set of copies has
_TRIES = 2  # attempts, if the renderer dies before the deadline
_LONGEST_WAIT = 3600.0
_AT_ONCE_SECONDS = 0.02  # a free renderer begins within this time, so a request that has waited enough waits as long
_MOST_SAID = 1000  # messages of renderers that a process logs
_PAUSE_SECONDS = 0.02  # before another connection, longer each time
_GLANCE_SECONDS, _FROZEN_SECONDS = 0.25, 1.0  # a wait of 0.25 s that takes more than 1 s means that it was frozen
_SLACK_SECONDS = 0.3  # to wait after the deadline, for the kernel and for the answer to arrive


class _Died(Exception):
    """A renderer died *seconds* after it had begun. *frozen* means that the system stopped this process meanwhile."""

    def __init__(self, pid: int, seconds: float, frozen: bool) -> None:
        super().__init__(pid)
        self.pid = pid
        self.seconds = seconds
        self.frozen = frozen


class _Cause(Enum):
    """Why a renderer died."""

    CRASH = auto()
    MEMORY = auto()
    KILLED = auto()
    """Something else killed it, such as an administrator. The file is not to blame."""


class _Process:
    """The state of this process: its lease, and the notes that it has logged."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.said: set[str] = set()


class Pool:
    """The renderers in *place*. This application wants *count* of them.

    Each may allocate *memory* bytes. A request waits at most *patience* seconds for its turn.
    """

    def __init__(self, place: Place, count: int, memory: int, patience: float) -> None:
        self.place = place
        self.count = count
        self.memory = memory
        self.patience = patience
        self._process = PerProcess(lambda: _Process(Lease(place, count)))

    def run(
        self, request: Request, descriptors: Sequence[int], ref: str, *, since: float, budget: Budget, yields: bool
    ) -> Done:
        """Run *request* in a renderer, within the *budget*. *ref* names its source in the log.

        The time to wait for its turn counts from the monotonic time *since*. With *yields*, requests of visitors go
        first, and the time counts from now.

        Raises:
            Busy: If its turn does not come in time, or if somebody killed its renderer twice.
            NoPool: If there are no renderers, and none can be started.
            Crashed: If its renderer died twice.
            LimitExceeded: If it takes too long.
            ImagesError: See `Job.run`.
        """
        until = (time.monotonic() if yields else since) + self.patience
        causes = []
        for _ in range(_TRIES):
            try:
                return self._once(request, descriptors, until, budget, yields)
            except _Died as death:
                until += death.seconds  # the render was no waiting
                causes.append(self._bury(death, ref, budget))
            if causes[-1] is _Cause.MEMORY:
                # Encoders need less memory at a lower effort.
                request = replace(request, settings={**request.settings, "effort": "fast"})
        if causes[-1] is _Cause.MEMORY:
            raise out_of_memory(self.memory)
        if _Cause.CRASH not in causes:
            raise Busy(f"two renderers of {shown(ref)} were killed")
        raise Crashed(f"a renderer died twice over {shown(ref)}")

    def _once(self, request: Request, descriptors: Sequence[int], until: float, budget: Budget, yields: bool) -> Done:
        reason: BaseException | None = None
        for lost in range(_LOST):
            if lost:  # sleeping for no time at all would still cost a twentieth of a millisecond
                time.sleep(lost * _PAUSE_SECONDS)
            with self._connected("background" if yields else "visitors", until) as connection:
                try:
                    pid = self._begin(connection, request, descriptors, until, budget.left)
                except TimeoutError:
                    raise WaitedTooLong(f"waited {self.patience:g} s for a renderer (IMAGES_LOCK_TIMEOUT)") from None
                except OSError as error:  # the renderer or the pool ended just before it read the request
                    reason = error
                    continue
                return self._finish(connection, request, pid, budget)
        raise NoPool(f"renderers end before they begin ({reason})")

    def _begin(
        self, connection: socket.socket, request: Request, descriptors: Sequence[int], until: float, seconds: float
    ) -> int:
        """Send *request*, wait until a renderer begins with it, and return the renderer's process ID."""
        connection.settimeout(min(max(_AT_ONCE_SECONDS, self.place.grace(), until - time.monotonic()), _LONGEST_WAIT))
        fields = {"request": request.to_json(), "seconds": seconds, "memory": self.memory}
        wire.send(connection, fields, descriptors=descriptors)
        self._process.get().lease.hold()
        return wire.receive_begun(connection).pid

    def _finish(self, connection: socket.socket, request: Request, pid: int, budget: Budget) -> Done:
        """Wait for the answer of the renderer *pid*."""
        begin, seconds, frozen = time.monotonic(), budget.left, False
        try:
            frozen = _wait(connection, seconds + _SLACK_SECONDS)
            return self._answer(connection, request, begin + seconds + _SLACK_SECONDS)
        except wire.BrokenWire as error:
            raise _Died(pid, time.monotonic() - begin, frozen) from error
        finally:
            budget.spent += 0 if frozen else time.monotonic() - begin

    def _answer(self, connection: socket.socket, request: Request, until: float) -> Done:
        """Read the answer of a renderer.

        Raises:
            BrokenWire: If the renderer died or hangs, or if it sent something invalid.
            ImagesError: See `Job.run`.
        """
        connection.settimeout(max(0.001, until - time.monotonic()))
        try:
            fields, files, _ = wire.receive(connection, max_bytes=_MAX_ANSWER)
            self._log(fields["notes"])
            if "error" not in fields:
                result = wire.result_from_json(fields, files)
                _check(request, result)
                return Done(result, float(fields["seconds"]), float(fields["cpu"]), int(fields["peak"]))
            failure = wire.error_from_json(fields)
        except (OSError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise wire.BrokenWire("no answer, or an invalid one") from error
        raise failure

    def _log(self, notes: Sequence[str]) -> None:
        """Log the messages of a renderer, each of them once per process."""
        said = self._process.get().said
        for note in map(wire.printable, notes[: wire.MAX_NOTES]):
            if note not in said and len(said) < _MOST_SAID:
                said.add(note)
                logger.warning("%s", note)

    def _bury(self, death: _Died, ref: str, budget: Budget) -> _Cause:
        """Log how a renderer ended, and return why.

        Raises:
            LimitExceeded: If nothing is left of the *budget*.
        """
        note = self._process.get().lease.ask(death.pid)
        number = os.waitstatus_to_exitcode(int(note.get("status", 0)))
        killed = not note or number == -signal.SIGKILL
        ending = "killed" if killed else signal.Signals(-number).name if number < 0 else f"exit code {number}"
        megabytes = int(note.get("peak_bytes", 0)) // 1_000_000
        logger.warning(
            "A renderer ended while it rendered %s (%s): %.2f s of %.2f s, %d MB",
            shown(ref),
            ending,
            death.seconds,
            budget.limit,
            megabytes,
            extra=fields("renderer ended", ref, ending=ending, seconds=round(death.seconds, 6)),
        )
        if death.frozen:  # the timer of the renderer ran on
            return _Cause.KILLED
        if number == -signal.SIGALRM:
            raise overtime(budget.spent, budget.limit)
        budget.check()
        # Libraries abort if they get no memory, and the kernel kills processes that take too much.
        if number != -signal.SIGBUS and note.get("peak_bytes", 0) > self.memory / 2:
            return _Cause.MEMORY
        return _Cause.KILLED if killed else _Cause.CRASH

    def _connected(self, listener: str, until: float) -> socket.socket:
        """Return a connection to the pool, which is started if necessary."""
        for starts in range(_STARTS + 1):
            try:
                connection = self.place.connect(listener, until)
            except (FileNotFoundError, ConnectionRefusedError):
                if starts < _STARTS:
                    start(self.place)
                continue
            except OSError as error:
                check_descriptors(error)
                raise NoPool(f"cannot connect to its socket: {error}") from error
            if not wire.is_own_user(connection):
                connection.close()
                raise NoPool("its socket belongs to another user")
            return connection
        raise NoPool(f"it ends right after it was started: {self.place.last_error() or 'the reason is not known'}")


def _wait(connection: socket.socket, seconds: float) -> bool:
    """Wait until there is something to read, at most *seconds*. Returns whether this process was frozen meanwhile.

    Systems that run functions on demand stop all processes between two requests. The clocks run on.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    before, until, frozen, ready = time.monotonic(), time.monotonic() + seconds, False, False
    while not ready and before < until:
        ready = bool(poll.poll(1000 * min(_GLANCE_SECONDS, until - before)))
        now = time.monotonic()
        frozen = frozen or now - before > _FROZEN_SECONDS
        before = now
    return frozen


def _check(request: Request, result: Result) -> None:
    """Check that *result* has what was requested. A renderer that was taken over may send anything.

    Raises:
        BrokenWire: If it does not.
    """
    rendition, copy = [getattr(request.format, "name", "")], [request.copy_format, "tiff"]  # the formats it may have
    expected = {
        Work.RENDER: ([rendition], result.size),
        Work.COPY: ([rendition], result.size),
        Work.AUTO: ([rendition], result.size),
        Work.SET: ([rendition] * len(request.options), result),
        Work.REDUCE: ([rendition, *[copy] * len(request.sizes)], result.size),
        Work.TRIM: ([], result.box),
        Work.HEADER: ([], result.header),
    }
    files, fact = expected.get(request.work, ([], result))
    if fact is None or len(result.files) != len(files):
        raise wire.BrokenWire("not what was requested")
    for formats, file in zip(files, result.files, strict=True):
        if not any(is_file_of(format, file) for format in formats):
            raise wire.BrokenWire("a file of another format")
