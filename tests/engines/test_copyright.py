"""Artist and Copyright are kept where that is asked for, and nothing else of EXIF is.

Where it says *engine*, each one is tested. Files are read by Pillow, and EXIF tag by tag.
"""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch, gradient
from flask import Flask
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from engines.test_engine import decoded, render
from flask_images_vips.engines.copyright import rights, rights_of_tiff
from flask_images_vips.engines.engine import Engine
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options

MakeApp = Callable[..., Flask]

ARTIST, COPYRIGHT = 0x013B, 0x8298
GPS, EXIF, THUMBNAILS = 0x8825, 0x8769, 1
# What libvips writes into every block of EXIF: orientation (1), resolution, and below it the version, the colour space
# and the rendition's own size. TIFF has its own tags of layout.
LAYOUT = {274, 282, 283, 296, EXIF}
LAYOUT_BELOW = {0x9000, 0x9101, 0xA000, 0xA001, 0xA002, 0xA003}
LAYOUT_OF_TIFF = {256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 338, 339}
WITH_METADATA = ("jpeg", "png", "webp", "avif", "tiff")
SECRET = "taken at my home"


def outputs(engine: Engine, *names: str) -> list[str]:
    return [name for name in names if not engine.refusal(Options(), by_name(name))]


def tags() -> Image.Exif:
    """EXIF with an author, a copyright, and what must not get out."""
    exif = Image.Exif()
    exif[ARTIST], exif[COPYRIGHT] = "Anna Bell", "(c) 2024 Anna Bell"
    exif[270] = exif[305] = SECRET
    exif.get_ifd(GPS).update({1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (11.0, 30.0, 0.0)})
    exif.get_ifd(EXIF).update({0x9003: "2024:05:06 07:08:09", 0x927C: SECRET.encode(), 0xA431: SECRET})
    return exif


def lay(path: Path, exif: Image.Exif, **save: Any) -> Path:
    if path.suffix == ".tif":
        info = ImageFileDirectory_v2()
        for number in (ARTIST, COPYRIGHT, 270, 305):
            if number in exif:
                info[number] = exif[number]
        save |= {"tiffinfo": info}
    else:
        save |= {"exif": exif}
    gradient((64, 48)).save(path, **save)
    assert SECRET.encode() in path.read_bytes()
    return path


def tags_of(data: bytes, engine: Engine) -> dict[int, Any]:
    """All tags of EXIF in a file, but for those of its layout. A place or a thumbnail fails the test."""
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        layout = LAYOUT_OF_TIFF if image.format == "TIFF" else LAYOUT if engine.name == "vips" else set()
        assert not {GPS, 0x8825} & exif.keys()
        assert not exif.get_ifd(GPS)
        assert not exif.get_ifd(THUMBNAILS)
        assert not exif.get_ifd(EXIF).keys() - (LAYOUT_BELOW if engine.name == "vips" else set())
        return {number: value for number, value in exif.items() if number not in layout}


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif", "tif"])
def test_copyright_and_artist_are_kept_and_nothing_else(engine: Engine, extension: str, tmp_path: Path) -> None:
    path = lay(tmp_path / f"a.{extension}", tags())
    for format in outputs(engine, *WITH_METADATA):
        data = render(engine, path, width=32, format=format, keep="copyright")
        assert tags_of(data, engine) == {ARTIST: "Anna Bell", COPYRIGHT: "(c) 2024 Anna Bell"}, format
        assert SECRET.encode() not in data
        assert not decoded(data).info.get("icc_profile")
        assert SECRET.encode() not in render(engine, path, width=32, format=format)
    for format in outputs(engine, "gif", "bmp", "ico"):
        assert b"Anna" not in render(engine, path, width=32, format=format, keep="copyright")


def test_a_turned_picture_keeps_its_copyright_and_is_turned_once(engine: Engine, tmp_path: Path) -> None:
    exif = tags()
    exif[0x0112] = 6
    for format in ("jpeg", "webp"):
        data = render(engine, lay(tmp_path / "a.jpg", exif), width=24, format=format, keep="copyright")
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (24, 32)
            assert image.getexif().get(0x0112, 1) == 1


def test_an_animation_keeps_its_copyright(engine: Engine, make_app: MakeApp, static: Path) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(static / "a.webp", save_all=True, append_images=frames[1:], exif=tags())
    made = fetch(make_app(IMAGES_ENGINE=engine.name), "a.webp", width=20, keep="copyright")
    assert made.n_frames == 3  # type: ignore[attr-defined]
    assert made.getexif()[COPYRIGHT] == "(c) 2024 Anna Bell"


def test_a_picture_without_rights_gets_no_block(engine: Engine, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270] = SECRET
    path = lay(tmp_path / "a.jpg", exif)
    plain, kept = (render(engine, path, width=32, keep=keep) for keep in (None, "copyright"))
    assert plain == kept


def test_letters_beyond_ascii_and_short_texts_are_kept(engine: Engine, tmp_path: Path) -> None:
    name, mine = "Анна Ó".encode(), b"me"
    entries = struct.pack(">HHI4s", ARTIST, 2, len(mine) + 1, mine + b"\0\0")
    entries += struct.pack(">HHII", COPYRIGHT, 2, len(name) + 1, 38)
    block = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + entries + bytes(4) + name + b"\0"
    gradient((64, 48)).save(tmp_path / "a.jpg", exif=block)
    for format in ("jpeg", "png", "webp", "avif"):
        data = render(engine, tmp_path / "a.jpg", width=32, format=format, keep="copyright")
        assert name in data, format
        assert tags_of(data, engine)[ARTIST] == "me", format


def test_rights_are_read_in_both_byte_orders_and_written_as_one() -> None:
    big, little = (
        b"Exif\0\0" + start + struct.pack(order + "IHHHI4sI", 8, 1, COPYRIGHT, 2, 3, b"me\0\0", 0)
        for order, start in ((">", b"MM\0*"), ("<", b"II*\0"))
    )
    assert rights(big) == rights(little) == big
    assert rights(b"Exif\0\0") is None
    assert rights(b"") is None


def test_a_block_with_changed_bytes_is_answered_without_an_error() -> None:
    chance, whole = random.Random(5), tags().tobytes()
    for length in range(len(whole)):
        assert rights(whole[:length]) is None or len(rights(whole[:length]) or b"") < 200
    for _ in range(5000):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        block = rights(bytes(changed))
        assert block is None or rights(block) == block


def test_the_rights_of_a_tiff_are_those_of_its_first_page() -> None:
    file = io.BytesIO()
    pages = [Image.new("L", (3, 2)) for _ in range(2)]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:], tiffinfo={COPYRIGHT: "(c) me", 270: SECRET})
    block = rights_of_tiff(file)
    assert block is not None
    assert b"(c) me" in block
    assert SECRET.encode() not in block
