"""Declare the options of a rendition.

Each declaration holds the option's short name in URLs and the type that reads and writes the value. The keywords of the
helpers, the cache key and the reference are derived from the declarations. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from .. import formats
from ..errors import InvalidOption
from ..formats import USUAL_QUALITY, Format
from .parsing import ParseError, written
from .scalars import (
    ROUND,
    Arm,
    Aspect,
    Depth,
    FileName,
    Flag,
    Integer,
    Moment,
    Number,
    Quality,
    Radius,
    RecordDigest,
    Rotation,
    Side,
    Threshold,
)
from .text import DEFAULT_STYLE, StyleName, Text
from .transforms import Transform
from .values import Border, Colour, Edges, Flip, Focal, Gravity, Keep, Mode, Region, Sharpen, Watermark


class Parses(Protocol):
    """The interface of an option's type."""

    def parse(self, text: str) -> Any:
        """Parse a value from a URL.

        Raises:
            ParseError, InvalidOption: If *text* is not a value of this type.
        """


@runtime_checkable
class Writes(Protocol):
    """Implemented by types that need more than `parsing.written` to convert a template's value for a URL."""

    def write(self, value: object) -> str | None:
        """Convert *value* to a string for a URL, or to None to omit the option."""


class Option(NamedTuple):
    """The declaration of one option."""

    short: str
    parse: Callable[[str], Any]
    write: Callable[[object], str | None]
    doc: str
    values: str
    is_flag: bool
    keyed: bool  # whether the value affects the bytes of the rendition, and so is part of the cache key
    example: str  # keyword arguments, as in a template


T = TypeVar("T")


