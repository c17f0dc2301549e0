"""Files that are small and valid enough to be opened, and that take seconds or gigabytes to decode."""

from __future__ import annotations

import io
import struct
import zlib

from fuzz_route import png, png_chunk
from PIL import Image

from pool import avif_attackers

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def tiff(width: int, height: int, tags: dict[int, tuple[int, int, int | None]], tail: bytes) -> bytes:
    """A TIFF of one directory. A tag is (type, count, value), where None is the offset of *tail*."""
    grey = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 277: (3, 1, 1)}
    fields = sorted({**grey, **tags}.items())
    start = 8 + 2 + 12 * len(fields) + 4
    entries = [
        struct.pack("<HHII", tag, kind, count, start if value is None else value)
        for tag, (kind, count, value) in fields
    ]
    return struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + b"".join(entries) + bytes(4) + tail


def many_bands(side: int = 5000, samples: int = 500, rows: int = 16) -> bytes:
    """A TIFF of 25 Mpx with 500 samples a pixel."""
    strip, strips = zlib.compress(bytes(side * samples * rows), 9), -(-side // rows)
    base = 8 + 2 + 12 * 10 + 4
    offsets = struct.pack(f"<{strips}I", *[base + 8 * strips] * strips)
    lengths = struct.pack(f"<{strips}I", *[len(strip)] * strips)
    tags: dict[int, tuple[int, int, int | None]] = {
        259: (3, 1, 8),
        273: (4, strips, base),
        277: (3, 1, samples),
        278: (4, 1, rows),
        279: (4, strips, base + 4 * strips),
        338: (3, 1, 0),
    }
    return tiff(side, side, tags, offsets + lengths + strip)


def many_strips(height: int = 4_000_000) -> bytes:
    """A TIFF with a strip for each of its rows."""
    return tiff(1, height, {273: (1, height, None), 278: (4, 1, 1), 279: (1, height, None)}, b"\1" * height)


def segment(marker: int, data: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def many_scans(side: int = 7000, count: int = 8000) -> bytes:
    """A progressive JPEG of scans that say nothing."""

    blocks = ((side + 7) // 8) ** 2
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    tables += segment(0xC4, b"\0\1" + bytes(15) + b"\0") + segment(0xC4, b"\x10\1\1" + bytes(14) + b"\xe0\0")
    bits, left = "", blocks
    while left >= 1 << 14:
        skipped = min(left, (1 << 15) - 1)
        bits, left = bits + "0" + format(skipped - (1 << 14), "014b"), left - skipped
    bits += "10" * left if left < 3000 else "0" + "0" * 14
    bits += "1" * (-len(bits) % 8)
    body = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")

    def scan(low: int) -> bytes:
        return segment(0xDA, b"\1\1\0" + bytes([1, 63, low])) + body

    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes((blocks + 7) // 8)
    refined = b"".join(scan((low << 4) | (low - 1)) for low in range(13, 0, -1))
    return b"\xff\xd8" + tables + first + scan(0x0D) + refined + scan(0) * count + b"\xff\xd9"


def one_row(width: int = 49_999_999) -> bytes:
    """A PNG of one row of 50 Mpx, 16 bits a band, with alpha."""
    packer = zlib.compressobj(6)
    data = packer.compress(b"\0") + b"".join(packer.compress(b"\x40" * 8_000_000) for _ in range(width // 1_000_000))
    data += packer.compress(b"\x40" * (8 * (width % 1_000_000))) + packer.flush()
    header = struct.pack(">IIBBBBB", width, 1, 16, 6, 0, 0, 0)
    return SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def scans_in_tiff() -> bytes:
    """A TIFF whose only strip is a JPEG of scans that say nothing."""
    data = many_scans(4000, 8000)
    tags: dict[int, tuple[int, int, int | None]] = {259: (3, 1, 7), 273: (4, 1, None), 278: (4, 1, 4000)}
    return tiff(4000, 4000, {**tags, 279: (4, 1, len(data))}, data)


def old_scans_in_tiff() -> bytes:
    """The same in the old way of JPEG in TIFF."""
    data = many_scans(4000, 8000)
    tags: dict[int, tuple[int, int, int | None]] = {259: (3, 1, 6), 273: (4, 1, None), 278: (4, 1, 4000)}
    return tiff(4000, 4000, {**tags, 279: (4, 1, len(data)), 513: (4, 1, None), 514: (4, 1, len(data))}, data)


def many_tags(count: int = 145_000) -> bytes:
    """A BigTIFF of unknown tags, for each of which libtiff looks through all others."""
    known = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 64, 279: 4096}
    entries = [struct.pack("<HHQQ", tag, 4, 1, value) for tag, value in known.items()]
    entries += [struct.pack("<HHQQ", 1000 + number % 60_000, 4, 1, 7) for number in range(count)]
    return struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(entries)) + b"".join(entries) + bytes(8)


def cut_tags(count: int = 60_000) -> bytes:
    """A TIFF of many tags, that ends before the last one."""
    tags = {1000 + number: (4, 1, 7) for number in range(count)}
    return tiff(64, 64, {273: (4, 1, 8), 278: (4, 1, 64), 279: (4, 1, 4096), **tags}, b"")[:-20]


def loop() -> bytes:
    """A TIFF whose only page is followed by itself."""
    data = tiff(64, 64, {273: (4, 1, 8), 278: (4, 1, 64), 279: (4, 1, 4096)}, bytes(5000))
    end = 10 + 12 * 9
    return data[:end] + struct.pack("<I", 8) + data[end + 4 :]


def one_tile(kind: int = 4, side: int = 20_000) -> bytes:
    """A TIFF of one pixel, in a tile of 400 Mpx. The sides of the tile are numbers of the *kind*."""
    tile = zlib.compress(bytes(side * 1000) * (side // 1000), 9)
    tags: dict[int, tuple[int, int, int | None]] = {
        259: (3, 1, 8),
        322: (kind, 1, side),
        323: (kind, 1, side),
        324: (4, 1, None),
        325: (4, 1, len(tile)),
    }
    return tiff(1, 1, tags, tile)


def _small_jpeg(**save: object) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((64, 48), 50).convert("RGB").save(file, "JPEG", **save)  # type: ignore[arg-type]
    return file.getvalue()


def many_comments(count: int = 1_000_000) -> bytes:
    """A JPEG with a million empty comments before its pixels."""
    data = _small_jpeg()
    return data[:2] + segment(0xFE, b"") * count + data[2:]


def many_comments_apart(count: int = 1_000_000) -> bytes:
    """The same, with a byte between them that belongs to none."""
    data = _small_jpeg()
    return data[:2] + (segment(0xFE, b"") + b"x") * count + data[2:]


def many_comments_behind(count: int = 1_000_000) -> bytes:
    """The same, in the middle of a progressive JPEG."""
    data = _small_jpeg(progressive=True)
    at = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    return data[:at] + segment(0xFE, b"") * count + data[at:]


def arithmetic(side: int = 7000, count: int = 8000) -> bytes:
    """A progressive JPEG of empty scans, coded arithmetically."""
    head = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xCA, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    first, later = segment(0xDA, b"\1\1\0\0\0\0"), segment(0xDA, b"\1\1\0\1\x3f\0")
    return b"\xff\xd8" + head + first + later * count + b"\xff\xd9"


def lossless(side: int = 7000) -> bytes:
    """A lossless JPEG of 49 Mpx without data."""
    head = segment(0xC3, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0") + segment(
        0xC4, b"\0\1" + bytes(15) + b"\0"
    )
    return b"\xff\xd8" + head + segment(0xDA, b"\1\1\0\1\0\0") + bytes(side * side // 8) + b"\xff\xd9"


def large_profile() -> bytes:
    """A JPEG with a colour profile of 16 MB."""
    return _small_jpeg(icc_profile=b"\0" * 128 + bytes(60_000) * 270)


def large_exif(count: int = 60_000) -> bytes:
    """A PNG with EXIF of 60,000 tags, and a bomb of XMP."""
    tags = {1000 + number: (4, 1, 7) for number in range(count)}
    exif = tiff(64, 48, tags, b"")
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(100_000_000), 9)
    return _png_with(png_chunk(b"eXIf", exif) + png_chunk(b"iTXt", text))


def _png_with(chunks: bytes) -> bytes:
    data, behind = png(64, 48, bytes(48 * (1 + 3 * 64))), 33
    return data[:behind] + chunks + data[behind:]


def many_chunks(side: int = 1000) -> bytes:
    """A PNG with a chunk for each byte of its pixels."""
    data = zlib.compress(bytes(side * (1 + 3 * side)), 0)[:400_000]
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return SIGNATURE + header + b"".join(png_chunk(b"IDAT", bytes([byte])) for byte in data) + png_chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG with 50 texts of 10 MB each."""
    text = b"a\0\0" + zlib.compress(bytes(10_000_000), 9)
    return _png_with(png_chunk(b"zTXt", text) * 50)


def profile_bomb() -> bytes:
    """A PNG with a colour profile of 200 MB."""
    return _png_with(png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(200_000_000), 9)))


def interlaced(side: int = 4990) -> bytes:
    """An interlaced PNG of 25 Mpx, 16 bits a band, with alpha."""
    packer = zlib.compressobj(6)
    rows = b"".join(packer.compress(bytes(8 * side + 2)) for _ in range(side * 2)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 1)
    return SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def _gif(screen: int, frames: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frames + b";"


def small_blocks(count: int = 3_000_000) -> bytes:
    """A GIF of blocks of one byte."""
    return _gif(4000, b"\x2c" + struct.pack("<HHHHB", 0, 0, 4000, 4000, 0) + b"\x02" + b"\1\x44" * count + b"\0")


def outside(frames: int = 50) -> bytes:
    """A GIF whose frames are much larger than its screen."""
    first = b"\x2c" + struct.pack("<HHHHB", 0, 0, 10, 10, 0) + b"\x02\x02\x44\x01\x00"
    return _gif(
        10, first + (b"\x2c" + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x44\x01\x00") * frames
    )


def many_frames(count: int = 100_000) -> bytes:
    """A WebP of many frames."""
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "WEBP", lossless=True)
    frame = bytes(12) + b"\x64\0\0\0" + file.getvalue()[12:]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02" + bytes(9) + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    body += (b"ANMF" + struct.pack("<I", len(frame)) + frame) * count
    return b"RIFF" + struct.pack("<I", len(body)) + body


def quadratic_style(count: int = 3000) -> bytes:
    """An SVG with a style sheet, whose every rule looks through all elements."""
    rules = "".join(f"g g g g g g.a{number}{{fill:red}}" for number in range(count))
    drawn = "<g>" * 8 + "".join(f'<g class="a{number}"/>' for number in range(10 * count)) + "</g>" * 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><style>{rules}</style>{drawn}</svg>'.encode()
    )


ATTACKERS = {
    "bands.tif": many_bands,
    "strips.tif": many_strips,
    "scans.jpg": many_scans,
    "row.png": one_row,
    "scans.tif": scans_in_tiff,
    "old scans.tif": old_scans_in_tiff,
    "tags.tif": many_tags,
    "cut tags.tif": cut_tags,
    "loop.tif": loop,
    "tile.tif": one_tile,
    "odd tile.tif": lambda: one_tile(5),
    "comments.jpg": many_comments,
    "comments apart.jpg": many_comments_apart,
    "comments behind.jpg": many_comments_behind,
    "arithmetic.jpg": arithmetic,
    "lossless.jpg": lossless,
    "profile.jpg": large_profile,
    "exif.png": large_exif,
    "chunks.png": many_chunks,
    "text.png": text_bomb,
    "profile.png": profile_bomb,
    "interlaced.png": interlaced,
    "blocks.gif": small_blocks,
    "outside.gif": outside,
    "frames.webp": many_frames,
    "style.svg": quadratic_style,
    **avif_attackers.ATTACKERS,
}

# What the web worker itself refuses by its header, for every engine, in a renderer and in the thread.
REFUSED = {
    "bands.tif",
    "comments apart.jpg",
    "comments.jpg",
    "items.avif",
    "references.avif",
    "strips.tif",
    "tags.tif",
    "tile.tif",
    "tiles.avif",
}
# What only the thread refuses, because nothing ends a decoder there.
REFUSED_IN_THREAD = {"arithmetic.jpg", "scans.jpg"}
# What takes gigabytes or minutes in a decoder, and does so in the thread.
UNBOUNDED = {"row.png", "style.svg"}
