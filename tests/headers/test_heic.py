"""HEIC headers: what pillow-heif says, without a decoder, and without another package."""

from __future__ import annotations

import os
import random
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import opened, share
from fuzz_route import mutants

from flask_images_vips.engines import heic as decoder
from flask_images_vips.errors import ImagesError, LimitExceeded, UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.headers.bounded import MAX_BYTES
from flask_images_vips.headers.header import FileHeader
from flask_images_vips.headers.heic import is_heic
from flask_images_vips.headers.read import check_parts, read_header
from headers.containers import box
from headers.heics import (
    BOMBS,
    KINDS,
    ONE,
    SIZE,
    TILE,
    branded,
    built,
    derived,
    drawn,
    grid,
    image,
    of_kind,
    turned,
)

MUTANTS = share(20_000, 40)


def header_of(data: bytes, folder: Path, *, inputs: tuple[str, ...] = ("heic",)) -> FileHeader | None:
    with opened(folder / "a.heic", data) as descriptor:
        return read_header(descriptor, "a.heic", auto_orient=False, inputs=inputs)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_read_as_libheif_reads_it(name: str, tmp_path: Path) -> None:
    header = header_of(of_kind(name), tmp_path)
    with opened(tmp_path / "a.heic", of_kind(name)) as descriptor:
        right = decoder.header(descriptor, "a.heic")
        assert decoder.decoded(descriptor, "a.heic").size == right.size
    assert header is not None
    assert (header.size, header.format, header.alpha, header.whole) == (right.size, "heic", right.alpha, True)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("exif", [None, 1, 6])
def test_only_irot_and_imir_turn_it(orientation: int, exif: int | None, tmp_path: Path) -> None:
    header = header_of(turned(orientation, exif), tmp_path)
    assert header is not None
    assert header.orientation == orientation
    assert header.size == (SIZE[::-1] if orientation > 4 else SIZE)


def test_a_file_of_the_general_brands_is_what_its_primary_image_is(tmp_path: Path) -> None:
    hevc, general = image(), b"mif1miaf"
    for kind, found in ((b"hvc1", True), (b"hev1", True), (b"av01", False), (b"j2k1", False)):
        data = (
            built({1: (kind, *hevc[1:])})
            .replace(b"ftypheic", b"ftypmif1")
            .replace(b"heicmif1miaf", general + b"mif1", 1)
        )
        with opened(tmp_path / "a.heic", data) as descriptor:
            assert is_heic(descriptor) is found, kind


def test_a_general_file_whose_primary_image_is_made_of_others_is_what_its_brands_say(tmp_path: Path) -> None:
    overlay = built({1: derived(b"iovl", ONE), 2: image()}, [(b"dimg", 1, [2])]).replace(b"ftypheic", b"ftypmif1")
    for brand, found in ((b"heic", True), (b"avif", False), (b"miaf", False)):
        with opened(tmp_path / "a.heic", overlay.replace(b"heicmif1miaf", brand + b"mif1miaf", 1)) as descriptor:
            assert is_heic(descriptor) is found, brand


@pytest.mark.parametrize("brand", [b"avif", b"avis", b"isom", b"mp42", b"jpeg"])
def test_other_brands_are_not_those_of_a_heic(brand: bytes, tmp_path: Path) -> None:
    with opened(tmp_path / "a.heic", branded(of_kind("one"), brand)) as descriptor:
        assert not is_heic(descriptor)


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\0\x20ftyp", b"\0\0\0\x18ftypmif1", b"\0\0\0\x0cftypmif1", b"\xff\xd8\xff"]
)
def test_so_are_files_that_end_early(data: bytes, tmp_path: Path) -> None:
    with opened(tmp_path / "a.heic", data) as descriptor:
        assert not is_heic(descriptor)


def test_it_is_left_to_the_engines_where_it_is_not_listed(tmp_path: Path) -> None:
    assert header_of(of_kind("one"), tmp_path, inputs=("jpeg", "avif")) is None


