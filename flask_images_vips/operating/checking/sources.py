"""Check the folders of ``IMAGES_PATH``: whether they are there, and whether their files can be read."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from ...formats import EXTENSIONS
from ...oddities import unusable_folders
from ...sources.links import is_inside
from .finding import Finding, error, ok, warning
from .site import Site
from .users import may, name_of

_MOST_FILES = 20_000
_MOST_NAMED = 3


def folders(site: Site) -> Iterator[Finding]:
    """Find folders of ``IMAGES_PATH`` that cannot be used."""
    unusable = [*unusable_folders(site.config, site.app.root_path)]
    for sentence in unusable:
        yield error("sources", sentence, "Correct IMAGES_PATH, or let the user of the site enter these folders.")
    if not unusable:
        yield ok("sources", ", ".join(site.pipeline.sources.local.places))


def files(site: Site) -> Iterator[Finding]:
    """Find pictures that the user of this command cannot read, and links that are not followed."""
    local = site.pipeline.sources.local
    inside, unreadable, outside, count = local.folders, [], [], 0
    for _, path in pictures(local.roots):
        count += 1
        real = os.path.realpath(path)
        if not any(is_inside(real, folder) for folder in inside):
            outside.append(path)
        elif not may(site.user, real):
            unreadable.append(path)
    if unreadable:
        yield error(
            "source-files",
            f"{name_of(site.user)} cannot read {len(unreadable)} of {count} pictures, so they answer 404: "
            f"{_some(unreadable)}",
            "Let the user of the site read them, such as with: chmod a+r",
        )
    if outside:
        target = os.path.dirname(os.path.realpath(outside[0]))
        yield warning(
            "source-links",
            f"Links that lead out of IMAGES_PATH are not followed: {_some(outside)}",
            f"Add the folders that they lead to, such as {target}, to IMAGES_PATH.",
        )
    if not unreadable and not outside:
        yield ok("source-files", f"pictures looked at: {count:,}")


def pictures(roots: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each root, and the path of a picture in it, by its extension. In very large folders, some are left out.

    Folders that links lead to are not entered.
    """
    for root, path in islice(_files(roots), _MOST_FILES):
        if path.rpartition(".")[2].lower() in EXTENSIONS:
            yield root, path


def _files(roots: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for root in roots:
        waiting = deque([root])
        while waiting:
            with suppress(OSError), os.scandir(waiting.popleft()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif not entry.is_dir():
                        yield root, entry.path


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:_MOST_NAMED]) + (" …" if len(paths) > _MOST_NAMED else "")
