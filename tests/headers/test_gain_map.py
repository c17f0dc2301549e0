"""The gain map of a JPEG is found in each way that files announce it, and no file makes the search fail or slow."""

from __future__ import annotations

import random
import struct
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import share
from rendering.ultra_hdr_files import DATA, MAP_SIZE, SIZE, coordinates, jpeg, map_in, ramp, segment, ultra_hdr

from flask_images_vips.engines.vips import abilities
from flask_images_vips.engines.vips.load import pyvips
from flask_images_vips.headers import gain_map, xmp
from flask_images_vips.headers.gain_map_data import ISO_PREFIX, to_iso, to_xmp

XMP = b"http://ns.adobe.com/xap/1.0/\0"
CASES = 3000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.jpg"


def with_data(gain: bytes, *, iso: bool = True, adobe: bool = True) -> bytes:
    parts = segment(0xE1, XMP + to_xmp(DATA).encode()) if adobe else b""
    parts += segment(0xE2, ISO_PREFIX + to_iso(DATA)) if iso else b""
    return gain[:2] + parts + gain[2:]


def little_mpf(picture: bytes, behind: bytes) -> bytes:
    """An Ultra HDR JPEG whose MPF is little-endian, after a segment that says nothing."""
    at = 2 + len(segment(0xE0, b"x"))
    whole = len(picture) + len(segment(0xE0, b"x")) + 90
    entries = struct.pack("<IIIHH", 0x030000, whole, 0, 0, 0)
    entries += struct.pack("<IIIHH", 0, len(behind), whole - at - 8, 0, 0)
    content = b"MPF\0II*\0" + struct.pack("<IHHHI4s", 8, 3, 0xB000, 7, 4, b"0100")
    content += struct.pack("<HHII", 0xB001, 4, 1, 2) + struct.pack("<HHII", 0xB002, 7, 32, 50) + bytes(4) + entries
    mpf = segment(0xE2, content)
    assert len(mpf) == 90
    return picture[:2] + segment(0xE0, b"x") + mpf + picture[2:] + behind


def in_container(picture: bytes, behind: bytes, video: bytes) -> bytes:
    """A file that only Google's container describes: a picture, its map, and a video behind both."""
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{name}" Item:Length="{length}"/></rdf:li>'
        for name, length in (("Primary", 0), ("GainMap", len(behind)), ("MotionPhoto", len(video)))
    )
    namespaces = {"Container": xmp.CONTAINER, "Item": xmp.CONTAINER_ITEM}
    directory = f"<Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>"
    text = xmp.packet(xmp.description(namespaces, [], [directory])).encode()
    return picture[:2] + segment(0xE1, XMP + text) + picture[2:] + behind + video


@pytest.mark.parametrize(("iso", "adobe"), [(True, True), (True, False), (False, True)])
def test_a_map_is_found_by_mpf_or_container_and_read_by_iso_or_xmp(iso: bool, adobe: bool, file: Path) -> None:
    picture, behind = jpeg(coordinates(SIZE)), with_data(jpeg(ramp(MAP_SIZE)), iso=iso, adobe=adobe)
    video = b"a video"
    for written, after in ((little_mpf(picture, behind), b""), (in_container(picture, behind, video), video)):
        file.write_bytes(written)
        found = map_in(file)
        assert found is not None
        assert written[found.start : found.start + found.size] + after == written[found.start :]
        assert written[found.start :] == behind + after
        assert found.data == DATA


def test_other_images_behind_a_picture_are_no_maps(file: Path) -> None:
    file.write_bytes(little_mpf(jpeg(coordinates(SIZE)), jpeg(ramp(MAP_SIZE))))
    assert map_in(file) is None
    file.write_bytes(jpeg(coordinates(SIZE)))
    assert map_in(file) is None
    coordinates(SIZE).save(file, "PNG")
    assert map_in(file) is None


def test_the_map_that_libultrahdr_writes_is_found(file: Path) -> None:
    if not abilities.has_operation("uhdrsave_buffer"):
        pytest.skip(f"libvips {abilities.version_name()} does not write Ultra HDR")
    light = (pyvips.Image.black(64, 40, bands=3).cast("float") + 0.5).copy(interpretation="scrgb")
    file.write_bytes(light.uhdrsave_buffer())
    found = map_in(file)
    assert found is not None
    (channel,) = found.data.channels
    assert abs(float(channel.maximum) - 5.6224) < 0.001
    assert (channel.minimum, channel.gamma, channel.base_offset) == (0, 1, Fraction(0))
    assert pyvips.Image.new_from_buffer(found_bytes(file), "").width == 32


def found_bytes(file: Path) -> bytes:
    found = map_in(file)
    assert found is not None
    with file.open("rb") as opened:
        return found.read(opened.fileno())


def test_no_broken_file_makes_the_search_fail(file: Path) -> None:
    """Files that are cut off, or have other bytes in their segments."""
    chance = random.Random(3)
    picture, behind = jpeg(coordinates((16, 8))), with_data(jpeg(ramp((8, 4))))
    wholes = [ultra_hdr(coordinates((16, 8)), ramp((8, 4))), little_mpf(picture, behind)]
    wholes.append(in_container(picture, behind, b""))
    for case in range(share(CASES)):
        data = bytearray(wholes[case % 3])
        if chance.random() < 0.3:
            del data[chance.randrange(2, len(data)) :]
        for _ in range(chance.randint(0, 6)):
            data[chance.randrange(2, len(data))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        file.write_bytes(data)
        found = map_in(file)
        assert found is None or (0 < found.start <= found.start + found.size <= len(data) and found.data.is_valid())


def test_a_map_outside_of_the_file_or_too_large_is_ignored(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ultra_hdr(coordinates(SIZE), ramp(MAP_SIZE))
    file.write_bytes(whole[:-1])
    assert map_in(file) is None
    file.write_bytes(whole)
    monkeypatch.setattr(gain_map, "MAX_BYTES", 1000)
    assert map_in(file) is None