@pytest.mark.parametrize(
    ("part", "size"),
    [
        ((40, 1, 30, 1, 0, 1, 0, 1), (40, 30)),
        ((40, 1, 30, 1, -24, 2, 1, 2), (40, 30)),
        ((TILE, 1, TILE, 1, 0, 1, 0, 1), (TILE, TILE)),
        ((65, 1, 30, 1, 0, 1, 0, 1), None),
        ((40, 1, 30, 1, 60, 1, 0, 1), None),
        ((40, 1, 30, 1, 0, 0, 0, 1), None),
        ((80, 2, 30, 1, 0, 1, 0, 1), None),
        ((0, 1, 30, 1, 0, 1, 0, 1), None),
    ],
)
def test_of_a_part_that_is_shown_the_size_is_known(
    part: tuple[int, ...], size: tuple[int, int] | None, tmp_path: Path
) -> None:
    data = built({1: image(ONE, box(b"clap", struct.pack(">IIIIiIiI", *part)))})
    header = header_of(data, tmp_path)
    assert (header and header.size) == size
    if header is not None:
        with opened(tmp_path / "a.heic", data) as descriptor:
            assert decoder.decoded(descriptor, "a.heic").size == size


@pytest.mark.parametrize(
    "data",
    [
        built({1: derived(b"iden", ONE), 2: image()}, [(b"dimg", 1, [2])]),
        built({1: grid(1, 1, ONE), 2: derived(b"iden", ONE), 3: image()}, [(b"dimg", 1, [2]), (b"dimg", 2, [3])]),
        built({1: image(ONE, box(b"irot", b"\1"), box(b"clap", bytes(32)))}),
        of_kind("one").replace(b"ispe", b"isqe"),
    ],
)
def test_rare_kinds_are_left_to_libheif(data: bytes, tmp_path: Path) -> None:
    assert header_of(data, tmp_path) is None


@pytest.mark.parametrize("name", ["images", "tiles", "a tile many times"])
def test_very_many_images_or_references_are_refused(name: str, tmp_path: Path) -> None:
    data = BOMBS[name]()
    with pytest.raises(LimitExceeded, match="images"):
        header_of(data, tmp_path)
    with opened(tmp_path / "a.heic", data) as descriptor, pytest.raises(LimitExceeded, match="images"):
        check_parts(descriptor, "a.heic")


@pytest.mark.parametrize(("name", "reason"), [("no pixels", "without pixels"), ("cut in its header", "ends within")])
def test_broken_headers_are_unreadable(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        header_of(BOMBS[name](), tmp_path)


def test_what_it_states_is_believed_until_it_is_decoded(tmp_path: Path) -> None:
    assert header_of(BOMBS["states 30000 × 30000"](), tmp_path) == FileHeader(Size(30_000, 30_000), "heic", whole=True)


def test_the_size_of_a_grid_of_many_tiles_is_read_from_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    pread = os.pread

    def counting(descriptor: int, count: int, offset: int) -> bytes:
        read.append(count)
        return pread(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", counting)
    size = (16 * TILE, 12 * TILE)
    tiles = {item: image() for item in range(2, 194)}  # as many as 48 Mpx have in tiles of 512 × 512
    data = built({1: grid(12, 16, size), **tiles}, [(b"dimg", 1, [*tiles])])
    assert header_of(data, tmp_path) == FileHeader(Size(*size), "heic", whole=True)
    assert sum(read) < MAX_BYTES


def test_mutants_end_in_a_header_or_a_refusal(tmp_path: Path) -> None:
    chance, ends = random.Random(4), Counter[str]()
    bases = [drawn(chance) for _ in range(60)] + [make() for make in BOMBS.values()]
    bases = [data for data in bases if len(data) < 20_000]
    for data in mutants(chance, MUTANTS, bases):
        try:
            ends[type(header_of(data, tmp_path, inputs=("heic", "avif"))).__name__] += 1
        except ImagesError as error:
            ends[type(error).__name__] += 1
    print(dict(ends))
    assert ends["FileHeader"] > MUTANTS / 10
    assert ends["UnreadableSource"] > MUTANTS / 100


def test_mutants_whose_pixels_libheif_decodes_have_the_size_that_was_read(tmp_path: Path) -> None:
    chance, agreed = random.Random(5), Counter[bool]()
    bases = [of_kind(name) for name in KINDS]
    wrong: list[Any] = []
    for number, data in enumerate(mutants(chance, MUTANTS, bases)):
        with opened(tmp_path / "a.heic", data) as descriptor:
            if not is_heic(descriptor):
                continue
            try:
                header = read_header(descriptor, "a", auto_orient=False, inputs=("heic",))
                size = decoder.decoded(descriptor, "a").size
            except ImagesError:
                continue
        if header is not None and header.size != size:
            wrong.append((number, header.size, size))
        agreed[header is not None] += 1
    assert wrong == []
    assert agreed[True] > MUTANTS / 100
