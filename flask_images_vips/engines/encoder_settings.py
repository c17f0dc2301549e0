"""Define the arguments of the encoders of both engines, for each format, ``IMAGES_EFFORT`` and quality.

``quality`` is on one scale for all formats: at the same number, they look the same. JPEG is the scale. The other
encoders have numbers of their own, which `_SCALES` maps it to. This module does no I/O.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from ..formats import Format, Raw
from ..options.options import Options

Settings = dict[str, dict[str, Any]]
"""The keyword arguments of the engine's encoder (libvips or Pillow), by format name."""

FLAT = 0.5
EDGES = 0.33
"""How a flat picture (a drawing, a screen or text) is told from a photograph.

At least the share `FLAT` of its pixels has the colour of the pixel to the right. Most photographs have less, but those
with a black sky or a white wall have up to 0.82. Of the other pixels, at least the share `EDGES` differs by more than
`SMALL_STEP` levels from the pixel to the right. Drawings have 0.46 or more, and such photographs up to 0.24. One of
`FLAT_ROWS` rows is enough to tell. Pictures of more than `MOST_FLAT_PIXELS` count as photographs, because an encoder
that reads them row by row takes less memory.
"""
SMALL_STEP = 8
FLAT_ROWS = 8
MOST_FLAT_PIXELS = 8_000_000

MOST_SMALL_PIXELS = 4_000_000
"""Larger pictures are encoded at the balanced effort instead of ``small``.

At ``small``, JPEG and AVIF take up to 1 µs per pixel, and PNG takes 2 µs. A very large picture would not be ready
within ``IMAGES_RENDER_TIMEOUT``. Where there are no renderers, nothing would stop the encoder of a JPEG or AVIF.
"""

# The settings at the balanced effort, by engine. Formats that are missing here cannot be written by the engine.
#
# The libvips settings were chosen by measuring CPU time and bytes at equal SSIMULACRA2. AVIF: effort 1 takes 3.2 to 4
# times as long as effort 0 and saves 6 to 10 % of the bytes of photographs, but 36 % of flat pictures. WebP: effort 4
# takes twice as long as effort 2 and saves 3 %; alpha at quality 70 takes half the time and saves 27 to 37 %. PNG: the
# Paeth filter saves 6 % of photographs; flat pictures are smaller without a filter. GIF: effort 7, the default of
# libvips, takes two to four times as long as effort 4. With half the dither, effort 4 comes as close to the source.
# JPEG XL: effort 5 takes five times as long as effort 3 and saves 6 % at most.
_BALANCED: dict[str, Settings] = {
    "vips": {
        "jpeg": {"optimize_coding": True},
        "png": {"compression": 3, "filter": "paeth"},
        "webp": {"effort": 2, "alpha_q": 70},
        "avif": {"effort": 0},
        "jxl": {"effort": 3},
        "gif": {"effort": 4, "dither": 0.5},
    },
    "pillow": {
        "jpeg": {"optimize": True},
        "png": {"compress_level": 6},
        "webp": {"method": 2, "alpha_quality": 70},
        "avif": {"speed": 9},
        "jxl": {"effort": 3},
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
            "png": {"compression": 2, "filter": "sub"},
            "webp": {"effort": 1},
            "gif": {"effort": 1},
        },
        "small": {
            "jpeg": {"interlace": True, "trellis_quant": True, "overshoot_deringing": True, "quant_table": 3},
            "png": {"compression": 9, "filter": "all"},
            "webp": {"effort": 4, "smart_subsample": True},
            "avif": {"effort": 2},
            "jxl": {"effort": 5},
        },
    },
    "pillow": {
        "balanced": {},
        "fast": {"jpeg": {"optimize": False}, "png": {"compress_level": 2}, "webp": {"method": 1}},
        "small": {
            "jpeg": {"progressive": True},
            "png": {"compress_level": 9},
            "webp": {"method": 4},
            "avif": {"speed": 7},
            "jxl": {"effort": 5},
        },
    },
}
# The further changes for flat pictures.
_FLAT_CHANGES: dict[str, dict[str, Settings]] = {
    "vips": {"balanced": {"avif": {"effort": 1}, "png": {"compression": 6, "filter": "none"}}},
    "pillow": {"balanced": {"avif": {"speed": 8}}},
}

_QUALITY = {"vips": "Q", "pillow": "quality"}
_CHROMA = {"vips": ("subsample_mode", "on", "off"), "pillow": ("subsampling", "4:2:0", "4:4:4")}
_PROGRESSIVE: dict[str, Settings] = {
    "vips": {"jpeg": {"interlace": True}, "png": {"interlace": True}},
    "pillow": {"jpeg": {"progressive": True}},  # Pillow cannot write interlaced PNGs
}
# libvips 8.15 would also halve the chroma of a lossless AVIF if it is told to, which no decoder reads. Pillow cannot
# write lossless AVIF: at the best quality and with full chroma, values differ by a few levels at most.
LOSSLESS: dict[str, Settings] = {
    "vips": {
        "webp": {"lossless": True},
        "avif": {"lossless": True, "subsample_mode": "off"},
        "jxl": {"lossless": True},
    },
    "pillow": {
        "webp": {"lossless": True},
        "avif": {"quality": 100, "subsampling": "4:4:4"},
        "jxl": {"lossless": True},
    },
}

