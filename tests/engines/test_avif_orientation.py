"""Which way up is an AVIF? As ``irot`` and ``imir`` say, whatever EXIF says: for pixels, sizes, copies and sets.

ISO/IEC 23008-12 makes the two a part of the format, and EXIF's orientation a mere statement about the camera. Browsers
follow it: see `test_browser`.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import LONG, fetch, gradient
from flask import Flask
from PIL import Image
from shared_decode.test_copies import copies_of, start, told
from shared_decode.test_sets import candidates

from engines.test_engine import ORIENTATION, MakeApp, decoded, header_size, psnr, render, rendered
from flask_images_vips import resized_img_attrs, resized_img_size, resized_img_srcset
from flask_images_vips.engines.engine import Engine
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips.engine import VipsEngine

__all__ = ["start", "told"]  # fixtures

SIZE = (192, 128)
LARGE = (2000, 1200)  # enough for a copy
_HIDDEN = 0x0113  # stands for ORIENTATION while Pillow writes, which makes irot and imir of that
_COPYRIGHT = 0x8298
# Pillow writes irot and imir where it needs them; their values are then replaced.
_WRITES = {(False, False): 1, (False, True): 2, (True, False): 6, (True, True): 5}


class Turned(NamedTuple):
    """The properties that turn an AVIF: quarters counterclockwise, then mirrored, 0 top to bottom, 1 left to right."""

    irot: int | None = None
    imir: int | None = None

    def upright(self, stored: Image.Image) -> Image.Image:
        pixels = np.rot90(np.asarray(stored), self.irot or 0)
        if self.imir is not None:
            pixels = np.flip(pixels, axis=self.imir)
        return Image.fromarray(np.ascontiguousarray(pixels))


TURNS = list(itertools.starmap(Turned, itertools.product((None, 0, 1, 2, 3), (None, 0, 1))))
EXIF_ORIENTATIONS = range(1, 9)


def some_turns(exif_orientation: int) -> list[Turned]:
    """The turns to try with an orientation: all in a long run, otherwise a quarter, and each with two orientations."""
    return TURNS if LONG else TURNS[exif_orientation % 4 :: 4]


@cache
def avif(turned: Turned, exif_orientation: int, size: tuple[int, int] = SIZE) -> bytes:
    """A gradient stored at *size*, with the boxes of *turned* and EXIF's own orientation beside them."""
    tags = Image.Exif()
    tags[ORIENTATION] = _WRITES[turned.irot is not None, turned.imir is not None]
    tags[_HIDDEN], tags[_COPYRIGHT] = exif_orientation, "mine"
    file = io.BytesIO()
    gradient(size).save(file, "AVIF", exif=tags.tobytes(), quality=95, speed=10)
    data = file.getvalue()
    hidden = struct.pack(">HH", _HIDDEN, 3)  # a short
    assert data.count(hidden) == 1
    data = data.replace(hidden, struct.pack(">HH", ORIENTATION, 3))
    for box, value in (b"irot", turned.irot), (b"imir", turned.imir):
        assert data.count(box) == (value is not None)
        if value is not None:
            at = data.index(box) + len(box)
            data = data[:at] + bytes([value]) + data[at + 1 :]
    return data


ENGINES: dict[str, Callable[..., Engine]] = {
    "vips": VipsEngine,
    "vips, decoded by libvips": lambda **more: VipsEngine(fail_on="error", **more),
    "pillow": PillowEngine,
}


@pytest.fixture(params=ENGINES)
def make_engine(request: pytest.FixtureRequest) -> Callable[..., Engine]:
    return ENGINES[request.param]


