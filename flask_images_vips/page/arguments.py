"""Sort the keywords of a template call into options, attributes and layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..rendering.placeholders import KINDS
from ..state import current_images
from .calls import HIDPI_PREFIX, LAYOUT_KEYWORDS, URL_KEYWORDS
from .html import well_named
from .responsive import Layout

_HTML_ATTRIBUTES = frozenset(
    """
    accesskey alt class crossorigin decoding dir draggable elementtiming fetchpriority hidden id inert ismap itemid
    itemprop itemref itemscope itemtype lang loading longdesc nonce part popover referrerpolicy role sizes slot
    spellcheck srcset style tabindex title translate usemap
    """.split()  # noqa: SIM905  (split() is more readable than forty quoted names)
)
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
        scale = keywords.get("hidpi", keywords.get("hi_dpi"))
        call = cls({}, {}, {}, 1 if scale is True else scale)
        for name, value in current_images().pipeline.presets.expanded(keywords).items():
            plain = name.rstrip("_")  # class_, for_ and so on, because Python reserves the names without "_"
            if name in ("hidpi", "hi_dpi"):
                continue
            if name.startswith(HIDPI_PREFIX):
                call.hidpi[name.removeprefix(HIDPI_PREFIX)] = value
            elif name not in URL_KEYWORDS and (plain in _HTML_ATTRIBUTES or plain.startswith(_HTML_PREFIXES)):
                call.attributes[plain.replace("_", "-")] = value
            else:
                call.options[name] = value
        return call._replace(attributes=well_named(call.attributes))


class LayoutRequest(NamedTuple):
    """The keywords that describe the layout of a picture in the page, and the renditions to offer the browser."""

    layout: Layout
    priority: bool = False
    placeholder: str | None = None
    widths: Sequence[int] | None = None
    densities: Sequence[float] | None = None

    @classmethod
    def take_from(cls, options: dict[str, Any]) -> LayoutRequest:
        """Remove the layout keywords from *options*, and return them.

        Raises:
            ValueError: If there is no such layout or placeholder, or if widths or densities are not positive numbers.
        """
        layout, priority, placeholder, widths, densities = (options.pop(name, None) for name in LAYOUT_KEYWORDS)
        if layout not in (None, *Layout):
            raise ValueError(f"layout={layout!r}: expected one of {', '.join(Layout)}")
        if placeholder not in (None, False, *KINDS):
            raise ValueError(f"placeholder={placeholder!r}: expected one of {', '.join(KINDS)}")
        _check_numbers("widths", widths)
        _check_numbers("densities", densities)
        chosen = Layout(layout) if layout else Layout.FIXED if densities else Layout.CONSTRAINED
        return cls(chosen, bool(priority), placeholder or None, widths, densities)


def asks_for_layout(keywords: Mapping[str, Any]) -> bool:
    return any(keywords.get(name) is not None for name in LAYOUT_KEYWORDS)


def _check_numbers(name: str, given: object) -> None:
    numbers = given if isinstance(given, (list, tuple, range)) else ["not a list"]
    if given and not all(isinstance(number, (int, float)) and 0 < number < 100_000 for number in numbers):
        raise ValueError(f"{name}={given!r}: expected a list of numbers above 0, such as [1, 2]")