def option(default: T, short: str, kind: Parses, doc: str, *, values: str, example: str = "", keyed: bool = True) -> T:
    write = kind.write if isinstance(kind, Writes) else written
    declared: T = field(
        default=default,
        metadata={"option": Option(short, kind.parse, write, doc, values, isinstance(kind, Flag), keyed, example)},
    )
    return declared


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options of a rendition. The fields are the keywords of the helpers."""

    width: int | None = option(None, "w", Side, "Width in pixels.", values="1 and up", example="width=200")
    height: int | None = option(None, "h", Side, "Height in pixels.", values="1 and up", example="height=120")
    mode: Mode = option(
        Mode.RESHAPE,
        "m",
        Mode,
        "How to fit the picture into a box of a different shape.",
        values="`fit`, `crop`, `pad`, `reshape`",
        example="width=120, height=120, mode='pad'",
    )
    enlarge: bool = option(
        False,
        "e",
        Flag(),
        "Allow scaling beyond the source's own size.",
        values="true, false",
        example="width=900, enlarge=True",
    )
    format: Format | None = option(
        None,
        "f",
        Format,
        "Output format. By default, JPEG, PNG, WebP, AVIF, JPEG XL, GIF and ICO keep their format, judged by the "
        "extension of the path; all other paths, such as `.tiff` and `.bmp`, become JPEG. `auto` chooses the first of "
        "`IMAGES_FORMATS` that the browser accepts.",
        values=", ".join(f"`{format.name}`" for format in (*formats.FORMATS, formats.AUTO)),
        keyed=False,  # the key holds the chosen format
        example="format='webp'",
    )
    quality: int | formats.Raw = option(
        USUAL_QUALITY,
        "q",
        Quality,
        "Quality, for formats that have one. The same number looks the same in every format. With `raw`, it is the "
        "encoder's own number. `auto` finds the lowest that looks good enough, in the background, see "
        "[Quality](docs/guides/quality.md). The default is `IMAGES_QUALITY`.",
        values="1 to 100, `raw1` to `raw100`, or `auto`",
        example="quality=40",
    )
    max_bytes: int | None = option(
        None,
        "mb",
        Integer(1),
        "Maximum file size in bytes. The quality is lowered until the file fits, but not below 20.",
        values="1 and up",
        example="max_bytes=20_000",
    )
    background: Colour = option(
        Colour(0, 0, 0),
        "b",
        Colour,
        "Colour of the canvas of `pad`, and behind transparent pixels in formats without transparency.",
        values="a colour that PIL supports, or `transparent`",
        example="width=120, height=120, mode='pad', background='#fa0'",
    )
    sharpen: Sharpen | None = option(
        None,
        "usm",
        Sharpen,
        "Sharpen with an unsharp mask, after scaling: radius in pixels, percent, threshold.",
        values="such as `0.3,250,2`",
        example="sharpen='2,150,3'",
    )
    transform: Transform | None = option(
        None,
        "x",
        Transform,
        "Apply a PIL transform before scaling: kind, output size, coefficients. What it takes from outside of the "
        "picture is transparent, but black if the source is RGB without transparency.",
        values="`EXTENT`, `AFFINE`, `QUAD`, `PERSPECTIVE`",
        example="transform='EXTENT,0,0,10%,10%,90%,90%'",
    )
    animated: bool = option(
        True,
        "an",
        Flag(default=True),
        "Keep GIF and WebP animations animated, if the output is GIF or WebP. If false, only the first frame is used.",
        values="true, false",
        example="animated=False",
    )
    progressive: bool = option(
        False,
        "pr",
        Flag(),
        "Write progressive JPEG or interlaced PNG, so that browsers show a coarse picture while the file loads.",
        values="true, false",
        example="progressive=True",
    )
    lossless: bool = option(
        False,
        "ll",
        Flag(),
        "Encode WebP, AVIF and JPEG XL losslessly, and PNG without a palette. Other formats ignore this option.",
        values="true, false",
        example="lossless=True, format='webp'",
    )
    keep: Keep = option(
        Keep(),
        "k",
        Keep,
        "Metadata to keep. `copyright` keeps EXIF's Artist and Copyright. `rights` keeps who made the picture, who may "
        "use it, and whether a machine made it. `icc` keeps an RGB profile instead of converting the picture to sRGB. "
        "`gainmap` keeps the gain map of an Ultra HDR JPEG, in JPEG only. GIF, BMP and ICO keep no metadata.",
        values="`copyright`, `rights`, `icc`, `gainmap`, or several, such as `rights,icc`",
        example="keep='copyright,icc'",
    )
    rights: str | None = option(
        None,
        "ri",
        RecordDigest,
        "The digest of the record that your `images.rights` function returns. With `keep='rights'`, it is added to "
        "URLs by itself.",
        values="12 hexadecimal digits",
        example="keep='rights', rights='0123456789ab'",
    )
    download: str | None = option(
        None,
        "d",
        FileName,
        "Make browsers download the picture instead of showing it, under the source's name or the given one.",
        values="true, or a file name",
        keyed=False,
        example="download='cat.jpg'",
    )
    cache: bool = option(
        True,
        "c",
        Flag(default=True),
        "If false, the picture is rendered at every request, and caches are told not to store the response.",
        values="true, false",
        keyed=False,
        example="cache=False",
    )
    expires: int | None = option(
        None,
        "exp",
        Moment,
        "Time at which the URL stops working.",
        values="a datetime, a timedelta from now, or seconds since 1970",
        keyed=False,
        example="expires=1_900_000_000",
    )
    arm: Arm | None = option(
        None,
        "arm",
        Arm,
        "The arm of a comparison that counts this image. `IMAGES_BY_VISITOR` sets it. It does not change the picture.",
        values="`canary`, `usual`",
        keyed=False,
        example="arm='canary'",
    )
    gravity: Gravity = option(
        Gravity.CENTER,
        "g",
        Gravity,
        "The part of the picture that `crop` keeps, or the position of the picture on the canvas of `pad`. `attention` "
        "and `entropy` analyse the pixels. They work with `crop` and libvips only. `face` keeps the faces, with `crop` "
        "and the extra `faces`, see [Faces](docs/guides/faces.md).",
        values="`center`, `north`, `northeast` or `ne`, …, `attention`, `entropy`, `face`",
        example="width=150, height=150, mode='crop', gravity='west'",
    )
    focal: Focal | None = option(
        None,
        "fp",
        Focal,
        "The point of the upright source that `crop` keeps as close to the middle as possible. Overrides `gravity`.",
        values="x, y: 0 to 1",
        example="width=150, height=150, mode='crop', focal=(0.7, 0.4)",
    )
    region: Region | None = option(
        None,
        "rg",
        Region,
        "Use only this box of the picture. It is cut out after `rotate` and `flip` and before everything else. A box "
        "that extends beyond the picture is refused with status 400.",
        values="left, top, width, height: all from 0 to 1 for fractions of the sides, else pixels",
        example="region=(0.25, 0, 0.5, 1)",
    )
    aspect: Fraction | None = option(
        None,
        "ar",
        Aspect,
        "Shape of the box, in place of `width` or `height`. Without either, the largest box of this shape inside the "
        "picture is used. Best with `crop`, because `reshape` distorts the picture.",
        values="1:1000 to 1000:1, such as `16:9` or `1.5`",
        example="width=200, aspect='16:9', mode='crop'",
    )
    dpr: float = option(
        1.0,
        "dpr",
        Number(1, 4),
        "Multiply width, height, padding, border, radius and the watermark's margin.",
        values="1 to 4",
        example="width=100, dpr=2",
    )
    rotate: int = option(
        0,
        "rot",
        Rotation,
        "Rotate the upright picture clockwise by this many degrees, before everything else.",
        values="0, 90, 180, 270",
        example="rotate=90",
    )
    flip: Flip | None = option(
        None,
        "fl",
        Flip,
        "Mirror the picture, after `rotate`.",
        values="`horizontal`, `vertical`, `both`",
        example="flip='horizontal'",
    )
    trim: int | None = option(
        None,
        "tr",
        Threshold,
        "Cut off borders whose colours differ from the top left pixel by no more than this threshold.",
        values="1 to 255, or true for 10",
        example="trim=True",
    )
    grayscale: bool = option(
        False, "gs", Flag(), "Remove all colour, as in CSS.", values="true, false", example="grayscale=True"
    )
    brightness: float = option(
        1.0,
        "br",
        Number(0, 10),
        "Multiply each value by this factor, as in CSS.",
        values="0 to 10",
        example="brightness=1.3",
    )
    contrast: float = option(
        1.0,
        "co",
        Number(0, 10),
        "Multiply each value's distance from middle grey by this factor, as in CSS.",
        values="0 to 10",
        example="contrast=1.5",
    )
    saturation: float = option(
        1.0,
        "sa",
        Number(0, 10),
        "Multiply each value's distance from the pixel's own grey by this factor, as in CSS.",
        values="0 to 10",
        example="saturation=2",
    )
    blur: float = option(
        0.0,
        "bl",
        Number(0.3, 100, or_zero=True),
        "Gaussian blur with this sigma, in pixels of the result.",
        values="0.3 to 100",
        example="blur=4",
    )
    watermark: Watermark | None = option(
        None,
        "wm",
        Watermark,
        "Lay another source of `IMAGES_PATH` over the picture: path, position, margin in pixels, opacity, and maximum "
        "share of the picture's width.",
        values="path (without a comma), position, margin 0 to 10000, opacity 0.01 to 1, share 0.01 to 1; all but the "
        "path may be omitted",
        example="watermark='photos/cup.png,se'",
    )
    text: Text | None = option(
        None,
        "txt",
        Text,
        "Write a text over the picture, with a font of `IMAGES_FONTS`. It is never interpreted as markup. See [Social "
        "cards](docs/guides/social-cards.md).",
        values="1 to 500 characters",
        example="text='Good morning!'",
    )
    text_style: str = option(
        DEFAULT_STYLE,
        "ts",
        StyleName,
        "The style of the text, of `IMAGES_TEXT_STYLES`.",
        values="a name",
        example="text='Hello', text_style='label'",
    )
    padding: Edges = option(
        Edges(0, 0, 0, 0),
        "pd",
        Edges,
        "Pixels of background to add around the picture.",
        values="0 to 10000: one value, or top, right, bottom, left",
        example="padding=(8, 24, 8, 24), background='#cfdcd8'",
    )
    border: Border | None = option(
        None,
        "bo",
        Border,
        "A frame around the picture and its padding.",
        values="width (0 to 10000), colour",
        example="border=(6, '#b5651d')",
    )
    radius: int = option(
        0,
        "ra",
        Radius,
        "Round the corners of the result, including padding and border. The corners are transparent, or have the "
        "background's colour in formats without transparency.",
        values="0 to 10000 pixels, or `max` for a circle or a pill",
        example="width=150, height=150, mode='crop', radius='max', background='white'",
    )
    depth: int = option(
        8,
        "bd",
        Depth,
        "Bits per band of AVIF, for smoother gradients. Needs libvips. Other formats ignore it and have 8 bits.",
        values="8, 10, 12",
        example="depth=10, format='avif'",
    )

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Options:
        """Parse the options of a URL from its *query*, which maps short names to strings. Unknown names are ignored.

        An empty string means that the option is not given, except for a flag, where it means false.

        Raises:
            InvalidOption: If an option has an invalid value.
        """
        given: dict[str, Any] = {}
        for name, declared in DECLARED.items():
            text = query.get(declared.short)
            if text is None or not (text or declared.is_flag):
                continue
            try:
                given[name] = declared.parse(text)
            except ParseError as error:
                raise InvalidOption(name, text, expected=error.expected) from None
        options = cls(**given)
        if options.aspect and options.width and options.height:
            raise InvalidOption(
                "aspect", query[DECLARED["aspect"].short], expected="only one of width and height beside it, not both"
            )
        return options

    def settled(self) -> Options:
        """Return these options in their simplest form, so that different spellings of the same request are equal.

        Sizes in pixels are multiplied by ``dpr``, and ``aspect`` is replaced by the second side if one side is given.
        A vertical flip is replaced by a horizontal flip and a rotation, a flip in both directions by a rotation, and
        ``grayscale`` by a saturation of 0. A ``gravity`` or ``focal`` that has no effect is dropped.
        """
        settled: dict[str, Any] = {}
        if self.dpr != 1:
            settled.update(
                dpr=1.0,
                width=_times(self.width, self.dpr),
                height=_times(self.height, self.dpr),
                padding=Edges(*(_times(edge, self.dpr) for edge in self.padding)),
                border=self.border and self.border._replace(width=_times(self.border.width, self.dpr)),
                radius=min(_times(self.radius, self.dpr), ROUND),
                watermark=self.watermark and self.watermark._replace(margin=_times(self.watermark.margin, self.dpr)),
            )
        width, height = settled.get("width", self.width), settled.get("height", self.height)
        if self.aspect and width:
            settled.update(aspect=None, height=height or max(1, int(width / self.aspect)))
        elif self.aspect and height:
            settled.update(aspect=None, width=max(1, int(height * self.aspect)))
        if self.flip and self.flip is not Flip.HORIZONTAL:
            settled["rotate"] = (self.rotate + 180) % 360
            settled["flip"] = Flip.HORIZONTAL if self.flip is Flip.VERTICAL else None
        if self.grayscale:
            settled.update(grayscale=False, saturation=0.0)
        cropped = self.mode is Mode.CROP
        if self.gravity is not Gravity.CENTER and (
            (cropped and self.focal) or not (cropped or (self.mode is Mode.PAD and not self.gravity.smart))
        ):
            settled["gravity"] = Gravity.CENTER
        if self.focal and not cropped:
            settled["focal"] = None
        if self.text is None and self.text_style != DEFAULT_STYLE:
            settled["text_style"] = DEFAULT_STYLE
        return replace(self, **settled) if settled else self

    @property
    def seeks_faces(self) -> bool:
        """Whether the part of the picture that remains depends on the faces in it."""
        return self.settled().gravity is Gravity.FACE

    def canonical(self, but: Collection[str] = ()) -> str:
        """Return a canonical string, the same for all spellings of the same options.

        Options named in *but* are left out. `Rendition.key` is a digest of this string, so a change here makes every
        cached file unreachable.
        """
        settled = self.settled()
        return "&".join(
            f"{short}={value}"
            for name, short, default in _KEYED
            if (value := getattr(settled, name)) != default and name not in but
        )


DECLARED: dict[str, Option] = {item.name: item.metadata["option"] for item in fields(Options)}
DEFAULTS: dict[str, Any] = {item.name: item.default for item in fields(Options)}
_KEYED = [(name, declared.short, DEFAULTS[name]) for name, declared in DECLARED.items() if declared.keyed]


def write_query(keywords: Mapping[str, object]) -> dict[str, str]:
    """Convert the *keywords* that a template passed to the query of a URL, which maps short names to strings.

    Values are not checked. Keywords with the value None, or with a name that begins with ``_``, are omitted. Unknown
    names are kept.
    """
    query: dict[str, str] = {}
    for name, value in keywords.items():
        if value is None or name.startswith("_"):
            continue
        declared = DECLARED.get(name)
        try:
            text = declared.write(value) if declared else written(value)
        except (TypeError, ValueError, ArithmeticError):  # an invalid value is reported when the URL is requested
            text = str(value)
        if text is not None:
            query[declared.short if declared else name] = text
    return query


def _times(pixels: int | None, factor: float) -> Any:
    """Multiply and round down. Tolerates floating-point error: 100 × 1.15 gives 115, not 114."""
    return None if pixels is None else int(round(pixels * factor, 6))
