"""Make sure that a page of the playground has its placeholders, even at the first visit."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from flask import Flask, current_app

from .. import resized_img_placeholder
from .photos import Photo

_AT_ONCE = 2
_KEY = "flask_images_vips.demo.tiny"


def make_placeholders(photos: Iterable[Photo]) -> None:
    """Wait until the tiny pictures of *photos* are known, once per process.

    A site does not wait: its pages have placeholders from the second visit on. People look at a demo only once.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    made: set[str] = app.extensions.setdefault(_KEY, set())
    missing = [photo.path for photo in photos if photo.path not in made]
    if missing:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            made.update(threads.map(partial(_make, app), missing))


def _make(app: Flask, path: str) -> str:
    with app.app_context():  # outside of a request, the extension makes a placeholder at once
        resized_img_placeholder(path)
    return path