# What is appended to the name of a scale for AVIF, by the effort.
_SLOWER = {"fast": "", "balanced": ", effort 1", "small": ", effort 2"}
# For each quality, the number of the encoder for photographs and for flat pictures: where it has the SSIMULACRA2 of a
# JPEG of that quality (libvips, optimized coding), by the median. "webp", "avif 4:2:0" and "avif 4:4:4": 157 cases from
# 51 pictures at 200 to 1600 px, from quality 30 on. Below that, and for the other rows: their difference from these in
# 10 photographs and 4 drawings at 300 and 400 px (`python -m bench quality`), of flat pictures half the difference.
#
# With numbers from these cases, further photographs scored otherwise than the JPEG, so these rows differ from them from
# quality 30 on (AVIF 60). AVIF scored 1.2 more (26 photographs, 320 to 1280 px) and has 0.8 less. WebP scored 1.8 less
# at 440 px and 4.1 less at 1280 px (11 photographs). At quality 50 to 85, it needs 1.7 to 3.3 more at 440 px, and 4.1
# to 6 more at 900 and 1280 px. "webp small" needs 5 to 10 more.
#
# "jxl": the same 157 cases. "jxl small": 20 photographs at 320 px and 8 drawings at 480 px.
_SCALES: dict[str, tuple[tuple[int, float, float], ...]] = {
    "jpeg small": (
        (1, 1, 1), (50, 51, 52), (60, 61, 61), (70, 72, 74), (75, 77, 80), (80, 82, 84), (85, 86, 87), (90, 91, 92),
        (95, 95, 96), (100, 100, 100),
    ),
    "webp": (
        (1, 1, 1), (10, 4, 3), (20, 13, 6), (30, 27, 14), (40, 41, 21.6), (50, 51.6, 27.1), (60, 62.6, 29.8),
        (70, 75.5, 44.7), (75, 79.5, 57.7), (80, 83.8, 69.6), (85, 87.6, 78.6), (90, 98.1, 100), (95, 100, 100),
        (100, 100, 100),
    ),
    "webp, large": (
        (1, 1, 1), (10, 4, 3), (20, 14, 6), (30, 29, 14), (40, 43.5, 21.6), (50, 54.2, 27.1), (60, 65.4, 29.8),
        (70, 77.8, 44.7), (75, 82, 57.7), (80, 86.2, 69.6), (85, 89.9, 78.6), (90, 98.5, 100), (95, 100, 100),
        (100, 100, 100),
    ),
    "webp small": (
        (1, 1, 1), (10, 4, 3), (20, 13, 6), (30, 27, 14), (40, 40, 21.2), (50, 51, 26.5), (60, 61, 28.9),
        (70, 71.6, 44), (75, 76, 54), (80, 80, 65.6), (85, 84, 73.1), (90, 97, 99), (95, 100, 100), (100, 100, 100),
    ),
    "webp small, large": (
        (1, 1, 1), (10, 4, 3), (20, 14, 6), (30, 28.6, 14), (40, 42.5, 21.2), (50, 53.5, 26.5), (60, 63.5, 28.9),
        (70, 74.2, 44), (75, 78.5, 54), (80, 82.5, 65.6), (85, 86.5, 73.1), (90, 98, 99), (95, 100, 100),
        (100, 100, 100),
    ),
    "jxl": (
        (1, 1, 1), (10, 3, 3), (20, 16.2, 14), (30, 28, 25.4), (40, 42.3, 28.7), (50, 52.5, 31.8), (60, 59.8, 45.3),
        (70, 68.7, 55.8), (75, 73.2, 62), (80, 77.4, 69), (85, 81.3, 75), (90, 91.5, 89.5), (95, 95.6, 95.4),
        (100, 99, 99),
    ),
    "jxl small": (
        (1, 1, 1), (10, 3, 3), (20, 17, 14), (30, 32.8, 22.6), (40, 49.1, 23.6), (50, 57.5, 24.5), (60, 62, 25.6),
        (70, 69.1, 27.5), (75, 73, 34.2), (80, 77.6, 47.3), (85, 82, 64.1), (90, 91, 84), (95, 95.7, 92.8),
        (100, 99, 99),
    ),
    "avif 4:2:0": (
        (1, 3, 3), (10, 12, 17), (20, 32, 31), (30, 40.7, 37.4), (40, 46.3, 42), (50, 50.5, 44.8), (60, 53.4, 48.6),
        (70, 59.4, 54.6), (75, 62.9, 57.2), (80, 67, 62.4), (85, 72, 67.4), (90, 77, 72.4),
    ),
    "avif 4:2:0, effort 1": (
        (1, 3, 3), (10, 11, 12), (20, 31, 26), (30, 39, 33), (40, 44.7, 38), (50, 48.6, 40.5), (60, 51.7, 44),
        (70, 57.8, 49), (75, 61.2, 51), (80, 64.7, 55.7), (85, 69.5, 60), (90, 74.5, 65),
    ),
    "avif 4:4:4": ((85, 70.1, 61.5), (90, 86.3, 83), (95, 93.6, 92.3), (100, 99, 99)),
    "avif 4:4:4, effort 1": ((85, 64.1, 54), (90, 84.3, 77.5), (95, 93.1, 89.5), (100, 99, 99)),
    "avif 4:4:4, effort 2": (
        (1, 3, 3), (10, 9, 10), (20, 26, 21), (30, 35.3, 27), (40, 41.8, 31.5), (50, 45.3, 35), (60, 48.5, 38.5),
        (70, 53.6, 44.3), (75, 57.2, 46.5), (80, 60, 50.8), (85, 64.3, 55.4), (90, 82.9, 70), (95, 92.4, 87.5),
        (100, 99, 99),
    ),
}  # fmt: skip

