"""JPEGs are decoded by libjpeg-turbo where it is installed, and nobody can tell by the pictures or the errors."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pyvips
from conftest import ROOT, gradient, sample
from PIL import Image

from engines.test_colour import display_p3_profile, gamma, grey_profile, srgb_profile
from engines.test_engine import exif, render, stored, whole
from engines.test_odd_files import lossless_jpeg
from engines.vips.test_shared_decode import rendition
from flask_images_vips.engines.vips import turbo
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.engines.vips.reader import Reader
from flask_images_vips.errors import ImagesError
from flask_images_vips.formats import INPUTS
from flask_images_vips.geometry import Geometry, Size

pytest.importorskip("simplejpeg", reason="pip install simplejpeg", exc_type=ImportError)


class Count:
    """How many JPEGs libjpeg-turbo was given, and how many it has decoded."""

    def __init__(self, decode: Callable[..., Any]) -> None:
        self.decode = decode
        self.asked = self.done = 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.asked += 1
        made = self.decode(*arguments, **options)
        self.done += 1
        return made


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    """Let this process decode as a renderer does."""
    monkeypatch.setattr(turbo, "_decode", None)
    turbo.load()
    monkeypatch.setattr(turbo, "_decode", Count(turbo._decode))
    return turbo._decode


def both(count: Count, path: Path, *, fail_on: str = "truncated", **wishes: Any) -> tuple[object, object]:
    """What libjpeg-turbo and what libvips alone make of the file at *path*: a file and a complaint, or an error."""
    found = []
    for decode in (count, None):
        turbo._decode = decode
        engine = VipsEngine(fail_on=fail_on)
        try:
            found.append((render(engine, path, **wishes), engine.complaint))
        except ImagesError as error:
            found.append((type(error), str(error)))
    return found[0], found[1]


PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("RGB", {}),
    "progressive": ("RGB", {"progressive": True}),
    "all colours": ("RGB", {"subsampling": "4:4:4"}),
    "half the colours": ("RGB", {"subsampling": "4:2:2"}),
    "RGB, not YCbCr": ("RGB", {"keep_rgb": True}),
    "grey": ("L", {}),
    "grey by its profile": ("L", {"icc_profile": grey_profile(gamma(1.8))}),
    "sRGB by its profile": ("RGB", {"icc_profile": srgb_profile()}),
    "Display P3": ("RGB", {"icc_profile": display_p3_profile()}),
    "with a thumbnail": ("RGB", {"exif": b"Exif\0\0MM\0*" + bytes(900) + b"\xff\xd8\xff\xd9"}),
    "with marks": ("RGB", {"restart_marker_blocks": 7}),
    "dense": ("RGB", {"dpi": (300, 300)}),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_the_files_are_the_same(kind: str, count: Count, photographs: Path, tmp_path: Path) -> None:
    mode, options = PICTURES[kind]
    picture = whole(photographs / "cat.jpg").convert(mode)
    for size in ((640, 427), (449, 299)):  # decoders round odd sides
        picture.resize(size).save(tmp_path / "a.jpg", quality=88, **options)
        # The decoded pictures are 1/1, 1/2, 1/4 and 1/8 as large.
        for width in (480, 120, 60, 20):
            one, other = both(count, tmp_path / "a.jpg", width=width)
            assert one == other, width
        for wishes in ({"region": (0.1, 0.1, 0.5, 0.5)}, {"format": "png"}, {"keep": "icc,copyright"}):
            one, other = both(count, tmp_path / "a.jpg", width=25, **wishes)
            assert one == other, wishes
    assert count.done == 14


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_pictures_are_the_same(orientation: int, count: Count, tmp_path: Path) -> None:
    stored(gradient((399, 301)), orientation).save(tmp_path / "a.jpg", quality=90, exif=exif(orientation))
    for wishes in ({"width": 50}, {"width": 30, "region": (0.2, 0.1, 0.5, 0.5)}, {"width": 40, "rotate": 90}):
        one, other = both(count, tmp_path / "a.jpg", **wishes)
        assert one == other
    assert count.done == 3


def test_copies_and_sets_are_the_same(count: Count, photographs: Path) -> None:
    wanted = rendition(photographs / "cat.jpg")
    made = []
    for decode in (count, None):
        turbo._decode = decode
        with wanted.source.open() as descriptor:
            sizes = [Size(120, 80), Size(60, 40)]
            members = [(wanted, Geometry(size, size)) for size in sizes]
            engine = VipsEngine()
            made.append(engine.render_set(descriptor, members))
            for format in ("tiff", "jpeg"):
                with engine.reduced(descriptor, wanted, members[0][1], sizes, format) as (copies, render):
                    made[-1] += [*copies, render(wanted)]
    assert made[0] == made[1]
    assert count.done == 3


def _cmyk(path: Path) -> None:
    gradient((400, 300)).convert("CMYK").save(path, quality=90)


def _lossless(path: Path) -> None:
    path.write_bytes(lossless_jpeg(gradient((400, 300)).convert("L")))


@pytest.mark.parametrize("save", [_cmyk, _lossless])
def test_other_jpegs_are_left_to_libvips(save: Callable[[Path], None], count: Count, tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    one, other = both(count, tmp_path / "a.jpg", width=50)
    assert one == other
    assert count.asked == 0


def test_only_so_many_pixels_are_decoded_at_once(count: Count, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient((401, 301)).save(tmp_path / "a.jpg")
    monkeypatch.setattr(turbo, "_MOST_PIXELS", 201 * 151)
    assert len(set(both(count, tmp_path / "a.jpg", width=100))) == 1
    assert count.done == 1
    monkeypatch.setattr(turbo, "_MOST_PIXELS", 201 * 151 - 1)
    assert len(set(both(count, tmp_path / "a.jpg", width=100))) == 1
    assert count.asked == 1


def test_the_memory_of_a_picture_is_used_again_but_not_too_early(count: Count, tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        Image.new("RGB", (400, 300), colour).save(tmp_path / f"{colour}.jpg")
    reader, plan = Reader(INPUTS, "truncated", auto_orient=True, headroom=1.8), Geometry(Size(100, 75), Size(100, 75))

    def loaded(colour: str) -> pyvips.Image:
        with (tmp_path / f"{colour}.jpg").open("rb") as file:
            return reader.load(file.fileno(), colour, plan, 1)

    red, blue = loaded("red").crop(0, 0, 9, 9), loaded("blue")
    assert [red(5, 5)[band] > 200 for band in (0, 2)] == [True, False]
    assert [blue(5, 5)[band] > 200 for band in (0, 2)] == [False, True]
    used = id(turbo._buffer)
    del red, blue
    loaded("red")
    assert id(turbo._buffer) == used
    assert count.done == 3


def test_a_lack_of_memory_is_left_to_libvips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(turbo, "_decode", lack)
    gradient((400, 300)).save(tmp_path / "a.jpg")
    assert render(VipsEngine(), tmp_path / "a.jpg", width=100)


# Broken files


def _broken(data: bytes, chance: random.Random) -> bytes:
    """*data* without a part, with other bytes, or both."""
    made = bytearray(data)
    for _ in range(chance.choice((0, 1, 1, 3, 20))):
        made[chance.randrange(len(made))] = chance.randrange(256)
    if chance.random() < 0.4:
        start = chance.randrange(2, len(made))
        del made[start : start + chance.choice((1, 2, 50, len(made)))]
    return bytes(made) + chance.choice((b"", b"", b"\xff\xd9", bytes(10)))


CASES = 3000


@pytest.mark.parametrize("fail_on", ["none", "truncated", "error", "warning"])
def test_broken_files_have_the_same_answers(fail_on: str, count: Count, photographs: Path, tmp_path: Path) -> None:
    chance, picture = random.Random(fail_on), whole(photographs / "cat.jpg").resize((151, 101))
    files = []
    for progressive in (False, True):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=80, progressive=progressive)
        files.append(file.getvalue())
    answers = set()
    for _ in sample(range(CASES), 25):
        (tmp_path / "a.jpg").write_bytes(_broken(chance.choice(files), chance))
        one, other = both(count, tmp_path / "a.jpg", fail_on=fail_on, width=30)
        assert one == other
        answers.add(isinstance(one[0], bytes))
    assert answers == {True, False}
    assert 0 < count.done < count.asked


# Where it is used


def test_only_a_process_that_loads_it_uses_it() -> None:
    code = """
import sys
from pathlib import Path
from engines.test_engine import render
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.engines.vips.reader import Reader

assert render(VipsEngine(maps_files=True), Path(sys.argv[1]), width=100)
assert "simplejpeg" not in sys.modules
"""
    path = ROOT / "flask_images_vips/demo/static/photos/earth.jpg"
    subprocess.run([sys.executable, "-c", code, path], cwd=ROOT / "tests", check=True)


def test_without_it_libvips_decodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(turbo, "_decode", None)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)  # the import then fails as if it were not installed
    turbo.load()
    assert turbo._decode is None
    gradient((400, 300)).save(tmp_path / "a.jpg")
    assert render(VipsEngine(), tmp_path / "a.jpg", width=100)
