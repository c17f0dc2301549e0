"""Find the pool of this host and user, and start one if there is none.

A pool has three sockets in a private folder. Its name is different for other versions of this package, other
interpreters, and other services, because a service that ends takes its child processes along.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import logging
import os
import secrets
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ..errors import Busy
from ..hashing import digest
from . import walls
from .outcome import NoPool
from .wire import FIRST_DESCRIPTOR, LISTENERS

logger = logging.getLogger("flask_images_vips")

IDLE_SECONDS = 60.0
"""How long a renderer waits for work before it exits."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NEEDED = ("pyvips", "pyvips_binary", "_libvips", "cffi", "_cffi_backend", "pkgconfig", "PIL")
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "LD_PRELOAD", "TZ", "LANG")
_KEPT_PREFIXES = ("VIPS_", "FONTCONFIG_", "MALLOC_", "LC_", "GLIBC_")
_LONGEST_PATH = 100  # a socket's path has at most 107 bytes
_LOCK_SECONDS = 5.0
_LONGEST_WAIT = 3600.0

# Neither the folders nor the environment of the application affect what the nursery imports. The fork makes it an
# orphan, so that it does not become a zombie of the web worker. The worker waits for the fork, and cannot serve anybody
# meanwhile under gevent, so it comes before the imports.
_BOOT = """
import os
if os.fork():
    os._exit(0)
import json, sys
fields = json.loads(sys.argv[1])
sys.path += fields["folders"]
from flask_images_vips.pool.nursery import main
main(sys.argv[1])
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a pool: files in *folder* whose names begin with *name*."""

    folder: str
    name: str

    @property
    def lock(self) -> str:
        return os.path.join(self.folder, f"{self.name}.lock")

    def path(self, listener: str) -> str:
        return os.path.join(self.folder, f"{self.name}.{listener}")

    @contextmanager
    def address(self, file: str) -> Iterator[str]:
        """Yield an address of the socket *file* in the folder that is short enough for a socket."""
        path = os.path.join(self.folder, file)
        if len(os.fsencode(path)) <= _LONGEST_PATH:
            yield path
            return
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}/{file}"
        finally:
            os.close(descriptor)

    def connect(self, listener: str, until: float) -> socket.socket:
        """Connect to *listener*. If its queue is full, wait until the monotonic time *until*.

        Raises:
            FileNotFoundError, ConnectionRefusedError: If there is no pool.
            Busy: If the queue stays full.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            while True:
                connection.settimeout(min(max(0.001, until - time.monotonic()), _LONGEST_WAIT))
                try:
                    with self.address(f"{self.name}.{listener}") as address:
                        connection.connect(address)
                    return connection
                except (BlockingIOError, TimeoutError):  # the errors of Linux if the queue is full
                    if time.monotonic() >= until:
                        raise Busy("the queue of the renderers is full") from None
                    time.sleep(0.01)
        except BaseException:
            connection.close()
            raise


def place() -> Place:
    """Return the place of the pool that this process uses.

    Raises:
        NoPool: If there is no usable folder for it.
    """
    reasons = []
    for folder in _folders():
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
            status = os.lstat(folder)
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror}")
            continue
        private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
        if private and os.access(folder, os.W_OK):
            return Place(folder, _name())
        reasons.append(f"{folder} is read-only, or not private to this user")
    raise NoPool("no folder for its sockets: " + "; ".join(reasons))


def _folders() -> Iterator[str]:
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        folder = os.environ.get(variable, "").partition(":")[0]
        if os.path.isabs(folder):
            yield os.path.join(folder, "flask-images-vips")
    with suppress(OSError):
        yield os.path.join(tempfile.gettempdir(), f"flask-images-{os.geteuid()}-renderers")


def _name() -> str:
    try:
        own = version("flask-images-vips")
    except PackageNotFoundError:
        own = ""
    cgroup = ""
    with suppress(OSError), open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        cgroup = file.read()
    return digest("\n".join([own, _PACKAGE, sys.version, _interpreter(), cgroup]), 8)


def start(place: Place) -> None:
    """Start the pool, unless another process has just done so. Clients can connect when this returns.

    Raises:
        NoPool: If it cannot be started.
    """
    try:
        with open(place.lock, "ab") as lock:
            _acquire(lock.fileno())
            if not _is_alive(place):
                _spawn(place)
                missing = walls.missing()
                logger.info(
                    "started renderers in %s%s", place.folder, f", without {' and '.join(missing)}" if missing else ""
                )
    except OSError as error:
        raise NoPool(f"it cannot be started: {error}") from error


def _acquire(lock: int) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.005)


def _is_alive(place: Place) -> bool:
    try:
        for listener in LISTENERS:
            place.connect(listener, time.monotonic()).close()
    except Busy:
        return True
    except OSError:
        return False
    return True


def _spawn(place: Place) -> None:
    listeners, inodes = [], []
    try:
        for name in LISTENERS:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listeners.append(listener)
            temporary = f".{secrets.token_hex(4)}"
            with place.address(temporary) as address:
                listener.bind(address)
            listener.listen(_longest_queue())
            os.rename(os.path.join(place.folder, temporary), place.path(name))
            inodes.append(os.stat(place.path(name)).st_ino)
        fields = {
            "folders": _library_folders(),
            "paths": [place.path(name) for name in LISTENERS],
            "inodes": inodes,
            "lock": place.lock,
            "idle_seconds": IDLE_SECONDS,
        }
        _run([_interpreter(), "-I", "-S", "-c", _BOOT, json.dumps(fields)], listeners)
    finally:
        for listener in listeners:
            listener.close()


def _run(command: list[str], listeners: list[socket.socket]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    # Use numbers that do not clash with those that the descriptors get in the child.
    copies = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD_CLOEXEC, 64) for each in listeners]
    try:
        actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in range(3)]
        actions += [(os.POSIX_SPAWN_DUP2, copy, FIRST_DESCRIPTOR + number) for number, copy in enumerate(copies)]
        pid = os.posix_spawn(
            command[0],
            command,
            _environment(),
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
        with suppress(ChildProcessError):  # another thread waits for all children, as gunicorn does
            os.waitpid(pid, 0)  # it forks at once and exits
    finally:
        for descriptor in (null, *copies):
            os.close(descriptor)


def _environment() -> dict[str, str]:
    """Return the environment variables that libraries read, without the secrets of the application."""
    return {
        name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }


def _library_folders() -> list[str]:
    """Return the folders of the modules that the nursery imports, besides the standard library."""
    needed = [os.path.dirname(_PACKAGE)]
    for name in _NEEDED:
        with suppress(ImportError, ValueError, AttributeError):
            found = importlib.util.find_spec(name)
            if found is not None and found.origin:
                folder = os.path.dirname(os.path.abspath(found.origin))
                needed.append(os.path.dirname(folder) if found.submodule_search_locations else folder)
    return list(dict.fromkeys(needed))


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