LARGE_WEBP = 400_000
"""A WebP of more pixels gets a higher number, or it would score two less than a smaller one."""

FULL_CHROMA = 90
"""The quality from which JPEGs of libvips, and AVIFs, keep all colour detail (4:4:4)."""


def arguments_of(
    engine: str, effort: str, format: Format, options: Options, *, flat: bool, pixels: int = 0
) -> dict[str, Any]:
    """Return the keyword arguments of the encoder of *engine* for *format*, at *effort*.

    *flat* is whether the picture is flat, see `FLAT`. It matters only if `depends_on_flatness`. *pixels* is the number
    of pixels of the picture, or of one frame of an animation.
    """
    arguments = dict(settings_of(engine, effort)[format.name])
    if flat:
        arguments |= _FLAT_CHANGES[engine].get(effort, {}).get(format.name, {})
    if format.lossy:
        arguments |= _quality_of(engine, effort, format.name, options.quality, flat=flat, pixels=pixels)
    if options.progressive:
        arguments |= _PROGRESSIVE[engine].get(format.name, {})
    if is_deep(options, format):
        arguments["bitdepth"] = options.depth
    if options.lossless:
        arguments |= LOSSLESS[engine].get(format.name, {})
    return arguments


def is_deep(options: Options, format: Format) -> bool:
    """Return whether a rendition has more than 8 bits per band, which only libvips writes."""
    return options.depth > 8 and format.name == "avif"


def effort_for(effort: str, pixels: int) -> str:
    """Return the effort for a picture that has so many *pixels* in all its frames, where *effort* is configured."""
    return "balanced" if effort == "small" and pixels > MOST_SMALL_PIXELS else effort


def tries_lossless(effort: str, format: Format, options: Options, *, flat: bool) -> bool:
    """Return whether to encode a picture also without loss, and to keep the smaller file.

    A lossless WebP of a screen or a text has a tenth to a half of the bytes of a lossy one. Of other flat pictures, it
    may have seven times the bytes. So only the effort ``small`` tries it.
    """
    lossy = not options.lossless and not isinstance(options.quality, Raw)
    return effort == "small" and format.name == "webp" and flat and lossy


def depends_on_flatness(engine: str, effort: str, format: Format, options: Options) -> bool:
    """Return whether a flat picture is encoded with other arguments."""
    plain, flat = (arguments_of(engine, effort, format, options, flat=flat) for flat in (False, True))
    return plain != flat


def _quality_of(
    engine: str, effort: str, format: str, quality: int | Raw, *, flat: bool, pixels: int = 0
) -> dict[str, Any]:
    name = _QUALITY[engine]
    if isinstance(quality, Raw):
        return {name: quality.number}
    if format != "avif":
        small = " small" if effort == "small" and (engine == "vips" or format == "jxl") else ""
        size = ", large" if format == "webp" and pixels > LARGE_WEBP else ""
        scale = format + small + size
        return {name: encoder_quality(scale, quality, flat=flat)}
    full = quality >= FULL_CHROMA or effort == "small"
    chroma, half, whole = _CHROMA[engine]
    slower = _SLOWER[effort] if flat or effort == "small" else ""
    scale = f"avif {'4:4:4' if full else '4:2:0'}{slower}"
    return {name: encoder_quality(scale, quality, flat=flat), chroma: whole if full else half}


def number_of(format: str, quality: int) -> int:
    """Return the number that the encoder of libvips gets for small photographs of *quality*, at the balanced effort."""
    arguments = _quality_of("vips", "balanced", format, quality, flat=False)
    return int(arguments[_QUALITY["vips"]])


def encoder_quality(scale: str, quality: int, *, flat: bool) -> int:
    """Return the number on *scale*, a key of `_SCALES`, that looks like a JPEG of *quality*."""
    rows = _SCALES.get(scale)
    if rows is None:
        return quality
    points = [(row[0], row[2 if flat else 1]) for row in rows]
    above = min(max(1, bisect_left(points, (quality, 0))), len(points) - 1)
    (low, first), (high, last) = points[above - 1 : above + 1]
    return int(first + 0.5 + (last - first) * (quality - low) / (high - low))


def formats_of(engine: str) -> list[str]:
    """Return the names of the formats that *engine*, ``vips`` or ``pillow``, can write."""
    return list(_BALANCED[engine])


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
