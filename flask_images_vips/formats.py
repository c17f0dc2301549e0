"""Which image formats are there, and which one does a rendition get?

One row per format: what it is called, what it can hold. How an engine writes it is the engine's own table.
This module does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InvalidOption


@dataclass(frozen=True, slots=True)
class Format:
    """An output format. *max_side* is the longest side, in pixels, that its files can state."""

    name: str
    media_type: str
    suffix: str
    aliases: tuple[str, ...] = ()
    alpha: bool = True
    max_side: int = 65_535
    by_extension: bool = True  # False: a path that ends so is rendered as JPEG unless the URL names the format


FORMATS = (
    Format("jpeg", "image/jpeg", ".jpg", aliases=("jpg", "jpe", "jfif"), alpha=False),
    Format("png", "image/png", ".png", max_side=2**31 - 1),
    Format("webp", "image/webp", ".webp", max_side=16_383),
    Format("avif", "image/avif", ".avif", max_side=16_384),
    Format("gif", "image/gif", ".gif"),
    Format("tiff", "image/tiff", ".tif", aliases=("tif",), max_side=2**31 - 1, by_extension=False),
    Format("bmp", "image/bmp", ".bmp", alpha=False, max_side=2**31 - 1, by_extension=False),
    Format("ico", "image/vnd.microsoft.icon", ".ico", max_side=256, by_extension=False),
)

INPUTS = ("jpeg", "png", "gif", "webp", "avif", "tiff")
"""The formats that sources may have. SVG is a matter of its own."""

JPEG = FORMATS[0]

_BY_NAME = {name: format for format in FORMATS for name in (format.name, *format.aliases)}
_BY_EXTENSION = {name: format for name, format in _BY_NAME.items() if format.by_extension}


def by_name(name: str) -> Format:
    """The format called *name*, in any case, or by an alias such as ``jpg``.

    Raises:
        InvalidOption: no format is called so.
    """
    try:
        return _BY_NAME[name.lower()]
    except KeyError:
        expected = "one of " + ", ".join(format.name for format in FORMATS)
        raise InvalidOption("format", name, expected=expected) from None


def choose(ref: str, asked: Format | None) -> Format:
    """The format to render *ref* in: the one asked for, else the one its extension names, else JPEG.

    The extension alone decides, not the content: no file is opened on a cache hit, and a server in front of
    the application can tell the media type from the URL.
    """
    if asked is not None:
        return asked
    _, dot, extension = ref.rpartition(".")
    return _BY_EXTENSION.get(extension.lower(), JPEG) if dot else JPEG
