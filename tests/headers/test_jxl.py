"""JPEG XL headers: of every form that the standard has for a size, and of files that an encoder has written."""

from __future__ import annotations

import io
import random
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import MAY_SKIP
from PIL import Image

from flask_images_vips.engines import jxl as codec
from flask_images_vips.errors import ImagesError, LimitExceeded, UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.headers import jxl
from flask_images_vips.headers.bounded import MAX_PARTS, BoundedFile
from flask_images_vips.headers.header import FileHeader
from headers.drawn import read

needs_codec = pytest.mark.skipif(MAY_SKIP and not codec.works(), reason=f"needs pillow-jxl-plugin: {codec.INSTALL}")

RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


class Bits:
    """Writes numbers bit by bit, the lowest first, as the standard does."""

    def __init__(self) -> None:
        self.number, self.count = 0, 0
        self.put(0x0AFF, 16)

    def put(self, value: int, bits: int) -> None:
        assert value < 1 << bits
        self.number |= value << self.count
        self.count += bits

    def number_in(self, value: int, ways: tuple[tuple[int, int], ...], chance: random.Random) -> None:
        able = [way for way, (least, bits) in enumerate(ways) if 0 <= value - least < 1 << bits]
        way = chance.choice(able)
        self.put(way, 2)
        self.put(value - ways[way][0], ways[way][1])

    def side(self, value: int, eights: bool, chance: random.Random) -> None:
        if eights:
            self.put(value // 8 - 1, 5)
        else:
            self.number_in(value, ((1, 9), (1, 13), (1, 18), (1, 30)), chance)

    def size(self, chance: random.Random) -> Size:
        eights, ratio = chance.random() < 0.4, chance.randrange(8)
        sides = [8 * chance.randint(1, 32) if eights else chance.choice((1, 7, 300, 9000, 70_000)) for _ in range(2)]
        self.put(eights, 1)
        self.side(sides[1], eights, chance)
        self.put(ratio, 3)
        if ratio:
            return Size(sides[1] * RATIOS[ratio][0] // RATIOS[ratio][1], sides[1])
        self.side(sides[0], eights, chance)
        return Size(*sides)

    def depth(self, chance: random.Random) -> None:
        floats = chance.random() < 0.3
        self.put(floats, 1)
        if floats:
            self.number_in(32, ((32, 0), (16, 0), (24, 0), (1, 6)), chance)
            self.put(7, 4)
        else:
            self.number_in(9, ((8, 0), (10, 0), (12, 0), (1, 6)), chance)

    def channel(self, kind: int, chance: random.Random) -> bool:
        """Describe an extra channel. Returns whether colours are multiplied with it."""
        if kind == 0 and chance.random() < 0.5:
            self.put(1, 1)
            return False
        self.put(0, 1)
        self.number_in(kind, ((0, 0), (1, 0), (2, 4), (18, 6)), chance)
        self.depth(chance)
        self.put(0, 2)
        name = chance.choice((0, 3, 20))
        self.number_in(name, ((0, 0), (0, 4), (16, 5), (48, 10)), chance)
        for _ in range(name):
            self.put(97, 8)
        premultiplied = kind == 0 and chance.random() < 0.5
        if kind == 0:
            self.put(premultiplied, 1)
        elif kind == 2:
            self.put(0, 64)
        elif kind == 5:
            self.number_in(1, ((1, 0), (0, 2), (3, 4), (19, 8)), chance)
        return premultiplied

    def data(self) -> bytes:
        return self.number.to_bytes(self.count // 8 + 1, "little")


def header(chance: random.Random) -> tuple[bytes, jxl.Stated]:
    """A codestream of random fields up to its last extra channel, and what it states."""
    bits = Bits()
    size, orientation, kinds, premultiplied = bits.size(chance), 1, list[int](), list[bool]()
    plain = chance.random() < 0.1
    bits.put(plain, 1)
    if not plain:
        further = chance.random() < 0.7
        bits.put(further, 1)
        if further:
            orientation = chance.randint(1, 8)
            bits.put(orientation - 1, 3)
            for optional in (Bits.size, preview, animation):
                wanted = chance.random() < 0.4
                bits.put(wanted, 1)
                if wanted:
                    optional(bits, chance)
        bits.depth(chance)
        bits.put(1, 1)
        kinds = [chance.choice((0, 1, 2, 4, 5, 16)) for _ in range(chance.choice((0, 1, 1, 3)))]
        bits.number_in(len(kinds), ((0, 0), (1, 0), (2, 4), (1, 12)), chance)
        premultiplied = [bits.channel(kind, chance) for kind in kinds]
    alphas = [flag for kind, flag in zip(kinds, premultiplied, strict=True) if kind == 0]
    stated = FileHeader(size, "jxl", orientation, alpha=bool(alphas), whole=True)
    return bits.data(), jxl.Stated(stated, premultiplied=any(alphas[:1]), inks=4 in kinds)


def preview(bits: Bits, chance: random.Random) -> None:
    bits.put(0, 1)
    bits.number_in(70, ((1, 6), (65, 8), (321, 10), (1345, 12)), chance)
    bits.put(0, 3)
    bits.number_in(400, ((1, 6), (65, 8), (321, 10), (1345, 12)), chance)


def animation(bits: Bits, chance: random.Random) -> None:
    bits.number_in(100, ((100, 0), (1000, 0), (1, 10), (1, 30)), chance)
    bits.number_in(1, ((1, 0), (1001, 0), (1, 8), (1, 10)), chance)
    bits.number_in(0, ((0, 0), (0, 3), (0, 16), (0, 32)), chance)
    bits.put(0, 1)


def boxed(codestream: bytes, *parts: int) -> bytes:
    """A container with *codestream* in one box, or cut at *parts* into several."""
    if not parts:
        return jxl.in_container(codestream)
    cuts = [0, *parts, len(codestream)]
    made = jxl.CONTAINER + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    for number, (start, end) in enumerate(pairwise(cuts)):
        made += box(b"jxlp", number.to_bytes(4, "big") + codestream[start:end]) + box(b"free", bytes(9))
    return made


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def stated(data: bytes, folder: Path) -> jxl.Stated:
    (folder / "a.jxl").write_bytes(data)
    with (folder / "a.jxl").open("rb") as file:
        return jxl.read_channels(BoundedFile(file.fileno(), "a.jxl"))


@pytest.mark.parametrize("seed", range(4))
def test_every_form_of_a_header_is_read(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        data, expected = header(chance)
        data += bytes(20)
        assert stated(data, tmp_path) == expected
        assert stated(boxed(data), tmp_path) == expected
        assert stated(boxed(data, 1, 3), tmp_path) == expected


def test_a_header_that_is_cut_short_is_broken(tmp_path: Path) -> None:
    chance = random.Random(9)
    for _ in range(40):
        data, _ = header(chance)
        with pytest.raises(UnreadableSource, match="ends within its header"):
            stated(data[: max(2, len(data) - 2)], tmp_path)


@pytest.mark.parametrize("cut", [3, 11, 12, 20, 34, 44, 46])
def test_a_container_that_is_cut_short_is_broken(cut: int, tmp_path: Path) -> None:
    data, _ = header(random.Random(3))
    (tmp_path / "a.jxl").write_bytes(boxed(data)[:cut])
    if cut < 12:
        assert read_as_jxl(tmp_path / "a.jxl") is None
    else:
        with pytest.raises(UnreadableSource):
            read_as_jxl(tmp_path / "a.jxl")


def read_as_jxl(path: Path, *, auto_orient: bool = True) -> FileHeader | None:
    return read(path, auto_orient=auto_orient, inputs=["jxl"])


def test_very_many_boxes_are_refused(tmp_path: Path) -> None:
    data, _ = header(random.Random(3))
    (tmp_path / "a.jxl").write_bytes(jxl.CONTAINER + box(b"free", b"") * (MAX_PARTS + 1) + box(b"jxlc", data))
    with pytest.raises(LimitExceeded):
        read_as_jxl(tmp_path / "a.jxl")


def test_any_bytes_end_in_a_header_or_an_error_of_this_package(tmp_path: Path) -> None:
    chance = random.Random(5)
    path = tmp_path / "a.jxl"
    for number in range(300):
        data, _ = header(chance)
        data = bytearray(data if number % 2 else boxed(data, 2))
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(2, len(data))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        path.write_bytes(data)
        try:
            found = read_as_jxl(path)
        except ImagesError:
            continue
        assert found is None or found.size.pixels


@needs_codec
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 300), (256, 256), (640, 360), (513, 7)])
def test_files_of_an_encoder_are_read_as_its_decoder_reads_them(
    mode: str, size: tuple[int, int], tmp_path: Path
) -> None:
    made = codec.encoded(mode, size, Image.new(mode, size, 200).tobytes(), {"quality": 70, "effort": 1})
    for data in (made, codec.with_exif(made, b"MM\0*\0\0\0\x08\0\0\0\0\0\0")):
        (tmp_path / "a.jxl").write_bytes(data)
        found, decoded = read_as_jxl(tmp_path / "a.jxl"), codec.decoded(data)
        assert found == FileHeader(Size(*decoded.size), "jxl", alpha=decoded.mode.endswith("A"), whole=True)
        assert (decoded.size, decoded.mode) == (size, mode)


@needs_codec
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_part_of_the_format(orientation: int, tmp_path: Path) -> None:
    from pillow_jxl import Encoder

    tags, file = Image.Exif(), io.BytesIO()
    tags[0x0112] = orientation
    Image.new("RGB", (40, 24)).save(file, "JPEG", exif=tags)
    data = bytes(Encoder(mode="RGB", lossless=True, num_threads=0)(file.getvalue(), 40, 24, jpeg_encode=True))
    (tmp_path / "a.jxl").write_bytes(data)
    found = read_as_jxl(tmp_path / "a.jxl")
    assert found == read_as_jxl(tmp_path / "a.jxl", auto_orient=False)
    assert found is not None
    assert (found.orientation, found.size) == (orientation, codec.decoded(data).size)


def test_metadata_is_found_beside_the_codestream() -> None:
    data = jxl.in_container(b"\xff\x0apixels", (b"Exif", bytes(4) + b"MM\0*"), (b"xml ", b"<x/>"))
    assert jxl.codestream_of(data) == b"\xff\x0apixels"
    assert jxl.exif_of(data) == b"MM\0*"
    assert jxl.exif_of(b"\xff\x0apixels") is None
    assert jxl.codestream_of(boxed(b"\xff\x0apixels", 1, 5)) == b"\xff\x0apixels"
    for broken in (b"", b"\xff\xd8", data[:-1], jxl.CONTAINER, jxl.CONTAINER + b"\0\0\0\3jxlc"):
        with pytest.raises(ValueError, match=r"no codestream|broken box"):
            jxl.codestream_of(broken)
