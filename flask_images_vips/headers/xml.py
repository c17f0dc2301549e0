"""Parse an SVG with Expat, within limits on its bytes, elements, attributes and entities.

Expat parses strictly, and fetches nothing. The limits bound its time and memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.parsers import expat

from ..errors import LimitExceeded, UnreadableSource
from ..strict_xml import BETWEEN, MAX_NAMESPACE

MAX_BYTES = 1_000_000
"""The largest SVG, in bytes."""
MAX_ELEMENTS = 50_000
"""The maximum number of elements of an SVG."""
_MAX_ATTRIBUTES = 1000  # of one element. Expat holds the GIL while it collects them, a microsecond for each
# A start tag with more attributes. Values contain no "<", so no attempt reads beyond its tag. All encodings that are
# read extend ASCII.
_CROWDED_TAG = re.compile(
    rb"""<[^<>"'=]*(?:=[^<>"'=]*(?:"[^"<]*"|'[^'<]*')[^<>"'=]*){%d}""" % (_MAX_ATTRIBUTES + 1),
)
# Illustrator writes the addresses of namespaces as entities. Even a file that consists of references to the longest of
# them is only fifty times as large when they are replaced.
_MAX_ENTITIES, _LONGEST_ENTITY = 100, 200
_NOT_PLAIN = re.compile(r"[<&%]")


def check_bytes(size: int) -> None:
    """Refuse an SVG of more than `MAX_BYTES`.

    Raises:
        LimitExceeded: If *size* is larger.
    """
    if size > MAX_BYTES:
        raise LimitExceeded("the SVG has {:,} bytes", size, MAX_BYTES, set_by="this package")


def check_elements(count: int) -> None:
    """Refuse an SVG of more than `MAX_ELEMENTS`.

    Raises:
        LimitExceeded: If *count* is larger.
    """
    if count > MAX_ELEMENTS:
        raise LimitExceeded("the SVG has at least {:,} elements", count, MAX_ELEMENTS, set_by="this package")


def check_tags(data: bytes) -> None:
    """Refuse an SVG with an element that has very many attributes.

    Raises:
        LimitExceeded: If an element of *data* has more than 1,000.
    """
    if _CROWDED_TAG.search(data):
        what = "an element of the SVG has at least {:,} attributes"
        raise LimitExceeded(what, _MAX_ATTRIBUTES + 1, _MAX_ATTRIBUTES, set_by="this package")


def declaring(ref: str) -> UnreadableSource:
    """Return the error for an SVG whose declarations no limit covers."""
    return UnreadableSource(ref, "an SVG that declares entities or attributes")


def parser(ref: str, start: Callable[[str, list[str]], None]) -> expat.XMLParserType:
    """Return a parser that calls *start* with the name of each element, and its attributes: names and values in turn.

    Names are preceded by their namespace and a space, unless they have none. Short entities of plain text are replaced.

    Raises:
        UnreadableSource: While it parses an SVG that declares attributes, other entities or a long namespace. *ref*
            names it.
    """
    declared = 0

    def declare(name: str, is_parameter: int, value: str | None, *where: object) -> None:
        nonlocal declared
        declared += 1
        plain = value is not None and len(value) <= _LONGEST_ENTITY and not _NOT_PLAIN.search(value)
        if is_parameter or not plain or declared > _MAX_ENTITIES:
            raise declaring(ref)

    def refuse(*declaration: object) -> None:
        raise declaring(ref)

    def check_namespace(_: str | None, namespace: str | None) -> None:
        if len(namespace or "") > MAX_NAMESPACE:  # each name begins with it
            raise UnreadableSource(ref, "an SVG with a very long namespace")

    made = expat.ParserCreate(namespace_separator=BETWEEN)
    made.ordered_attributes = made.specified_attributes = made.buffer_text = True
    # Every element of a name gets the declared attributes of that name, so these multiply.
    made.EntityDeclHandler, made.AttlistDeclHandler = declare, refuse
    made.StartElementHandler, made.StartNamespaceDeclHandler = start, check_namespace
    return made


def parse(made: expat.XMLParserType, data: bytes, ref: str, *, is_final: bool = True) -> None:
    """Let the parser *made* parse *data*.

    Raises:
        UnreadableSource: If it is not XML. Errors of the handlers are raised, too.
    """
    try:
        made.Parse(data, is_final)
    except expat.ExpatError as error:
        raise UnreadableSource(ref, f"not XML: {error}") from error
    except (LookupError, ValueError) as error:  # an encoding that Python does not know, or that expat cannot use
        raise UnreadableSource(ref, f"in an encoding that cannot be read: {error}") from error
