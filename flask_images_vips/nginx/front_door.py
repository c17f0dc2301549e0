"""Manage the front door: a folder of links by which nginx sends cached images without asking the application.

A link is a symbolic link to a file of the cache. Its name is a whole canonical URL, including the signature, so that no
other URL leads to it. If the file is evicted, the link can stay: it leads nowhere, so nginx asks the application. The
pattern of the URLs that can have a link is defined only in this module, for nginx and for the application.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence

from ..cache.folder import make_parents
from ..cache.locks import try_lock, unlock
from ..sources.source import Source
from ..urls import ImageUrl, is_remote
from . import gates
from .links import leads_to, make_link
from .switch import CLOSED, Switch, empty, remove_through

logger = logging.getLogger("flask_images_vips")

_SEGMENTS = 6
_SEGMENT = r"[A-Za-z0-9_%$.+!*'(),~-]{1,100}"
_VERSION = r"(?=(?:[^&]{0,120}&){0,12}?v=[A-Za-z0-9_-]{1,6}(?:[.][A-Za-z0-9_-]{1,6})?&)"
_QUERY = r"(?:[a-z]{1,12}=[A-Za-z0-9_.%+*~-]{0,100}&){1,12}"
_SIGNATURE = r"(?P<shard>[A-Za-z0-9_-]{2})[A-Za-z0-9_-]{24}[AEIMQUYcgkosw048]"
_PATH = rf"(?P<path>{_SEGMENT}(?:/{_SEGMENT}){{0,{_SEGMENTS - 1}}})"
_LINKED = re.compile(rf"{_PATH}\?{_VERSION}{_QUERY}s={_SIGNATURE}\Z", re.ASCII)
_UNQUOTED = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME_BYTES = 250
_LOCK_SECONDS = 2.0
_POLL_SECONDS = 0.002


class FrontDoor:
    """The links of one application, in a folder that nginx reaches as *folder*.

    A link promises that nginx sends what the application would send for the URL that the link is named after. These
    rules keep the promise:

    - A link is made for a URL that every visitor may see, that can have only one response, and whose source has been
      unchanged for so long that its version identifies it: see `link_path` and `link`.
    - *stamp* returns a digest of everything else that decides about a response: see `stamp_of`. Each stamp has a folder
      of its own. nginx is switched to another folder by the first request that a process with another stamp handles
      (`open`), in one step: see `switch`. A process that was started before, at *started_ns* (in nanoseconds since
      1970), leaves the switch alone and makes no more links. The times of files do not count, because a site may go
      back to an older release.
    - A link leads through a gate of each source that its picture shows: see `gates`. The gates are removed when the
      source is purged, and when a process finds that it is gone or has changed (`notice`).
    - The gates of a link are made first. Then everything that a link depends on is checked once more, and only then
      the link is made. So whatever happens in between removes a gate or is found by the check, in every process. A
      render that ends after its source was taken down, or after links were removed, makes no link.

    *record* is a path whose symbolic link holds the folder in use, if that is another path. So the next configuration
    finds the links that it must take away, also if it has none or has them elsewhere. *lock* is a lock file: processes
    that take over the folder at the same time do so one after the other.
    """

    def __init__(
        self,
        folder: str,
        stamp: Callable[[], str],
        *,
        started_ns: int | None = None,
        lock: str | None = None,
        record: str | None = None,
    ) -> None:
        self.folder = folder
        self._make_stamp = stamp
        self._stamp = stamp()
        self._started_ns = time.time_ns() if started_ns is None else started_ns
        self._lock = f"{folder}.lock" if lock is None else lock
        self._switch = Switch(folder)
        self._record = Switch(folder if record is None else record)
        self._lost = False

    @property
    def is_in_force(self) -> bool:
        """Whether nginx follows the links of this configuration, rather than those of another one."""
        return self._switch.leads_to(self._stamp)

    @property
    def is_closed(self) -> bool:
        """Whether there are no links, because the door is turned off."""
        return self._stamp == CLOSED

    def link_path(self, url: ImageUrl, suffix: str, *, current: bool) -> str | None:
        """Return the path of the link for *url*, whose rendition has the file name suffix *suffix*.

        Returns None if *url* must not have a link. A link lasts much longer than the request, so the URL must be
        canonical, every request for it must get the same response, and it must name the current version of its source.
        *current* tells whether it names the current version. URLs with options that have no effect have no links,
        because one picture has any number of them.
        """
        options, settled = url.options, url.options.settled()
        if not current or url.canonical is None:
            return None
        if not options.cache or options.download is not None or options.expires is not None:
            return None
        if options.text is not None:  # nginx would not learn that a font or a style has changed
            return None
        if (options.gravity, options.focal) != (settled.gravity, settled.focal):
            return None
        return self.path_of(url.canonical, suffix)

    def path_of(self, canonical: str, suffix: str) -> str | None:
        """Return the path at which nginx looks for the link of the URL *canonical*, or None if it looks for none."""
        match = _LINKED.match(canonical)
        if match is None:
            return None
        segments = match["path"].split("/")
        joined = "@".join(segments + [""] * (_SEGMENTS - len(segments)))
        name = joined + canonical[match.end("path") :] + suffix
        if len(name) > _LONGEST_NAME_BYTES:
            return None
        return os.path.join(self._switch.folder(self._stamp), match["shard"], name)

    def link(
        self,
        path: str,
        entry: str | None,
        sources: Sequence[Source],
        *,
        public: bool,
        settled: bool,
        confirm: Callable[[], bool],
    ) -> None:
        """Make a link at *path*, which `link_path` returned, to *entry*, the path of the response's file.

        *sources* are those that the picture shows. Does nothing if the response is not *public* or has no file, or if
        *settled* is false: the source is then so new that it may still change without getting another version. If there
        is no such link yet, *confirm* is called. It looks once more whether the response is still the right one, and
        the link is made only if it returns True. Errors of files are swallowed, because without the link nginx asks the
        application.
        """
        if entry is None or not (public and settled) or leads_to(path, entry):
            return
        stamp = self._stamp
        folder = self._switch.folder(stamp)
        if not path.startswith(folder + os.sep) or (self._lost and self._is_lost()):
            return
        with contextlib.suppress(OSError):
            with open(entry, "rb") as file:
                os.fsync(file.fileno())  # or nginx might send an entry that a crash of the host has emptied
            if not self._take_over():
                return
            ways = [gates.gate(folder, source) for source in sources]
            if self._switch.leads_to(stamp) and confirm():
                make_link(folder, path, entry, ways)
            else:  # nothing may be left of a source that was forgotten meanwhile, and links are made again
                for source in sources:
                    gates.cut(folder, source.ref)

    def notice(self, ref: str, source: Source | None) -> None:
        """Take away the links to pictures of the source *ref* that show another version than *source*.

        *source* is what is there now, or None if there is no such file.
        """
        self._guarded(gates.cut, self._switch.folder(self._stamp), ref, source)

    def open(self) -> None:
        """Let nginx follow no links of another configuration, unless that configuration is newer.

        If there is no folder yet, it is created, so that older processes find out. The exception is a door without
        links.
        """
        if not self.is_closed or self._is_in_use():
            self._guarded(self._take_over)

    def renew(self) -> None:
        """Do what a new process would do, because the conditions of this process may have changed."""
        self._started_ns, self._stamp = time.time_ns(), self._make_stamp()
        self.open()

    def empty(self) -> None:
        """Remove all links, also where another configuration may still have them."""
        self._guarded(self._change_all, empty)

    def purge(self, ref: str) -> None:
        """Remove the links to all pictures that show the source *ref*, also those of other configurations."""
        self._guarded(self._change_all, gates.cut, ref)

    def erase(self, ref: str) -> int:
        """Do as `purge`, and remove the names of these links too. Returns how many there were.

        All links are looked at. The source must be forgotten already, so that no more links are made.

        Raises:
            OSError: If a link cannot be removed.
        """
        removed = []
        self._change_all(gates.cut, ref)
        # The name of a link is a URL. Whatever part of it the path is, these letters are not quoted there. A URL has
        # other spellings.
        letters = "" if is_remote(ref) else max(_UNQUOTED.split(ref), key=len)
        self._change_all(lambda folder: removed.append(remove_through(folder, gates.folder_of(ref), letters)))
        return sum(removed)

    def _change_all(self, change: Callable[..., object], *arguments: object) -> None:
        for switch in (self._switch, *self._others()):
            for folder in switch.folders():
                change(folder, *arguments)

    def _is_in_use(self) -> bool:
        return os.path.lexists(self.folder) or os.path.lexists(self._record.path)

    def _others(self) -> list[Switch]:
        """Return the switches of other configurations: the record, if this is not it, and the one that it names."""
        owner = self._record.owner()
        others = [self._record.path, *([owner.target] if owner is not None and os.path.isabs(owner.target) else [])]
        return [Switch(path) for path in others if path != self.folder]

    def _guarded(self, change: Callable[..., object], *arguments: object) -> None:
        """Call *change*, and log errors."""
        try:
            change(*arguments)
        except OSError as error:
            log = logger.error if self._is_in_use() else logger.debug
            log(
                "The links in %s cannot be removed (%s), so nginx may send images that this application would not. "
                "Remove this folder.",
                *(self.folder, error),
            )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock for the block, unless it cannot be taken soon."""
        end, descriptor = time.monotonic() + _LOCK_SECONDS, None
        with contextlib.suppress(OSError):
            os.stat(os.path.dirname(self._lock))  # the cache creates it, with the right modes
            while (descriptor := try_lock(self._lock)) is None and time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            if descriptor is not None:
                unlock(descriptor)

    def _take_over(self) -> bool:
        """Switch nginx to the links of this process. Returns False if a newer configuration is in force.

        Raises:
            OSError: If that is not possible, or if links of another configuration cannot be removed.
        """
        if self._has_taken_over():
            return True
        with self._locked():
            if self._has_taken_over():
                return True
            if self._is_lost():
                return False
            self._turn()
        return True

    def _has_taken_over(self) -> bool:
        owner = self._switch.owner()
        return self._switch.leads_to(self._stamp) and owner is not None and owner.started_ns >= self._started_ns

    def _turn(self) -> None:
        switch, record = self._switch, self._record
        for other in self._others():
            if other.path != record.path and other.owner() is not None and not other.is_newer(self._started_ns):
                other.turn(other.target(CLOSED), self._started_ns)
                other.clear()
        make_parents(self.folder)
        if not switch.leads_to(self._stamp):
            switch.turn(switch.target(CLOSED), self._started_ns)  # it stays so if a link cannot be removed
            switch.clear()
        switch.turn(switch.target(self._stamp), self._started_ns)
        if record.path != self.folder and os.path.isdir(os.path.dirname(record.path)):
            record.turn(self.folder, self._started_ns)
            record.clear()

    def _is_lost(self) -> bool:
        """Return whether a newer configuration is in force. Logs a warning the first time."""
        if self._switch.leads_to(self._stamp):
            return False
        lost = self._switch.is_newer(self._started_ns) or self._record.is_newer(self._started_ns)
        if lost and not self._lost:
            self._lost = True
            logger.warning(
                "The front door in %s is used with another configuration now. This process adds no more links.",
                self.folder,
            )
        return lost


def nginx_map(prefix: str, name: str = "images") -> str:
    """Return the lines of an nginx ``map`` from ``$request_uri`` to the name of its link, without the suffix.

    The names are the same as those of `FrontDoor.link_path`. *prefix* is the prefix of all image URLs. The variables
    begin with *name*.
    """
    names = [f"{name}_{letter}" for letter in "abcdef"]
    path = ""
    for group in reversed(names):  # nest the optional groups, so that segments are always assigned to names in order
        path = f"(?<{group}>{_SEGMENT})" + (f"(?:/{path})?" if path else "")
    signature = _SIGNATURE.replace("?P<shard>", f"?<{name}_shard>")
    query = f"{_VERSION}(?<{name}_q>{_QUERY})s=(?<{name}_s>{signature})"
    joined = "@".join(f"${group}" for group in names)
    return f"""    "~^{re.escape(prefix)}/{path}\\?{query}$"
        "${name}_shard/{joined}?${{{name}_q}}s=${name}_s";"""
