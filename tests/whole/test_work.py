"""No file and no request takes much work of Python, during which other threads wait. Lines are counted, never time.

A line takes about 0.1 µs, so 100,000 of them stay far below the 50 ms that a request may cost the others.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from conftest import opened, signed, url_of
from engines.test_frame_count import webp_of_chunks
from flask import Flask
from headers import containers
from rendering.test_same_pixels import made_of

import flask_images_vips
from flask_images_vips import pipeline
from flask_images_vips.engines import frame_count, gif_frames
from flask_images_vips.errors import ImagesError, LimitExceeded
from flask_images_vips.headers.read import read_header
from flask_images_vips.options.options import DECLARED, Options
from flask_images_vips.rendering import same_pixels
from flask_images_vips.state import images_of

PACKAGE = str(Path(flask_images_vips.__file__).parent)
MOST_LINES = 100_000


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of the package *work* runs, in this thread."""
    lines = 0

    def local(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return local

    def enter(frame: FrameType, event: str, argument: object) -> Any:
        return local if frame.f_code.co_filename.startswith(PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        with contextlib.suppress(ImagesError):
            work()
    finally:
        sys.settrace(before)
    return lines


# Headers, which web workers read


def jpeg(between: bytes) -> bytes:
    return b"\xff\xd8" + between * (200_000 // len(between))


def tags(count: int) -> bytes:
    entries = b"".join(struct.pack("<HHII", 0x9000 + number % 999, 4, 1, number) for number in range(count))
    return b"II*\0" + struct.pack("<IH", 8, count) + entries + bytes(4)


def exif(count: int) -> bytes:
    return containers.segment(0xE1, b"Exif\0\0" + tags(count))


def avif_boxes(count: int) -> bytes:
    brand = containers.box(b"ftyp", b"avif", bytes(4), b"avif")
    return brand + containers.box(b"meta", containers.box(b"free") * count, version=0)


HEADERS = {
    "JPEG of tiny segments": jpeg(b"\xff\xe0\0\2"),
    "JPEG of broken segments": jpeg(b"\xff\xe0\0\0x"),
    "JPEG of fill bytes": jpeg(b"\xff"),
    "JPEG of other data": jpeg(b"\xff\0"),
    "JPEG of lone markers": jpeg(b"\xff\xd0"),
    "JPEG of much EXIF": jpeg(exif(3000)[:65_000]),
    "PNG of empty chunks": containers.png_of(bytes(13), *[(b"abCd", b"")] * 5000),
    "GIF of tiny blocks": containers.gif(40, 30, containers.gif_frame(0, 0, 40, 30)[:-1] + b"\1x" * 30_000),
    "GIF of empty frames": containers.gif(40, 30, *[containers.gif_frame(0, 0, 1, 1, blocks=0)] * 5000),
    "GIF of empty extensions": containers.gif(40, 30, b"\x21\xfe\0" * 20_000),
    "TIFF of many tags": tags(600),
    "TIFF of very many tags": tags(60_000),
    "WebP of empty chunks": containers.webp(containers.webp_header(0x0A, 40, 30), b"abcd\0\0\0\0" * 5000),
    "AVIF of empty boxes": avif_boxes(5000),
}


@pytest.mark.parametrize("name", HEADERS)
def test_reading_a_header_is_little_work(name: str, tmp_path: Path) -> None:
    with opened(tmp_path / "a", HEADERS[name]) as descriptor:
        assert lines_run(lambda: read_header(descriptor, "a", auto_orient=True)) < MOST_LINES


# Outlines, which renderers look at, or the web worker where there are none


def frame(data: bytes) -> bytes:
    return b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02" + data + b"\0"


@pytest.mark.parametrize("length", [1, 254, 255])
def test_blocks_of_one_length_are_passed_together(length: int, tmp_path: Path) -> None:
    data = containers.gif(1, 1, frame((bytes([length]) + bytes(length)) * 30_000))
    with opened(tmp_path / "a.gif", data) as descriptor:
        assert lines_run(lambda: gif_frames.check_gif(descriptor, "a.gif", 1)) < MOST_LINES
        gif_frames.check_gif(descriptor, "a.gif", 1)


def test_blocks_of_different_lengths_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gif_frames.MAX_STEPS <= 60_000
    monkeypatch.setattr(gif_frames, "MAX_STEPS", 1000)
    for data in (frame(b"\1x\2xx" * 100_000), b"\x21\xfe\0" * 100_000, frame(b"") * 2000, b"x\x21\xfe\0" * 9000):
        with opened(tmp_path / "a.gif", containers.gif(1, 1, data)) as descriptor:
            assert lines_run(lambda: frame_count.check_frames(descriptor)) < MOST_LINES
            with pytest.raises(LimitExceeded, match="series of blocks of one length; the limit is 1,000"):
                frame_count.check_frames(descriptor)


def test_other_data_between_the_blocks_of_a_gif_is_passed_together(tmp_path: Path) -> None:
    with opened(tmp_path / "a.gif", containers.gif(1, 1, bytes(5_000_000), frame(b""))) as descriptor:
        assert lines_run(lambda: frame_count.check_frames(descriptor)) < MOST_LINES
        assert len(gif_frames.frames_of(descriptor, 9)) == 1  # as Pillow finds it


def test_chunks_of_a_webp_take_little_work(tmp_path: Path) -> None:
    with opened(tmp_path / "a.webp", webp_of_chunks(4000)) as descriptor:
        assert lines_run(lambda: frame_count.check_frames(descriptor)) < MOST_LINES


def test_pixels_in_very_many_chunks_are_not_sent_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, header = zlib.compress(bytes(4 * 5)), struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)

    def png(empty: int) -> bytes:
        return containers.png_of(header, *[(b"IDAT", b"")] * empty, (b"IDAT", stream))

    assert made_of(png(100), tmp_path) is not None
    monkeypatch.setattr(same_pixels, "_MAX_CHUNKS", 100)
    assert made_of(png(100), tmp_path) is None


def test_a_large_chunk_is_decompressed_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, decompressor = [], zlib.decompressobj

    class Counted:
        def __init__(self) -> None:
            self.stream = decompressor()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.stream, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            passed.append(len(data))
            return self.stream.decompress(data, most)

    side = 1200
    rows = b"".join(b"\0" + os.urandom(side) + bytes(2 * side) for _ in range(side))
    stream = zlib.compress(rows)
    data = containers.png_of(struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), (b"IDAT", stream))
    monkeypatch.setattr(same_pixels.zlib, "decompressobj", Counted)
    assert made_of(data, tmp_path) is not None
    assert sum(passed) < 3 * len(stream)


# Requests

LONG = 60_000


def test_no_header_takes_much_work(app: Flask, draw: Any) -> None:
    draw("a.png")
    client, url = app.test_client(), url_of(app, "a.png", width=8, format="auto")
    assert client.get(url).status_code == 200
    for name in ("Accept", "If-None-Match", "If-Match", "If-Modified-Since", "If-Range", "Range"):
        for pump in ("image/avif;q=0,", '"a",', "1,", "bytes=0-1,"):
            headers = {"Range": "bytes=0-1", name: pump * (LONG // len(pump))}
            assert lines_run(lambda headers=headers: client.get(url, headers=headers)) < MOST_LINES, (name, pump)


@pytest.mark.parametrize("query", ["w=" + "1" * LONG, "a=&" * (LONG // 3), "w=" + "%31" * (LONG // 3)])
def test_a_query_that_is_too_long_is_refused_unread(query: str, app: Flask, draw: Any, caplog: Any) -> None:
    draw("a.png")
    client, url = app.test_client(), signed(app, "a.png", query)
    assert lines_run(lambda: client.get(url)) < MOST_LINES
    assert client.get(url).status_code == 404
    assert "over the limit of 32,768" in caplog.text


def test_an_accept_header_that_is_too_long_names_nothing(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=8, format="auto")
    for spaces, media_type in ((10_000, "image/webp"), (20_000, "image/png")):
        answer = app.test_client().get(url, headers={"Accept": "image/webp," + " " * spaces})
        assert answer.headers["Content-Type"] == media_type


@pytest.mark.parametrize("name", DECLARED)
def test_reading_an_option_is_little_work(name: str) -> None:
    for pump in ("1,", "1 ", "_", ":", "/", "a", "("):
        text = (pump * 32_768)[:32_768]
        assert lines_run(lambda text=text: Options.parse({DECLARED[name].short: text})) < 1000


def test_a_busy_host_compares_some_of_the_sizes_only(app: Flask, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("a.png")
    client = app.test_client()
    for width in range(10, 20):
        assert client.get(url_of(app, "a.png", width=width)).status_code == 200
    looked = []
    with app.app_context():
        found = images_of(app).pipeline
    monkeypatch.setattr(found, "_kept_size", lambda *of: looked.append(of))
    monkeypatch.setattr(pipeline, "_MOST_COMPARED", 4)
    with app.test_request_context():
        from flask_images_vips.serving.hit import verify

        path, _, query = url_of(app, "a.png", width=30).removeprefix("/imgsizer/").partition("?")
        url = verify(images_of(app), path, query.encode(), "").url
        assert found.nearest(found.rendition(url, found.sources.find(url))) is None
    assert len(looked) == 4
