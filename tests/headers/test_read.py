"""The readers say what both engines say, read little, and refuse what no engine reads."""

from __future__ import annotations

import os
import random
import zlib
from collections import Counter
from pathlib import Path

import pytest
from conftest import PHOTOGRAPHS, share
from fuzz_route import mutants, seeds

from flask_images_vips.engines.engine import Header
from flask_images_vips.errors import ImagesError, LimitExceeded, UnreadableSource, UnsupportedSource
from flask_images_vips.formats import INPUTS
from flask_images_vips.geometry import Size
from flask_images_vips.headers.bounded import MAX_BYTES
from flask_images_vips.headers.header import FileHeader
from flask_images_vips.headers.read import read_beginning, read_header
from headers.containers import exif, saved, segment, with_segments
from headers.drawn import by_engines, differences, drawing, picture, read

DRAWN = share(9600, 20)
MUTANTS = share(100_000, 33)
MAX_READS = 1500

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow warns of what it meets


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that each read of a file returned."""
    counted: list[int] = []
    pread = os.pread

    def counting(descriptor: int, count: int, offset: int) -> bytes:
        data = pread(descriptor, count, offset)
        counted.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counting)
    return counted


@pytest.mark.parametrize("format", INPUTS)
def test_drawn_files_are_read_as_both_engines_read_them(format: str, tmp_path: Path) -> None:
    chance, draw = random.Random(format), drawing(format)
    path = tmp_path / "drawn"
    found, known = [], 0
    for number in range(DRAWN // len(INPUTS)):
        path.write_bytes(draw(chance))
        auto_orient = number % 4 > 0
        wrong = differences(path, auto_orient=auto_orient)
        known += "known" not in wrong
        if wrong.keys() - {"known"}:
            found.append((number, wrong))
    assert found == []
    assert known == DRAWN // len(INPUTS)


@pytest.mark.parametrize("format", INPUTS)
def test_drawn_files_are_good(format: str, tmp_path: Path) -> None:
    chance, draw = random.Random(format), drawing(format)
    read_by = Counter[int]()
    for number in range(40):
        path = tmp_path / str(number)
        path.write_bytes(draw(chance))
        read_by[sum(isinstance(header, Header) for header in by_engines(path))] += 1
    assert read_by[0] == 0
    assert read_by[2] > 20


def test_the_files_of_the_demo_and_of_other_tests_are_read_as_both_engines_read_them(tmp_path: Path) -> None:
    for name, data in seeds().items():
        (tmp_path / name).write_bytes(data)
    files = [*PHOTOGRAPHS.parent.rglob("*.jpg"), *PHOTOGRAPHS.rglob("*.png"), *tmp_path.iterdir()]
    assert len(files) > 20
    assert {path.name: wrong for path in files if (wrong := differences(path))} == {}


def test_mutants_end_in_a_header_or_a_refusal_after_few_small_reads(tmp_path: Path, reads: list[int]) -> None:
    chance = random.Random(3)
    bases = [*seeds().values(), *(drawing(format)(chance) for format in INPUTS for _ in range(30))]
    path = tmp_path / "mutant"
    path.write_bytes(with_chunk(seeds()["png"], b"t\xe0Xt"))
    skips_odd_chunks = not _is_refused_by_engines(path)
    ends = Counter[str]()
    wrongly_refused = []
    for number, data in enumerate(mutants(chance, MUTANTS, bases)):
        path.write_bytes(data)
        reads.clear()
        try:
            header = read(path)
        except LimitExceeded:  # libvips reads their headers
            ends["LimitExceeded"] += 1
        except UnreadableSource as error:
            ends["UnreadableSource"] += 1
            own = [*reads]
            if not (skips_odd_chunks and has_odd_chunk(data)) and not _is_refused_by_engines(path):
                wrongly_refused.append((number, error, data[:30]))
            reads[:] = own  # not those of the engines
        else:
            ends[type(header).__name__] += 1
            assert header is None or isinstance(header, FileHeader)
        assert sum(reads) <= MAX_BYTES, number
        assert len(reads) <= MAX_READS, number
    print(dict(ends))
    assert wrongly_refused == []
    assert min(ends[name] for name in ("FileHeader", "UnreadableSource", "NoneType")) > MUTANTS / 100


def with_chunk(png: bytes, name: bytes) -> bytes:
    """A PNG with an empty chunk after its first one."""
    start = 8 + 12 + 13
    return png[:start] + bytes(4) + name + zlib.crc32(name).to_bytes(4) + png[start:]


def has_odd_chunk(data: bytes) -> bool:
    """Whether a file is a PNG with a chunk whose name is not four letters.

    The standard forbids it, and Pillow and browsers refuse it. The wheels of libvips before 8.18 skip the chunk.
    """
    start = 8 if data.startswith(b"\x89PNG") else len(data)
    while start + 8 <= len(data):
        if not data[start + 4 : start + 8].isalpha():
            return True
        start += 12 + int.from_bytes(data[start : start + 4])
    return False


def _is_refused_by_engines(path: Path) -> bool:
    """Whether the application refuses a file: libvips says so, or has no loader for it, and Pillow refuses it."""
    vips, pillow = by_engines(path)
    if isinstance(vips, UnsupportedSource):
        return isinstance(pillow, ImagesError)
    return isinstance(vips, ImagesError)


def test_the_size_is_upright_where_pictures_are_turned(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(with_segments(saved(picture("RGB", (40, 30)), "JPEG"), segment(0xE1, b"Exif\0\0" + exif(6))))
    turned, stored = read(path), read(path, auto_orient=False)
    assert turned == FileHeader(Size(30, 40), "jpeg", 6)
    assert stored == FileHeader(Size(40, 30), "jpeg", 6)


def test_only_the_formats_in_use_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(seeds()["gif"])
    with path.open("rb") as file, pytest.raises(UnsupportedSource, match="the file is a GIF image; expected"):
        read_header(file.fileno(), "a.gif", auto_orient=True, inputs=["jpeg", "png"])


@pytest.mark.parametrize("data", [b"BM" + bytes(60), b"<svg/>", b"x", b"RIFF\0\0\0\0WAVE", b"II*", bytes(100)])
def test_other_files_are_left_to_the_engines(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(data)
    assert read(path) is None


def test_an_empty_file_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.touch()
    with pytest.raises(UnreadableSource, match="empty"):
        read(path)


def test_the_position_of_the_descriptor_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(seeds()["png"])
    with path.open("rb", buffering=0) as file:
        file.seek(5)
        assert read_header(file.fileno(), "a.png", auto_orient=True)
        assert file.tell() == 5


def test_the_beginning_of_a_file_says_the_same_as_the_file_or_nothing(tmp_path: Path) -> None:
    told = Counter[bool]()
    pictures = {**seeds(), **{path.name: path.read_bytes() for path in PHOTOGRAPHS.glob("*.*g")}}
    for name, data in pictures.items():
        path = tmp_path / name
        path.write_bytes(data)
        try:
            whole = read(path)
        except ImagesError:
            continue
        for count in (0, 1, 11, 12, 13, 100, 1000, 65536, *range(20, min(400, len(data)), 7)):
            begun = read_beginning(data[:count], len(data), name, auto_orient=True)
            assert begun in (None, whole), (name, count)
            told[begun is not None] += 1
    assert min(told.values()) > 100


def test_the_beginning_of_a_file_that_is_no_image_is_refused_as_the_file() -> None:
    with pytest.raises(UnreadableSource, match="empty"):
        read_beginning(b"", 0, "a.jpg", auto_orient=True)
    with pytest.raises(UnsupportedSource):
        read_beginning(b"II*\0" + bytes(100), 104, "a.tif", auto_orient=True, inputs=["jpeg"])
