"""What libvips reads a source from."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
import pyvips
from conftest import gradient

from flask_images_vips.engines.vips.input import CallbackFile, copy_of, hold, input_of

SUFFIXES = ("jpg", "png", "gif", "webp", "avif", "tif")


def opened(descriptor: int, *, maps_files: bool) -> pyvips.Image:
    source = input_of(descriptor, maps_files=maps_files)
    loader = pyvips.ffi.string(pyvips.vips_lib.vips_foreign_find_load_source(source.pointer)).decode()
    image = pyvips.Operation.call(loader, source, access="sequential")
    hold(image, source)
    return image


@pytest.fixture(params=SUFFIXES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / f"a.{request.param}"
    gradient((400, 300)).save(made)
    return made


def test_both_ways_give_the_same_pixels(path: Path) -> None:
    with path.open("rb") as file:
        made = [opened(file.fileno(), maps_files=maps).write_to_memory() for maps in (True, False)]
    assert made[0] == made[1]


@pytest.mark.skipif(sys.platform != "linux", reason="maps are listed in /proc")
def test_a_file_is_not_mapped_unless_it_may_be(path: Path) -> None:
    with path.open("rb") as file:
        image = opened(file.fileno(), maps_files=False)
        row = image.crop(0, 0, image.width, 1)
        assert str(path) not in Path("/proc/self/maps").read_text()
        row.write_to_memory()
        assert str(path) not in Path("/proc/self/maps").read_text()


def test_images_that_are_computed_keep_their_source(path: Path) -> None:
    with path.open("rb") as file:
        image = opened(file.fileno(), maps_files=False).invert()
        image = image.thumbnail_image(40, height=30, size="force")
        gc.collect()
        assert len(image.write_to_memory()) == 40 * 30 * image.bands


def test_the_position_of_the_descriptor_stays(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        file.seek(5)
        opened(file.fileno(), maps_files=False).write_to_memory()
        assert file.tell() == 5


def test_a_file_that_has_grown_ends_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"0123456789")
    with (tmp_path / "a.bin").open("r+b", buffering=0) as file:
        source = CallbackFile(file.fileno())
        file.seek(0, os.SEEK_END)
        file.write(bytes(10_000))
        assert (source.seek(0, os.SEEK_END), source.seek(0, os.SEEK_SET)) == (10, 0)
        assert [_read(source, 7), _read(source, 7), _read(source, 7)] == [b"0123456", b"789", b""]
        assert source.seek(-10, os.SEEK_CUR) == 0
        assert source.seek(-11, os.SEEK_END) == -1
        assert source.seek(50, os.SEEK_SET) == 50
        assert _read(source, 7) == b""


def test_a_file_that_has_shrunk_ends_early(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"0123456789")
    with (tmp_path / "a.bin").open("r+b", buffering=0) as file:
        source = CallbackFile(file.fileno())
        file.truncate(4)
        assert [_read(source, 7), _read(source, 7)] == [b"0123", b""]


def test_a_copy_stays_whole(path: Path) -> None:
    with path.open("r+b") as file:
        before = opened(file.fileno(), maps_files=False).write_to_memory()
        source = copy_of(file.fileno())
        file.truncate(100)
        assert pyvips.Image.new_from_source(source, "").write_to_memory() == before


def test_a_file_that_cannot_be_read_is_an_error(path: Path) -> None:
    with path.open("rb") as file:
        source = input_of(file.fileno(), maps_files=False)
    with pytest.raises(pyvips.Error):
        pyvips.Image.new_from_source(source, "")


def _read(source: CallbackFile, count: int) -> bytes:
    buffer = bytearray(count)
    return bytes(buffer[: source.read(buffer)])
