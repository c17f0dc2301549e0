"""Find the pictures that a pattern names, and those that somebody may mean if nothing is found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import chain, islice
from posixpath import basename
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import ImagesError, InvalidPath, shown
from ..pipeline import Pipeline
from ..rendition import source_folder
from ..urls import REMOTE, checked_path

_MAX_FILES = 20_000  # to compare with the path
_MAX_SUGGESTIONS = 5


def named(pattern: str, pipeline: Pipeline) -> list[str]:
    """Return the refs that *pattern* stands for: itself, or if it has a ``*``, all pictures that match.

    A ``*`` stands for any characters, slashes too. The files and objects in ``IMAGES_PATH`` are compared with it, and
    the URLs that were fetched. A file that is gone can only be named exactly: the cache does not know its name.

    Raises:
        InvalidPath: If it is not a valid path, URL or pattern.
        Busy: If an object store cannot be listed.
    """
    ref = checked_path(pattern)
    if "*" not in ref or is_known(ref, pipeline):
        return [ref]
    plain = ref.replace("[", "[[]").replace("?", "[?]")  # in file names, these stand for themselves
    remote = pipeline.sources.remote
    folder = ref.partition("*")[0].rpartition("/")[0]
    objects = chain.from_iterable(store.refs(folder) for store in pipeline.sources.local.stores)
    known = chain(_files(pipeline.sources.local.roots), objects, () if remote is None else remote.urls())
    return [other for other in dict.fromkeys(known) if fnmatchcase(other, plain)]


def nothing_cached(ref: str, pipeline: Pipeline, prefix: str) -> str:
    """Return why nothing was removed for *ref*, and what to try. *prefix* is that of the application's image URLs."""
    places = ", ".join(pipeline.sources.local.places)
    message = f"Nothing is cached for {shown(ref)} in {pipeline.cache.folder}. "
    if _exists(ref, pipeline):
        return f"{message}The picture exists, but it was not requested, or its files are removed already."
    similar = [repr(other) for other in _similar(ref, pipeline, prefix)]
    if similar:
        return f"{message}Did you mean {' or '.join(similar)}?"
    return f"{message}Expected a path as templates name it, relative to IMAGES_PATH ({places}), or a picture's URL."


def _similar(ref: str, pipeline: Pipeline, prefix: str) -> list[str]:
    """Return refs that *ref* may stand for: the same picture written otherwise, or else files of a similar name."""
    same = [other for other in _other_spellings(ref, pipeline, prefix) if other != ref and is_known(other, pipeline)]
    if same:
        return list(dict.fromkeys(same))[:_MAX_SUGGESTIONS]
    files = list(islice(_files(pipeline.sources.local.roots), _MAX_FILES))
    named = [file for file in files if basename(file) == basename(ref)]
    return (named or get_close_matches(ref, files))[:_MAX_SUGGESTIONS]


def _other_spellings(ref: str, pipeline: Pipeline, prefix: str) -> Iterator[str]:
    """Yield what *ref* means if it is the path of a file on this host, or the URL of one of our images."""
    parts = urlsplit(ref)
    _, found, path = f"/{parts.path.lstrip('/')}".partition(f"{prefix}/")
    if found:
        yield parse_qs(parts.query).get("u", [""])[0] if path == REMOTE else unquote(path)
    yield unquote(parts.path)
    for root in pipeline.sources.local.roots:
        for file in (ref, f"/{ref}", os.path.join(os.path.dirname(root), ref)):
            yield os.path.relpath(os.path.realpath(file), os.path.realpath(root)).replace(os.sep, "/")


def is_known(ref: str, pipeline: Pipeline) -> bool:
    """Return whether there is a picture called *ref*, or something of it is cached."""
    with suppress(InvalidPath):
        return checked_path(ref) == ref and (_is_cached(ref, pipeline) or _exists(ref, pipeline))
    return False


def _is_cached(ref: str, pipeline: Pipeline) -> bool:
    return bool(pipeline.cache.siblings(source_folder(ref), ""))


def _exists(ref: str, pipeline: Pipeline) -> bool:
    with suppress(ImagesError):
        return bool(pipeline.sources.here(ref))
    return False


def _files(roots: tuple[str, ...]) -> Iterator[str]:
    """Yield the paths of all files in *roots*, relative to their root."""
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
