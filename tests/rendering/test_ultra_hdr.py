"""An Ultra HDR JPEG is one file of two JPEGs, which other programs understand."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from conftest import needs
from PIL import Image

from flask_images_vips.headers import xmp
from flask_images_vips.rendering.ultra_hdr import joined
from rendering.ultra_hdr_files import DATA, MAP_SIZE, SIZE, coordinates, jpeg, ramp, segment, taken_apart, ultra_hdr

XMP = b"http://ns.adobe.com/xap/1.0/\0"


def test_pillow_takes_it_for_a_picture(tmp_path: Path) -> None:
    """Not for one of several pictures (MPO)."""
    (tmp_path / "a.jpg").write_bytes(ultra_hdr(coordinates(SIZE), ramp(MAP_SIZE)))
    with Image.open(tmp_path / "a.jpg") as image:
        assert (image.format, image.size) == ("JPEG", SIZE)
        assert image.info["mpoffset"]


def test_exiftool_finds_the_map_by_mpf_and_by_the_container(tmp_path: Path) -> None:
    needs("exiftool", shutil.which("exiftool"), "apt-get install libimage-exiftool-perl")
    (tmp_path / "a.jpg").write_bytes(ultra_hdr(coordinates(SIZE), ramp(MAP_SIZE)))
    command = ["exiftool", "-j", "-n", "-struct", "-validate", "-warning", "-MPF:all", "-XMP:all", tmp_path / "a.jpg"]
    (found,) = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert found.get("Warning", "[minor]").startswith("[minor]")
    assert found["NumberOfImages"] == 2
    assert found["MPImageStart"] + found["MPImageLength"] == (tmp_path / "a.jpg").stat().st_size
    picture, gain_map = (entry["Item"] for entry in found["Directory"])
    assert (picture["Semantic"], gain_map["Semantic"]) == ("Primary", "GainMap")
    assert gain_map["Length"] == found["MPImageLength"]


def test_what_the_picture_has_stays_in_it(tmp_path: Path) -> None:
    """EXIF stays in front, a profile stays, and XMP is extended, because a JPEG has only one."""
    own = xmp.packet(xmp.description({"dc": "http://purl.org/dc/elements/1.1/"}, ['dc:creator="Anna"'])).encode()
    tags = Image.Exif()
    tags[0x8298] = "(c) Anna"
    plain = jpeg(coordinates(SIZE), exif=tags, icc_profile=b"a profile")
    end_of_exif = plain.index(b"Exif\0\0") + int.from_bytes(plain[plain.index(b"Exif\0\0") - 2 :][:2], "big") - 2
    picture = plain[:end_of_exif] + segment(0xE1, XMP + own) + plain[end_of_exif:]
    made = joined(picture, jpeg(ramp(MAP_SIZE)), DATA)
    found, _, data = taken_apart(made, tmp_path)
    assert data == DATA
    assert found.getexif()[0x8298] == "(c) Anna"
    assert found.info["icc_profile"] == b"a profile"
    texts = found.info["xmp"]
    assert b"Anna" in texts
    assert [item.semantic for item in xmp.container_items(texts)] == ["Primary", "GainMap"]
    assert made[: len(made) - len(jpeg(ramp(MAP_SIZE)))].count(XMP) == 2  # one in each JPEG
