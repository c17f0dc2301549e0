"""Find the URLs that presets give the pictures in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain

from ...formats import EXTENSIONS
from ...page.links import build_url
from ...state import AppImages
from .wanted import Wanted, url_of, urls_in


def in_folder(images: AppImages, folder: str, presets: Sequence[str]) -> Iterator[Wanted]:
    """Yield the URL of each picture below *folder*, a path below ``IMAGES_PATH``, with each of *presets*.

    Call this in a context of the application.

    Raises:
        FileNotFoundError: If no folder of ``IMAGES_PATH`` has it.
        Busy: If an object store cannot be listed.
    """
    local = images.pipeline.sources.local
    refs = dict.fromkeys(chain(_files(local.roots, folder), *(store.refs(folder) for store in local.stores)))
    if not refs and not any(os.path.isdir(os.path.join(root, folder)) for root in local.roots):
        raise FileNotFoundError(f"There is no folder {folder!r} in IMAGES_PATH ({', '.join(local.places)}).")
    for ref in refs:
        if ref.rpartition(".")[2].lower() not in EXTENSIONS:
            continue
        for preset in presets:
            for path, query in urls_in(build_url(ref, preset=preset), images.url):
                yield Wanted(url_of(images, path, query), ref)


def _files(roots: Sequence[str], folder: str) -> Iterator[str]:
    for root in roots:
        for path, folders, names in os.walk(os.path.join(root, folder)):
            folders.sort()
            for name in sorted(names):
                yield os.path.relpath(os.path.join(path, name), root).replace(os.sep, "/")
