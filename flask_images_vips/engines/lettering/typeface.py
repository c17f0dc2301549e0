"""Measure and draw letters with a chain of fonts, of which the first one that has a letter draws it."""

from __future__ import annotations

import io
import logging
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont, features

from ...cache.per_process import Said
from ...lazy import Lazy
from .coverage import Coverage
from .direction import stretches
from .letters import is_emoji

logger = logging.getLogger("flask_images_vips")

_MEASURED_AT = 100  # pixels
_MOST_WARNINGS = 20  # of one process
_STRIKES = (109, 128, 136, 160, 96, 72, 64, 48, 32, 20)  # sizes that fonts of bitmaps have, if they do not say
_INVISIBLE = frozenset("\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069\ufe0e\ufe0f\u00ad\ufeff")


class _Font:
    """The font file open at *descriptor*. It is read when it is needed: a font of Chinese has many megabytes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @Lazy
    def data(self) -> bytes:
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)

    @Lazy
    def coverage(self) -> Coverage:
        return Coverage(self.data)

    def has(self, characters: Iterable[str]) -> bool:
        return all(map(self.coverage.has, characters))


class _Run(NamedTuple):
    """Letters of one font in one direction."""

    text: str
    font: _Font
    right_to_left: bool


class Pieces(NamedTuple):
    """A line as it is drawn: a mask of the letters in one colour, and pictures of the others with their positions."""

    mask: Image.Image
    pictures: list[tuple[Image.Image, int, int]]


class Typeface:
    """The fonts of one style, in files open at *descriptors*. *weight* is that of variable fonts, or 0.

    All methods raise ValueError or OSError if a file is no font.
    """

    def __init__(self, descriptors: Sequence[int], weight: int = 0) -> None:
        self._weight = weight
        self._fonts = list(map(_Font, descriptors))
        self._loaded: dict[tuple[int, int], ImageFont.FreeTypeFont] = {}
        self._missing: set[str] = set()
        if not features.check("raqm") and _said.add("raqm"):
            logger.warning(
                "Pillow has no text layout here (raqm, which needs the library FriBiDi), so Arabic letters are not "
                "joined and Indian scripts are not arranged. Install FriBiDi, such as the Debian package libfribidi0."
            )

    def measure(self, line: Sequence[str]) -> float:
        """Return the width of *line*, a list of letters, in units of their size."""
        return sum(self._length(run, _MEASURED_AT) for run in self._runs(line, right_to_left=False)) / _MEASURED_AT

    def extent(self, size: float) -> tuple[float, float]:
        """Return how far letters of *size* reach above and below their base line, in pixels."""
        font, scale = self._font(self._fonts[0], size)
        ascent, descent = font.getmetrics()
        return ascent * scale, descent * scale

    def width(self, line: Sequence[str], size: float) -> float:
        """Return the width of *line* at *size*, in pixels."""
        return sum(self._length(run, size) for run in self._runs(line, right_to_left=False))

    def draw(
        self, pieces: Pieces, line: Sequence[str], at: tuple[float, float], size: float, *, right_to_left: bool
    ) -> None:
        """Draw *line* on *pieces* with its left end and its base line *at* a point, in pixels."""
        across, down = at
        pen = ImageDraw.Draw(pieces.mask)
        for run in self._runs(line, right_to_left=right_to_left):
            font, scale = self._font(run.font, size)
            if run.font.coverage.coloured:
                self._draw_coloured(pieces, run, (across, down), font, scale)
            else:
                pen.text((across, down), _shaped(run), fill=255, font=font, anchor="ls", direction=_direction(run))
            across += self._length(run, size)

    def _draw_coloured(
        self, pieces: Pieces, run: _Run, at: tuple[float, float], font: ImageFont.FreeTypeFont, scale: float
    ) -> None:
        left, top, right, bottom = map(int, font.getbbox(run.text, anchor="ls"))
        size = max(1, right - left + 2), max(1, bottom - top + 2)
        picture = Image.new("RGBA", size)
        ImageDraw.Draw(picture).text((1 - left, 1 - top), run.text, font=font, anchor="ls", embedded_color=True)
        if scale != 1:
            scaled = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
            picture = picture.resize(scaled, Image.Resampling.LANCZOS)
        pieces.pictures.append((picture, round(at[0] + (left - 1) * scale), round(at[1] + (top - 1) * scale)))

    def _length(self, run: _Run, size: float) -> float:
        font, scale = self._font(run.font, size)
        return font.getlength(_shaped(run), direction=_direction(run)) * scale

    def _runs(self, line: Sequence[str], *, right_to_left: bool) -> list[_Run]:
        """Return the runs of *line*, from left to right as they are seen."""
        found: list[_Run] = []
        for begin, end, leftwards in stretches(line, right_to_left=right_to_left):
            chosen = self._chosen(line[begin:end])
            runs = [
                _Run("".join(letter for _, letter in group), font, leftwards)
                for font, group in ((font, list(group)) for font, group in groupby(chosen, lambda each: each[0]))
            ]
            found += reversed(runs) if leftwards else runs
        return [run for run in found if run.text]

    def _chosen(self, line: Sequence[str]) -> list[tuple[_Font, str]]:
        found: list[tuple[_Font, str]] = []
        for letter in line:
            last = found[-1][0] if found else None
            font = self._font_of(letter, last)
            found.append(
                (font, letter if font.coverage.coloured else "".join(each for each in letter if _is_shown(each)))
            )
        return found

    def _font_of(self, letter: str, last: _Font | None) -> _Font:
        """Return the font that draws *letter*. A space is drawn by the *last* one, so that words stay together."""
        if len(self._fonts) == 1:
            return self._fonts[0]
        needed = [character for character in letter if character not in _INVISIBLE]
        if letter.isspace() and last is not None and not last.coverage.coloured and last.has(needed):
            return last
        able = self._able(needed, coloured=is_emoji(letter))
        if able is None and letter not in self._missing:
            self._missing.add(letter)
            codes = " ".join(f"U+{ord(character):04X}" for character in needed)
            if len(_said.get()) < _MOST_WARNINGS and _said.add(codes):
                logger.warning(
                    "No font in IMAGES_FONTS has the letter %s of a text, so it is drawn as a box. Add a font that has "
                    "it: IMAGES_FONTS = {'title': ['fonts/Inter.ttf', 'fonts/Other.ttf']}.",
                    codes,
                )
        return able or self._fonts[0]

    def _able(self, characters: Sequence[str], *, coloured: bool) -> _Font | None:
        """Return the first font that has *characters*, one that is *coloured* or is not if possible, or None."""
        for wanted in (coloured, not coloured):
            for font in self._fonts:
                if font.coverage.coloured == wanted and font.has(characters):
                    return font
        return None

    def _font(self, font: _Font, size: float) -> tuple[ImageFont.FreeTypeFont, float]:
        """Return *font* for Pillow, and the factor by which what it draws must be scaled to have *size*."""
        if not font.coverage.scalable:
            strike = self._strike(font, size)
            return self._load(font, strike), size / strike
        return self._load(font, round(size * 64)), 1.0

    def _strike(self, font: _Font, size: float) -> int:
        for strike in (*sorted(font.coverage.strikes, key=lambda each: (each < size, abs(each - size))), *_STRIKES):
            try:
                self._load(font, strike)
            except OSError:  # invalid pixel size
                continue
            return strike
        raise ValueError("a font of bitmaps in no known size")

    def _load(self, font: _Font, size: int) -> ImageFont.FreeTypeFont:
        """Return *font* in 64ths of a pixel, or a font of bitmaps in pixels."""
        key = id(font), size
        if key not in self._loaded:
            scalable = font.coverage.scalable
            layout = ImageFont.Layout.RAQM if features.check("raqm") else ImageFont.Layout.BASIC
            loaded = ImageFont.truetype(io.BytesIO(font.data), size / 64 if scalable else size, layout_engine=layout)
            if self._weight and scalable:
                _weigh(loaded, self._weight)
            self._loaded[key] = loaded
        return self._loaded[key]


def _is_shown(character: str) -> bool:
    """Return whether a font of one colour gets *character*. It would draw a box for signs that are not seen."""
    return character not in "\u200b\u200e\u200f\u2060\u2066\u2067\u2068\u2069\ufe0e\ufe0f\u00ad\ufeff"


def _direction(run: _Run) -> str | None:
    if not features.check("raqm"):
        return None
    return "rtl" if run.right_to_left else "ltr"


def _shaped(run: _Run) -> str:
    """Return the text of *run* in the order in which Pillow draws it. Without raqm, it draws from left to right."""
    if not run.right_to_left or features.check("raqm"):
        return run.text
    return _reversed(run.text).translate(_MIRRORED)


def _reversed(text: str) -> str:
    parts: list[str] = []
    for character in text:
        if parts and unicodedata.combining(character):
            parts[-1] += character
        else:
            parts.append(character)
    return "".join(reversed(parts))


_MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")


def _weigh(font: ImageFont.FreeTypeFont, weight: int) -> None:
    """Set the weight of a variable font. Others have the weight of their file."""
    try:
        axes = font.get_variation_axes()
    except OSError:
        return
    font.set_variation_by_axes([_value(axis, weight) for axis in axes])


def _value(axis: Mapping[str, Any], weight: int) -> float:
    return float(min(max(weight, axis["minimum"]), axis["maximum"]) if _is_weight(axis["name"]) else axis["default"])


def _is_weight(name: bytes | str | None) -> bool:
    return (name.decode("latin-1") if isinstance(name, bytes) else str(name)).lower() == "weight"


_said = Said()
