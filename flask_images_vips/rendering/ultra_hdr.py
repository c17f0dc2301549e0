"""Write an Ultra HDR JPEG: a picture that every program shows, with a gain map behind it.

The map is announced in each way that readers look for: by MPF (CIPA DC-007), by Google's container in XMP, and by
ISO 21496-1. The picture's pixels stay as they are encoded. This module does no I/O.
"""

from __future__ import annotations

import struct

from ..headers import xmp
from ..headers.gain_map_data import ISO_PREFIX, ISO_VERSION, GainMapData, to_iso, to_xmp

_APP0, _APP1, _APP2 = 0xE0, 0xE1, 0xE2
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_END_OF_XMP = b"</rdf:RDF>"
_MPF_BYTES = 2 + 2 + 4 + 8 + 2 + 3 * 12 + 4 + 2 * 16  # of the whole segment
_BASELINE_PRIMARY = 0x030000  # the kind of image that MPF has for the picture


def joined(picture: bytes, gain_map: bytes, data: GainMapData) -> bytes:
    """Return the JPEG *picture* with the JPEG *gain_map*, which is applied as *data* says."""
    behind = _with_segments(
        gain_map, _segment(_APP1, _XMP_PREFIX + to_xmp(data).encode()) + _segment(_APP2, ISO_PREFIX + to_iso(data))
    )
    described = _described(picture, len(behind))
    at = _end_of_head(described)
    version = _segment(_APP2, ISO_PREFIX + ISO_VERSION)
    mpf_at = at + len(version)
    whole = len(described) + len(version) + _MPF_BYTES
    return described[:at] + version + _mpf(whole, len(behind), mpf_at) + described[at:] + behind


def _described(picture: bytes, map_bytes: int) -> bytes:
    """Return *picture* with XMP about the two images, or with its own XMP extended by that."""
    description = _description(map_bytes)
    for start, end in _head(picture):
        segment = picture[start:end]
        if segment[4:].startswith(_XMP_PREFIX) and _END_OF_XMP in segment:
            before, _, after = segment[4:].rpartition(_END_OF_XMP)
            longer = _segment(_APP1, before + description.encode() + _END_OF_XMP + after)
            return picture[:start] + longer + picture[end:]
    return _with_segments(picture, _segment(_APP1, _XMP_PREFIX + xmp.packet(description).encode()))


def _description(map_bytes: int) -> str:
    namespaces = {"hdrgm": xmp.HDRGM, "Container": xmp.CONTAINER, "Item": xmp.CONTAINER_ITEM}
    items = (
        'Item:Semantic="Primary" Item:Mime="image/jpeg"',
        f'Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="{map_bytes}"',
    )
    listed = "".join(f'<rdf:li rdf:parseType="Resource"><Container:Item {item}/></rdf:li>' for item in items)
    directory = f"<Container:Directory><rdf:Seq>{listed}</rdf:Seq></Container:Directory>"
    return xmp.description(namespaces, ['hdrgm:Version="1.0"'], [directory])


def _mpf(picture_bytes: int, map_bytes: int, at: int) -> bytes:
    """Return the segment of MPF, which begins at the offset *at*. Its offsets count from its own data."""
    entries = struct.pack(">IIIHH", _BASELINE_PRIMARY, picture_bytes, 0, 0, 0)
    entries += struct.pack(">IIIHH", 0, map_bytes, picture_bytes - (at + 8), 0, 0)
    directory = struct.pack(">H", 3)
    directory += struct.pack(">HHI4s", 0xB000, 7, 4, b"0100")
    directory += struct.pack(">HHII", 0xB001, 4, 1, 2)
    directory += struct.pack(">HHII", 0xB002, 7, len(entries), 8 + 2 + 3 * 12 + 4)
    return _segment(_APP2, b"MPF\0MM\0*" + struct.pack(">I", 8) + directory + bytes(4) + entries)


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def _with_segments(jpeg: bytes, segments: bytes) -> bytes:
    at = _end_of_head(jpeg)
    return jpeg[:at] + segments + jpeg[at:]


def _end_of_head(jpeg: bytes) -> int:
    return max((end for _, end in _head(jpeg)), default=2)


def _head(jpeg: bytes) -> list[tuple[int, int]]:
    """Return start and end of each segment at the beginning that must stay there: JFIF, EXIF and XMP."""
    found, offset = [], 2
    while jpeg[offset : offset + 2] in (bytes([0xFF, _APP0]), bytes([0xFF, _APP1])):
        end = offset + 2 + int.from_bytes(jpeg[offset + 2 : offset + 4], "big")
        found.append((offset, end))
        offset = end
    return found
