"""Manage the folder of a cache: create it, check who else can write to it, and write files atomically."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

from .entry import OWNER, owners_of
from .eviction import CLOCK_MARGIN_NS
from .notices import Loss, Notices

Fill = Callable[[BinaryIO], int]
"""A function that writes content into a file. It returns the modification time to set, in nanoseconds since 1970."""

TEMPORARY = "tmp"
"""The folder of files that are being written. Their names contain those of the folders that the entries depend on."""

DEPENDENTS = "dependents"
"""The folder with an empty file for each folder that entries of other folders depend on."""

_SWEEP_EVERY = 256  # the number of writes from one sweep of temporary files to the next
_PUBLISH_TRIES = 5
_OPEN_FOLDER, _OPEN_FILE = 0o711, 0o644  # others may read a file if they know its name
_WRITE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class Folder:
    """The folder of one cache, created when it is first used.

    *private* is this folder or a folder above it. If given, it must belong to this user alone, or the cache is not
    used. Pass it if other users can write to the parent of *private*, such as ``/tmp``. *readable* lets other users
    read files whose names they know. Temporary files older than *temp_max_age* seconds are removed. What the file
    system refuses is logged by *notices*. *bars* returns whether nothing may be stored that depends on a folder.
    """

    def __init__(
        self,
        path: str,
        *,
        temp_max_age: float,
        private: str | None = None,
        readable: bool = False,
        notices: Notices | None = None,
        bars: Callable[[str], bool] = lambda folder: False,
    ) -> None:
        self.path = path
        self._bars = bars
        self.notices = notices or Notices(path)
        self.locks = os.path.join(path, "locks", "renditions")
        self.background_lock = os.path.join(path, "locks", "background.lock")
        self._temporary = os.path.join(path, TEMPORARY)
        self._temp_max_age = temp_max_age
        self._private = private
        self._readable = readable
        self._folder_mode, self._file_mode = (_OPEN_FOLDER, _OPEN_FILE) if readable else (0o700, 0o600)
        self._loss = Loss.OPEN_MODES if readable else Loss.PRIVATE_MODES
        self._usable: bool | None = None
        self._writes = 0

    def may_read(self) -> bool:
        """Return whether files of the folder may be read.

        This is decided at the first use, and again whenever `usable` checks the folder.
        """
        if self._usable is None:
            self._prepare()
        return bool(self._usable)

    def usable(self) -> bool:
        """Return whether to try writing and locking in the folder. A missing folder is created.

        False only if a private folder belongs to somebody else, can be written by others, or cannot be created. Other
        folders are tried even if creating them has failed. A private folder is checked each time: it may have been
        deleted, and whoever recreates it owns it.
        """
        if self._usable is None or self._private is not None or not os.path.isdir(self.locks):
            self._prepare()
        return bool(self._usable)

    def trusts(self, status: os.stat_result) -> bool:
        """Return whether a file with this *status* may be used.

        It must be a regular file and, if *private* is set, belong to this user.
        """
        return stat.S_ISREG(status.st_mode) and (self._private is None or _is_mine(status))

    def share(self, path: str, status: os.stat_result) -> None:
        """Let other users read a file that was written before the folder became *readable*."""
        if self._readable:
            self.open_up(path, status)

    def open_up(self, path: str, status: os.stat_result) -> None:
        """Let other users read the file at *path*, also in a folder that is not *readable*."""
        if not status.st_mode & 0o004:
            self._open_parents(path)
            with contextlib.suppress(OSError):  # it may belong to another user
                os.chmod(path, _OPEN_FILE & (status.st_mode | ~stat.S_IWUSR))  # read-only files stay read-only

    def write(
        self,
        path: str,
        fill: Fill,
        *,
        admits: Callable[[int], bool] = lambda size: True,
        in_use: bool = False,
        read_only: bool = False,
    ) -> bool:
        """Write a file to *path* atomically, replacing an existing one. Returns whether it was stored.

        *path* is a file in a folder two levels below this one. *admits* is called with the size in bytes; if it returns
        False, nothing is stored. If *in_use* is set, the file looks as if it had just been read, so that it is not
        evicted at once. If *read_only* is set, it gets no write permission. A file whose mode or times the system
        refuses to set is stored nevertheless.

        Raises:
            OSError: If the file cannot be written. Nothing is stored after this error, or after any error that *fill*
            raises.
        """
        # The file is opened before *fill* does its work, so that a folder that cannot be written is noticed early.
        owners = owners_of(path)
        descriptor, temporary = self._open_temporary(OWNER.join(owners))
        stored = False
        try:
            mtime_ns, status = _filled(descriptor, fill)
            if not admits(status.st_size):
                return False
            self._set_mode(temporary, self._file_mode, status)
            if read_only:
                self.make_read_only(temporary)
            # Eviction compares the access time with the change time, which the file system's own clock sets. So keep a
            # margin.
            atime_ns = time.time_ns() + (CLOCK_MARGIN_NS if in_use else -CLOCK_MARGIN_NS)
            with self.notices.losing(Loss.TIMES):
                os.utime(temporary, ns=(atime_ns, mtime_ns))
            stored = self._publish_unless_barred(temporary, path, owners)
        finally:
            if not stored:
                _unlink(temporary)
        return stored

    def make_read_only(self, path: str) -> None:
        """Take the write permission from a file, unless the system refuses that."""
        with self.notices.losing(Loss.READ_ONLY):
            os.chmod(path, self._file_mode & ~stat.S_IWUSR)

    def warn(self, participle: str, error: OSError) -> None:
        """Log that nothing can be stored because of *error*. See `Notices.warn`."""
        self.notices.warn(participle, error)

    def _prepare(self) -> None:
        """Create the folder and decide whether it may be used."""
        try:
            self._make_folders()
            self._usable = True
        except _NotOurs as error:
            self._usable = False
            self.notices.say(str(error))
        except OSError as error:
            # A folder that cannot be written can still be read, and may become writable.
            self._usable = self._private is None
            self.warn("made", error)

    def _make_folders(self) -> None:
        if self._private is not None:
            self._make_folder(self._private, self._folder_mode)
            _check_ours(self._private)
        make_parents(self.path)
        self._make_folder(self.path, self._folder_mode)
        self._make_folder(self._temporary, 0o700)
        with self.notices.losing(Loss.LOCKS, Loss.COUNTS):  # which are stored beside the locks
            for folder in (os.path.dirname(self.locks), self.locks):
                self._make_folder(folder, 0o700)

    def _make_folder(self, path: str, mode: int) -> None:
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            return
        self._set_mode(path, mode)  # mkdir applies the umask

    def _set_mode(self, path: str, mode: int, status: os.stat_result | None = None) -> None:
        """Set the *mode* of a file or folder, unless it has it or the system refuses that. *status* is its status."""
        with self.notices.losing(self._loss):
            if stat.S_IMODE((status or os.stat(path)).st_mode) != mode:
                os.chmod(path, mode)

    def _note_dependent(self, owner: str) -> None:
        """Note that there are entries outside of the folder *owner* that depend on it."""
        path = os.path.join(self.path, DEPENDENTS, owner)
        if not os.path.lexists(path):
            self._make_folder(os.path.dirname(path), 0o700)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

    def _open_temporary(self, name: str) -> tuple[int, str]:
        if self._writes % _SWEEP_EVERY == 0:
            self.sweep()
        self._writes += 1
        temporary = os.path.join(self._temporary, f".tmp-{name}-{secrets.token_hex(8)}")
        try:
            return os.open(temporary, _WRITE_FLAGS, 0o600), temporary
        except FileNotFoundError:
            self._make_folders()
            return os.open(temporary, _WRITE_FLAGS, 0o600), temporary

    def sweep(self) -> None:
        """Remove temporary files that killed processes left behind."""
        oldest = time.time() - self._temp_max_age
        # Errors are ignored here: the write that follows reports them.
        with contextlib.suppress(OSError), os.scandir(self._temporary) as files:
            for file in files:
                # Compare the access time: the modification time may already be set, and may lie far in the past.
                if file.stat(follow_symlinks=False).st_atime < oldest:
                    if file.is_dir(follow_symlinks=False):  # see `Removal.set_aside`
                        shutil.rmtree(file.path, ignore_errors=True)
                    else:
                        _unlink(file.path)

    def _publish_unless_barred(self, temporary: str, path: str, owners: Sequence[str]) -> bool:
        """Rename the complete file to *path*, unless one of *owners* is barred, and return whether that was done.

        Owners are barred first, and then the file is removed, under either name: see `removal`.
        """
        try:
            for owner in owners[1:]:
                self._note_dependent(owner)
            if not self._is_barred(owners):
                self._publish(temporary, path)
                return True
        except FileNotFoundError:
            if not self._is_barred(owners):
                raise
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))  # `_publish` may have made it. This fails unless it is empty
        for owner in filter(self._bars, owners[1:]):
            _unlink(os.path.join(self.path, DEPENDENTS, owner))
        return False

    def _is_barred(self, owners: Sequence[str]) -> bool:
        return any(map(self._bars, owners))

    def _publish(self, temporary: str, path: str) -> None:
        """Rename the complete file to *path*, and create the folders above *path* if they are missing.

        Eviction in another process may remove these folders at any moment, so this is tried several times.
        """
        folder = os.path.dirname(path)
        for _ in range(_PUBLISH_TRIES):
            with contextlib.suppress(FileNotFoundError):
                os.replace(temporary, path)
                if self._readable:
                    self._open_parents(path)
                return
            for each in (os.path.dirname(folder), folder):
                self._make_folder(each, self._folder_mode)
        os.replace(temporary, path)

    def _open_parents(self, path: str) -> None:
        """Let other users enter the folders above *path*, which may have been created when *readable* was off."""
        folder = os.path.dirname(path)
        for each in (folder, os.path.dirname(folder), self.path, self._private):
            if each is not None:
                self._set_mode(each, _OPEN_FOLDER)


class _NotOurs(OSError):
    """Another user can write to a folder that must be private."""


def _check_ours(folder: str) -> None:
    """Refuse *folder* if another user of this host may have created it, or can write to it.

    Raises:
        _NotOurs: If it is refused.
    """
    status = os.lstat(folder)
    if not _is_mine(status) or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
        raise _NotOurs(
            f"{folder} belongs to another user or can be written by others, so images are rendered but not cached. "
            "Set IMAGES_CACHE to a folder that only this application can write to."
        )


def _is_mine(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def _filled(descriptor: int, fill: Fill) -> tuple[int, os.stat_result]:
    """Fill the open file and close it. Returns the result of *fill*, and the status of the file."""
    file = os.fdopen(descriptor, "w+b")
    try:
        mtime_ns = fill(file)
        file.flush()
        status = os.fstat(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):  # closing fails again after a failed flush
            file.close()
        raise
    file.close()  # only now do some network file systems say that their disk is full
    return mtime_ns, status


def make_parents(path: str, mode: int = 0o755) -> None:
    """Create the missing folders above *path*. Whatever the umask is, only this user can write to them."""
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        make_parents(parent, mode)
        with contextlib.suppress(FileExistsError):
            os.mkdir(parent, mode)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
