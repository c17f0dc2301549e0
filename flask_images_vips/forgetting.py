"""Take a picture down for good: remove everything of it from all hosts, and refuse it from then on.

First, a tombstone is made. From that moment on, no process of this host renders the picture, stores anything of it or
lets nginx send it. So whatever is removed after that does not come back, also if a render is running. Everything is
attempted, whatever fails on the way, and it does no harm to forget a picture twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from .cache.disk import DiskCache
from .cache.removal import Removed
from .cache.shared import SharedCache
from .errors import Busy, NotForgotten, NotPurged, SourceError, shown
from .fleet.connection import RedisFailed
from .fleet.log import ALLOW, FORGET
from .in_front import CachesInFront
from .parts import Parts
from .pipeline import Pipeline
from .recording.journal import Journal
from .rendition import source_folder
from .sources.object_file import ObjectSource
from .sources.source import real_path_inside
from .state import AppImages
from .stores.store import StoreFailed
from .system_errors import cause
from .urls import is_remote

T = TypeVar("T")

_FACTS = ".txt"
_OTHER_USER = "Run this as the user of the site, or set IMAGES_TOMBSTONES to a folder that this user may write to."
_STORE = "Do it again when the object store answers."


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was removed of the picture *ref*. Numbers count files, except *seconds* and *size_bytes*, the size of all.

    *time* is when it was forgotten, in seconds since 1970, and *seconds* how long that took. *is_new* is false if it
    was forgotten before. *renditions* are its own, and *marked* are those of other pictures that showed it as a
    watermark. *facts* are sizes, placeholders and the like. *copies* are reduced copies and announced sets. *fetched*
    are files from its server or its object store. *links* are those of nginx. *unfinished* files were being written, or
    were left by killed processes. *original* is the path of the picture itself, or its URL in an object store. It is
    None if it was not removed.

    All this was on this host. *objects* were in the object store that all hosts share. *hosts* are the names of other
    hosts that have forgotten it too, and *pending* those that will when they are back, before they serve images. *told*
    is false if Redis is away, so that no host knows yet. *cdn* are the caches in front that have confirmed their purge,
    see ``IMAGES_CDN``.
    """

    ref: str
    time: float
    seconds: float
    is_new: bool
    renditions: int = 0
    marked: int = 0
    facts: int = 0
    copies: int = 0
    fetched: int = 0
    links: int = 0
    unfinished: int = 0
    size_bytes: int = 0
    original: str | None = None
    objects: int = 0
    hosts: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    told: bool = True
    cdn: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether there was anything to remove."""
        numbers = self.renditions, self.marked, self.facts, self.copies, self.fetched, self.links, self.unfinished
        return any(numbers) or bool(self.objects) or self.original is not None

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as an object for JSON."""
        return asdict(self)


def forget(images: AppImages, ref: str, *, source: bool = False) -> Receipt:
    """Take the picture *ref*, a path or a URL, down for good, and return what was removed.

    The original stays, unless *source* is set. One on another server always stays. Other hosts do the same.

    Raises:
        NotForgotten: If something could not be done. Everything else is done nevertheless.
    """
    parts, problems = images.parts, _Problems()
    receipt = _forgotten(parts, ref, problems, shares=True, source=source)
    told = parts.tell(FORGET, ref, wait=True)
    # The last step, because these caches may ask any host for the picture at once.
    nobody: tuple[str, ...] = ()
    in_front = images.instance(CachesInFront)
    cdn = problems.attempt(lambda: in_front.purge([ref], soft=False), nobody, "not purged in front")
    problems.check(ref)
    seconds = time.time() - receipt.time
    return replace(receipt, seconds=seconds, hosts=told.hosts, pending=told.pending, told=told.is_told, cdn=cdn)


def forget_here(parts: Parts, ref: str) -> None:
    """Do on this host what `forget` does on another one. The original stays.

    Raises:
        OSError: If the picture could still be shown.
        NotForgotten: If something of it is left, which is not shown.
    """
    with suppress(RedisFailed, OSError):
        parts.tombstones.meet()
    parts.tombstones.add(source_folder(ref))
    problems = _Problems()
    _forgotten(parts, ref, problems)
    problems.check(ref)


