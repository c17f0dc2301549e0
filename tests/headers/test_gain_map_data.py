"""How a gain map is applied is read from ISO 21496-1 and from XMP, and written as both."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import pytest
from conftest import share
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_images_vips.headers import xmp
from flask_images_vips.headers.gain_map_data import Channel, GainMapData, from_iso, from_xmp, to_iso, to_xmp

ONE = GainMapData([Channel(Fraction(-1, 2), Fraction(5, 2), Fraction(3, 4))], Fraction(0), Fraction(9, 4))
THREE = GainMapData(
    [Channel(Fraction(0), Fraction(each, 2), Fraction(1), Fraction(0), Fraction(1, 32)) for each in (2, 3, 4)],
    Fraction(1, 8),
    Fraction(2),
    uses_base=False,
)


def numbers(least: int, most: int) -> st.SearchStrategy[Fraction]:
    return st.fractions(least, most, max_denominator=10_000)


def adobe(**properties: str) -> bytes:
    fields = {"Version": "1.0", "GainMapMax": "2", "HDRCapacityMax": "2"} | properties
    attributes = [f'hdrgm:{name}="{value}"' for name, value in fields.items() if value]
    return xmp.packet(xmp.description({"hdrgm": xmp.HDRGM}, attributes)).encode()


@pytest.mark.parametrize("data", [ONE, THREE])
def test_what_is_written_is_read(data: GainMapData) -> None:
    assert from_iso(to_iso(data)) == data
    found = from_xmp(to_xmp(data).encode())
    assert found is not None
    assert (found.channels, found.alternate_headroom) == (data.channels, data.alternate_headroom)


@settings(max_examples=share(200, 5))
@given(numbers(-8, 0), numbers(0, 8), numbers(1, 3), numbers(0, 1), numbers(1, 8))
def test_any_numbers_are_written_and_read(
    least: Fraction, most: Fraction, gamma: Fraction, offset: Fraction, headroom: Fraction
) -> None:
    data = GainMapData([Channel(least, most, gamma, offset, offset)], Fraction(0), headroom)
    assert from_iso(to_iso(data)) == data
    found = from_xmp(to_xmp(data).encode())
    assert found is not None
    for one, other in zip(found.channels[0], data.channels[0], strict=True):
        assert abs(one - other) < Fraction(1, 100_000)


def test_very_long_fractions_are_shortened() -> None:
    data = GainMapData([Channel(Fraction(0), Fraction(10**20 + 1, 10**20))], Fraction(0), Fraction(1))
    found = from_iso(to_iso(data))
    assert found is not None
    assert abs(found.channels[0].maximum - 1) < Fraction(1, 1_000_000)


def test_fractions_with_one_denominator_for_all_are_read() -> None:
    """As libultrahdr can write them."""
    content = struct.pack(">HHBI2I", 0, 0, 0x40 | 0x08, 1000, 0, 2000) + struct.pack(">iiIii", -500, 1500, 1000, 16, 8)
    assert from_iso(content) == GainMapData(
        [Channel(Fraction(-1, 2), Fraction(3, 2), Fraction(1), Fraction(2, 125), Fraction(1, 125))],
        Fraction(0),
        Fraction(2),
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        to_iso(ONE)[:-1],
        b"\0\1" + to_iso(ONE)[2:],
        to_iso(ONE)[:4] + b"\x44" + to_iso(ONE)[5:],
        to_iso(ONE)[:5] + bytes(8) + to_iso(ONE)[13:],
    ],
)
def test_other_content_is_not_understood(content: bytes) -> None:
    """Cut off, of a later version, from HDR to SDR, and with a denominator of 0."""
    assert from_iso(content) is None


def test_numbers_so_small_that_readers_would_divide_by_zero_are_refused() -> None:
    start, tiny = to_iso(ONE)[:13], struct.pack(">II", 1, 2**32 - 1)
    assert from_iso(to_iso(ONE)[:-24] + tiny + to_iso(ONE)[-16:]) is None  # gamma
    assert from_iso(start + tiny + to_iso(ONE)[21:]) is None  # headroom


@pytest.mark.parametrize(
    "changes",
    [
        {"Version": "2.0"},
        {"Version": ""},
        {"BaseRenditionIsHDR": "True"},
        {"GainMapMax": "nan"},
        {"GainMapMax": "inf"},
        {"GainMapMax": "1e300"},
        {"GainMapMax": "9" * 50},
        {"GainMapMax": "-1"},
        {"Gamma": "0"},
        {"HDRCapacityMax": ""},
        {"HDRCapacityMax": "0"},
        {"HDRCapacityMin": "3"},
    ],
)
def test_other_xmp_is_not_understood(changes: Any) -> None:
    assert from_xmp(adobe()) is not None
    assert from_xmp(adobe(**changes)) is None


def test_xmp_with_lists_of_other_lengths_is_not_understood() -> None:
    three = to_xmp(THREE)
    assert from_xmp(three.encode()) is not None
    assert from_xmp(three.replace("<rdf:li>1</rdf:li>", "", 1).encode()) is None


def test_properties_may_be_elements() -> None:
    names = ("Version", "GainMapMax", "HDRCapacityMax")
    elements = [f"<hdrgm:{name}> {value} </hdrgm:{name}>" for name, value in zip(names, ("1.0", "2", "2"), strict=True)]
    assert from_xmp(xmp.packet(xmp.description({"hdrgm": xmp.HDRGM}, [], elements)).encode()) == from_xmp(adobe())
