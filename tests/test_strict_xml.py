"""XML of strangers is parsed, unless it has a document type, or would take long."""

from __future__ import annotations

import pytest

from flask_images_vips import Rights
from flask_images_vips.rights import xmp
from flask_images_vips.strict_xml import parse


def read(data: bytes) -> list[object]:
    """The calls of the handlers."""
    calls: list[object] = []
    parse(data, lambda name, attributes: calls.append((name, attributes)), calls.append, calls.append)
    return calls


def test_elements_attributes_and_texts_are_named_by_their_namespace() -> None:
    assert read(b'<a:x xmlns:a="u" a:y="1">t&amp;t</a:x>\0\0') == [("u x", {"u y": "1"}), "t&t", "u x"]


def test_it_is_in_utf_8_whatever_it_states() -> None:
    assert read(b'<?xml version="1.0" encoding="latin-1"?><x>\xc3\xa9</x>')[1] == "é"


LONG = b"u" * 500_000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not well-formed"),
        (b"<x></y>", "not well-formed"),
        (b"<x>\xff</x>", "not well-formed"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "document type"),
        (b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x"><x/>', "document type"),
        (b"<x>" * 41 + b"</x>" * 41, "deep"),
        (b"<x>" + b"<y/>" * 20_000 + b"</x>", "many elements"),
        # These would take 20 seconds and more, because each name would begin with the whole namespace.
        (b"<a:x xmlns:a='" + LONG + b"'>" + b"<y a:b=''/>" * 19_000 + b"</a:x>", "long namespace"),
        (b"<x xmlns='" + LONG + b"'>" + b"<y/>" * 19_000 + b"</x>", "long namespace"),
    ],
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(data)


def test_rights_in_such_a_packet_count_as_missing() -> None:
    packet = xmp.packet_of(Rights(credit="Anna"))
    assert xmp.parse(packet)[0] == {"credit": "Anna"}
    assert xmp.parse(packet.replace(b'rdf:about=""', b'rdf:about="" xmlns:z="' + LONG + b'"'))[0] == {}
