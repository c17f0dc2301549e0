"""A source is opened as the version that it stands for, or not at all."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import share

from flask_images_vips.errors import SourceChanged, SourceNotFound
from flask_images_vips.sources.source import Source, real_path_inside

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links, FIFOs, files replaced while they are open")


def source_of(path: Path, root: Path | None = None) -> Source:
    status = os.stat(path)
    return Source(path.name, str(root or path.parent), str(path), status.st_size, status.st_mtime_ns)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "root" / "a.jpg"
    path.parent.mkdir()
    path.write_bytes(b"a picture")
    os.utime(path, ns=(0, 1_700_000_000_123_456_700))
    return path


def test_its_identity_is_that_of_the_same_file_on_every_host(picture: Path, tmp_path: Path) -> None:
    source = source_of(picture)
    assert source.identity == f"a.jpg|{picture.parent}|9|1700000000123456700"
    assert source.mtime == 1_700_000_000
    by_a_link = Source("a.jpg", str(picture.parent), "/other/a.jpg", 9, 1_700_000_000_123_456_700, inode=1)
    assert by_a_link.identity == source.identity
    elsewhere = Source("a.jpg", "/other", "/other/a.jpg", 9, 1_700_000_000_123_456_700)
    assert elsewhere.identity != source.identity


def test_a_digest_of_its_bytes_takes_the_place_of_size_and_time(picture: Path) -> None:
    status = os.stat(picture)
    source = Source("a.jpg", str(picture.parent), str(picture), status.st_size, status.st_mtime_ns, content="digest")
    assert source.identity == "a.jpg|digest"
    assert replace(source, root="/other").identity == source.identity


def test_the_descriptor_is_at_the_beginning_and_closed_after_the_block(picture: Path) -> None:
    with source_of(picture).open() as descriptor:
        assert os.read(descriptor, 100) == b"a picture"
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)


def test_another_version_is_not_opened(picture: Path) -> None:
    source = source_of(picture)
    picture.write_bytes(b"another one")
    with pytest.raises(SourceChanged, match="not the version"), source.open():
        pytest.fail("it was opened")


def test_a_source_that_is_gone_has_changed(picture: Path) -> None:
    source = source_of(picture)
    picture.unlink()
    with pytest.raises(SourceChanged, match="gone"), source.open():
        pytest.fail("it was opened")


def test_a_change_while_it_is_read_takes_the_place_of_the_error_that_it_causes(picture: Path) -> None:
    def decode() -> None:
        picture.write_bytes(b"half a pict")
        raise ValueError("cannot be decoded")

    with pytest.raises(SourceChanged), source_of(picture).open():
        decode()


@posix
def test_a_change_that_keeps_size_and_time_is_noticed(picture: Path) -> None:
    source = source_of(picture)

    def change() -> None:
        time.sleep(0.02)  # longer than the clock of the file system is coarse
        picture.write_bytes(b"A PICTURE")
        os.utime(picture, ns=(0, source.mtime_ns))

    with pytest.raises(SourceChanged, match="while it was read"), source.open():
        change()


@posix
def test_a_source_that_is_replaced_while_it_is_read_is_read_to_its_end(picture: Path) -> None:
    with source_of(picture).open() as descriptor:
        (picture.parent / "new").write_bytes(b"new")
        os.replace(picture.parent / "new", picture)
        assert os.read(descriptor, 100) == b"a picture"


@posix
def test_a_link_out_of_its_root_is_not_opened(picture: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"a picture")
    os.utime(secret, ns=(0, 1_700_000_000_123_456_700))
    source = source_of(picture)
    picture.unlink()
    picture.symlink_to(secret)
    with pytest.raises(SourceChanged, match="out of its folder"), source.open():
        pytest.fail("it was opened")


@pytest.fixture
def swappable(tmp_path: Path) -> tuple[Source, Callable[[], None]]:
    """A source in a folder, and a function that exchanges this folder for a link out of the root, and back again."""
    folder, outside = tmp_path / "root" / "album", tmp_path / "outside"
    for each, content in ((folder, b"a picture"), (outside, b"a secret!")):
        each.mkdir(parents=True)
        (each / "a.jpg").write_bytes(content)
        os.utime(each / "a.jpg", ns=(0, 0))
    link = tmp_path / "link"
    link.symlink_to(outside)

    def swap() -> None:
        os.rename(folder, tmp_path / "moved")
        os.rename(link, folder)
        os.rename(tmp_path / "moved", link)

    return source_of(folder / "a.jpg", tmp_path / "root"), swap


@posix
def test_a_folder_that_becomes_a_link_before_the_file_is_opened_is_not_followed(
    swappable: tuple[Source, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, swap = swappable

    def swapping(path: str, root: str) -> str | None:
        real = real_path_inside(path, root)
        swap()
        return real

    monkeypatch.setattr("flask_images_vips.sources.source.real_path_inside", swapping)
    with pytest.raises(SourceChanged, match="gone"), source.open():
        pytest.fail("it was opened")
    with pytest.raises(SourceChanged, match="out of its folder"), source.open():
        pytest.fail("it was opened")


@posix
def test_a_folder_that_is_exchanged_for_a_link_all_the_time_shows_nothing_outside(
    swappable: tuple[Source, Callable[[], None]],
) -> None:
    source, swap = swappable
    ended = threading.Event()

    def exchange() -> None:
        for _ in range(share(10_000)):
            swap()
        ended.set()

    thread = threading.Thread(target=exchange)
    thread.start()
    while not ended.is_set():
        with suppress(SourceChanged), source.open() as descriptor:
            assert os.read(descriptor, 100) == b"a picture"
    thread.join()


@posix
def test_a_folder_that_may_be_entered_but_not_listed_is_enough(picture: Path) -> None:
    source = source_of(picture)
    picture.parent.chmod(0o300)
    try:
        with source.open() as descriptor:
            assert os.read(descriptor, 100) == b"a picture"
    finally:
        picture.parent.chmod(0o700)


@posix
def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SourceNotFound, match="regular"), source_of(tmp_path / "fifo").open():
        pytest.fail("it was opened")


@posix
def test_real_paths_are_inside_or_none(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "in").symlink_to("file")
    (tmp_path / "root" / "out").symlink_to("..")
    (tmp_path / "rooted").touch()
    root = str(tmp_path / "root")
    assert real_path_inside(f"{root}/in", root) == f"{os.path.realpath(root)}/file"
    assert real_path_inside(f"{root}/out/rooted", root) is None
    assert real_path_inside(str(tmp_path / "rooted"), root) is None
