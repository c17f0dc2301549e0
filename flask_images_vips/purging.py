"""Remove what is cached of a picture, or everything, from all hosts. It is made again when it is requested.

The cache that all hosts share comes first, then this host, then the others, and the caches in front come last: each
asks those before it.
"""

from __future__ import annotations

from .cache.removal import Removed
from .fleet.log import CLOSE, PURGE, PURGE_ALL
from .in_front import CachesInFront
from .parts import Parts
from .rendition import source_folder
from .state import AppImages


def purge(images: AppImages, ref: str) -> int:
    """Remove everything that is cached for the picture *ref*, a path or a URL. Returns the number of files and objects.

    Other hosts do the same.

    Raises:
        OSError: If a file or an object cannot be removed.
        NotPurged: If a cache in front was not purged. Everything else is removed.
    """
    removed = purge_on_hosts(images, ref)
    images.instance(CachesInFront).purge([ref], soft=True)
    return removed


def purge_on_hosts(images: AppImages, ref: str, *, last: bool = True) -> int:
    """Do as `purge`, but leave the caches in front alone. Purge them afterwards: they may ask any host at once.

    *last* is false if other pictures follow. Only the last one waits for the other hosts, which purge them in order.
    """
    parts = images.parts
    shared = parts.pipeline.cache.shared
    gone = Removed() if shared is None else shared.erase(source_folder(ref))  # first, or it would be fetched again
    removed = purge_here(parts, ref) + len(gone.own) + len(gone.others)
    parts.tell(PURGE, ref, wait=last and bool(parts.pipeline.config.cdn))
    return removed


def purge_here(parts: Parts, ref: str) -> int:
    """Do on this host what `purge` does on all.

    Raises:
        OSError: If a file cannot be removed.
    """
    removed = parts.pipeline.purge(ref)
    parts.links.purge(ref)
    return removed


def purge_all(images: AppImages) -> int:
    """Remove everything that is cached, except fetched files, and return the number of renditions, facts and objects.

    Other hosts do the same.
    """
    parts = images.parts
    shared = parts.pipeline.cache.shared
    removed = shared.purge_all() if shared is not None else 0
    removed += purge_all_here(parts)
    parts.tell(PURGE_ALL, wait=bool(parts.pipeline.config.cdn))
    return removed


def purge_all_here(parts: Parts) -> int:
    """Do on this host what `purge_all` does on all."""
    pipeline = parts.pipeline
    if pipeline.copies is not None:
        pipeline.copies.purge_all()
    removed = pipeline.cache.purge_all()
    parts.links.empty()
    return removed


def close_door(images: AppImages, *, everywhere: bool = True) -> None:
    """Remove all links of nginx, so that it asks the application again. Other hosts do the same if *everywhere*."""
    parts = images.parts
    parts.links.empty()
    if everywhere:
        parts.tell(CLOSE)
