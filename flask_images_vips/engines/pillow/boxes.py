"""Draw a labelled box in place of each picture, for the tests of a site (``IMAGES_ENGINE = 'boxes'``).

Nothing is decoded, except for ``trim``. A box has the size and the format of the picture that it stands for, and the
same bytes each time. Its background depends on the source, and its text names the source, the size and the options.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ...errors import InvalidOption
from ...formats import DEFAULT_INPUTS, JXL, Format
from ...geometry import Box, Geometry, Size
from ...headers.read import read_header
from ...options.options import DEFAULTS, Options
from ...options.scalars import ROUND
from ...options.values import Mode
from ...rendition import Rendition
from .. import jxl
from ..encoder_settings import formats_of
from ..engine import Engine, Header, Tiny

First = Callable[[Callable[[Engine], Any]], Any]

_LINES, _TEXT = (120, 130, 140), (30, 30, 30)
_LARGEST_SCALE = 4  # of the text, whose letters are 11 pixels high
_QUICK = {
    "jpeg": {"quality": 50},
    "png": {"compress_level": 1},
    "webp": {"quality": 50, "method": 0},
    "avif": {"quality": 50, "speed": 10},
}
_IN_PALETTE = ("png", "gif")
_NOT_IN_LABEL = {"width", "height", "mode", "format", "cache", "expires", "download", "arm", "max_bytes"}


class BoxEngine:
    """Draws boxes.

    *auto_orient* and *inputs* are as for `PillowEngine`. *first* calls a function with the first of the other engines
    that can load the source. It is used for headers that only an engine can read, such as those of SVG files, and to
    trim.
    """

    name = "boxes"
    complaint = ""

    def __init__(self, first: First, *, auto_orient: bool = True, inputs: Sequence[str] = DEFAULT_INPUTS) -> None:
        self._first = first
        self._auto_orient = auto_orient
        self._inputs = inputs

    def refusal(self, options: Options, format: Format) -> InvalidOption | None:
        if format.name in (known := formats_of("pillow")):
            return None
        return InvalidOption("format", format.name, expected=f"one of {', '.join(known)} (Pillow)")

    def header(self, descriptor: int, ref: str) -> Header:
        stated = read_header(descriptor, ref, auto_orient=self._auto_orient, inputs=self._inputs)
        if stated is None or stated.frames is None or stated.alpha is None:
            header: Header = self._first(lambda engine: engine.header(descriptor, ref))
            return header
        return Header(stated.size, stated.format, stated.frames, stated.alpha, stated.whole, stated.palette)

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        box: Box = self._first(lambda engine: engine.trim_box(descriptor, ref, region, threshold))
        return box

    def render(
        self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1, tiny: Tiny | None = None
    ) -> bytes:
        """Return a box of the size ``geometry.final``. An animation becomes a still box."""
        colour = colour_of(rendition.source.path)
        if tiny is not None:
            _fill(tiny, colour)
        return _encoded(drawn(label_of(rendition, geometry.final), geometry.final, colour), rendition.format)


def label_of(rendition: Rendition, size: Size) -> list[str]:
    """Return the lines of text in the box of *rendition*: its source, its size and mode, its format and options."""
    options = rendition.options
    boxed = options.width and options.height
    mode = f" {options.mode}" if boxed and options.mode is not Mode.RESHAPE else ""
    changed = {name: getattr(options, name) for name in DEFAULTS if name not in _NOT_IN_LABEL}
    said = [
        f"{name}={'max' if name == 'radius' and value == ROUND else value}"
        for name, value in changed.items()
        if value != DEFAULTS[name]
    ]
    name = rendition.source.path.rpartition("/")[2]
    return [name, f"{size.width} × {size.height}{mode}", " ".join([rendition.format.name, *said])]


def colour_of(ref: str) -> tuple[int, int, int]:
    """Return the background of all boxes of the source *ref*: a light colour."""
    red, green, blue = blake2b(ref.encode("utf-8", "surrogatepass"), digest_size=3).digest()
    return 160 + red % 80, 160 + green % 80, 160 + blue % 80


def drawn(lines: Sequence[str], size: Size, colour: tuple[int, int, int]) -> Image.Image:
    """Return a picture of *size* with a frame, two diagonals and the text *lines*, as far as it fits."""
    image = Image.new("P", size, 0)
    image.putpalette([*colour, *_LINES, *_TEXT])
    pen, (right, bottom) = ImageDraw.Draw(image), (size.width - 1, size.height - 1)
    pen.line((0, 0, right, bottom), fill=1)
    pen.line((0, bottom, right, 0), fill=1)
    pen.rectangle((0, 0, right, bottom), outline=1)
    text = _written(lines)
    scale = min(size.width // text.width, size.height // text.height, _LARGEST_SCALE)
    if scale > 1:
        text = text.resize((text.width * scale, text.height * scale), Image.Resampling.NEAREST)
    left, top = (max(2, (whole - part) // 2) for whole, part in zip(size, text.size, strict=True))
    image.paste(2, (left, top), text)
    return image


def _written(lines: Sequence[str]) -> Image.Image:
    """Return *lines* as a mask. Letters that the font lacks become question marks."""
    font = ImageFont.load_default_imagefont()
    text = "\n".join(lines).encode("latin-1", "replace").decode("latin-1")
    measure = ImageDraw.Draw(Image.new("1", (1, 1)))
    right, bottom = (int(side) + 1 for side in measure.multiline_textbbox((0, 0), text, font)[2:])
    mask = Image.new("1", (max(1, right), max(1, bottom)), 0)
    ImageDraw.Draw(mask).multiline_text((0, 0), text, 1, font)
    return mask


def _encoded(picture: Image.Image, format: Format) -> bytes:
    if format.name not in _IN_PALETTE:
        picture = picture.convert("RGBA" if format.name == "ico" else "RGB")
    settings: dict[str, object] = dict(_QUICK.get(format.name, {}))
    if format.name == "ico":
        settings["sizes"] = [picture.size]
    if format is JXL:
        return jxl.encoded(picture.mode, picture.size, picture.tobytes(), {"quality": 50, "effort": 1})
    file = io.BytesIO()
    picture.save(file, format.name.upper(), **settings)
    return file.getvalue()


def _fill(tiny: Tiny, colour: tuple[int, int, int]) -> None:
    """Make the placeholders of a source from the background of its boxes."""
    if tiny.wants_rgba:
        tiny.rgba = bytes((*colour, 255)) * tiny.size.pixels
    if tiny.wants_webp:
        file = io.BytesIO()
        Image.new("RGB", tiny.half, colour).save(file, "WEBP", method=0)
        tiny.webp = file.getvalue()
