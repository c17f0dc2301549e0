"""Convert the samples of rare kinds of PNG and TIFF to 8 bits, as they are meant."""

from __future__ import annotations

from functools import cache
from typing import Any

from PIL import Image, ImageChops, ImageMath

_BITS, _PHOTOMETRIC, _PLANES = 258, 262, 284
_APART = 2
_WHITE_IS_ZERO = 0
_MOST_LIGHT = 65_535


def correct_info(image: Image.Image) -> None:
    """Correct what Pillow says about *image*, whose pixels are not loaded yet.

    Pillow converts PNGs in grey of 2 and 4 bits, and colours of 16 bits, to 8 bits, but not the transparent colour. It
    takes any tag of a TIFF for a profile, and samples of 16 bits in planes of their own for samples of 8 bits.
    """
    if not isinstance(image.info.get("icc_profile", b""), bytes):
        del image.info["icc_profile"]
    if image.format == "TIFF":
        _correct_planes(image)
    clear, tile = image.info.get("transparency"), getattr(image, "tile", None)
    if image.format != "PNG" or not tile or clear is None:
        return
    kind = tile[0].args
    if kind in ("L;2", "L;4"):
        image.info["transparency"] = clear * (85 if kind == "L;2" else 17)
    elif kind == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in clear)


def _correct_planes(image: Image.Image) -> None:
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(_PLANES) == _APART and max(tags.get(_BITS, (8,))) == 16:
        depth = ";16L" if tags.prefix == b"II" else ";16B"
        tiles = getattr(image, "tile", [])
        image.tile = [  # type: ignore[attr-defined]
            part._replace(args=(part.args[0] + depth, *part.args[1:])) if len(part.args[0]) == 1 else part
            for part in tiles
        ]


def from_light(image: Image.Image) -> Image.Image:
    """Return *image*, which is grey in floating point, in the mode L. Its values are linear light, from 0 to 1."""

    def deep(names: dict[str, Any]) -> Any:
        light = names["min"](names["max"](names["image"], 0.0), 1.0)
        return names["int"](light * _MOST_LIGHT + 0.5)

    values: Image.Image = ImageMath.lambda_eval(deep, image=image)
    return values.point(_levels(), "L")


@cache
def _levels() -> list[int]:
    """Return the level in sRGB for each of the values up to `_MOST_LIGHT`."""
    light = [value / _MOST_LIGHT for value in range(_MOST_LIGHT + 1)]
    return [round(255 * (v * 12.92 if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055)) for v in light]


def from_16_bits(image: Image.Image) -> Image.Image:
    """Return *image*, which is grey of up to 16 bits, in the mode L, or LA if a value of it is transparent."""
    tags = getattr(image, "tag_v2", {})
    deep = image.convert("I")
    bits = tags.get(_BITS, (16,))[0]
    scale = 1 / 2 ** (bits - 8) if 8 < bits < 16 else 1 / 256
    grey = deep.point(lambda value: value * scale).convert("L")
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = ImageChops.invert(grey)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        above = deep.point(lambda value: value - clear).convert("L")  # differences below 0 become 0
        below = deep.point(lambda value: value * -1 + clear).convert("L")
        grey.putalpha(ImageChops.lighter(above, below).point([0] + [255] * 255))
    return grey
