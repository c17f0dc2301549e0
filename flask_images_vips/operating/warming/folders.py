"""Find the URLs that presets give the pictures in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from ...formats import EXTENSIONS
from ...page.links import build_url
from ...state import AppImages
from .wanted import Wanted, url_of, urls_in


def in_folder(images: AppImages, folder: str, presets: Sequence[str]) -> Iterator[Wanted]:
    """Yield the URL of each picture below *folder*, a path below ``IMAGES_PATH``, with each of *presets*.

    Call this in a context of the application.

    Raises:
        FileNotFoundError: If no folder of ``IMAGES_PATH`` has it.
    """
    roots = images.pipeline.sources.local.roots
    tops = [top for root in roots if os.path.isdir(top := os.path.join(root, folder))]
    if not tops:
        raise FileNotFoundError(f"There is no folder {folder!r} in IMAGES_PATH ({', '.join(roots)}).")
    refs: dict[str, None] = {}
    for root in roots:
        for path, folders, names in os.walk(os.path.join(root, folder)):
            folders.sort()
            for name in sorted(names):
                if name.rpartition(".")[2].lower() in EXTENSIONS:
                    refs.setdefault(os.path.relpath(os.path.join(path, name), root).replace(os.sep, "/"))
    for ref in refs:
        for preset in presets:
            for path, query in urls_in(build_url(ref, preset=preset), images.url):
                yield Wanted(url_of(images, path, query), ref)
