"""A bounded file is read in few and small pieces, and says why it cannot be read."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.errors import Busy, SourceChanged, UnreadableSource
from flask_images_vips.headers.bounded import MAX_BYTES, BoundedFile, NotKnown


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(250)) * 1000)
    return path


def test_it_reads_any_part(path: Path) -> None:
    data = path.read_bytes()
    with path.open("rb") as file:
        bounded = BoundedFile(file.fileno(), "a")
        assert bounded.size == len(data)
        for offset, count in ((0, 10), (2040, 20), (249_990, 10), (5, 0), (30, 3000)):
            assert bounded.read(offset, count) == data[offset : offset + count]


def test_small_parts_that_are_close_together_are_read_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *arguments: reads.append(arguments) or pread(*arguments))
    with path.open("rb") as file:
        bounded = BoundedFile(file.fileno(), "a")
        for offset in (*range(0, 2000, 10), *range(100_000, 100_100, 10)):
            bounded.read(offset, 10)
    assert len(reads) == 2


@pytest.mark.parametrize(("offset", "count"), [(249_999, 2), (250_000, 1), (2**63, 4), (0, 2**63)])
def test_what_lies_behind_the_end_is_unreadable(path: Path, offset: int, count: int) -> None:
    with path.open("rb") as file, pytest.raises(UnreadableSource, match="'a': the file ends within its header"):
        BoundedFile(file.fileno(), "a").read(offset, count)


def test_more_bytes_than_allowed_are_not_read(path: Path) -> None:
    with path.open("rb") as file:
        bounded = BoundedFile(file.fileno(), "a")
        bounded.read(3000, MAX_BYTES // 2)
        with pytest.raises(NotKnown):
            bounded.read(3000, MAX_BYTES // 2 + 1)


def test_a_file_that_became_shorter_has_changed(path: Path) -> None:
    with path.open("rb") as file:
        bounded = BoundedFile(file.fileno(), "a")
        os.truncate(path, 100)
        with pytest.raises(SourceChanged):
            bounded.read(100_000, 10)


@pytest.mark.parametrize("call", ["pread", "fstat"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOMEM])
def test_a_file_system_that_fails_is_busy(call: str, number: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with path.open("rb") as file, monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(Busy, match="'a' cannot be read now") as raised:
            BoundedFile(file.fileno(), "a")
    assert os.strerror(number) in str(raised.value)
