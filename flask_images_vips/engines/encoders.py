"""Define the encoder settings of both engines: for every format, at each ``IMAGES_EFFORT``.

The settings do not include the quality, which each rendition has of its own. This module does no I/O.
"""

from __future__ import annotations

from typing import Any

Settings = dict[str, dict[str, Any]]
"""By format: the arguments of the engine's encoder, as libvips or Pillow name them."""

# At the balanced effort. An engine cannot write formats that are missing here.
#
# What the settings of libvips cost and gain: AVIF effort 4, its default, costs ten times effort 2 for a tenth fewer
# bytes; WebP effort 4 twice effort 2 for a twentieth. A filter saves a quarter of a PNG of a photograph; choosing among
# all filters for each line, at compression 6, costs two to three times the CPU for another 6 %. GIF effort 7 costs two
# to four times effort 4, which looks as close with half the dither.
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
# By engine and effort: the settings that differ from the balanced ones.
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
    """The settings of each format that *engine*, ``vips`` or ``pillow``, can write, at *effort*."""
    changes = _CHANGES[engine][effort]
    return {name: {**own, **changes.get(name, {})} for name, own in _BALANCED[engine].items()}


def formats_changed_by(effort: str) -> frozenset[str]:
    """The formats that at least one engine encodes differently at *effort* than at the balanced effort."""
    return frozenset(name for changes in _CHANGES.values() for name in changes[effort])
