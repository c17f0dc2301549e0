"""Check the configuration keys about the pictures themselves: formats, quality, widths and presets.

Each check is as in `checks`. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigError, InvalidOption
from ..formats import ALIASES, NEGOTIABLE, USUAL_QUALITY, Auto, Raw, by_name
from .checks import is_number, texts, wrong


def copies(name: str, value: Any) -> str | None:
    """Return the format of copies, or None for no copies."""
    if value in (False, None):
        return None
    if value not in ("tiff", "jpeg"):
        raise wrong(name, value, "'tiff', 'jpeg' or False")
    return str(value)


def svg(name: str, value: Any) -> bool | str:
    """Accept ``pass``, ``raster``, or a flag. True is ``raster``."""
    if isinstance(value, bool) or value == "pass":
        return bool(value) if isinstance(value, bool) else "pass"
    if value != "raster":
        raise wrong(name, value, "'pass', 'raster' or False")
    return True


def widths(name: str, value: Any) -> tuple[int, ...]:
    """Return widths in pixels, in ascending order. None allows all widths, and returns an empty tuple.

    An empty list is refused, because it could mean that no width is allowed.
    """
    if value is None:
        return ()
    is_list = isinstance(value, (list, tuple, set, frozenset, range))
    if not is_list or not value or not all(type(width) is int and width > 0 for width in value):
        raise wrong(name, value, "a list of widths in pixels, such as [320, 640], or None for all widths")
    return tuple(sorted(value))


def headroom(name: str, value: Any) -> float:
    if not is_number(value) or not 1 <= value <= 4:
        raise wrong(name, value, "a number from 1 to 4")
    return float(value)


def some_formats(known: tuple[str, ...]) -> Callable[[str, Any], tuple[str, ...]]:
    """Return a check that accepts some of the formats *known*, by their names or aliases."""

    def check(name: str, value: Any) -> tuple[str, ...]:
        given = tuple(ALIASES.get(each.lower(), each.lower()) for each in texts(name, value))
        if not given or not {*given} <= {*known}:
            raise wrong(name, value, f"a list of some of {', '.join(known)}")
        return given

    return check


def negotiable(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or any(
        value.count(format) > 1 or format not in NEGOTIABLE for format in value
    ):
        raise wrong(name, value, f"a list of some of {', '.join(NEGOTIABLE)}, the best first, such as ['webp']")
    return tuple(value)


def quality(name: str, value: Any) -> int | dict[str, int | Raw]:
    """Accept one number for all formats, or numbers by format, which may be `Raw`. Either may be ``auto``."""
    if value == "auto":
        return Auto(USUAL_QUALITY)
    if isinstance(value, Mapping):
        value = {format: Auto(USUAL_QUALITY) if number == "auto" else number for format, number in value.items()}
    numbers = [n for n in value.values() if not isinstance(n, Raw)] if isinstance(value, Mapping) else [value]
    if not all(isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 100 for number in numbers):
        raise wrong(
            name,
            value,
            "a number from 1 to 100, 'auto', or these by format, as in {'jpeg': 80, 'avif': raw(60)}",
        )
    if isinstance(value, int):
        return value
    try:
        named = {by_name(str(format)): number for format, number in value.items()}
    except InvalidOption as error:
        raise ConfigError(f"{name}: {error}.") from None
    if useless := [format.name for format in named if not format.lossy]:
        raise wrong(name, value, f"only formats that have a quality; {useless[0]} has none")
    return {format.name: number for format, number in named.items()}


def score(name: str, value: Any) -> float:
    if not is_number(value) or not 30 <= value <= 95:
        raise wrong(name, value, "a SSIMULACRA2 score from 30 to 95, such as 70")
    return float(value)


def dpr_quality(name: str, value: Any) -> tuple[tuple[float, int], ...]:
    """Accept qualities by density. Returns pairs of a density and a quality, in ascending order."""
    given = {} if value is None else value
    if not isinstance(given, Mapping) or not all(
        is_number(density) and 1 <= density <= 4 and type(quality) is int and 1 <= quality <= 100
        for density, quality in given.items()
    ):
        raise wrong(name, value, "qualities (1 to 100) by density (1 to 4), such as {2: 55, 3: 45}, or None")
    return tuple(sorted((float(density), quality) for density, quality in given.items()))


def presets(name: str, value: Any) -> Mapping[str, Mapping[str, Any]] | None:
    """Accept named sets of options. `Presets` checks the options."""
    if value is not None and not (
        isinstance(value, Mapping) and all(isinstance(options, Mapping) for options in value.values())
    ):
        raise wrong(name, value, "options by name, as in {'avatar': {'width': 96, 'height': 96, 'mode': 'crop'}}")
    return value
