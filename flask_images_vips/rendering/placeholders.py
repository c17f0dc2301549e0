"""Make placeholders, which a page shows until the picture is loaded: a colour, a tiny picture, BlurHash or ThumbHash.

The palette of a picture is found in the same way, although no page shows it. All are made from a picture of at most
32 × 32 pixels, see `Tiny`. This module does no I/O.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Sequence

from ..engines.engine import Tiny
from ..errors import InvalidOption
from ..geometry import Size, plan
from ..options.options import Options
from ..options.values import Mode
from .palette import palette as main_colours

SMALLEST = Options(width=32, height=32, mode=Mode.FIT, animated=False)
"""The options of the smallest rendition that placeholders can be made from. A placeholder shows no finer detail."""
PALETTE = "palette"
"""The name of the palette among the kinds of placeholders."""

_BASE83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_LINEAR = [v / 255 / 12.92 if v <= 0.04045 * 255 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in range(256)]
_NOISE = 1e-9  # smaller coefficients are rounding errors of a flat picture; scaling them up would show patterns


def empty(source: Size, kinds: Sequence[str]) -> Tiny:
    """Return the tiny picture of a source of this size, to be filled in by an engine for placeholders of *kinds*."""
    return Tiny(plan(source, SMALLEST).final, wants_rgba={*kinds} != {"lqip"}, wants_webp="lqip" in kinds)


def draw(kinds: Sequence[str], tiny: Tiny) -> dict[str, str]:
    """Return the placeholders of *kinds*, as far as they can be made from *tiny*.

    Raises:
        InvalidOption: If there is no such kind.
    """
    drawn = {}
    for kind in kinds:
        if kind not in _FORMS:
            raise InvalidOption("placeholder", kind, expected="one of " + ", ".join(KINDS))
        if kind == "lqip" and tiny.webp:
            drawn[kind] = lqip(tiny.webp)
        elif kind != "lqip" and tiny.rgba:
            drawn[kind] = _OF_PIXELS[kind](tiny.size, tiny.rgba)
    return drawn


def is_valid(kind: str, placeholder: str) -> bool:
    """Return whether *placeholder* has the form that every placeholder of the *kind* has."""
    return kind in _FORMS and _FORMS[kind].fullmatch(placeholder) is not None


def lqip(webp: bytes) -> str:
    """Return the data URL of a tiny WebP, a "low-quality image placeholder"."""
    return "data:image/webp;base64," + b64encode(webp).decode("ascii")


def colour(size: Size, rgba: bytes) -> str:
    """Return the mean colour as ``#rrggbb``. Each pixel is weighted by its alpha."""
    return "#" + "".join(f"{round(255 * band):02x}" for band in _mean(rgba))


def blurhash(size: Size, rgba: bytes, *, components: tuple[int, int] | None = None) -> str:
    """Return the BlurHash, with 4 × 3 components, or 3 × 4 for a portrait picture. It does not support transparency.

    The algorithm is published in github.com/woltapp/blurhash, Algorithm.md.
    """
    across, down = components or ((4, 3) if size.width >= size.height else (3, 4))
    mean, opaque = _mean(rgba), min(rgba[3::4]) == 255
    planes = [
        [_LINEAR[value] for value in (rgba[band::4] if opaque else _behind(mean[band], rgba[band::4], rgba[3::4]))]
        for band in range(3)
    ]
    waves = [[math.cos(math.pi * i * x / size.width) for x in range(size.width)] for i in range(across)]
    rows = [[math.cos(math.pi * j * y / size.height) for y in range(size.height)] for j in range(down)]
    factors = [_transformed(plane, size, waves, rows) for plane in planes]
    first = [factor[0][0] for factor in factors]
    others = [2 * factor[j][i] for j in range(down) for i in range(across) if i or j for factor in factors]

    largest = max(map(abs, others), default=0.0)
    scale = max(0, min(82, math.floor(largest * 166 - 0.5)))
    text = _base83(across - 1 + (down - 1) * 9, 1) + _base83(scale if others else 0, 1)
    red, green, blue = map(_encoded, first)
    text += _base83((red << 16) + (green << 8) + blue, 4)
    steps = [_step(value / ((scale + 1) / 166)) for value in others]
    return text + "".join(
        _base83(r * 361 + g * 19 + b, 2) for r, g, b in zip(steps[::3], steps[1::3], steps[2::3], strict=True)
    )


