"""The photographs of the playground: they are large, they are credited, and they keep the wheel small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PHOTOGRAPHS, ROOT
from PIL import Image

from flask_images_vips.demo.photos import LARGE, PHOTOS, SMALL, Photo
from flask_images_vips.options.values import Region

MOST = 6_000_000  # bytes of the wheel


@pytest.mark.parametrize("photo", PHOTOS.values(), ids=lambda photo: photo.file)
def test_the_size_of_a_photograph_is_that_of_its_file(photo: Photo) -> None:
    with Image.open(PHOTOGRAPHS / photo.file) as image:
        sideways = image.getexif().get(0x0112, 1) >= 5
        assert photo.size == (image.size[::-1] if sideways else image.size)


def test_the_large_photographs_have_12_megapixels_and_more_and_come_first() -> None:
    assert len(LARGE) == 5
    assert all(photo.size[0] * photo.size[1] >= 12_000_000 for photo in LARGE)
    assert next(iter(PHOTOS)) == "lighthouse.jpg"


def test_every_file_is_listed_and_credited() -> None:
    files = {path.name for path in PHOTOGRAPHS.iterdir() if path.suffix != ".md"}
    assert files == {photo.file for photo in (*LARGE, *SMALL)}
    table = (PHOTOGRAPHS / "ATTRIBUTION.md").read_text("utf-8")
    for photo in PHOTOS.values():
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{photo.file}` |")]
        assert "CC0" in row or "public domain" in row


def test_the_regions_are_inside_their_photographs_and_have_captions() -> None:
    regions = [region for photo in LARGE for region in photo.regions]
    assert len(regions) == 55
    assert len({region.caption for region in regions}) == 55
    for region in regions:
        assert Region.parse(",".join(map(str, region.box))).fractions


def test_the_wheel_stays_small(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < MOST
