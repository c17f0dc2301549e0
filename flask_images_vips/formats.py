"""Which image formats are there, and which one does a rendition get?

One row per format: what it is called, what it can hold. How an engine writes it is the engine's own table.
This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import InvalidOption


@dataclass(frozen=True, slots=True)
class Format:
    """An output format. *max_side* is the longest side, in pixels, that its files can state.

    *lossy* says whether its encoders take a quality, *animated* whether its files may hold several frames, and
    *metadata* whether they may hold EXIF and an ICC profile.
    """

    name: str
    media_type: str
    suffix: str
    aliases: tuple[str, ...] = ()
    alpha: bool = True
    max_side: int = 65_535
    lossy: bool = False
    animated: bool = False
    metadata: bool = True
    by_extension: bool = True  # False: a path that ends so is rendered as JPEG unless the URL names the format

    @classmethod
    def parse(cls, text: str) -> Format:
        """Return the format called *text*, or `AUTO`.

        Raises:
            InvalidOption: If there is no such format.
        """
        return AUTO if text.lower() == AUTO.name else by_name(text)


FORMATS = (
    Format("jpeg", "image/jpeg", ".jpg", aliases=("jpg", "jpe", "jfif"), alpha=False, lossy=True),
    Format("png", "image/png", ".png", max_side=2**31 - 1),
    Format("webp", "image/webp", ".webp", max_side=16_383, lossy=True, animated=True),
    Format("avif", "image/avif", ".avif", max_side=16_384, lossy=True),
    Format("gif", "image/gif", ".gif", animated=True, metadata=False),
    Format("tiff", "image/tiff", ".tif", aliases=("tif",), max_side=2**31 - 1, by_extension=False),
    Format("bmp", "image/bmp", ".bmp", alpha=False, max_side=2**31 - 1, metadata=False, by_extension=False),
    Format("ico", "image/vnd.microsoft.icon", ".ico", max_side=256, metadata=False, by_extension=False),
)

INPUTS = ("jpeg", "png", "gif", "webp", "avif", "tiff")
"""The formats that sources may have. SVG is a matter of its own."""

JPEG, PNG = FORMATS[:2]

SUFFIXES = tuple(format.suffix for format in FORMATS)

AUTO = Format("auto", "", "", by_extension=False)
"""What is asked for where the client's Accept header is to choose: see `negotiate`. No rendition is of this format."""

NEGOTIABLE = ("avif", "webp")
"""Names of the formats that clients name in Accept where they read them. Every client reads the others."""

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
    if asked is not None and asked is not AUTO:
        return asked
    _, dot, extension = ref.rpartition(".")
    return _BY_EXTENSION.get(extension.lower(), JPEG) if dot else JPEG


def negotiate(ref: str, accept: str, preferred: Sequence[Format]) -> Format:
    """The format to render *ref* in for a client: the first of *preferred* that *accept*, its header, names.

    Where it names none, `choose`'s: ``image/*`` and ``*/*`` name none, since clients that cannot read AVIF send them
    too. Where the path's own format may be animated, so must be the one that replaces it.
    """
    own = choose(ref, None)
    for format in preferred:
        if (format.animated or not own.animated) and _ACCEPTED[format.name].search(accept):
            return format
    return own


def accept_pattern(format: Format) -> str:
    """A pattern, for Python and for nginx and in any case, that finds *format* in an Accept header.

    Found is what stands there by name, unless its weight is anything but a number above 0.
    """
    above_zero = r"[ \t]*(?=[0-9.]*[1-9])[0-9]*\.?[0-9]*[ \t]*(?:[,;]|$)"
    parameter = rf";(?![ \t]*q[ \t]*=(?!{above_zero}))[^,;]*"
    return rf"(?:^|,)[ \t]*{format.media_type}[ \t]*(?:{parameter})*(?:,|$)"


_ACCEPTED = {name: re.compile(accept_pattern(by_name(name)), re.IGNORECASE) for name in NEGOTIABLE}
