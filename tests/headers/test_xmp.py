"""XMP is parsed strictly: entities, depth and length are limited, and other properties are ignored."""

from __future__ import annotations

import pytest

from flask_images_vips.headers import xmp


def with_item(attributes: str) -> bytes:
    namespaces = {"Container": xmp.CONTAINER, "Item": xmp.CONTAINER_ITEM}
    return xmp.packet(xmp.description(namespaces, [], [f"<Container:Item {attributes}/>"])).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<x",
        b"<x></y>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x"><x/>',
        b"<x>" * 41 + b"</x>" * 41,
        b"<x>" + b" " * 70_000 + b"</x>",
        b"<x>\xff</x>",
    ],
)
def test_hostile_and_broken_xmp_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"XM[LP]"):
        xmp.gain_map_properties(text)


def test_a_property_with_very_many_values_is_refused() -> None:
    items = "<rdf:li>1</rdf:li>" * 100
    element = f"<hdrgm:Gamma><rdf:Seq>{items}</rdf:Seq></hdrgm:Gamma>"
    with pytest.raises(ValueError, match="too many values"):
        xmp.gain_map_properties(xmp.packet(xmp.description({"hdrgm": xmp.HDRGM}, [], [element])).encode())


def test_properties_of_other_namespaces_are_ignored() -> None:
    text = xmp.packet(xmp.description({"hdrgm": "http://example.test/"}, ['hdrgm:Gamma="1"'])).encode()
    assert xmp.gain_map_properties(text) == {}


@pytest.mark.parametrize(
    ("attributes", "items"),
    [
        ('Item:Semantic="GainMap" Item:Length="12" Item:Padding="3"', [("GainMap", 12, 3)]),
        ('Item:Semantic="GainMap" Item:Length="-1"', [("GainMap", 0, 0)]),
        ('Item:Semantic="GainMap" Item:Length="9999999999999"', [("GainMap", 0, 0)]),
        ('Item:Length="12"', []),
    ],
)
def test_items_of_the_container_are_read(attributes: str, items: list[tuple[str, int, int]]) -> None:
    assert xmp.container_items(with_item(attributes)) == items


def test_a_broken_container_has_no_items() -> None:
    assert xmp.container_items(with_item('Item:Semantic="GainMap"')[:-3]) == []
