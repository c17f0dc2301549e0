"""Decide which renditions of an SVG are the drawing itself, and which need pixels."""

from __future__ import annotations

from dataclasses import replace

from ..config.keys import Config
from ..formats import AUTO, SVG
from ..options.options import DEFAULTS, Options
from ..options.values import Mode

# Options that a drawing fulfils without pixels, or that concern pixels alone. The page scales it.
_KEEPING = (
    *("width", "height", "mode", "enlarge", "dpr", "aspect", "gravity", "focal", "background"),
    *("format", "quality", "max_bytes", "progressive", "lossless", "keep", "rights", "depth"),
    *("download", "cache", "expires"),
)
_SCALING = (Mode.RESHAPE, Mode.FIT)
_SUFFIX = ".svg"


def is_drawing(config: Config, file_name: str) -> bool:
    """Return whether a source called *file_name* is an SVG that is passed through, unless its options need pixels."""
    return config.svg == "pass" and file_name[-len(_SUFFIX) :].lower() == _SUFFIX


def passes(config: Config, file_name: str, options: Options) -> bool:
    """Return whether the rendition of *file_name* with *options* is the drawing itself.

    It is, if the options ask for a size at most: not for another format, a crop, a canvas or an effect.
    """
    if not is_drawing(config, file_name) or options.mode not in _SCALING or options.format not in (None, AUTO, SVG):
        return False
    return replace(options, **{name: DEFAULTS[name] for name in _KEEPING}) == _DEFAULT


_DEFAULT = Options()
