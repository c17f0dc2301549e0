"""Pillow opens what is in use, upright, and for as long as it may."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import gradient
from PIL import Image

from engines.test_engine import exif
from flask_images_vips.engines.pillow.reader import Reader
from flask_images_vips.errors import LimitExceeded, UnreadableSource, UnsupportedSource
from flask_images_vips.formats import INPUTS
from flask_images_vips.geometry import ORIENTATIONS, Turn


def upright(path: Path, *, auto_orient: bool = True) -> tuple[tuple[int, int], Turn]:
    """The size of the picture as Pillow gives it, and the turn that makes it upright."""
    with path.open("rb") as file, Reader(INPUTS, auto_orient, 10).open(file.fileno(), path.name) as (image, turn):
        return image.size, turn


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_turn_is_the_one_that_is_left_to_do(orientation: int, tmp_path: Path) -> None:
    turn, tags = ORIENTATIONS[orientation], exif(orientation)
    picture = gradient((40, 30))
    for name in ("a.jpg", "a.png", "a.webp"):
        picture.save(tmp_path / name, exif=tags)
        assert upright(tmp_path / name) == ((40, 30), turn)
        assert upright(tmp_path / name, auto_orient=False) == ((40, 30), Turn())
    picture.save(tmp_path / "a.tif", tiffinfo={0x0112: orientation})
    assert upright(tmp_path / "a.tif")[1] == Turn()
    assert upright(tmp_path / "a.tif", auto_orient=False)[1] == turn.back
    picture.save(tmp_path / "a.avif", exif=tags)
    assert upright(tmp_path / "a.avif") == upright(tmp_path / "a.avif", auto_orient=False)


def test_only_the_formats_in_use_are_opened(tmp_path: Path) -> None:
    gradient((40, 30)).save(tmp_path / "a.jpg", "PNG")
    with (tmp_path / "a.jpg").open("rb") as file:
        with Reader(("png",), auto_orient=True, timeout=10).open(file.fileno(), "a.jpg") as (image, _):
            assert image.format == "PNG"
        others = Reader(("jpeg", "webp"), auto_orient=True, timeout=10)
        with pytest.raises(UnsupportedSource, match=r"'a\.jpg': the file is a PNG image; expected JPEG, WEBP \("):
            others.open(file.fileno(), "a.jpg").__enter__()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ValueError("odd"), UnreadableSource("a.png", "Pillow cannot decode it: ValueError: odd")),
        (
            AssertionError(),
            UnreadableSource(
                "a.png", "Pillow cannot decode it: AssertionError: in test_a_failure_means_a_broken_file()"
            ),
        ),
        (MemoryError(), MemoryError()),
        (LimitExceeded("{} pixels", 2, 1, set_by="a test"), LimitExceeded("{} pixels", 2, 1, set_by="a test")),
    ],
)
def test_a_failure_means_a_broken_file(error: Exception, raised: Exception, tmp_path: Path) -> None:
    gradient((40, 30)).save(tmp_path / "a.png")
    reader = Reader(INPUTS, auto_orient=True, timeout=10)
    with (tmp_path / "a.png").open("rb") as file:
        with pytest.raises(type(raised)) as caught, reader.open(file.fileno(), "a.png"):
            raise error
        assert str(caught.value) == str(raised)
        os.fstat(file.fileno())  # still open: it is the caller's


def test_a_file_is_read_for_so_long_only(tmp_path: Path) -> None:
    Image.effect_noise((300, 300), 60).save(tmp_path / "a.png")
    reader = Reader(INPUTS, auto_orient=True, timeout=-1)
    with (tmp_path / "a.png").open("rb") as file, pytest.raises(LimitExceeded, match="IMAGES_RENDER_TIMEOUT"):
        reader.open(file.fileno(), "a.png").__enter__()


def test_a_jpeg_with_much_between_its_segments_takes_too_many_steps(tmp_path: Path) -> None:
    gradient((40, 30)).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:2] + b"\xff" * 200_000 + data[2:])
    reader = Reader(INPUTS, auto_orient=True, timeout=10)
    with (tmp_path / "a.jpg").open("rb") as file, pytest.raises(LimitExceeded, match="steps"):
        reader.open(file.fileno(), "a.jpg").__enter__()


def test_the_limit_of_the_process_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    gradient((40, 30)).save(tmp_path / "a.png")
    with pytest.raises(UnreadableSource, match=r"twice PIL\.Image\.MAX_IMAGE_PIXELS"):
        upright(tmp_path / "a.png")


@pytest.mark.parametrize("maps_files", [True, False])
def test_a_tiff_is_mapped_only_if_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maps_files: bool) -> None:
    """libtiff maps a file whose descriptor it has. Without, Pillow hands over the bytes."""
    gradient((64, 48)).save(tmp_path / "a.tif", compression="tiff_lzw")
    passed = []
    plain = Image._getdecoder

    def get(mode: str, name: str, arguments: tuple[object, ...], *rest: object) -> object:
        passed.append(arguments)
        return plain(mode, name, arguments, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "_getdecoder", get)
    with (tmp_path / "a.tif").open("rb") as file:
        reader = Reader(INPUTS, auto_orient=True, timeout=10, maps_files=maps_files)
        with reader.open(file.fileno(), "a.tif") as (image, _):
            assert image.tobytes() == gradient((64, 48)).tobytes()
    # The descriptor is the last but one argument; Pillow before 13 passes one more in front of it.
    assert [bool(arguments[-2]) for arguments in passed] == [maps_files]
