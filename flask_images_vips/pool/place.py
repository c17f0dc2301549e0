"""Find the place of the pool of this host and user: three sockets in a private folder.

The name of a pool is different for other versions of this package, other interpreters and libraries, and other
services, because a service that ends takes its child processes along.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..errors import WaitedTooLong
from ..hashing import digest
from ..installed import own_version
from .outcome import NoPool
from .walls import FOLDER_VARIABLES
from .wire import LISTENERS

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NEEDED = (
    *("pyvips", "pyvips_binary", "_libvips", "cffi", "_cffi_backend", "pkgconfig", "PIL", "simplejpeg", "numpy"),
    *("pillow_heif", "_pillow_heif"),
)
_KEPT_VARIABLES = (*FOLDER_VARIABLES, "LD_PRELOAD", "TZ", "LANG")
_KEPT_PREFIXES = ("VIPS_", "FONTCONFIG_", "MALLOC_", "LC_", "GLIBC_")
_LONGEST_PATH = 100  # a socket's path has at most 107 bytes
_START_SECONDS = 2.0  # enough for Python to import the engines on a busy host
_LONGEST_WAIT = 3600.0
_CONNECTING = b"02"  # SS_CONNECTING of linux/net.h, as /proc/net/unix shows it


class Place:
    """The place of the pool that this process uses: files in `folder` whose names begin with `name`.

    It is found on first use by each process and user, not when the application is configured. A server may fork, change
    its user or move to another control group in between.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], tuple[str, str]] = {}

    def find(self) -> tuple[str, str]:
        """Return the folder, which is created if necessary, and the name.

        Raises:
            NoPool: If there is no usable folder.
        """
        who = os.getpid(), os.geteuid()
        found = self._found.get(who)
        if found is None:
            found = _private_folder(), _name()
            self._found = {who: found}
        return found

    def forget(self) -> None:
        """Find the place anew on its next use."""
        self._found = {}

    @property
    def folder(self) -> str:
        return self.find()[0]

    @property
    def name(self) -> str:
        return self.find()[1]

    @property
    def lock(self) -> str:
        return os.path.join(self.folder, f"{self.name}.lock")

    def path(self, listener: str) -> str:
        return os.path.join(self.folder, f"{self.name}.{listener}")

    @property
    def errors(self) -> str:
        """The path of a file for the errors of a nursery that cannot start."""
        return self.path("errors")

    def last_error(self) -> str:
        """Return the last line that a nursery has printed before it ended, or an empty string."""
        with suppress(OSError), open(self.errors, encoding="utf-8", errors="replace") as file:
            return (file.read().strip().splitlines() or [""])[-1]
        return ""

    def inode(self, listener: str) -> int | None:
        """Return the inode of the socket of *listener*, or None if there is none. Each pool has other inodes."""
        try:
            return os.stat(self.path(listener)).st_ino
        except OSError:
            return None

    def waiting(self) -> int | None:
        """Return how many requests of visitors wait for a renderer, of all processes. None if the system hides that."""
        path = f"/{self.bound_name(LISTENERS[0])}".encode()
        with suppress(OSError), open("/proc/net/unix", "rb") as sockets:
            # A connection that is not accepted yet has the path of its listener, and is in the state "connecting".
            return sum(path in line and line.split()[5] == _CONNECTING for line in sockets)
        return None

    def bound_name(self, listener: str) -> str:
        """Return how the name begins that *listener* is bound to, before it is moved. The kernel keeps that name.

        No pool in another folder has the same one.
        """
        return f".{self.name}.{digest(self.folder, 4)}.{listener}-"

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

    def grace(self) -> float:
        """Return how long a request waits for a pool that has just been started, even if it may wait less otherwise."""
        with suppress(OSError):
            return max(0.0, _START_SECONDS - abs(time.time() - os.stat(self.path(LISTENERS[0])).st_ctime))
        return 0.0

    def connect(self, listener: str, until: float) -> socket.socket:
        """Connect to *listener*. If its queue is full, wait until the monotonic time *until*.

        Raises:
            FileNotFoundError, ConnectionRefusedError: If there is no pool.
            WaitedTooLong: If the queue stays full.
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
                        raise WaitedTooLong("the queue of the renderers is full") from None
                    time.sleep(0.01)
        except BaseException:
            connection.close()
            raise


def place() -> Place:
    """Return the place of the pool that this process uses.

    Raises:
        NoPool: If there is no usable folder for it.
    """
    found = Place()
    found.find()
    return found


def _private_folder() -> str:
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
            return folder
        reasons.append(f"{folder} is read-only, or not private to this user")
    raise NoPool(f"no folder for its sockets: {'; '.join(reasons) or 'no folder for temporary files is usable'}")


def _folders() -> Iterator[str]:
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        folder = os.environ.get(variable, "").partition(":")[0]
        if os.path.isabs(folder):
            yield os.path.join(folder, "flask-images-vips")
    with suppress(OSError):
        yield os.path.join(tempfile.gettempdir(), f"flask-images-{os.geteuid()}-renderers")


def _name() -> str:
    cgroup = ""
    with suppress(OSError), open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        cgroup = file.read()
    variables = [f"{name}={value}" for name, value in sorted(environment().items())]
    return digest("\n".join([own_version(), sys.version, sys.prefix, *library_folders(), *variables, cgroup]), 8)


def environment() -> dict[str, str]:
    """Return the environment variables that libraries read, without the secrets of the application."""
    kept = {
        name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }
    return {"MALLOC_ARENA_MAX": "2"} | kept  # glibc keeps memory per arena


def library_folders() -> list[str]:
    """Return the folders of the modules that the nursery imports, besides the standard library.

    They have the same order as in this process, so that the nursery imports the same modules if there are several.
    """
    needed = [os.path.dirname(_PACKAGE)]
    for name in _NEEDED:
        with suppress(ImportError, ValueError, AttributeError):
            found = importlib.util.find_spec(name)
            if found is not None and found.origin:
                # Some installers make links to files elsewhere. Renderers may open only what is in these folders.
                for origin in (os.path.abspath(found.origin), os.path.realpath(found.origin)):
                    folder = os.path.dirname(origin)
                    needed.append(os.path.dirname(folder) if found.submodule_search_locations else folder)
    order = {os.path.abspath(folder): position for position, folder in reversed([*enumerate(sys.path)])}
    return sorted(dict.fromkeys(needed), key=lambda folder: order.get(folder, len(order)))
