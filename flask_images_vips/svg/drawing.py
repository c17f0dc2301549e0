"""Pass an SVG through: write it anew from what is allowed, so that it runs nothing and fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..errors import LimitExceeded
from ..geometry import Size
from ..headers import svg, xml
from .allowed import ANIMATABLE, ANIMATIONS, ATTRIBUTES, ELEMENTS, LINKED, PICTURES, PLAIN, TEXT, TIMES, WORDS
from .css import Styles
from .pictures import embedded
from .references import References

_XLINK = "http://www.w3.org/1999/xlink"
_XML = "http://www.w3.org/XML/1998/namespace"
_HREF = f"{_XLINK} href"
_OF_XML = {f"{_XML} space": "xml:space", f"{_XML} lang": "xml:lang"}

_MAX_DEPTH = 200  # of elements within each other; browsers and librsvg recurse
_MAX_WRITTEN = 2 * xml.MAX_BYTES  # characters
_CHECKED_EVERY = 1000  # elements
_SHOWN = TEXT | WORDS | {"style", "a"}  # elements whose own text is written; `a` may be a part of a text
_CLOSED = WORDS | {"style"}  # elements that may contain no others
_FRAGMENT = re.compile(r"\s*#([^\s\"'<>\\]+)\s*")
_TIME = re.compile(r"[\w\s.,;:%#+-]*")
_NUMBER = re.compile(r"\d+")
_ESCAPED = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_ESCAPED_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


def passed_through(
    data: bytes, ref: str, max_pixels: int, check: Callable[[], None] = lambda: None
) -> tuple[bytes, Size]:
    """Return the SVG *data* with its allowed elements, attributes and styles alone, in UTF-8, and its size in pixels.

    Its embedded pictures may have *max_pixels* together. *ref* names it in errors. *check* is called now and then, and
    may raise an error to stop.

    Raises:
        UnreadableSource: If it is not an SVG, or declares entities or attributes.
        LimitExceeded: If it is too large, or would draw too much.
    """
    xml.check_bytes(len(data))
    xml.check_tags(data)
    writer = _Writer(ref, max_pixels, check)
    parser = xml.parser(ref, writer.start)
    parser.EndElementHandler, parser.CharacterDataHandler = writer.end, writer.text
    xml.parse(parser, data, ref)
    return writer.written().encode(), writer.size


class _Writer:
    """Writes what it is told of a drawing, as far as it is allowed."""

    def __init__(self, ref: str, max_pixels: int, check: Callable[[], None]) -> None:
        self._ref = ref
        self._max_pixels = max_pixels
        self._check = check
        self._parts: list[str] = []
        self.size = Size(1, 1)
        self._characters = 0
        self._elements = 0
        self._pixels = 0
        self._open: list[str] = []
        self._left_out = 0  # the depth below the outermost element that is left out
        self._sheet: list[str] = []
        self._tag_is_open = False
        self._uses_xlink = False
        self._styles = Styles()
        self._references = References()

    def written(self) -> str:
        """Return the whole drawing.

        Raises:
            LimitExceeded: If it would draw too much.
        """
        self._references.check(self._styles.rules)
        xlink = f' xmlns:xlink="{_XLINK}"' if self._uses_xlink else ""
        return f'<svg xmlns="{svg.NAMESPACE}"{xlink}{"".join(self._parts)}\n'

    def start(self, name: str, given: Sequence[str]) -> None:
        """Write the start of the element *name*, with its namespace, and the attributes *given*, or leave it out."""
        self._elements += 1
        xml.check_elements(self._elements)
        if self._elements % _CHECKED_EVERY == 0:
            self._check()
        if len(self._open) + self._left_out >= _MAX_DEPTH:
            what = "{:,} elements of the SVG are within each other"
            raise LimitExceeded(what, _MAX_DEPTH + 1, _MAX_DEPTH, set_by="this package")
        space, _, tag = name.rpartition(" ")
        attributes = dict(zip(given[::2], given[1::2], strict=True))
        if not self._open:
            self._begin(name, attributes)
        elif self._left_out or space != svg.NAMESPACE or not self._is_allowed(tag, attributes):
            self._left_out += 1
            return
        self._add(tag, attributes)

    def end(self, name: str) -> None:
        """Write the end of the element."""
        if self._left_out:
            self._left_out -= 1
            return
        tag = self._open.pop()
        self._references.end()
        if tag == "style":
            self._content(self._styles.sheet("".join(self._sheet)))
            self._sheet = []
        self._write("/>" if self._tag_is_open else f"</{tag}>")
        self._tag_is_open = False

    def text(self, text: str) -> None:
        """Write *text*, if it is shown."""
        if self._left_out or not self._open or self._open[-1] not in _SHOWN:
            return
        if self._open[-1] == "style":
            self._sheet.append(text)
        else:
            self._content(text)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        """Check the root element *name*, and keep its size. Browsers scale an image without a ``viewBox``, too."""
        if name != svg.ROOT:
            raise svg.not_svg(self._ref, name)
        self.size = svg.drawn_size(attributes)

    def _is_allowed(self, tag: str, attributes: dict[str, str]) -> bool:
        if tag not in ELEMENTS or self._open[-1] in _CLOSED:
            return False
        if tag in ANIMATIONS and attributes.get("attributeName", "transform") not in ANIMATABLE:
            return False
        return tag != "style" or attributes.get("type", "").strip().lower() in ("", "text/css")

    def _add(self, tag: str, attributes: dict[str, str]) -> None:
        before = len(self._styles.fragments)
        self._close_tag()
        self._write(f"<{tag}" if self._open else "")
        uses: list[str] = []
        for name, value in attributes.items():
            if name in ("href", _HREF):
                self._link(tag, name, value, uses)
            elif (allowed := self._allowed(tag, name, value)) is not None:
                self._write(f' {_OF_XML.get(name, name)}="{allowed.translate(_ESCAPED)}"')
        self._tag_is_open = True
        uses += self._styles.fragments[before:]
        del self._styles.fragments[before:]
        points = len(_NUMBER.findall(attributes.get("d", "") + attributes.get("points", "")))
        self._references.begin(tag, attributes.get("id"), attributes.get("class", "").split(), uses, points)
        self._open.append(tag)

    def _allowed(self, tag: str, name: str, value: str) -> str | None:
        """Return the *value* of an attribute as it is to be written, or None if it is left out."""
        if name == "attributeName":  # its value was looked at
            return value if tag in ANIMATIONS else None
        if name == "style":
            return self._styles.declarations(value) or None
        if name in PLAIN or name in _OF_XML:
            return value
        if name in TIMES:
            return value if _TIME.fullmatch(value) else None
        if name not in ATTRIBUTES:
            return None
        # The values of an animation concern another element, so they refer to none.
        return self._styles.value(name, value, links=tag not in ANIMATIONS)

    def _link(self, tag: str, name: str, value: str, uses: list[str]) -> None:
        """Write the attribute *name* if *value* names an element of the drawing or is an embedded picture."""
        found = _FRAGMENT.fullmatch(value) if tag in LINKED else None
        picture = embedded(value, self._ref) if found is None and tag in PICTURES else None
        if picture is not None:
            value, pixels = picture
            self._pixels += pixels
            if self._pixels > self._max_pixels:
                what = "the pictures in the SVG have {:,} pixels"
                raise LimitExceeded(what, self._pixels, self._max_pixels, set_by="IMAGES_MAX_SOURCE_PIXELS")
        elif found is not None:
            value = f"#{found[1]}"
            uses.append(found[1])
        else:
            return
        self._uses_xlink |= name == _HREF
        self._write(f' {"xlink:href" if name == _HREF else "href"}="{value.translate(_ESCAPED)}"')

    def _content(self, text: str) -> None:
        """Write *text* into the element that is open."""
        if text:
            self._close_tag()
            self._write(text.translate(_ESCAPED_TEXT))

    def _close_tag(self) -> None:
        if self._tag_is_open:
            self._write(">")
            self._tag_is_open = False

    def _write(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > _MAX_WRITTEN:
            what = "the SVG would have more than {:,} characters"
            raise LimitExceeded(what, _MAX_WRITTEN, _MAX_WRITTEN, set_by="this package")
        self._parts.append(text)