@pytest.mark.parametrize("exif_orientation", EXIF_ORIENTATIONS)
@pytest.mark.parametrize("auto_orient", [True, False])
def test_only_its_own_boxes_turn_it(
    make_engine: Callable[..., Engine], auto_orient: bool, exif_orientation: int, tmp_path: Path
) -> None:
    engine, path = make_engine(auto_orient=auto_orient), tmp_path / "a.avif"
    for turned in some_turns(exif_orientation):
        path.write_bytes(avif(turned, exif_orientation))
        upright = turned.upright(gradient(SIZE))
        assert header_size(engine, path) == upright.size, turned
        assert psnr(rendered(engine, path), upright) > 36, turned
        small = upright.resize((upright.width // 4, upright.height // 4), Image.Resampling.LANCZOS)
        assert psnr(rendered(engine, path, width=small.width), small) > 36, turned


@pytest.mark.parametrize("exif_orientation", EXIF_ORIENTATIONS)
def test_its_rights_are_kept_without_its_orientation(
    make_engine: Callable[..., Engine], exif_orientation: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.avif"
    path.write_bytes(avif(Turned(irot=1), exif_orientation))
    for format in ("jpeg", "webp", "avif"):
        with Image.open(io.BytesIO(render(make_engine(), path, format=format, keep="copyright"))) as made:
            assert made.size == (128, 192)
            assert made.getexif()[_COPYRIGHT] == "mine"
            assert made.getexif().get(ORIENTATION, 1) == 1


def tag_size(app: Flask, name: str, **wishes: Any) -> tuple[int, int]:
    """The size that a page states, as a size and in a tag: both are one."""
    with app.test_request_context():
        size, attributes = resized_img_size(name, **wishes), resized_img_attrs(name, **wishes)
    assert size is not None
    assert (attributes["width"], attributes["height"]) == (size.width, size.height)
    return size.width, size.height


@pytest.mark.parametrize("engine", ["vips", "pillow"])
@pytest.mark.parametrize("exif_orientation", [1, 3, 6, 8])
def test_pages_state_the_size_that_is_sent_and_parts_are_of_the_upright_picture(
    make_app: MakeApp, static: Path, engine: str, exif_orientation: int
) -> None:
    app = make_app(IMAGES_ENGINE=engine)
    for number, turned in enumerate(some_turns(exif_orientation)):
        name = f"{number}.avif"
        (static / name).write_bytes(avif(turned, exif_orientation))
        upright = turned.upright(gradient(SIZE))
        width, height = upright.size
        for wishes, box in (
            ({}, (0, 0, width, height)),
            ({"region": (0.5, 0, 0.5, 1)}, (width // 2, 0, width, height)),
            ({"region": (0, 0.25, 1, 0.25)}, (0, height // 4, width, height // 2)),
        ):
            reference = upright.crop(box)
            half = reference.resize((reference.width // 2, reference.height // 2), Image.Resampling.LANCZOS)
            asked: dict[str, Any] = {"width": half.width, "format": "png", **wishes}
            made = fetch(app, name, **asked)
            assert tag_size(app, name, **asked) == made.size == half.size, turned
            assert psnr(made, half) > 36, turned


LARGE_ONES = [
    (Turned(), 6),
    (Turned(irot=1), 3),
    (Turned(irot=2), 6),
    (Turned(imir=0), 3),
    (Turned(irot=3, imir=1), 6),
]


@pytest.mark.parametrize(("turned", "exif_orientation"), LARGE_ONES, ids=str)
def test_its_copies_are_upright(
    make_app: MakeApp, static: Path, turned: Turned, exif_orientation: int, told: Callable[[], list[str]]
) -> None:
    (static / "large.avif").write_bytes(avif(turned, exif_orientation, LARGE))
    app = make_app()
    upright = turned.upright(gradient(LARGE))
    for width in (500, 400, 300):
        made = fetch(app, "large.avif", width=width, format="png")
        assert made.size == tag_size(app, "large.avif", width=width)
        assert made.size == (width, upright.height * width // upright.width)
        assert psnr(made, upright.resize(made.size, Image.Resampling.LANCZOS)) > 36
    assert len(copies_of(app)) == 1
    assert told()[-1] == "vips from a copy"


@pytest.mark.parametrize(("turned", "exif_orientation"), LARGE_ONES, ids=str)
def test_the_members_of_its_sets_are_upright(
    make_app: MakeApp, static: Path, turned: Turned, exif_orientation: int, told: Callable[[], list[str]]
) -> None:
    (static / "large.avif").write_bytes(avif(turned, exif_orientation, LARGE))
    app = make_app()
    upright = turned.upright(gradient(LARGE))
    with app.test_request_context():
        srcset = resized_img_srcset("large.avif", width=400, widths=(320, 480, 640, 960), quality=95, format="jpeg")
    for url, width in candidates(f'srcset="{srcset}"'):
        made = decoded(app.test_client().get(url).data)
        assert made.size == (width, upright.height * width // upright.width)
        assert psnr(made, upright.resize(made.size, Image.Resampling.LANCZOS)) > 36
    assert told() == ["vips"]
