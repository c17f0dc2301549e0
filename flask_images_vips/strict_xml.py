"""Parse XML that strangers have written: by Expat, without document types, and within limits.

A document type may declare entities, which grow or name other files. Expat writes the namespace of an element or an
attribute into its name each time, so a long one takes minutes. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

BETWEEN = " "
"""What stands between a namespace and a name. Neither has a space in it."""

MAX_NAMESPACE = 200
"""The length of a namespace at most, in characters. Those of XMP and SVG have up to 70."""

_MAX_DEPTH = 40
_MAX_ELEMENTS = 20_000


def parse(
    data: bytes,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> None:
    """Parse *data*, which is in UTF-8, whatever it states. Zeros at its end are ignored.

    *start* and *end* are called with the name of each element, and *start* with its attributes by name too. *text* is
    called with the text between them. What they raise is passed on.

    Raises:
        ValueError: If *data* is not well-formed, has a document type, is deep, or has many elements or long namespaces.
    """
    depth = elements = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > _MAX_DEPTH or elements > _MAX_ELEMENTS:
            raise ValueError("XML with very many elements, or a very deep one")
        start(name, attributes)

    def finish(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name)

    parser = expat.ParserCreate("utf-8", BETWEEN)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartNamespaceDeclHandler = _check_namespace
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, finish, text
    try:
        parser.Parse(data.rstrip(b"\0"), True)
    except expat.ExpatError as error:
        raise ValueError(f"XML that is not well-formed: {error}") from error


def _refuse(*_: object) -> None:
    raise ValueError("XML with a document type")


def _check_namespace(_: str | None, namespace: str | None) -> None:
    if len(namespace or "") > MAX_NAMESPACE:
        raise ValueError("XML with a very long namespace")
