"""What can be asked of a rendition? Each option, declared once.

An option's line holds its short name in URLs, how its text is read, and how a value is written; the helpers'
keywords, the cache key and the README's table all follow from it. The values themselves are in `values`. This module
does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from .. import formats
from ..errors import InvalidOption
from ..formats import Format
from .transforms import Transform
from .values import (
    ROUND,
    Border,
    Colour,
    Edges,
    Flip,
    Focal,
    Gravity,
    Keep,
    Mode,
    Region,
    Sharpen,
    Watermark,
    read_aspect,
    read_blur,
    read_border,
    read_colour,
    read_count,
    read_dpr,
    read_factor,
    read_flag,
    read_flip,
    read_focal,
    read_format,
    read_gravity,
    read_keep,
    read_mode,
    read_name,
    read_padding,
    read_quality,
    read_radius,
    read_region,
    read_rotate,
    read_sharpen,
    read_side,
    read_time,
    read_transform,
    read_trim,
    read_watermark,
    write_border,
    write_colour,
    write_download,
    write_flag,
    write_off,
    write_text,
    write_time,
    write_transform,
    write_trim,
)


class Option(NamedTuple):
    """What is declared of one option. *example* is what a template may write."""

    short: str
    read: Callable[[str, str], Any]
    write: Callable[[object], str | None]
    doc: str
    values: str
    keyed: bool  # whether it is part of what a rendition is, and so of its key
    example: str


T = TypeVar("T")


def option(
    default: T,
    short: str,
    read: Callable[[str, str], Any],
    doc: str,
    *,
    values: str,
    write: Callable[[object], str | None] = write_text,
    keyed: bool = True,
    example: str = "",
) -> T:
    declared: T = field(default=default, metadata={"option": Option(short, read, write, doc, values, keyed, example)})
    return declared


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a rendition, checked. The fields are the keywords of the helpers."""

    width: int | None = option(
        None,
        "w",
        read_side,
        "Width in pixels.",
        values="1 and up",
        example="width=200",
    )
    height: int | None = option(
        None,
        "h",
        read_side,
        "Height in pixels.",
        values="1 and up",
        example="height=120",
    )
    mode: Mode = option(
        Mode.RESHAPE,
        "m",
        read_mode,
        "What to do when the box has another shape than the picture.",
        values="`fit`, `crop`, `pad`, `reshape`",
        example="width=120, height=120, mode='pad'",
    )
    enlarge: bool = option(
        False,
        "e",
        read_flag,
        "Scale beyond the source's own size.",
        values="true, false",
        write=write_flag,
        example="width=900, enlarge=True",
    )
    format: Format | None = option(
        None,
        "f",
        read_format,
        "Output format; without it, the one that the path's extension names, else JPEG. `auto`: the best of "
        "`IMAGES_FORMATS` that the browser reads.",
        values=", ".join(f"`{format.name}`" for format in (*formats.FORMATS, formats.AUTO)),
        keyed=False,  # what was chosen is in the key, not what was asked for
        example="format='webp'",
    )
    quality: int = option(
        75,
        "q",
        read_quality,
        "Encoder quality, for formats that have one; without it, that of `IMAGES_QUALITY`.",
        values="1 to 100",
        example="quality=40",
    )
    max_bytes: int | None = option(
        None,
        "mb",
        read_count,
        "Largest file, in bytes: the quality is lowered, to 20 at the least, until it fits.",
        values="1 and up",
        example="max_bytes=20_000",
    )
    background: Colour = option(
        (0, 0, 0, 255),
        "b",
        read_colour,
        "Colour of the canvas of `pad`, and behind transparency where the format has none.",
        values="a colour of PIL, or `transparent`",
        write=write_colour,
        example="width=120, height=120, mode='pad', background='#fa0'",
    )
    sharpen: Sharpen | None = option(
        None,
        "usm",
        read_sharpen,
        "Unsharp mask, after scaling: radius in pixels, percent, threshold.",
        values="such as `0.3,250,2`",
        example="sharpen='2,150,3'",
    )
    transform: Transform | None = option(
        None,
        "x",
        read_transform,
        "PIL transform, before scaling: kind, output size, coefficients.",
        values="`EXTENT`, `AFFINE`, `QUAD`, `PERSPECTIVE`",
        write=write_transform,
        example="transform='EXTENT,0,0,10%,10%,90%,90%'",
    )
    animated: bool = option(
        True,
        "an",
        read_flag,
        "False takes the first frame of an animation; otherwise GIF and WebP stay animated in GIF and WebP.",
        values="true, false",
        write=write_off,
        example="animated=False",
    )
    progressive: bool = option(
        False,
        "pr",
        read_flag,
        "Shows the whole picture coarsely while it loads: progressive JPEG, interlaced PNG.",
        values="true, false",
        write=write_flag,
        example="progressive=True",
    )
    lossless: bool = option(
        False,
        "ll",
        read_flag,
        "Encodes WebP and AVIF without loss; other formats do not look at it.",
        values="true, false",
        write=write_flag,
        example="lossless=True, format='webp'",
    )
    keep: Keep = option(
        Keep(),
        "k",
        read_keep,
        "What stays of the metadata: `copyright` is EXIF's Artist and Copyright; with `icc`, a picture with an RGB "
        "profile keeps it, and is not converted to sRGB. Not in GIF, BMP and ICO.",
        values="`copyright`, `icc`, `copyright,icc`",
        example="keep='copyright,icc'",
    )
    download: str | None = option(
        None,
        "d",
        read_name,
        "Sent to be saved instead of shown, under the source's name or another.",
        values="true, or a file name",
        write=write_download,
        keyed=False,
        example="download='cat.jpg'",
    )
    cache: bool = option(
        True,
        "c",
        read_flag,
        "False renders at every request and lets nobody store the answer.",
        values="true, false",
        write=write_off,
        keyed=False,
        example="cache=False",
    )

    expires: int | None = option(
        None,
        "exp",
        read_time,
        "When the URL stops working.",
        values="a datetime, a timedelta from now, or seconds since 1970",
        write=write_time,
        example="expires=1_900_000_000",
        keyed=False,
    )
    gravity: Gravity = option(
        Gravity.CENTER,
        "g",
        read_gravity,
        "What `crop` keeps, and where on its canvas `pad` lays the picture. `attention` and `entropy` look at the "
        "pixels, for `crop` alone, and by libvips alone.",
        values="`center`, `north`, `northeast` or `ne`, …, `attention`, `entropy`",
        example="width=150, height=150, mode='crop', gravity='west'",
    )
    focal: Focal | None = option(
        None,
        "fp",
        read_focal,
        "The point of the upright source that `crop` keeps in the middle, as far as it can. Wins over `gravity`.",
        values="x, y: 0 to 1",
        example="width=150, height=150, mode='crop', focal=(0.7, 0.4)",
    )
    region: Region | None = option(
        None,
        "rg",
        read_region,
        "Only this box of the source, cut out after turning and before all else. A box that is not inside answers 400.",
        values="left, top, width, height: each 0 to 1 for parts of the sides, else pixels",
        example="region=(0.25, 0, 0.5, 1)",
    )
    aspect: Fraction | None = option(
        None,
        "ar",
        read_aspect,
        "The box's shape, in place of one side; without any side, the largest such box in the picture. Best with "
        "`crop`: `reshape` takes the box as it is.",
        values="1:1000 to 1000:1, such as `16:9` or `1.5`",
        example="width=200, aspect='16:9', mode='crop'",
    )
    dpr: float = option(
        1.0,
        "dpr",
        read_dpr,
        "Multiplies width, height, padding, border, radius and the watermark's margin.",
        values="1 to 4",
        example="width=100, dpr=2",
    )
    rotate: int = option(
        0,
        "rot",
        read_rotate,
        "Turned clockwise, in degrees, once upright and before all else.",
        values="0, 90, 180, 270",
        example="rotate=90",
    )
    flip: Flip | None = option(
        None,
        "fl",
        read_flip,
        "Mirrored, after `rotate`.",
        values="`horizontal`, `vertical`, `both`",
        example="flip='horizontal'",
    )
    trim: int | None = option(
        None,
        "tr",
        read_trim,
        "Cuts away the border that is no more than this threshold off the colour of the left top pixel.",
        values="1 to 255, or true for 10",
        write=write_trim,
        example="trim=True",
    )
    grayscale: bool = option(
        False,
        "gs",
        read_flag,
        "Without colours, as in CSS.",
        values="true, false",
        write=write_flag,
        example="grayscale=True",
    )
    brightness: float = option(
        1.0, "br", read_factor, "Each value times this factor, as in CSS.", values="0 to 10", example="brightness=1.3"
    )
    contrast: float = option(
        1.0,
        "co",
        read_factor,
        "Each value's distance from the middle grey times this factor, as in CSS.",
        values="0 to 10",
        example="contrast=1.5",
    )
    saturation: float = option(
        1.0,
        "sa",
        read_factor,
        "Each value's distance from the pixel's own grey times this factor, as in CSS.",
        values="0 to 10",
        example="saturation=2",
    )
    blur: float = option(
        0.0,
        "bl",
        read_blur,
        "Gaussian blur of this sigma, in pixels of the result.",
        values="0.3 to 100",
        example="blur=4",
    )
    watermark: Watermark | None = option(
        None,
        "wm",
        read_watermark,
        "Another source of `IMAGES_PATH` laid over the picture: its name, place, margin in pixels, opacity, and the "
        "most that it takes of the width.",
        values="name (no comma), place, 0 to 10000, 0.01 to 1, 0.01 to 1; the last four may be left out",
        example="watermark='photos/cup.png,se'",
    )
    padding: Edges = option(
        Edges(0, 0, 0, 0),
        "pd",
        read_padding,
        "Pixels of the background added around the picture.",
        values="0 to 10000: one value, or top, right, bottom, left",
        example="padding=(8, 24, 8, 24), background='#cfdcd8'",
    )
    border: Border | None = option(
        None,
        "bo",
        read_border,
        "A frame added around that.",
        values="width (0 to 10000), colour",
        write=write_border,
        example="border=(6, '#b5651d')",
    )
    radius: int = option(
        0,
        "ra",
        read_radius,
        "Rounds the corners of all that, the frame's too; they are clear, or of the background where the format has no "
        "transparency.",
        values="0 to 10000 pixels, or `max` for a circle or a pill",
        example="width=150, height=150, mode='crop', radius='max', background='white'",
    )

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Options:
        """Read the options of a URL from its *query*, short names to texts. Unknown names are passed over.

        An empty text means that the option was not given, but for flags, where it means no.

        Raises:
            InvalidOption: a value that cannot be rendered.
        """
        options = cls(
            **{
                name: declared.read(name, text)
                for name, declared in DECLARED.items()
                if (text := query.get(declared.short)) is not None and (text or declared.read is read_flag)
            }
        )
        if options.aspect and options.width and options.height:
            raise InvalidOption(
                "aspect", query[DECLARED["aspect"].short], expected="width or height beside it, not both"
            )
        return options

    def settled(self) -> Options:
        """The same wish in fewer words, so that two ways to say it are one rendition.

        ``dpr`` is worked into the pixels, ``aspect`` into the second side where there is one. Mirroring is across, or
        none; no colours are a saturation of 0; what has no effect, such as a gravity where nothing is cropped, is gone.
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
        return replace(self, **settled) if settled else self

    def canonical(self, but: Collection[str] = ()) -> str:
        """One text for all spellings of one wish: what `Rendition.key` is made of. Less the options *but*."""
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
    """The query of a URL, short names to texts, for the *keywords* that a template gave.

    Values are not checked. None, and names that begin with ``_``, are left out; an unknown name stays as it is.
    """
    query: dict[str, str] = {}
    for name, value in keywords.items():
        if value is None or name.startswith("_"):
            continue
        declared = DECLARED.get(name)
        try:
            text = declared.write(value) if declared else write_text(value)
        except (TypeError, ValueError, OverflowError):  # no value of this option, as serving it will say
            text = str(value)
        if text is not None:
            query[declared.short if declared else name] = text
    return query


def _times(pixels: int | None, factor: float) -> Any:
    """Rounded down, but not for what a binary fraction lacks: 100 times 1.15 is 115."""
    return None if pixels is None else int(round(pixels * factor, 6))
