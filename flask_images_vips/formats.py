"""Define the image formats, and choose the format of a rendition.

Each format has one row here, with its names and its capabilities. How an engine encodes a format is declared in that
engine. This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import InvalidOption


@dataclass(frozen=True, slots=True)
class Format:
    """An output format.

    *max_side* is the longest side that a file can have, in pixels. *lossy* is true if the encoders take a quality,
    *animated* if a file can hold several frames, and *metadata* if it can hold EXIF. *profile* is true if the encoders
    write an ICC profile into it. *by_extension* is true if a path with one of the format's extensions is rendered in
    this format by default. If it is false, such a path becomes JPEG, unless the URL asks for the format. *max_quality*
    is the highest quality at which a file can look as good as a JPEG of that quality. *revision* is part of the cache
    keys of the format. It is incremented when the same options are encoded otherwise, so that older cache entries are
    not served.
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
    profile: bool = True
    by_extension: bool = True
    max_quality: int = 100
    revision: int = 0

    @classmethod
    def parse(cls, text: str) -> Format:
        """Return the format called *text*, or `AUTO`.

        Raises:
            InvalidOption: If there is no such format.
        """
        return AUTO if text.lower() == AUTO.name else by_name(text)


USUAL_QUALITY = 75
"""The quality of URLs that name none, if the configuration names none either."""


@dataclass(frozen=True, slots=True, repr=False)
class Raw:
    """A quality as the *number* of the format's encoder, instead of on the scale that all formats share.

    Raises:
        InvalidOption: If *number* is not a whole number from 1 to 100.
    """

    number: int

    def __post_init__(self) -> None:
        if type(self.number) is not int or not 1 <= self.number <= 100:
            raise InvalidOption("quality", self, expected="raw with a whole number from 1 to 100, such as raw(60)")

    def __str__(self) -> str:
        return f"raw{self.number}"

    def __repr__(self) -> str:
        return f"raw({self.number!r})"


class Auto(int):
    """The quality ``auto``. Its number is that of the first file, until a better one is found: see `auto_quality`.

    It equals no number, so that such renditions have cache keys of their own. The key does not depend on the number.
    """

    def __str__(self) -> str:
        return "auto"

    __format__ = object.__format__

    def __repr__(self) -> str:
        return "'auto'"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Auto)

    def __ne__(self, other: object) -> bool:
        return not isinstance(other, Auto)

    def __hash__(self) -> int:
        return hash("auto")


def raw(number: int) -> Raw:
    """Return a quality, 1 to 100, as the number of the encoder. Use it as an option or in ``IMAGES_QUALITY``.

    Raises:
        ValueError: If *number* is not a whole number from 1 to 100.
    """
    return Raw(number)


FORMATS = (
    Format(
        # libjpeg reads no longer side.
        "jpeg",
        "image/jpeg",
        ".jpg",
        aliases=("jpg", "jpe", "jfif"),
        alpha=False,
        max_side=65_500,
        lossy=True,
    ),
    Format("png", "image/png", ".png", max_side=2**31 - 1),
    Format("webp", "image/webp", ".webp", max_side=16_383, lossy=True, animated=True, max_quality=89, revision=2),
    Format("avif", "image/avif", ".avif", max_side=16_384, lossy=True, revision=1),
    Format("jxl", "image/jxl", ".jxl", max_side=262_144, lossy=True, profile=False),
    Format("gif", "image/gif", ".gif", animated=True, metadata=False, profile=False),
    Format("tiff", "image/tiff", ".tif", aliases=("tif",), max_side=2**31 - 1, by_extension=False),
    Format(
        "bmp", "image/bmp", ".bmp", alpha=False, max_side=2**31 - 1, metadata=False, profile=False, by_extension=False
    ),
    Format("ico", "image/vnd.microsoft.icon", ".ico", max_side=256, metadata=False, profile=False),
)

INPUTS = ("jpeg", "png", "gif", "webp", "avif", "tiff")
"""The formats of sources that both engines load."""

DEFAULT_INPUTS = (*INPUTS, "bmp", "ico")
"""The formats that sources may have if the configuration lists none. SVG has its own configuration key."""

EXTRA_INPUTS = ("heic",)
"""The formats of sources that need an extra of the same name, and that both engines load with it."""

ALL_INPUTS = (*DEFAULT_INPUTS, "ppm", "tga", "pcx", "jpeg2000", "jxl", *EXTRA_INPUTS)
"""All formats that sources may have, besides SVG. Pillow alone loads those that no other list here names."""

JPEG, PNG = FORMATS[:2]
AVIF, JXL = FORMATS[3:5]

OUTPUTS = tuple(format.name for format in FORMATS)
"""The names of the formats that renditions may have."""

SVG = Format("svg", "image/svg+xml", ".svg", max_side=2**31 - 1, metadata=False, by_extension=False)
"""The format of SVG drawings that are passed through. No URL can ask for it. Its revision is that of `svg.drawing`."""

STORED = (*FORMATS, SVG)
"""The formats that renditions in a cache may have."""

SUFFIXES = tuple(format.suffix for format in STORED)

AUTO = Format("auto", "", "", by_extension=False)
"""A stand-in for the format that `negotiate` chooses by the client's Accept header. No rendition has this format."""

