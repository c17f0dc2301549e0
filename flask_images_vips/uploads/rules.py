"""Say what may be uploaded: formats, sizes, and what is done with a picture that is too large.

This module does no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..config.keys import Config
from ..errors import ConfigError, InvalidOption
from ..formats import ALIASES, ALL_INPUTS, EXTRAS, JPEG, Format, by_name
from ..geometry import Size

FOR_BROWSERS = ("jpeg", "png", "gif", "webp", "avif")
"""Uploads in these formats keep their format. All browsers show them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one form accepts: see `Images.accept`. Sizes are (width, height) in pixels, or one number for both."""

    formats: Collection[str] | None = None
    min_size: Any = None
    max_size: Any = None
    max_pixels: int | None = None
    max_bytes: int | None = None
    convert: str | None = "jpeg"
    strip: bool = True
    find_faces: bool = False

    def checked(self, config: Config, readable: Collection[str] | None = None) -> CheckedRules:
        """Return the rules in the form that the package uses.

        *readable* are the formats that an upload may have, by default those of ``IMAGES_INPUT_FORMATS``.

        Raises:
            ValueError: If an argument is invalid, also if no picture could be accepted.
        """
        readable = tuple(config.input_formats if readable is None else readable)
        formats = readable if self.formats is None else _formats(self.formats, readable)
        least, most = _size("min_size", self.min_size), _size("max_size", self.max_size)
        for name in ("max_pixels", "max_bytes"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name}={value!r}: expected a whole number, at least 1, or None")
        if least is not None and most is not None and (least.width > most.width or least.height > most.height):
            raise ValueError(f"min_size={self.min_size!r} is more than max_size={self.max_size!r}")
        return CheckedRules(
            formats=formats,
            min_size=least,
            max_size=most,
            max_pixels=self.max_pixels,
            max_bytes=min(self.max_bytes or config.max_source_bytes, config.max_source_bytes),
            convert=None if self.convert is None else _format(self.convert, config.input_formats),
            strip=self.strip,
            shown=tuple(config.input_formats),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRules:
    """Valid `Rules`. *formats* are names of formats, *max_bytes* is at most ``IMAGES_MAX_SOURCE_BYTES``.

    *shown* are the formats that the site can show, and so the only ones that are stored.
    """

    formats: tuple[str, ...]
    min_size: Size | None
    max_size: Size | None
    max_pixels: int | None
    max_bytes: int
    convert: Format | None
    strip: bool
    shown: tuple[str, ...]

    def within(self, size: Size, longest: float = math.inf) -> Size:
        """Return *size*, reduced as far as *max_size* and *max_pixels* ask for, and until no side is over *longest*.

        The shape stays the same.
        """
        scale = min(1.0, longest / max(size))
        if self.max_size is not None:
            scale = min(scale, self.max_size.width / size.width, self.max_size.height / size.height)
        if self.max_pixels is not None:
            scale = min(scale, math.sqrt(self.max_pixels / size.pixels))
        if scale >= 1:
            return size
        reduced = Size(*(max(1, round(side * scale)) for side in size))
        if self.max_pixels is None or reduced.pixels <= self.max_pixels:
            return reduced
        return Size(*(max(1, int(side * scale)) for side in size))

    def target(self, source: str, *, alpha: bool) -> Format | None:
        """Return the format to store a picture of the format *source* in, or None if it must be refused.

        Without conversion, a format stays as it is if renditions can have it.
        """
        if source in FOR_BROWSERS:
            return by_name(source)
        if self.convert is not None:
            return self.converted(alpha=alpha)
        try:
            return by_name(source) if source in self.shown else None
        except InvalidOption:
            return None

    def converted(self, *, alpha: bool) -> Format | None:
        """Return the format that a picture becomes which cannot keep its own, or None if there is none."""
        if self.convert is not None and alpha and not self.convert.alpha and "png" in self.shown:
            return by_name("png")
        return self.convert if self.convert is not None and self.convert.name in self.shown else None


def uploads_missing(config: Config) -> ConfigError:
    """Return the error for a site that accepts uploads, but does not say where to store them."""
    example = next((f"{path.rstrip('/')}/uploads" for path in config.path), "static/uploads")
    return ConfigError(
        "IMAGES_UPLOADS is not set, so uploads cannot be stored. Set it to a folder in IMAGES_PATH, such as "
        f"{example!r}, or to a place in one of its object stores."
    )


def _formats(given: Any, readable: Collection[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    found = tuple(dict.fromkeys(ALIASES.get(str(name).lower(), str(name).lower()) for name in names))
    for name in found:
        if name not in readable:
            if name in EXTRAS:
                expected = f"another one, unless you run pip install 'flask-images-vips[{name}]'"
            elif name in ALL_INPUTS:
                expected = "one that IMAGES_INPUT_FORMATS lists"
            else:
                expected = f"some of {', '.join(readable)}"
            raise ValueError(f"formats={given!r}: {name!r} is not accepted; expected {expected}")
    if not found:
        raise ValueError(f"formats={given!r}: expected at least one format")
    return found


def _format(name: str, shown: Collection[str]) -> Format:
    try:
        format = by_name(name)
    except InvalidOption as error:
        raise ValueError(f"convert={name!r}: expected {error.expected}, or None") from None
    if format.name not in shown and format is not JPEG:  # the default must not keep a site from accepting PNGs alone
        expected = "a format that IMAGES_INPUT_FORMATS lists, so that it can be shown"
        raise ValueError(f"convert={name!r}: expected {expected}")
    return format


def _size(name: str, value: Any) -> Size | None:
    if value is None:
        return None
    sides = (value, value) if isinstance(value, int) else tuple(value)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"{name}={value!r}: expected (width, height) in pixels, one number for both, or None")
    return Size(*sides)
