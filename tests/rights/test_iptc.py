"""IPTC-IIM: its rights are read, and what is broken is ignored."""

from __future__ import annotations

import struct

from flask_images_vips.rights.iptc import of_resources, parse


def dataset(number: int, value: bytes, record: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


def resource(number: int, data: bytes, name: bytes = b"") -> bytes:
    named = bytes([len(name)]) + name
    return b"8BIM" + struct.pack(">H", number) + named + bytes(len(named) % 2) + struct.pack(">I", len(data)) + data


def test_creators_credit_and_copyright_are_read_and_nothing_else() -> None:
    data = dataset(80, b"Anna") + dataset(120, b"caption") + dataset(80, "Ó".encode()) + dataset(110, b"credit")
    data += dataset(116, "©".encode("latin-1")) + dataset(116, b"second")
    assert parse(data) == {"creator": ["Anna", "Ó"], "credit": "credit", "copyright": "©"}
    assert parse(b"") == {}


def test_what_follows_a_broken_dataset_is_ignored() -> None:
    whole = dataset(110, b"credit")
    for broken in (b"\x1d\2\x74\0\1x", b"\x1c\2\x74\xff\xffx", b"\x1c\2\x74\x80\4\0\0\0\1x", b"\x1c\2"):
        assert parse(whole + broken + dataset(116, b"notice")) == {"credit": "credit"}
    assert parse(dataset(116, b"") * 100_000) == {"copyright": ""}


def test_the_datasets_are_found_among_resources() -> None:
    data = dataset(110, b"credit")
    resources = resource(0x03ED, b"odd") + b"\0" + resource(0x0404, data, b"name")
    assert of_resources(resources) == data
    for broken in (b"", b"8BIM", resources[:9], resources[:-1], resource(0x03ED, b"") * 100_000, b"x" + resources):
        assert of_resources(broken) == b""
