"""Messages arrive as they were sent, and what is not a message is refused."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_images_vips.engines.engine import Header
from flask_images_vips.errors import (
    Busy,
    ConfigError,
    ImagesError,
    InvalidOption,
    LimitExceeded,
    UnreadableSource,
    UnsupportedSource,
)
from flask_images_vips.geometry import Box, Size
from flask_images_vips.pool import wire
from flask_images_vips.rendering.result import Result


def message(text: bytes) -> bytes:
    return struct.pack(">4sIQ", b"FIV1", len(text), 0) + text


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    for each in (one, other):
        each.settimeout(5)
    with one, other:
        yield one, other


def test_a_message_arrives_with_its_files_and_descriptors(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"content")
    with (tmp_path / "a").open("rb") as file:
        wire.send(pair[0], {"one": 1}, [b"x" * 100, b""], [file.fileno()])
    message = wire.receive(pair[1], max_bytes=100, max_descriptors=1)
    assert (message.fields, message.files) == ({"one": 1}, [b"x" * 100, b""])
    (descriptor,) = message.descriptors
    assert os.read(descriptor, 100) == b"content"
    os.close(descriptor)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        message(b'{"files":[],"a":Infinity}'),
        message(b'{"a":' + b"[" * 100_000),
        b"GET / HTTP/1.1\r\nHost: images\r\n\r\n",
        struct.pack(">4sIQ", b"FIV0", 2, 0) + b"{}",
        struct.pack(">4sIQ", b"FIV1", 1 << 30, 0),
        struct.pack(">4sIQ", b"FIV1", 2, 1 << 40) + b"{}",
        struct.pack(">4sIQ", b"FIV1", 2, 0) + b"[]",
        struct.pack(">4sIQ", b"FIV1", 2, 0) + b"\xff\xff",
        struct.pack(">4sIQ", b"FIV1", 2, 0) + b"{}",
        struct.pack(">4sIQ", b"FIV1", 13, 1) + b'{"files":[2]}' + b"xx",
        struct.pack(">4sIQ", b"FIV1", 16, 1) + b'{"files":[-1,2]}' + b"x",
        struct.pack(">4sIQ", b"FIV1", 13, 5) + b'{"files":[5]}' + b"cut",
    ],
)
def test_what_is_no_message_is_refused(pair: tuple[socket.socket, socket.socket], data: bytes) -> None:
    pair[0].sendall(data)
    pair[0].shutdown(socket.SHUT_WR)
    with pytest.raises(wire.BrokenWire):
        wire.receive(pair[1], max_bytes=1000)


@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_else(data: bytes) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)
        with pytest.raises(wire.BrokenWire):
            wire.receive(other, max_bytes=1000)


@pytest.mark.parametrize("most", [0, 1, 2])
@pytest.mark.parametrize("data", [b"no message at all", message(b'{"files":[]}')])
def test_descriptors_of_a_broken_message_are_closed(
    pair: tuple[socket.socket, socket.socket], data: bytes, most: int
) -> None:
    open_before = len(os.listdir("/proc/self/fd"))
    socket.send_fds(pair[0], [data], [0, 0])
    if most == 2 and data.startswith(b"FIV"):
        for descriptor in wire.receive(pair[1], max_descriptors=most).descriptors:
            os.close(descriptor)
    else:
        with pytest.raises(wire.BrokenWire):
            wire.receive(pair[1], max_descriptors=most)
    assert len(os.listdir("/proc/self/fd")) == open_before


@pytest.mark.parametrize(
    "result",
    [
        Result(),
        Result("vips", [b"data"], Size(3, 4), exceeds=5),
        Result("pillow", box=Box(1, 2, 3, 4)),
        Result(header=Header(Size(5, 6), "jpeg", 2, True, True)),
        Result("vips", [b"data"], Size(3, 4), placeholders={"color": "#102030"}),
        Result("vips", [b"data"], Size(3, 4), encodes=((0.25, 1.5), (1.5, 2.0))),
        Result("vips", [b"data"], Size(3, 4), quality=61, score=70.25),
        Result("vips", [b"data"], Size(3, 4), focus=[0.25, 1.0]),
        Result(focus=[]),
        Result(abilities={"loaded": 1.5, "libraries": {"vips": {"name": "libvips", "outputs": ["avif"]}}}),
    ],
)
def test_a_result_arrives_as_it_was(result: Result) -> None:
    assert wire.result_from_json(wire.result_to_json(result), result.files) == result


@pytest.mark.parametrize(
    "placeholders",
    [{"color": "red;}</style>"}, {"color": 5}, {"lqip": "data:image/webp;base64,"}, {"blur": "#102030"}, ["color"], 5],
    ids=str,
)
def test_what_is_no_placeholder_is_refused(placeholders: object) -> None:
    with pytest.raises(wire.BrokenWire):
        wire.result_from_json({"by": "vips", "placeholders": placeholders}, [])


@pytest.mark.parametrize(
    "found", [{"quality": 0}, {"quality": 101}, {"quality": "70"}, {"quality": 7.5}, {"quality": True}, {"score": "x"}]
)
def test_what_is_no_quality_or_score_is_refused(found: dict[str, object]) -> None:
    with pytest.raises(wire.BrokenWire):
        wire.result_from_json({"by": "vips", **found}, [])


@pytest.mark.parametrize("focus", [[1], [0.5, 2], [-1, 0], ["x", 1], 5, "ab", [0, 0, 0]], ids=str)
def test_what_is_no_point_is_refused(focus: object) -> None:
    with pytest.raises(wire.BrokenWire):
        wire.result_from_json({"by": "vips", "focus": focus}, [])


@pytest.mark.parametrize("encodes", [[[2, 1]], [[-1, 1]], [[0, 1e9]], [[1]], [["x", 1]], [1], 5, "ab"], ids=str)
def test_what_are_no_times_is_refused(encodes: object) -> None:
    with pytest.raises(wire.BrokenWire):
        wire.result_from_json({"by": "vips", "encodes": encodes}, [])


@pytest.mark.parametrize(
    "error",
    [
        InvalidOption("region", "1,2", expected="a box"),
        LimitExceeded("the source has {:,} pixels", 5000, 3.5, set_by="a key"),
        UnreadableSource("source", "no image"),
        UnsupportedSource("watermark", "of no kind"),
        Busy("no more threads can be started"),
        ConfigError("cannot work"),
    ],
)
def test_an_error_arrives_as_it_was(error: ImagesError) -> None:
    arrived = wire.error_from_json(wire.error_to_json(error))
    assert (type(arrived), str(arrived)) == (type(error), str(error))


def test_a_bug_arrives_with_its_traceback() -> None:
    try:
        raise ZeroDivisionError("a bug")
    except ZeroDivisionError as error:
        arrived = wire.error_from_json(wire.error_to_json(error))
    assert isinstance(arrived, wire.Failed)
    assert "ZeroDivisionError: a bug" in str(arrived)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"error": "SystemExit", "values": [1]},
        {"error": "LimitExceeded"},
        {"error": "LimitExceeded", "values": ["{:9999999999}", 1, 2, "a key"]},
        {"error": "LimitExceeded", "values": ["{0.real}{:,}", 1, 2, "a key"]},
        {"error": "LimitExceeded", "values": ["{:,}", "1", 2, "a key"]},
    ],
)
def test_what_is_no_error_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(wire.BrokenWire):
        wire.error_from_json(fields)
