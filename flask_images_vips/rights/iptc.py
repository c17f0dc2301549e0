"""Read the rights in IPTC-IIM, the older form of IPTC's metadata, and find it among the resources of Photoshop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_CREATOR, _CREDIT, _COPYRIGHT = (2, 80), (2, 110), (2, 116)
_FIELDS = {_CREDIT: "credit", _COPYRIGHT: "copyright"}
_MARKER = 0x1C
_RESOURCE, _IPTC = b"8BIM", 0x0404
_MOST = 1000  # datasets, or resources


def parse(data: bytes) -> dict[str, Any]:
    """Return the rights in the datasets *data*, by the names of `Rights`. Everything after a broken one is ignored."""
    found: dict[str, Any] = {}
    creators: list[str] = []
    for number, value in _datasets(data):
        if number == _CREATOR:
            creators.append(_text(value))
        elif number in _FIELDS:
            found.setdefault(_FIELDS[number], _text(value))
    return {**found, "creator": creators} if creators else found


def _text(value: bytes) -> str:
    """Return *value* as text. Most files do not state their encoding, and other text is hardly ever valid UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _datasets(data: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    offset = 0
    for _ in range(_MOST):
        if offset + 5 > len(data) or data[offset] != _MARKER:
            return
        length = int.from_bytes(data[offset + 3 : offset + 5], "big")
        if length & 0x8000:  # an extended dataset: the length of its length, which no text needs
            return
        end = offset + 5 + length
        if end > len(data):
            return
        yield (data[offset + 1], data[offset + 2]), data[offset + 5 : end]
        offset = end


def of_resources(data: bytes) -> bytes:
    """Return the datasets among Photoshop's resources *data*, or nothing."""
    offset = 0
    for _ in range(_MOST):
        if data[offset : offset + 4] != _RESOURCE or offset + 7 > len(data):
            return b""
        number = int.from_bytes(data[offset + 4 : offset + 6], "big")
        named = 1 + data[offset + 6]
        start = offset + 6 + named + named % 2
        length = int.from_bytes(data[start : start + 4], "big")
        end = start + 4 + length
        if start + 4 > len(data) or end > len(data):
            return b""
        if number == _IPTC:
            return data[start + 4 : end]
        offset = end + length % 2
    return b""
