"""Find originals in the folders of ``IMAGES_PATH``.

A link is followed if it leads into one of these folders, or into a folder that a link led to at the start.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from ..errors import SourceChanged, SourceNotFound
from ..system_errors import cause, passing_errors_are_busy
from .links import LinkedFolders, real_path
from .source import Source, unreadable

_MAX_REMEMBERED = 4096


class LocalSources:
    """Finds files in *roots*, which are absolute folders. If several have the file, the first one is used.

    With *follow_links*, a folder that a link in *roots* leads to now is as good as one of *roots*. *links* are the
    folders that links may lead into, if there are more of them. *on_lookup* is called with each name that is looked up
    because it is new or has changed, and with its source, or None if there is none.
    """

    stores: tuple[()] = ()

    def __init__(self, roots: Sequence[str], *, follow_links: bool = True, links: LinkedFolders | None = None) -> None:
        self.roots = tuple(roots)
        self._links = links or LinkedFolders(self.roots, follow=follow_links)
        self.on_lookup: Callable[[str, Source | None], None] = lambda ref, source: None
        self._found: dict[str, Source] = {}

    @property
    def places(self) -> tuple[str, ...]:
        """Where sources are looked for, for messages."""
        return self.roots

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that sources lie in, without links."""
        return self._links.folders

    def again(self, source: Source) -> Source:
        """Find the current version of *source*. Returns *source* itself if nothing has changed.

        Raises:
            SourceNotFound, Busy: As in `find`.
        """
        if source.path == os.path.join(self.roots[0], source.ref):
            with suppress(OSError):
                if self._is_same(source, os.stat(source.path)):
                    return source
        found = self._looked_up(source.ref)
        return source if (found, found.inode) == (source, source.inode) else found

    def find(self, ref: str) -> Source:
        """Find the file with the relative path *ref*, at its current version.

        If it was found in the first folder before, this costs a single ``stat``.

        Raises:
            SourceNotFound: If there is no regular file of that name, or it may not be read, or the name leads out of
                the folders.
            Busy: If that cannot be told at the moment, for example because a file server does not answer.
        """
        last = self._found.get(ref)
        return self._looked_up(ref) if last is None else self.again(last)

    here = find  # nothing is fetched

    def lacks(self, ref: str) -> bool:
        """Return whether it is certain that there is no file *ref*. Telling why takes longer: see `find`."""
        if ref in self._found:
            return False
        for root in self.roots:
            try:
                os.lstat(os.path.join(root, ref))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError):
                pass
            return False
        return True

    def _is_same(self, source: Source, status: os.stat_result) -> bool:
        # The inode changes if a link on the way leads elsewhere now.
        found = status.st_size, status.st_mtime_ns, status.st_ino
        return found == (source.size_bytes, source.mtime_ns, source.inode)

    def _looked_up(self, ref: str) -> Source:
        if len(self._found) >= _MAX_REMEMBERED:
            self._found.clear()
        self._found.pop(ref, None)
        source = None
        try:
            source = self._found[ref] = self._look_up(ref)
        finally:
            self.on_lookup(ref, source)
        return source

    def _look_up(self, ref: str) -> Source:
        """Search all folders for *ref*.

        This costs one ``lstat`` per folder and per part of *ref*, and more only if one of the parts is a link. The
        target of a link that leads out of all folders is neither opened nor read.
        """
        if climbs(ref):
            raise SourceNotFound(ref, "not a path inside IMAGES_PATH")
        refusal: SourceNotFound | None = None
        for root in self.roots:
            try:
                with passing_errors_are_busy(ref):
                    found = self._file_in(root, ref)
            except PermissionError as error:  # the file may exist
                refusal = refusal or unreadable(ref, os.path.dirname(error.filename or root), error)
                continue
            except (OSError, ValueError):  # ValueError: not a valid file name
                continue
            if found is not None:
                return found
        if refusal is not None:
            raise refusal
        roots = ", ".join(self.roots) or "which is empty"
        raise SourceNotFound(ref, f"no such file in IMAGES_PATH ({roots}){self._hint(ref)}")

    def _hint(self, ref: str) -> str:
        """Return a suffix for a message about the missing *ref*, if it names a folder of ``IMAGES_PATH`` itself."""
        folder, _, rest = ref.partition("/")
        for root in self.roots:
            with suppress(OSError, ValueError):
                if folder == os.path.basename(root) and rest and self._file_in(root, rest) is not None:
                    return f"; did you mean {rest!r}?"
        return ""

    def _file_in(self, root: str, ref: str) -> Source | None:
        """Return the source *ref* in *root*, or None if it is no regular file, or a link leads out of all folders."""
        found = self._status_in(root, ref)
        if found is None or not stat.S_ISREG(found[1].st_mode):
            return None
        inside, status = found
        return Source(ref, inside, os.path.join(root, ref), status.st_size, status.st_mtime_ns, inode=status.st_ino)

    def _status_in(self, root: str, ref: str) -> tuple[str, os.stat_result] | None:
        """Return the folder that the file *ref* of *root* lies in, without links, and the file's status.

        Returns None if a link on the way leads out of all folders.
        """
        path = root
        for part in ref.split("/"):
            path = os.path.join(path, part)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                real = real_path(os.path.join(root, ref))
                inside = self._links.folder_of(root, ref, real)
                return None if inside is None else (inside, os.lstat(real))
        return self._links.real(root), status


def climbs(ref: str) -> bool:
    """Return whether *ref* could lead out of a folder even without a link.

    This includes names that do so only on some operating systems, or if a server percent-decodes them once more.
    """
    parts = ref.split("/")
    return (
        os.path.isabs(ref)
        or bool(os.path.splitdrive(ref)[0])
        or ".." in parts
        or "\0" in ref
        or "\\" in ref
        or "%2e" in ref.lower()
    )


class HashedSources(LocalSources):
    """Finds files as `LocalSources` does, but a file's version is what *digest* returns, not its size and time.

    So a deployment that copies unchanged files again does not change their versions. *digest* receives a source and its
    change time in nanoseconds since 1970. Unlike a modification time, no program can set that, so no other content has
    the same.
    """

    def __init__(
        self,
        roots: Sequence[str],
        digest: Callable[[Source, int], str],
        *,
        follow_links: bool = True,
        links: LinkedFolders | None = None,
    ) -> None:
        super().__init__(roots, follow_links=follow_links, links=links)
        self._digest = digest
        self._change_times: dict[str, int] = {}

    def _is_same(self, source: Source, status: os.stat_result) -> bool:
        return super()._is_same(source, status) and status.st_ctime_ns == self._change_times.get(source.ref)

    def _look_up(self, ref: str) -> Source:
        source = super()._look_up(ref)
        try:
            with passing_errors_are_busy(ref):
                change_time = os.stat(source.path).st_ctime_ns
        except OSError as error:
            raise SourceChanged(ref, f"{source.path} has gone since it was found: {cause(error)}") from None
        if len(self._change_times) >= _MAX_REMEMBERED:
            self._change_times.clear()
        self._change_times[ref] = change_time
        return replace(source, content=self._digest(source, change_time))
