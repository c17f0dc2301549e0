"""Check the configuration keys about text on pictures. This module does no I/O."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .checks import wrong

MOST_FONTS = 8
"""The largest number of files of one font: the one that a site has chosen, and those for letters that it lacks."""


def fonts(name: str, value: Any) -> dict[str, tuple[str, ...]] | None:
    """Accept a mapping of names to the path of a font file, or to a list of paths."""
    if value is None:
        return None
    expected = "the paths of font files by name, as in {'title': 'fonts/Inter.ttf'}"
    if not isinstance(value, Mapping):
        raise wrong(name, value, expected)
    found = {}
    for font, paths in value.items():
        files = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        valid = isinstance(files, (list, tuple)) and 0 < len(files) <= MOST_FONTS
        if not isinstance(font, str) or not valid or not all(_is_path(path) for path in files):
            raise wrong(f"{name}[{font!r}]", paths, f"{expected}, or at most {MOST_FONTS} in a list")
        found[font] = tuple(map(os.fspath, files))
    return found


def _is_path(path: object) -> bool:
    return isinstance(path, (str, os.PathLike)) and isinstance(os.fspath(path), str) and bool(os.fspath(path))


def text_styles(name: str, value: Any) -> Mapping[str, Mapping[str, Any]] | None:
    """Accept named sets of values. `TextStyles` checks them."""
    if value is not None and not (
        isinstance(value, Mapping) and all(isinstance(style, Mapping) for style in value.values())
    ):
        raise wrong(name, value, "styles by name, as in {'card': {'size': 72, 'lines': 3}}")
    return value
