"""Find where ``IMAGES_UPLOADS`` is: in a folder of ``IMAGES_PATH``, or in an object store."""

from __future__ import annotations

import os
import posixpath
from typing import NamedTuple

from ..config.keys import Config
from ..errors import ConfigError, InvalidPath
from ..originals import store_at
from ..pipeline import Pipeline
from ..sources.links import is_inside
from ..sources.local import climbs
from ..stores.location import Location, is_location, parse_location
from .folder import UploadFolder
from .rules import uploads_missing
from .store import UploadStore


class Place(NamedTuple):
    """Where uploads are stored: *keeper* writes them, and their paths in ``IMAGES_PATH`` begin with *prefix*."""

    keeper: UploadFolder | UploadStore
    prefix: tuple[str, ...]

    def ref(self, folders: tuple[str, ...], name: str) -> str:
        """Return the path in ``IMAGES_PATH`` of the upload *name* in *folders*."""
        return "/".join([*self.prefix, *folders, name])

    def inner(self, ref: str) -> tuple[tuple[str, ...], str]:
        """Return the folders and the name of the upload that *ref* is the path of.

        Raises:
            InvalidPath: If *ref* is not the path of an upload.
        """
        *folders, name = ref.split("/")
        own = tuple(folders[: len(self.prefix)]) == self.prefix
        if not own or not name or climbs(ref) or posixpath.normpath(ref) != ref:
            below = "/".join(self.prefix) or "IMAGES_UPLOADS"
            raise InvalidPath(f"{ref!r} is not an upload: expected the path of a picture below {below}")
        return tuple(folders[len(self.prefix) :]), name


def make_place(pipeline: Pipeline, root_path: str) -> Place:
    """Return the place of ``IMAGES_UPLOADS``.

    Raises:
        ConfigError: If it is not set, or cannot be used.
    """
    config = pipeline.config
    if config.uploads is None:
        raise uploads_missing(config)
    entry, parts = _entry_of(config, root_path)
    if isinstance(entry, Location):
        return Place(UploadStore(store_at(entry, config), parts), parts)
    folder = UploadFolder(entry, parts, pipeline.sources.local.folders, config.temp_max_age)
    return Place(folder, parts)


def check_place(config: Config, root_path: str) -> None:
    """Check that ``IMAGES_UPLOADS`` is in ``IMAGES_PATH``. Nothing is read.

    Raises:
        ConfigError: If it is not.
    """
    if config.uploads is not None:
        _entry_of(config, root_path)


def folders_in(folder: str | None) -> tuple[str, ...]:
    """Return the parts of *folder*, which the application has chosen.

    Raises:
        ValueError: If it is no relative path, or begins with a dot.
    """
    if not folder:
        return ()
    path = folder.strip("/")
    if folder.startswith("/") or climbs(path) or posixpath.normpath(path) != path or "/." in f"/{path}":
        raise ValueError(f"folder={folder!r}: expected a path in IMAGES_UPLOADS, such as 'photos', or None")
    return tuple(path.split("/"))


def _entry_of(config: Config, root_path: str) -> tuple[str | Location, tuple[str, ...]]:
    """Return the entry of ``IMAGES_PATH`` that ``IMAGES_UPLOADS`` lies in, and the folders below it."""
    uploads = config.uploads
    assert uploads is not None
    if is_location(uploads):
        wanted = parse_location(uploads)
        for location in config.stores:
            parts = _below(location, wanted)
            if parts is not None:
                return location, parts
    else:
        path = os.path.normpath(os.path.join(root_path, uploads))
        for each in config.folders:
            root = os.path.normpath(os.path.join(root_path, each))
            if is_inside(path, root):
                inner = os.path.relpath(path, root)
                return root, () if inner == os.curdir else tuple(inner.split(os.sep))
    raise ConfigError(
        f"IMAGES_UPLOADS={uploads!r}: expected a folder in IMAGES_PATH ({', '.join(config.path)}), or a place in one "
        "of its object stores. Pictures elsewhere cannot be shown."
    )


def _below(location: Location, wanted: Location) -> tuple[str, ...] | None:
    """Return the folders from *location* to *wanted*, or None if that is not in it."""
    outer, inner = _parts(location), _parts(wanted)
    if location.root != wanted.root or inner[: len(outer)] != outer:
        return None
    return inner[len(outer) :]


def _parts(location: Location) -> tuple[str, ...]:
    return tuple(location.prefix.split("/")) if location.prefix else ()
