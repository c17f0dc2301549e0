"""Run in a renderer: accept one request after another.

A renderer is forked by the nursery and keeps no state between requests. The kernel ends it at the deadline of a
request, by a timer whose signal it does not catch. It exits by itself if it had no work for a while, or if it has
become large.
"""

from __future__ import annotations

import logging
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from math import inf
from typing import Any

from ..config.keys import Config
from ..engines.choice import Engines
from ..engines.engine import out_of_memory
from ..errors import UnreadableSource
from ..rendering.job import Job
from ..rendering.quality import Deadline
from ..rendering.request import Request, Work
from ..rendering.result import Result
from . import walls, wire

logger = logging.getLogger("flask_images_vips")

# A renderer that holds more memory of its own after a render exits, and its successor starts small. What it shares with
# the nursery, such as the libraries, does not count: it would be no less in the successor.
MAX_KEPT_BYTES = 25_000_000
IDLE, GROWN = 0, 10
"""Exit codes of a renderer that had no work, and of one that was too large. If gunicorn is process 1 of a container, it
inherits renderers whose nursery was killed, and older versions of it stop if such a process exits with 3 or 4.
"""

_SILENT_SECONDS = 0.25  # to wait for a request: clients send it at once, but the host may be busy
_ANSWER_SECONDS = 10.0  # for a client that reads slowly
# Parts of the messages of errors that mean a lack of memory. Encoders often do not name it, but do not fail otherwise.
_NO_MEMORY = (
    *("out of memory", "not enough memory", "insufficient memory", "memory error", "allocat", "creating thread"),
    *("encoder plugin", "unable to encode", "encoding error", "failed to encode", "encoding problem"),
)
_DECODER_LIMIT = "security limit"  # of libheif, which mentions an allocation too


class Notes(logging.Handler):
    """Collects warnings, which the client logs, because a renderer has no log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line not in self.lines and len(self.lines) < wire.MAX_NOTES:
            self.lines.append(line)


def serve(listener: socket.socket, life: int, idle_seconds: float) -> int:
    """Answer requests of *listener* until there was no work for *idle_seconds*, and return the exit code.

    The descriptor *life* closes when the nursery ends.
    """
    set_process_name("images-renderer")
    notes = Notes()
    logger.addHandler(notes)
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    walls.raise_all()
    inherited, shared = _allocated_bytes(statm), _private_bytes(statm)
    poll = select.epoll()
    listener.setblocking(False)
    poll.register(listener.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)  # a connection wakes only one renderer
    poll.register(life, select.EPOLLIN)
    idle_since = time.monotonic()
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(idle_seconds)}
        if life in ready:
            return IDLE
        connection = _accepted(listener)
        if connection is None:
            if time.monotonic() - idle_since >= idle_seconds:
                return IDLE
            continue
        with connection:
            _answer(connection, notes, inherited)
        if _private_bytes(statm) - shared > MAX_KEPT_BYTES:
            return GROWN
        idle_since = time.monotonic()


def set_process_name(name: str) -> None:
    """Show *name*, of at most 15 characters, in lists of processes."""
    with suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)


def _accepted(listener: socket.socket) -> socket.socket | None:
    try:
        connection, _ = listener.accept()
    except OSError:  # another renderer was faster, or the client has left
        return None
    return connection


def _answer(connection: socket.socket, notes: Notes, inherited: int) -> None:
    """Answer the request of *connection*, unless the client has left or sends something invalid.

    *inherited* is the number of bytes that the libraries had allocated when this process was forked. It shares them
    with the nursery, and has not even touched most of them, so they do not count as memory of the render.
    """
    descriptors: Sequence[int] = ()
    with suppress(OSError, KeyError, TypeError, ValueError, OverflowError):
        try:
            if not wire.is_own_user(connection):
                return
            connection.settimeout(_SILENT_SECONDS)
            fields, _, descriptors = wire.receive(connection, max_descriptors=wire.MAX_DESCRIPTORS)
            if wire.has_gone(connection):
                return
            connection.settimeout(_ANSWER_SECONDS)
            _work(connection, fields, descriptors, notes, inherited)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def _work(
    connection: socket.socket, fields: Mapping[str, Any], descriptors: Sequence[int], notes: Notes, inherited: int
) -> None:
    seconds, memory = float(fields["seconds"]), int(fields["memory"])
    before, begin = _cpu_seconds(), time.monotonic()
    # From here on, the kernel enforces the deadline. Its signal ends the process, even inside a call of a decoder.
    files: Sequence[bytes] = ()
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
        wire.send_begun(connection)
        walls.bound_memory(inherited + memory)
        result = _done(Request.from_json(fields["request"]), descriptors)
        answer, files = wire.result_to_json(result), result.files
    except wire.BrokenWire:
        raise
    except Exception as error:
        answer = wire.error_to_json(out_of_memory(memory) if _is_lack_of_memory(error) else error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    # Send all warnings so far: those about the engines are logged only once, but every client must learn of them.
    answer["notes"] = notes.lines
    answer["seconds"] = round(time.monotonic() - begin, 6)
    answer["cpu"] = round(_cpu_seconds() - before, 6)
    answer["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    wire.send(connection, answer, files)


def _done(request: Request, descriptors: Sequence[int]) -> Result:
    """Run the job. If it lacks memory, run it again with the effort at which encoders need the least."""
    settings = _hashable(request.settings)
    try:
        return Job(request, descriptors, *_configured(settings), Deadline(inf)).run()
    except Exception as error:
        if not _is_lack_of_memory(error) or request.work not in (Work.RENDER, Work.COPY):
            raise
    fast = _hashable({**request.settings, "effort": "fast"})
    return Job(request, descriptors, *_configured(fast), Deadline(inf)).run()


def _is_lack_of_memory(error: Exception) -> bool:
    if isinstance(error, UnreadableSource):
        reason = error.reason.lower()
        return any(words in reason for words in _NO_MEMORY) and _DECODER_LIMIT not in reason
    return isinstance(error, MemoryError)


@lru_cache(64)
def _configured(settings: tuple[tuple[str, Any], ...]) -> tuple[Config, Engines]:
    # The engines need no timeout, because the kernel ends a render that takes too long.
    config = Config(**dict(settings), render_timeout=inf)
    # A renderer that is killed because a source was overwritten in place is replaced, and the request tried again.
    return config, Engines(config, own_process=True)


def _hashable(settings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in settings.items())


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _private_bytes(statm: int) -> int:
    """Return the resident memory that is not a part of a file."""
    _, resident, of_files, *_ = map(int, os.pread(statm, 200, 0).split())
    return (resident - of_files) * resource.getpagesize()


def _allocated_bytes(statm: int) -> int:
    return int(os.pread(statm, 200, 0).split()[5]) * resource.getpagesize()