def thumbhash(size: Size, rgba: bytes) -> str:
    """Return the ThumbHash in Base64: about 25 bytes, which also hold the aspect ratio and the transparency.

    The algorithm is published in github.com/evanw/thumbhash.
    """
    width, height = size
    alphas = [value / 255 for value in rgba[3::4]]
    has_alpha = min(alphas) < 1
    mean = _mean(rgba)
    bands = [
        [mean[band] * (1 - alpha) + alpha * value / 255 for value, alpha in zip(rgba[band::4], alphas, strict=True)]
        for band in range(3)
    ]
    pixels = list(zip(*bands, strict=True))
    limit = 5 if has_alpha else 7
    across = max(1, round(limit * width / max(size)))
    down = max(1, round(limit * height / max(size)))
    luminance = _channel([(r + g + b) / 3 for r, g, b in pixels], size, max(3, across), max(3, down))
    yellow_blue = _channel([(r + g) / 2 - b for r, g, b in pixels], size, 3, 3)
    red_green = _channel([r - g for r, g, b in pixels], size, 3, 3)
    channels = [luminance, yellow_blue, red_green]

    landscape = width > height
    head = (
        round(63 * luminance[0])
        | round(31.5 + 31.5 * yellow_blue[0]) << 6
        | round(31.5 + 31.5 * red_green[0]) << 12
        | round(31 * luminance[2]) << 18
        | has_alpha << 23
        | (down if landscape else across) << 24
        | round(63 * yellow_blue[2]) << 27
        | round(63 * red_green[2]) << 33
        | landscape << 39
    )
    data = head.to_bytes(5, "little")
    if has_alpha:
        alpha = _channel(alphas, size, 5, 5)
        channels.append(alpha)
        data += bytes([round(15 * alpha[0]) | round(15 * alpha[2]) << 4])
    nibbles = [round(15 * value) for channel in channels for value in channel[1]]
    nibbles += [0] * (len(nibbles) % 2)
    data += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return b64encode(data).decode("ascii")


def palette(size: Size, rgba: bytes) -> str:
    """Return up to six colours as ``#rrggbb``, divided by spaces: see `palette.palette`."""
    return " ".join(main_colours(rgba))


_OF_PIXELS: dict[str, Callable[[Size, bytes], str]] = {
    "color": colour,
    "blurhash": blurhash,
    "thumbhash": thumbhash,
    PALETTE: palette,
}
_FORMS = {
    "color": re.compile(r"#[0-9a-f]{6}"),
    "lqip": re.compile(r"data:image/webp;base64,[A-Za-z0-9+/]{1,4000}={0,2}"),
    "blurhash": re.compile(rf"[{re.escape(_BASE83)}]{{28}}"),
    "thumbhash": re.compile(r"[A-Za-z0-9+/]{4,60}={0,2}"),
    PALETTE: re.compile(r"#[0-9a-f]{6}(?: #[0-9a-f]{6}){0,5}"),
}
KINDS = tuple(kind for kind in _FORMS if kind != PALETTE)
"""The kinds of placeholders. CSS can show the first two; the hashes need a script in the page."""


def _mean(rgba: bytes) -> list[float]:
    """Return the mean of red, green and blue, from 0 to 1. Each pixel is weighted by its alpha."""
    alphas = rgba[3::4]
    weight = 255 * sum(alphas) or 1
    return [sum(map(int.__mul__, rgba[band::4], alphas)) / weight for band in range(3)]


def _behind(mean: float, values: bytes, alphas: bytes) -> list[int]:
    """Blend the *values* of one band over its *mean*, so that the hidden colours of transparent pixels do not count."""
    return [round(255 * mean * (1 - a / 255) + v * a / 255) for v, a in zip(values, alphas, strict=True)]


def _transformed(
    plane: Sequence[float], size: Size, waves: Sequence[Sequence[float]], rows: Sequence[Sequence[float]]
) -> list[list[float]]:
    """Return the coefficients of a discrete cosine transform of *plane*.

    Coefficient ``[j][i]`` is the mean of *plane* multiplied by the cosine ``rows[j]`` down and by ``waves[i]`` across.
    """
    width, height = size
    lines = [plane[y * width : (y + 1) * width] for y in range(height)]
    across = [[sum(map(float.__mul__, line, wave)) for line in lines] for wave in waves]
    return [[sum(map(float.__mul__, column, row)) / size.pixels for column in across] for row in rows]


def _base83(value: int, length: int) -> str:
    return "".join(_BASE83[value // 83**place % 83] for place in reversed(range(length)))


def _encoded(linear: float) -> int:
    """Convert a linear value, 0 to 1, to sRGB, 0 to 255."""
    value = max(0.0, min(1.0, linear))
    return int((value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055) * 255 + 0.5)


def _step(value: float) -> int:
    """Quantise *value*, -1 to 1, to one of 19 steps, which are finer around 0."""
    return max(0, min(18, math.floor(math.copysign(math.sqrt(abs(value)), value) * 9 + 9.5)))


def _channel(plane: list[float], size: Size, across: int, down: int) -> tuple[float, list[float], float]:
    """Return the mean of *plane*, its other cosine coefficients (scaled to 0 to 1), and the scale that was used.

    Only the coarser half of the coefficients is kept: the triangle that ThumbHash stores.
    """
    width, height = size
    waves = [[math.cos(math.pi / width * i * (x + 0.5)) for x in range(width)] for i in range(across)]
    rows = [[math.cos(math.pi / height * j * (y + 0.5)) for y in range(height)] for j in range(down)]
    factors = _transformed(plane, size, waves, rows)
    others = [factors[j][i] for j in range(down) for i in range(across) if (i or j) and i * down < across * (down - j)]
    scale = max(map(abs, others))
    if scale < _NOISE:
        return factors[0][0], [0.0] * len(others), 0.0
    return factors[0][0], [0.5 + 0.5 / scale * value for value in others], scale
