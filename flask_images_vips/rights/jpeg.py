"""Find the metadata of a JPEG, and put rights into one: segments before its pixels."""

from __future__ import annotations

from . import exif, iptc
from .file import MAX_BLOCK, MAX_XMP, Blocks, File, Unfit

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_APP0, _APP1, _APP13 = 0xE0, 0xE1, 0xED
_SCAN, _END = 0xDA, 0xD9
_ALONE = {0x01, *range(0xD0, 0xD8)}
_MAX_SEGMENTS = 1000
_MAX_CONTENT = 65_533
_GUID = 32


def find(file: File, blocks: Blocks, extended: str = "") -> None:
    """Add the blocks of *file* to *blocks*. *extended* is the digest of the extended XMP to add too.

    Raises:
        Unfit: If a segment is broken. Then *blocks* has those before it.
    """
    resources = b""
    pieces: dict[int, bytes] = {}
    offset, size = 2, 0
    try:
        for _ in range(_MAX_SEGMENTS):
            head = file.read(offset, 4)
            marker = head[1]
            if head[0] != 0xFF or marker in (0, _SCAN, _END):
                break
            if marker == 0xFF or marker in _ALONE:
                offset += 1 if marker == 0xFF else 2
                continue
            start, end = offset + 4, offset + 2 + int.from_bytes(head[2:], "big")
            offset = max(end, start)
            if marker == _APP13 and file.read(start, min(14, end - start)) == _PHOTOSHOP:
                if len(resources) < MAX_BLOCK:
                    resources += file.read(start + 14, end - start - 14)
            elif marker == _APP1 and end - start > 6:
                data = file.read(start, end - start)
                if data.startswith(exif.PREFIX) and not blocks.exif:
                    blocks.exif = data[6:]
                elif data.startswith(_XMP) and not blocks.xmp:
                    blocks.xmp.append(data[len(_XMP) :])
                elif extended and data.startswith(_EXTENDED + extended.encode()):
                    size = _add_piece(data[len(_EXTENDED) + _GUID :], pieces, size)
    finally:
        blocks.iptc = blocks.iptc or iptc.of_resources(resources)
        if pieces:
            blocks.xmp.append(_joined(pieces))


def _add_piece(data: bytes, pieces: dict[int, bytes], size: int) -> int:
    """Add a piece of extended XMP, which states the size of the whole and its own offset. Return the size so far."""
    offset, piece = int.from_bytes(data[4:8], "big"), data[8:]
    if offset + len(piece) <= MAX_XMP and size + len(piece) <= MAX_XMP:
        pieces[offset] = piece
        return size + len(piece)
    return size


def _joined(pieces: dict[int, bytes]) -> bytes:
    """Return *pieces*, by offset, up to the first that is missing."""
    whole, size = [], 0
    for offset, piece in sorted(pieces.items()):
        if offset != size:
            break
        whole.append(piece)
        size += len(piece)
    return b"".join(whole)


def insert(data: bytes, xmp: bytes, block: bytes) -> bytes:
    """Return the JPEG *data* with a packet of XMP and, unless that is empty, a *block* of EXIF.

    Raises:
        Unfit: If it is no JPEG, or if one of them is too large.
    """
    if data[:3] != b"\xff\xd8\xff":
        raise Unfit("not a JPEG")
    at = 2
    if data[3] == _APP0:
        at += 2 + int.from_bytes(data[4:6], "big")
    made = b"".join(_segment(each) for each in (exif.PREFIX + block if block else b"", _XMP + xmp) if each)
    return data[:at] + made + data[at:]


def _segment(content: bytes) -> bytes:
    if len(content) > _MAX_CONTENT:
        raise Unfit("a segment of a JPEG would be too large")
    return bytes([0xFF, _APP1]) + (len(content) + 2).to_bytes(2, "big") + content
