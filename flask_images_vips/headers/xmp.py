"""Read and write the few properties of XMP that concern gain maps. This module does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..strict_xml import BETWEEN, parse

HDRGM = "http://ns.adobe.com/hdr-gain-map/1.0/"
CONTAINER = "http://ns.google.com/photos/1.0/container/"
CONTAINER_ITEM = "http://ns.google.com/photos/1.0/container/item/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MAX_BYTES = 65_536
_MAX_ITEMS = 16
_MAX_VALUES = 64


class Item(NamedTuple):
    """An item of Google's container, in the order of the file: *length* bytes, then *padding* bytes."""

    semantic: str
    length: int
    padding: int


def gain_map_properties(text: bytes) -> dict[str, list[str]]:
    """Return the values of each property of Adobe's namespace for gain maps. A property has one value or a list."""
    found: dict[str, list[str]] = {}
    path: list[str] = []
    values = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        path.append(name)
        for key, value in attributes.items():
            namespace, _, own = key.rpartition(BETWEEN)
            if namespace == HDRGM:
                found[own] = [value]

    def end(_: str) -> None:
        path.pop()

    def text_of(data: str) -> None:
        nonlocal values
        place = next((name for name in reversed(path) if not name.startswith(_RDF)), "")
        namespace, _, own = place.rpartition(BETWEEN)
        if namespace == HDRGM and (stripped := data.strip()):
            values += 1
            if values > _MAX_VALUES:
                raise ValueError("XMP with too many values")
            found.setdefault(own, []).append(stripped)

    _parse(text, start, end, text_of)
    return found


def container_items(text: bytes) -> list[Item]:
    """Return the items of Google's container. An empty list if it has none, or is broken."""
    items: list[Item] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        semantic = attributes.get(f"{CONTAINER_ITEM}{BETWEEN}Semantic")
        if name != f"{CONTAINER}{BETWEEN}Item" or semantic is None or len(items) >= _MAX_ITEMS:
            return
        counts = (attributes.get(f"{CONTAINER_ITEM}{BETWEEN}{each}", "") for each in ("Length", "Padding"))
        length, padding = map(_count, counts)
        items.append(Item(semantic, length, padding))

    try:
        _parse(text, start, lambda _: None, lambda _: None)
    except ValueError:
        return []
    return items


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _parse(
    text: bytes,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text_of: Callable[[str], None],
) -> None:
    """Parse *text* with these handlers.

    Raises:
        ValueError: If it is too long, or refused by `strict_xml.parse`.
    """
    if len(text) > _MAX_BYTES:
        raise ValueError("XMP that is too long")
    parse(text, start, end, text_of)


def description(namespaces: Mapping[str, str], attributes: Sequence[str], elements: Sequence[str] = ()) -> str:
    """Return a description of the file. *namespaces* are by their prefixes; the others are written as they are."""
    declared = [f'xmlns:{prefix}="{namespace}"' for prefix, namespace in namespaces.items()]
    return f'<rdf:Description rdf:about="" {" ".join([*declared, *attributes])}>{"".join(elements)}</rdf:Description>'


def packet(*descriptions: str) -> str:
    """Return XMP with these descriptions."""
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">{"".join(descriptions)}</rdf:RDF></x:xmpmeta>'
    )