def _forgotten(parts: Parts, ref: str, problems: _Problems, *, shares: bool = False, source: bool = False) -> Receipt:
    """Remove the picture *ref* from this host. With *shares*, share its tombstone first, so that no host renders it."""
    begin, pipeline = time.time(), parts.pipeline
    folder = source_folder(ref)
    pipeline.cache.usable()  # creates its folder, with the right modes
    is_new = problems.attempt(lambda: parts.tombstones.add(folder), False, "its tombstone cannot be made")
    if shares:
        problems.attempt(lambda: _share(parts.tombstones.share, folder), None, "its tombstone cannot be shared")
    links = problems.attempt(lambda: parts.links.erase(ref), 0, "links of nginx cannot be removed")

    def erased(cache: DiskCache | SharedCache | None, what: str) -> Removed:
        return problems.attempt(lambda: _erased(cache, folder), Removed(), f"{what} cannot be removed")

    # Also if another host has done so: this one may have stored something just before it knew.
    shared = erased(pipeline.cache.shared, "objects")
    copies = erased(pipeline.copies, "copies")
    fetched = [erased(cache, "fetched files") for cache in pipeline.sources.caches]
    own = erased(pipeline.cache, "renditions")
    original = None
    if source and not is_remote(ref):
        original = problems.attempt(lambda: _remove_original(pipeline, ref), None, "the original cannot be removed")
    problems.attempt(lambda: pipeline.purge_files(ref), 0, "what is remembered of it cannot be removed")
    problems.attempt(
        lambda: Journal(pipeline.cache.folder).forget(ref), None, "what is recorded of it cannot be removed"
    )
    facts = sum(name.endswith(_FACTS) for name in own.own)
    return Receipt(
        ref=ref,
        time=begin,
        seconds=0,
        is_new=is_new,
        renditions=len(own.own) - facts,
        marked=len(own.others),
        facts=facts,
        copies=len(copies.own),
        fetched=sum(len(removed.own) for removed in fetched),
        links=links,
        unfinished=sum(removed.unfinished for removed in (copies, *fetched, own)),
        size_bytes=sum(removed.size_bytes for removed in (copies, *fetched, own)),
        original=original,
        objects=len(shared.own) + len(shared.others),
    )


def allow(images: AppImages, ref: str) -> bool:
    """Serve the picture *ref* again, which was forgotten. Returns False if it was not. Other hosts do the same.

    Raises:
        NotForgotten: If its tombstone cannot be removed.
    """
    parts = images.parts
    folder = source_folder(ref)
    try:
        was_forgotten = parts.tombstones.remove(folder)
        _share(parts.tombstones.unshare, folder)
    except OSError as error:
        raise NotForgotten(f"{shown(ref)} cannot be allowed again: {cause(error)}") from None
    parts.tell(ALLOW, ref)
    return was_forgotten


def _share(share: Callable[[str], None], folder: str) -> None:
    """Call *share*. If Redis is away, this is done when it is back: see `Messages.tell`."""
    with suppress(RedisFailed):
        share(folder)


class _Problems:
    """Collects what goes wrong, so that the rest is done nevertheless."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._cures: dict[str, None] = {}

    def attempt(self, work: Callable[[], T], otherwise: T, problem: str) -> T:
        """Return the result of *work*, or *otherwise* if a file or a cache in front cannot be changed."""
        try:
            return work()
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            self._found.append(f"{problem}: {cause(error)}{where}")
            self._cures[_STORE if error.errno is None else _OTHER_USER] = None
        except NotPurged as error:
            self._found.append(f"{problem}: {'; '.join(error.failed)}")
            self._cures[error.CURE] = None
        return otherwise

    def check(self, ref: str) -> None:
        """Raise a `NotForgotten` of everything collected, if there is anything."""
        if self._found:
            raise NotForgotten(
                f"{shown(ref)} is not forgotten completely, so it may still be shown: {'; '.join(self._found)}. "
                f"{' '.join(self._cures)}"
            )


def _erased(cache: DiskCache | SharedCache | None, folder: str) -> Removed:
    return Removed() if cache is None else cache.erase(folder)


def _remove_original(pipeline: Pipeline, ref: str) -> str | None:
    """Remove the file *ref* in ``IMAGES_PATH``, also if it is a link to it. Returns its path, or None if it is missing.

    An object is deleted in its store, and its URL is returned.

    Raises:
        OSError: If it cannot be removed.
    """
    try:
        source = pipeline.sources.local.find(ref)
        if isinstance(source, ObjectSource):
            source.delete()
            return source.url
    except SourceError:
        return None
    except (Busy, StoreFailed) as error:
        raise OSError(str(error)) from None
    real = real_path_inside(source.path, source.root)
    if real is None:
        raise OSError(f"{source.path} leads out of its folder")
    os.unlink(real)
    if os.path.islink(source.path):
        os.unlink(source.path)
    return real
