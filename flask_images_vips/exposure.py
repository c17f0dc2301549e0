"""Find folders whose files other people can load or replace, although the configuration says otherwise."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress

from flask import Flask

from .config.keys import Config
from .nginx.front_door import FrontDoor
from .pipeline import Pipeline
from .sources.links import LinkedFolders, is_inside


def served_folders(app: Flask, pipeline: Pipeline) -> Iterator[str]:
    """Yield a sentence about each folder of sources, or of the cache, that Flask itself serves.

    Call this if *app* has an ``authorize`` callback, which Flask does not ask before it sends a static file.
    """
    cache = os.path.realpath(pipeline.cache.folder)
    for static in _static_folders(app):
        served = LinkedFolders([static], follow=True).folders
        roots = [root for root in pipeline.sources.local.folders if any(_overlap(root, folder) for folder in served)]
        if roots:
            yield (
                f"Flask serves the folder {static} to everybody, without asking the authorize callback, and "
                f"IMAGES_PATH has sources in it ({', '.join(roots)}). Keep private sources in a folder that is not "
                f"served, such as {os.path.join(app.root_path, 'pictures')}, and add that to IMAGES_PATH."
            )
        if any(is_inside(cache, folder) for folder in served):
            yield (
                f"Flask serves the folder {static} to everybody, without asking the authorize callback, and the cache "
                f"is in it ({cache}). Set IMAGES_CACHE to a folder that is not served."
            )


def _static_folders(app: Flask) -> Iterable[str]:
    folders = (scaffold.static_folder for scaffold in (app, *app.blueprints.values()))
    return dict.fromkeys(folder for folder in folders if folder is not None)


def _overlap(one: str, other: str) -> bool:
    return is_inside(one, other) or is_inside(other, one)


def shared_folders(config: Config, pipeline: Pipeline, front_door: FrontDoor | None) -> Iterator[str]:
    """Yield a sentence about each folder of *config* for images in which another user of this host can write."""
    if config.cache_folder is not None:
        yield from shared_folder("IMAGES_CACHE", pipeline.cache.folder)
    if front_door is not None and config.front_door is not True:
        yield from shared_folder("IMAGES_FRONT_DOOR", front_door.folder)


def shared_folder(key: str, folder: str) -> Iterator[str]:
    """Yield a sentence if another user of this host can replace the files in *folder*, which the *key* names."""
    open_folder = _open_to_others(os.path.realpath(folder)) if hasattr(os, "geteuid") else None
    if open_folder is not None:
        yield (
            f"{key}: other users of this host can write to {open_folder}, so they can replace images. Let only the "
            "user of this application write there."
        )


def _open_to_others(folder: str) -> str | None:
    """Return *folder*, or the nearest folder above it, if another user can change what *folder* has; otherwise None.

    Above *folder*, groups are trusted. So are sticky folders such as ``/tmp``, where others cannot rename *folder*.
    """
    with suppress(OSError):  # it does not exist yet
        status = os.stat(folder)
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return folder
    while folder != (folder := os.path.dirname(folder)):
        with suppress(OSError):
            if os.stat(folder).st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
                return folder
    return None
