"""Whether a JPEG lacks its end is told from the bytes behind its pixels."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import gradient

from flask_images_vips.headers.jpeg import END_MARKER, lacks_end

VIDEO = b"\0\0\0\x18ftypmp42" + random.Random(1).randbytes(300_000).replace(b"\xff", b"\0")


def jpeg(**save: object) -> bytes:
    file = io.BytesIO()
    gradient((600, 400)).save(file, "JPEG", **save)
    return file.getvalue()


def with_thumbnail(data: bytes) -> bytes:
    """Return the JPEG *data* with a segment that contains another JPEG, as EXIF does."""
    inner = jpeg(quality=1)[:60_000]
    return data[:2] + b"\xff\xe1" + (2 + len(inner)).to_bytes(2, "big") + inner + data[2:]


def cut(data: bytes) -> bytes:
    return data.removesuffix(END_MARKER)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: data, False),
        (lambda data: data + VIDEO, False),
        (lambda data: with_thumbnail(data) + VIDEO, False),
        (cut, True),
        (lambda data: cut(with_thumbnail(data)), True),
        (lambda data: data[: len(data) // 2], True),
        (lambda data: data[:20], False),
        (lambda data: data[:2], False),
        (lambda data: b"", False),
    ],
)
def test_other_data_behind_a_jpeg_is_not_a_missing_end(
    change: Callable[[bytes], bytes], expected: bool, progressive: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(change(jpeg(progressive=progressive)))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert lacks_end(descriptor) is expected
    finally:
        os.close(descriptor)


def test_an_end_across_two_pieces_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = jpeg()
    path = tmp_path / "a.jpg"
    path.write_bytes(data + VIDEO)
    with path.open("rb") as file:
        for piece in range(7, 12):
            monkeypatch.setattr("flask_images_vips.headers.jpeg._PIECE", piece)
            assert not lacks_end(file.fileno())
