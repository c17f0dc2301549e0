"""Sort the keywords of a template call into options, attributes and layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

from ..errors import InvalidOption
from ..formats import Format, by_name
from ..rendering.placeholders import KINDS
from ..state import current_images
from .calls import HIDPI_PREFIX, LAYOUT_KEYWORDS, URL_KEYWORDS, report_invalid
from .html import well_named
from .responsive import Layout

_HTML_ATTRIBUTES = frozenset(
    """
    accesskey alt class crossorigin decoding dir draggable elementtiming fetchpriority hidden id inert ismap itemid
    itemprop itemref itemscope itemtype lang loading longdesc nonce part popover referrerpolicy role sizes slot
    spellcheck srcset style tabindex title translate usemap
    """.split()  # noqa: SIM905  (split() is more readable than forty quoted names)
)
_MAX_NUMBER = 100_000  # of widths and densities
_REMEMBERED_NAMES = 1024
_HTML_PREFIXES = ("data_", "data-", "aria_", "aria-", "on")


class Keywords(NamedTuple):
    """The keywords of a template call, sorted by purpose."""

    options: dict[str, Any]
    """The options for the URL, with the preset expanded. Unknown keywords are included."""
    attributes: dict[str, Any]
    """The attributes of the tag, named as in HTML. Names that HTML forbids are omitted."""
    hidpi: dict[str, Any]
    """Options that replace others if ``hidpi`` applies."""
    scale: Any
    """The value of ``hidpi``: image pixels per CSS pixel, for width and height alike."""

    @classmethod
    def sort(cls, keywords: Mapping[str, Any]) -> Keywords:
        """Sort the *keywords* of a call.

        Raises:
            InvalidOption: If there is no such preset.
        """
        fields: dict[str, dict[str, Any]] = {"options": {}, "attributes": {}, "hidpi": {}}
        for name, value in current_images().pipeline.presets.expanded(keywords).items():
            if name not in ("hidpi", "hi_dpi"):
                field, own_name = _field_of(name)
                fields[field][own_name] = value
        scale = _scale(keywords.get("hidpi", keywords.get("hi_dpi")))
        return cls(fields["options"], well_named(fields["attributes"]), fields["hidpi"], scale)


@lru_cache(_REMEMBERED_NAMES)
def _field_of(name: str) -> tuple[str, str]:
    """Return the field of `Keywords` that the keyword *name* belongs to, and its name there."""
    plain = name.rstrip("_")  # class_, for_ and so on, because Python reserves the names without "_"
    if name.startswith(HIDPI_PREFIX):
        return "hidpi", name.removeprefix(HIDPI_PREFIX)
    if name not in URL_KEYWORDS and (plain in _HTML_ATTRIBUTES or plain.startswith(_HTML_PREFIXES)):
        return "attributes", plain.replace("_", "-")
    return "options", name


def is_attribute(name: str) -> bool:
    """Return whether the keyword *name* becomes an attribute of the tag, so that it does not affect the picture."""
    return _field_of(name)[0] == "attributes"


class LayoutRequest(NamedTuple):
    """The keywords that describe the layout of a picture in the page, and the renditions to offer the browser."""

    layout: Layout
    priority: bool = False
    placeholder: str | None = None
    widths: Sequence[int] | None = None
    densities: Sequence[float] | None = None

    @classmethod
    def take_from(cls, options: dict[str, Any]) -> LayoutRequest:
        """Remove the layout keywords from *options*, and return them. Invalid values are logged and ignored."""
        layout, priority, placeholder, widths, densities = (options.pop(name, None) for name in LAYOUT_KEYWORDS)
        layout, placeholder = _word("layout", layout, Layout), placeholder_kind("placeholder", placeholder)
        widths, densities = _numbers("widths", widths), _numbers("densities", densities)
        chosen = Layout(layout) if layout else Layout.FIXED if densities else Layout.CONSTRAINED
        return cls(chosen, bool(priority), placeholder, widths, densities)


def asks_for_layout(keywords: Mapping[str, Any]) -> bool:
    return any(keywords.get(name) is not None for name in LAYOUT_KEYWORDS)


def placeholder_kind(name: str, given: object) -> str | None:
    """Return the placeholder kind *given* as *name*, or None if it is false. An invalid one is logged and ignored."""
    return _word(name, given, KINDS)


def formats_of(given: object) -> list[Format] | None:
    """Return the formats that the argument ``formats`` names, or None. Other values are logged and ignored."""
    if given is None:
        return None
    if not isinstance(given, Iterable):
        report_invalid("formats", given, "a list of formats, such as ['avif', 'webp']")
        return None
    found = []
    for name in [given] if isinstance(given, str) else given:
        try:
            found.append(by_name(str(name)))
        except InvalidOption as error:
            report_invalid("formats", name, error.expected)
    return found


def sources_of(given: object) -> list[Mapping[str, Any]]:
    """Return the elements of the argument ``sources``. Anything but mappings of keywords is logged and ignored."""
    elements = list(given) if isinstance(given, Iterable) else [given] if given else []
    found = [each for each in elements if isinstance(each, Mapping) and all(isinstance(name, str) for name in each)]
    if len(found) < len(elements):
        report_invalid("sources", given, "a list such as [{'media': '(max-width: 600px)', 'width': 300}]")
    return found


def _word(name: str, given: object, known: Iterable[str]) -> str | None:
    """Return *given*, which is called *name*, if it is one of the words *known*."""
    words = list(known)
    if isinstance(given, str) and given in words:
        return given
    if given is not None and given is not False:
        report_invalid(name, given, f"one of {', '.join(words)}")
    return None


def _numbers(name: str, given: object) -> Sequence[Any] | None:
    """Return *given*, which is called *name*, if it is a list of positive numbers."""
    if isinstance(given, (list, tuple, range)) and all(
        isinstance(number, (int, float)) and 0 < number < _MAX_NUMBER for number in given
    ):
        return given
    if given is not None and given is not False:
        report_invalid(name, given, "a list of numbers above 0, such as [1, 2]")
    return None


def _scale(given: Any) -> Any:
    """Return the value *given* for ``hidpi``, if it is a positive number. True is 1."""
    if given is True:
        return 1
    try:
        valid = not given or (float(given) > 0 and isfinite(float(given)))
    except (TypeError, ValueError, OverflowError):
        valid = False
    if not valid:
        report_invalid("hidpi", given, "a number above 0, such as 2")
    return given if valid else None
