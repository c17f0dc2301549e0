"""Start the pool of this host and user, unless there is one."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import posix
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from ..errors import Busy
from . import walls
from .inherited import close, keep_from_children
from .outcome import NoPool
from .place import Place, environment, library_folders
from .wire import FIRST_DESCRIPTOR, LISTENERS

logger = logging.getLogger("flask_images_vips")

IDLE_SECONDS = 60.0
"""How long a renderer waits for work before it exits."""

GRACE_SECONDS = 2.0
"""How long the nursery waits for another lease before it exits."""

_LOCK_SECONDS = 5.0

# Neither the folders nor the environment of the application affect what the nursery imports. The fork makes it an
# orphan, so that it does not become a zombie of the web worker. The worker waits for the fork, and cannot serve anybody
# meanwhile under gevent, so it comes before the imports. Lists of processes show the first line.
_BOOT = """# flask_images_vips: renders images
import os
if os.fork():
    os._exit(0)
import json, sys
fields = json.loads(sys.argv[1])
sys.path += fields["folders"]
from flask_images_vips.pool.nursery import main
main(sys.argv[1])
"""


def start(place: Place) -> None:
    """Start the pool, unless another process has just done so. Clients can connect when this returns.

    Raises:
        NoPool: If it cannot be started.
        Busy: If this process or the host has no descriptors left.
    """
    place.forget()  # its folder may have been removed
    if not os.path.isdir("/proc/self/fd"):
        raise NoPool("/proc is not mounted")
    try:
        with open(place.lock, "ab") as lock, _locked(lock.fileno()):
            if not _is_alive(place):
                _spawn(place)
                _log_start(place)
    except OSError as error:
        check_descriptors(error)
        raise NoPool(f"it cannot be started: {error}") from error


def check_descriptors(error: OSError) -> None:
    """Raise `Busy` if *error* means that there are no descriptors left, which soon changes."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise Busy(f"no renderer can be reached: {error.strerror}") from None


def _log_start(place: Place) -> None:
    missing = walls.missing()
    logger.info("started renderers in %s", place.folder)
    if missing:
        lost = "; ".join(f"without {wall}, it could {walls.STOPPED_BY[wall]}" for wall in missing)
        logger.warning("Renderers protect less against a decoder that a hostile file has taken over: %s.", lost)


@contextmanager
def _locked(lock: int) -> Iterator[None]:
    """Hold the lock of the file for the block, if its file system has locks.

    Without locks, two processes may start a pool at once. Then the later one takes the place of the other, which ends.
    """
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > until:
                raise Busy("another process is still starting the renderers") from None
            time.sleep(0.005)
        except OSError as error:
            logger.info("renderers are started without a lock: %s", error.strerror)
            break
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing the file is not enough if a forked child holds it open too


def _is_alive(place: Place) -> bool:
    try:
        for listener in LISTENERS:
            place.connect(listener, time.monotonic()).close()
    except Busy:
        return True
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def _spawn(place: Place) -> None:
    listeners, inodes = [], []
    try:
        for name in LISTENERS:
            listener = keep_from_children(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listeners.append(listener)
            temporary = f"{place.bound_name(name)}{secrets.token_hex(4)}"
            with place.address(temporary) as address:
                listener.bind(address)
            listener.listen(_longest_queue())
            os.rename(os.path.join(place.folder, temporary), place.path(name))
            inodes.append(place.inode(name))
        fields = {
            "folders": library_folders(),
            "paths": [place.path(name) for name in LISTENERS],
            "inodes": inodes,
            "lock": place.lock,
            "errors": place.errors,
            "idle_seconds": IDLE_SECONDS,
            "grace_seconds": GRACE_SECONDS,
        }
        _run([_interpreter(), "-I", "-S", "-c", _BOOT, json.dumps(fields)], listeners, place.errors)
    finally:
        for listener in listeners:
            close(listener)


def _run(command: list[str], listeners: list[socket.socket], errors: str) -> None:
    with ExitStack() as stack:
        null = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, null)
        copies = []
        # A copy that stays open, here or in a child, would keep a listener alive at which nobody answers.
        for listener in listeners:
            # Use numbers that do not clash with those that the descriptors get in the child.
            number = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, 64)
            copy = keep_from_children(socket.socket(fileno=number))
            stack.callback(close, copy)
            copies.append(copy.fileno())
        actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, null, number) for number in range(2)]
        actions.append((os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600))
        actions += [(os.POSIX_SPAWN_DUP2, copy, FIRST_DESCRIPTOR + number) for number, copy in enumerate(copies)]
        # That of `os` may be gevent's. It waits for a signal, which is lost if the child ends before gevent listens.
        pid = posix.posix_spawn(
            command[0],
            command,
            environment(),
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
        with suppress(ChildProcessError):  # another thread waits for all children, as gunicorn does
            os.waitpid(pid, 0)  # it forks at once and exits


def _interpreter() -> str:
    """Return the path of Python. In uWSGI, ``sys.executable`` is another program."""
    names = (f"python{sys.version_info.major}.{sys.version_info.minor}", "python3", "python")
    for name in names:
        path = os.path.join(sys.prefix, "bin", name)
        if os.access(path, os.X_OK):
            return path
    return sys.executable


def _longest_queue() -> int:
    with suppress(OSError, ValueError), open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
        return int(file.read())
    return socket.SOMAXCONN