NEGOTIABLE = ("jxl", "avif", "webp")
"""The formats that only some clients can read. These clients list them in the Accept header."""

EXTRA_OUTPUTS = ("jxl",)
"""The formats of renditions that need an extra of the same name. If it is not installed, no warning is logged."""

EXTRAS = (*EXTRA_INPUTS, *EXTRA_OUTPUTS)
"""All formats that need an extra of the same name."""

_LONGEST_ACCEPT = 16_384  # characters; nginx and gunicorn refuse a header of more than 8192

_BY_NAME = {name: format for format in FORMATS for name in (format.name, *format.aliases)}
_BY_EXTENSION = {name: format for name, format in _BY_NAME.items() if format.by_extension}


def by_name(name: str) -> Format:
    """Return the format called *name*. Aliases such as ``jpg`` are accepted, and case is ignored.

    Raises:
        InvalidOption: If no format has this name.
    """
    try:
        return _BY_NAME[name.lower()]
    except KeyError:
        expected = "one of " + ", ".join(format.name for format in FORMATS)
        raise InvalidOption("format", name, expected=expected) from None


def stored(name: str) -> Format:
    """Return the one of `STORED` called *name*.

    Raises:
        InvalidOption: If no format has this name.
    """
    return SVG if name == SVG.name else by_name(name)


def choose(ref: str, asked: Format | None) -> Format:
    """Return the format to render *ref* in: the format *asked* for, else the format of the extension, else JPEG.

    The content of the file is not considered, so a cache hit does not open the source, and a server in front of the
    application can tell the media type from the URL.
    """
    if asked is not None and asked is not AUTO:
        return asked
    _, dot, extension = ref.rpartition(".")
    return _BY_EXTENSION.get(extension.lower(), JPEG) if dot else JPEG


def negotiate(ref: str, accept: str, preferred: Sequence[Format]) -> Format:
    """Return the format to render *ref* in for one client: the first of *preferred* listed in its *accept* header.

    If none is listed, or if *accept* is too long, return the same format as `choose`. ``image/*`` and ``*/*`` are
    ignored, because clients that cannot read AVIF send them too. A format that can be animated is replaced only by
    another that can be animated.
    """
    own = choose(ref, None)
    for format in preferred:
        if (format.animated or not own.animated) and accepts(accept, format):
            return format
    return own


def accepts(accept: str, format: Format) -> bool:
    """Return whether an *accept* header lists *format*, one of `NEGOTIABLE`. One that is too long lists nothing."""
    return len(accept) <= _LONGEST_ACCEPT and _ACCEPTED[format.name].search(accept) is not None


def prefers_jxl_to_avif(names: Sequence[str]) -> bool:
    """Return whether JPEG XL stands before AVIF among *names*. It is then sent only where it is smaller."""
    return JXL.name in names and AVIF.name in names[names.index(JXL.name) :]


def accept_pattern(format: Format) -> str:
    """Return a regular expression, for Python and nginx, that finds the name of *format* in an Accept header.

    Compile it to ignore case. A format whose ``q`` is 0 or not a number does not match.

    Anybody can send this header, so matching takes linear time: no two neighbouring parts of the pattern match the same
    characters. The possessive quantifiers keep PCRE's JIT from running out of stack with thousands of parameters.
    """
    above_zero = r"[ \t]*0*(?:[1-9][0-9]*(?:\.[0-9]*)?|\.0*[1-9][0-9]*)[ \t]*(?:[,;]|$)"
    parameter = rf";(?![ \t]*q[ \t]*=(?!{above_zero}))[^,;]*+"
    return rf"(?:^|,)[ \t]*{format.media_type}[ \t]*(?:{parameter})*+(?:,|$)"


# Remove the possessive quantifiers, which Python mishandles before 3.11.5 (gh-106052). The pattern matches the same
# headers without them.
_ACCEPTED = {name: re.compile(accept_pattern(by_name(name)).replace("*+", "*"), re.IGNORECASE) for name in NEGOTIABLE}

ALIASES = {name: format.name for name, format in _BY_NAME.items()} | {
    "jp2": "jpeg2000",
    "pgm": "ppm",
    "pbm": "ppm",
    "heif": "heic",
}
"""The names of formats by all names that the configuration may use for them."""

EXTENSIONS = frozenset((*ALIASES, *ALL_INPUTS, "svg"))
"""The extensions of image files, in lower case and without a dot."""

_SIGNATURES = {
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "avif": re.compile(rb"....ftypavi[fs]", re.DOTALL),
    "jxl": re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n"),
    "gif": re.compile(rb"GIF8[79]a"),
    "tiff": re.compile(rb"II[*+]\x00|MM\x00[*+]"),  # with a plus sign, it is a BigTIFF
    "bmp": re.compile(rb"BM"),
    "ico": re.compile(rb"\x00\x00\x01\x00"),
    "svg": re.compile(rb'<svg xmlns="http://www\.w3\.org/2000/svg"[ />]'),  # as `svg.drawing` writes it
}


def is_file_of(name: str, data: bytes) -> bool:
    """Return whether *data* starts like a file of the format *name*."""
    return name in _SIGNATURES and bool(_SIGNATURES[name].match(data))
