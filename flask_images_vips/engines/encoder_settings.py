"""Define the encoder settings of both engines, for each format and ``IMAGES_EFFORT``.

The quality is not part of the settings, because every rendition has its own. This module does no I/O.
"""

from __future__ import annotations

from typing import Any

from ..formats import Format
from ..options.options import Options

Settings = dict[str, dict[str, Any]]
"""The keyword arguments of the engine's encoder (libvips or Pillow), by format name."""

# The settings at the balanced effort, by engine. Formats that are missing here cannot be written by the engine.
#
# The libvips settings were chosen by measuring. AVIF: effort 4, the default, takes ten times as long as effort 2 and
# saves a tenth of the bytes. WebP: effort 4 takes twice as long as effort 2 and saves a twentieth. PNG: a filter saves
# a quarter of the bytes of a photograph; trying all filters on each line, at compression 6, takes two to three times
# the CPU time and saves another 6 %. GIF: effort 7, the default of libvips, takes two to four times as long as effort
# 4. With half the dither, effort 4 comes as close to the source as effort 7.
_BALANCED: dict[str, Settings] = {
    "vips": {
        "jpeg": {"optimize_coding": True},
        "png": {"compression": 3, "filter": "sub"},
        "webp": {"effort": 2},
        "avif": {"effort": 2},
        "gif": {"effort": 4, "dither": 0.5},
    },
    "pillow": {
        "jpeg": {"optimize": True},
        "png": {"compress_level": 6},
        "webp": {"method": 2},
        "avif": {"speed": 7},
        "gif": {},
        "tiff": {"compression": "tiff_lzw"},
        "bmp": {},
        "ico": {},
    },
}
# The settings that differ from the balanced ones, by engine and effort.
_CHANGES: dict[str, dict[str, Settings]] = {
    "vips": {
        "balanced": {},
        "fast": {
            "jpeg": {"optimize_coding": False},
            "png": {"compression": 2},
            "webp": {"effort": 0},
            "avif": {"effort": 0},
            "gif": {"effort": 1},
        },
        "small": {
            "jpeg": {"interlace": True, "quant_table": 3},
            "png": {"compression": 9, "filter": "all"},
            "webp": {"effort": 4},
            "avif": {"effort": 3},
        },
    },
    "pillow": {
        "balanced": {},
        "fast": {
            "jpeg": {"optimize": False},
            "png": {"compress_level": 2},
            "webp": {"method": 0},
            "avif": {"speed": 9},
        },
        "small": {
            "jpeg": {"progressive": True},
            "png": {"compress_level": 9},
            "webp": {"method": 4},
            "avif": {"speed": 6},
        },
    },
}


def settings_of(engine: str, effort: str = "balanced") -> Settings:
    """Return the settings of each format that *engine*, ``vips`` or ``pillow``, can write at *effort*."""
    changes = _CHANGES[engine][effort]
    return {name: {**own, **changes.get(name, {})} for name, own in _BALANCED[engine].items()}


def formats_changed_by(effort: str) -> frozenset[str]:
    """Return the formats that at least one engine encodes differently at *effort* than at the balanced effort."""
    return frozenset(name for changes in _CHANGES.values() for name in changes[effort])


def decoded_once(options: Options, format: Format) -> bool:
    """Return whether libvips renders *options* as *format*. Only libvips makes several renditions from one decode."""
    return options.transform is None and format.name in _BALANCED["vips"]
