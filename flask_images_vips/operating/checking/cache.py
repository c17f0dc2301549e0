"""Check the cache: its place, its owner, whether it can be written and locked, and its room on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from ...cache.trial import existing, has_room, lock_refusal, write_refusal
from ...errors import Busy
from ...exposure import shared_folders
from ...system_errors import cause
from .finding import Finding, error, ok, warning
from .site import Site
from .users import may, name_of, own_user

MOUNTS = "/proc/self/mounts"
_OVER_A_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "fuse.sshfs", "fuse.s3fs")
)
_GIGABYTE = 1e9
_PARTS = 16  # a file larger than 1/16 of its part of the cache is not stored, see `cache.eviction`
_SMALL_COPY_BYTES = 2_000_000  # of 1024 px; of `IMAGES_COPIES = 'jpeg'`, a tenth


def place(site: Site) -> Iterator[Finding]:
    """Find a cache in a place where it is lost, slow, or open to others."""
    folder, found = site.cache.folder, []
    if site.config.cache_folder is None:
        found.append(
            warning(
                "cache-place",
                f"The cache is in the system's temporary folder ({folder}). Systems tidy that up, and a release in a "
                "new folder starts with an empty cache.",
                "Set IMAGES_CACHE to a folder that only this application uses, such as /var/cache/mysite.",
            )
        )
    kind = file_system_of(folder)
    if kind in _OVER_A_NETWORK:
        found.append(
            warning(
                "cache-place",
                f"The cache is on a file system over a network ({kind}: {folder}), so each cached image waits for it.",
                "Set IMAGES_CACHE to a folder on a local disk. Each host then has a cache of its own.",
            )
        )
    for sentence in shared_folders(site.config, site.pipeline, site.images.front_door):
        found.append(warning("cache-place", sentence, "Run: chmod go-w on that folder."))
    yield from found or [ok("cache-place", folder)]


def writing(site: Site) -> Iterator[Finding]:
    """Find out whether the user of the site can write the cache. Another user writes nothing into it."""
    folder, user = site.cache.folder, site.user
    if not os.path.isdir(folder):
        parent = existing(folder)
        if may(user, parent, write=True):
            yield ok("cache-write", f"{folder} will be made at the first request")
        else:
            yield error(
                "cache-write",
                f"{name_of(user)} cannot make the cache {folder}: {parent} may not be written. Nothing is cached.",
                f"Make the folder, and give it to the user of the site: install -d -m 700 -o USER {folder}",
            )
        return
    if user != own_user():
        yield warning(
            "cache-write",
            f"The site's user is {name_of(user)}, but this command runs as {name_of(own_user())}: it cannot tell "
            "whether the cache can be written, and files that it makes would not belong to the site.",
            f"Run this command as {name_of(user)}.",
        )
        return
    refusal = write_refusal(site.cache)
    if refusal is not None:
        yield error(
            "cache-write",
            f"The cache in {folder} cannot be written ({cause(refusal)}). Images are rendered at every request.",
            "Give the folder to the user of the site, or mount its file system for writing.",
        )
        return
    yield ok("cache-write", f"{name_of(user)} can write {folder}")
    yield from _locks(site)


def _locks(site: Site) -> Iterator[Finding]:
    refusal = lock_refusal(site.cache)
    if refusal is not None:
        yield warning(
            "cache-locks",
            f"Files in the cache cannot be locked ({cause(refusal)}), so several workers may render the same image.",
            "Set IMAGES_CACHE to a folder on a file system with locks, such as ext4 or XFS.",
        )
    else:
        yield ok("cache-locks", "work")


def tombstones(site: Site) -> Iterator[Finding]:
    """Find out whether the site can tell which pictures were forgotten."""
    remembered = site.images.tombstones
    try:
        remembered.check()
    except Busy as problem:
        yield error(
            "tombstones",
            f"The site cannot tell which pictures were forgotten, so new images answer 503: {problem}.",
            f"Give {remembered.folder} (IMAGES_TOMBSTONES) to the user of the site.",
        )
    else:
        yield ok("tombstones", f"forgotten pictures are remembered in {remembered.folder}")


def space(site: Site) -> Iterator[Finding]:
    """Find out whether the disk has the room that the configuration counts on."""
    folder = existing(site.cache.folder)
    try:
        disk = os.statvfs(folder)
    except (AttributeError, OSError):
        return
    free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    held = site.cache.bound.held() if site.cache.bound is not None else 0
    config, found = site.config, []
    lines = f"{free / _GIGABYTE:.1f} of {whole / _GIGABYTE:.1f} GB are free"
    if not has_room(site.cache):
        found.append(
            error(
                "cache-space",
                f"{lines}, but IMAGES_CACHE_MIN_FREE = {config.cache_min_free:g} of the disk must stay free, and "
                f"IMAGES_CACHE_MAX_SIZE is {config.cache_max_size:,} bytes. Nothing is stored.",
                "Free space, or change these keys.",
            )
        )
    elif disk.f_files and not disk.f_favail:
        found.append(
            error(
                "cache-space",
                f"{folder}: its file system has no inodes left, so no file can be stored.",
                "Remove small files, or use another file system.",
            )
        )
    elif config.cache_max_size - held > free:
        found.append(
            warning(
                "cache-space",
                f"{lines}, less than the cache may still grow (IMAGES_CACHE_MAX_SIZE = {config.cache_max_size:,}). It "
                "stops storing before it starts to delete old files.",
                f"Set IMAGES_CACHE_MAX_SIZE to less than {(held + free) / _GIGABYTE:.1f} GB, or enlarge the disk.",
            )
        )
    found += _small_parts(site)
    yield from found or [ok("cache-space", f"{lines}; the cache holds {held / _GIGABYTE:.2f} GB")]


def _small_parts(site: Site) -> list[Finding]:
    config = site.config
    size = _SMALL_COPY_BYTES // (10 if config.copies == "jpeg" else 1)
    part = int(config.cache_max_size * config.copies_share)
    if config.copies is None or part // _PARTS >= size:
        return []
    return [
        warning(
            "cache-space",
            f"Copies of large sources are not kept: their part of the cache has {part:,} bytes, and a copy of about "
            f"{size:,} bytes may take a sixteenth of it.",
            "Raise IMAGES_CACHE_MAX_SIZE or IMAGES_COPIES_SHARE, or set IMAGES_COPIES = False.",
        )
    ]


def file_system_of(folder: str) -> str:
    """Return the kind of the file system that *folder* is, or will be, on. An empty string if that is not known."""
    best, kind = "", ""
    folder = os.path.realpath(folder)
    with suppress(OSError), open(MOUNTS, encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            _, point, found, *_ = line.split(" ")
            point = point.replace("\\040", " ")
            inside = folder == point or folder.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, found
    return kind
