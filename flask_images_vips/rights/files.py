"""Read the rights in a file of any format, and write them into a finished one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from . import exif, heif, iptc, jpeg, jxl, png, tiff, webp, xmp
from .file import Blocks, File, Unfit
from .record import Rights

_SNIFFED = 12
_BROKEN = (Unfit, struct.error, ValueError, IndexError, OverflowError)


def read_rights(file: int | bytes) -> Rights:
    """Return the rights that *file* states, an open descriptor or the bytes of a file.

    XMP takes precedence over IPTC-IIM, and IPTC-IIM over EXIF. Broken and very large blocks are ignored. The record is
    empty if the file states nothing, or is not a JPEG, PNG, WebP, TIFF, AVIF, HEIC or JPEG XL.

    Raises:
        OSError: If the system cannot read the file now.
    """
    found: dict[str, Any] = {}
    extended, blocks = "", _blocks(File(file))
    for packet in blocks.xmp[:1]:
        found, extended = xmp.parse(packet)
    if extended:
        blocks = _blocks(File(file), extended)
        for packet in blocks.xmp[1:]:
            found = {**xmp.parse(packet)[0], **found}
    older = Rights.found(iptc.parse(blocks.iptc)).or_else(Rights.found(exif.parse(blocks.exif)))
    return Rights.found(found).or_else(older)


def _blocks(file: File, extended: str = "") -> Blocks:
    blocks = Blocks()
    try:
        start = file.read(0, min(_SNIFFED, file.size))
        if start[:3] == b"\xff\xd8\xff":
            jpeg.find(file, blocks, extended)
        elif (find := _finder(start)) is not None:
            find(file, blocks)
    except _BROKEN:
        pass  # keep the blocks before the fault
    return blocks


def _finder(start: bytes) -> Callable[[File, Blocks], None] | None:
    if start.startswith(png.SIGNATURE):
        return png.find
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return webp.find
    if start[4:8] == b"ftyp":
        return heif.find
    if start.startswith((jxl.SIGNATURE, jxl.CODESTREAM)):
        return jxl.find
    return tiff.find if start.startswith(tiff.STARTS) else None


def with_rights(data: bytes, rights: Rights) -> bytes:
    """Return the picture *data* with *rights*: a packet of XMP and, if they name them, EXIF's Artist and Copyright.

    *data* is a JPEG, PNG, WebP, TIFF, AVIF or JPEG XL without XMP. If it has EXIF already, that stays as it is. Pixels
    are not touched. If *rights* are empty, *data* is returned unchanged.

    Raises:
        Unfit: If it has XMP already, is broken or in another format.
    """
    if not rights.in_file:
        return data
    file = File(data)
    known = _blocks(file)
    if known.xmp:
        raise Unfit("the file has XMP already")
    packet, texts = xmp.packet_of(rights), exif.values_of(rights)
    block = exif.write(texts) if texts and not known.exif else b""
    try:
        return _inserted(data, packet, block, texts)
    except _BROKEN as error:
        raise Unfit(str(error)) from error


def _inserted(data: bytes, packet: bytes, block: bytes, texts: dict[int, bytes]) -> bytes:
    if data.startswith(tiff.STARTS):
        return tiff.insert(data, packet, texts)
    for insert, fits in (
        (jpeg.insert, data[:3] == b"\xff\xd8\xff"),
        (png.insert, data.startswith(png.SIGNATURE)),
        (webp.insert, data[8:12] == b"WEBP"),
        (heif.insert, data[4:8] == b"ftyp"),
        (jxl.insert, data.startswith((jxl.SIGNATURE, jxl.CODESTREAM))),
    ):
        if fits:
            return insert(data, packet, block)
    raise Unfit("the format of the file cannot hold rights")
