"""Remember which folders of a cache must stay empty, for good.

A tombstone is an empty file, whose name is a keyed hash of the folder's name. So the tombstones tell nobody what was
removed, unless that person also has the key and guesses the name. The key is random and lies beside them. A secret key
of the application would not do: it may be replaced one day, and then all tombstones would be lost.

Neither a purge nor eviction looks into the folder of the tombstones.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from hashlib import blake2b

from ..errors import Busy
from ..system_errors import cause
from .folder import make_parents
from .per_process import Said

logger = logging.getLogger("flask_images_vips")

_KEY = "key"
KEY_BYTES = 32
_NAME_BYTES = 16
_DIGITS = frozenset("0123456789abcdef")
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NEW = getattr(os, "O_BINARY", 0) | os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
LOOK_SECONDS = 1.0
"""How long `may_have_any` trusts what it has found."""


class Tombstones:
    """The tombstones in *folder*, which is created with the first one. They belong to this user alone.

    *optional* means that nobody has chosen the folder. If it then lies in a cache that this user may not enter, and
    this process has never seen a tombstone, there is none: such a cache must not keep a site from showing pictures.
    """

    def __init__(self, folder: str, *, optional: bool = False) -> None:
        self.folder = folder
        self._optional = optional
        self._known_key: tuple[tuple[int, ...], bytes] = (), b""  # what tells its file from others, and its content
        self._any = False
        self._look_again = 0.0

    def __contains__(self, name: object) -> bool:
        """Return whether the folder called *name* must stay empty. The disk is asked each time: two calls.

        Raises:
            Busy: If that cannot be told. To say no would show what was removed.
        """
        try:
            key = self.key()
            return key is not None and _exists(os.path.join(self.folder, _hashed(key, name)))
        except OSError as error:
            if self._are_out_of_reach():
                return False
            raise Busy(f"the tombstones in {self.folder} cannot be read: {cause(error)}") from None

    def check(self) -> None:
        """Look whether the tombstones can be read.

        Raises:
            Busy: If they cannot.
        """
        _ = "" in self

    def _are_out_of_reach(self) -> bool:
        """Return whether they may be ignored, because this user may not enter the folder that holds theirs."""
        if not self._optional or self._known_key[1]:
            return False
        try:
            os.stat(self.folder)
        except PermissionError as error:
            if _said.add(self.folder):
                logger.warning(
                    "Whether pictures were forgotten is not known, because another user owns the cache: %s cannot be "
                    "read (%s). Give the cache to the user of the site. This is logged once.",
                    self.folder,
                    cause(error),
                )
            return True
        except OSError:
            pass
        return False

    def may_have_any(self) -> bool:
        """Return whether there may be tombstones. Costs nothing, but may be wrong for a second after the first one."""
        if time.monotonic() >= self._look_again:
            self._any = os.path.lexists(os.path.join(self.folder, _KEY))
            self._look_again = time.monotonic() + LOOK_SECONDS
        return self._any

    def add(self, name: str) -> bool:
        """Remember that the folder called *name* must stay empty. Returns False if that is known already.

        When this returns, the tombstone is on the disk, and every process that asks later finds it.

        Raises:
            OSError: If it cannot be written.
        """
        if self.key() is None:
            self.adopt(new_key())
        return self.add_hashed(str(self.hashed(name)))

    def remove(self, name: str) -> bool:
        """Forget that the folder called *name* must stay empty. Returns whether there was a tombstone.

        Raises:
            OSError: If it cannot be removed.
        """
        hashed = self.hashed(name)
        return hashed is not None and self.remove_hashed(hashed)

    def share(self, name: str) -> None:
        """Let other hosts remember the tombstone of *name*. There are none: see `shared_tombstones`."""

    def unshare(self, name: str) -> None:
        """Let other hosts forget the tombstone of *name*."""

    def meet(self) -> None:
        """Agree with other hosts on a key, unless this is done."""

    def sync(self) -> bool:
        """Learn the tombstones of other hosts. Returns whether there are new ones."""
        return False

    def key(self) -> bytes | None:
        """Return the key, or None if there is none, and so no tombstone.

        It is looked at each time: somebody may have deleted the folder, and another process made a new one.

        Raises:
            OSError: If it cannot be read.
        """
        path = os.path.join(self.folder, _KEY)
        try:
            status = os.stat(path)
        except OSError:
            return _read(path) if _exists(path) else None
        state = status.st_ino, status.st_mtime_ns, status.st_size
        known, key = self._known_key
        if state != known:
            key = _read(path)
            self._known_key = state, key
        return key

    def adopt(self, key: bytes) -> None:
        """Use *key*, unless another process has just made one.

        Raises:
            OSError: If it cannot be written, or is no key.
        """
        if len(key) != KEY_BYTES:
            raise OSError(f"a key of tombstones has {len(key)} bytes, not {KEY_BYTES}")
        if not os.path.isdir(self.folder):
            make_parents(self.folder)
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.folder, 0o700)
        self._write_key(key)

    def hashed(self, name: object) -> str | None:
        """Return the file name of the tombstone of *name*, whether or not there is one. None if there is no key."""
        key = self.key()
        return None if key is None else _hashed(key, name)

    def all_hashed(self) -> set[str]:
        """Return the file names of all tombstones."""
        try:
            return {name for name in os.listdir(self.folder) if is_hashed(name)}
        except FileNotFoundError:
            return set()

    def add_hashed(self, hashed: str) -> bool:
        """Do as `add`, for the tombstone with this file name."""
        self._look_again = 0.0
        try:
            descriptor = os.open(os.path.join(self.folder, hashed), _NEW, 0o600)
        except FileExistsError:
            return False
        _synced(descriptor)
        self._sync_folder()
        return True

    def remove_hashed(self, hashed: str) -> bool:
        """Do as `remove`, for the tombstone with this file name."""
        try:
            os.unlink(os.path.join(self.folder, hashed))
        except FileNotFoundError:
            return False
        self._sync_folder()
        return True

    def _write_key(self, key: bytes) -> None:
        """Write *key*, unless another process has just made one.

        It gets its name once it is complete, and never replaces another one: that would lose all tombstones.
        """
        path = os.path.join(self.folder, _KEY)
        temporary = f"{path}.{secrets.token_hex(8)}"
        descriptor = os.open(temporary, _NEW, 0o600)
        try:
            try:
                os.write(descriptor, key)
            finally:
                _synced(descriptor)
            _link(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    def _sync_folder(self) -> None:
        with contextlib.suppress(OSError):  # Windows cannot open folders
            _synced(os.open(self.folder, os.O_RDONLY))


def new_key() -> bytes:
    """Return a new key, which nobody can guess."""
    return secrets.token_bytes(KEY_BYTES)


def is_hashed(name: str) -> bool:
    """Return whether *name* can be the file name of a tombstone."""
    return len(name) == 2 * _NAME_BYTES and set(name) <= _DIGITS


def _hashed(key: bytes, name: object) -> str:
    return blake2b(str(name).encode(), key=key, digest_size=_NAME_BYTES).hexdigest()


def _exists(path: str) -> bool:
    """Return whether there is a file at *path*. Some file systems refuse one of the two calls.

    Raises:
        OSError: If that cannot be told.
    """
    try:
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError:
            os.close(os.open(path, _READ))
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _link(temporary: str, path: str) -> None:
    """Give the file *temporary* the name *path*, unless there is such a file."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except (OSError, NotImplementedError):  # a file system without hard links
        if not os.path.lexists(path):
            os.replace(temporary, path)


def _read(path: str) -> bytes:
    descriptor = os.open(path, _READ)
    try:
        found = os.read(descriptor, 2 * KEY_BYTES)
    finally:
        os.close(descriptor)
    if len(found) != KEY_BYTES:
        raise OSError(f"{path} has {len(found)} bytes, not the {KEY_BYTES} of a key")
    return found


def _synced(descriptor: int) -> None:
    """Write an open file to the disk and close it. A file system that cannot sync has no more to offer."""
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


_said = Said()
