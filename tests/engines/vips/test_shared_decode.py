"""Several renditions from one decode."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient
from PIL import Image

from engines.test_engine import exif, psnr, stored
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.engines.vips.reader import Reader
from flask_images_vips.errors import UnreadableSource
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Geometry, Size
from flask_images_vips.options.options import Options
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.local import LocalSources


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of each time that a source is opened."""
    calls: list[dict[str, Any]] = []
    plain = Reader.open

    def listening(self: Reader, descriptor: int, ref: str, **options: Any) -> Any:
        calls.append(options)
        return plain(self, descriptor, ref, **options)

    monkeypatch.setattr(Reader, "open", listening)
    return calls


def rendition(path: Path, format: str = "jpeg", **options: Any) -> Rendition:
    return Rendition(LocalSources([str(path.parent)]).find(path.name), Options(**options), by_name(format))


def pictures(files: list[bytes]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(data)) for data in files]


@pytest.mark.parametrize("sides", [[(300, 400), (150, 200)], [(300, 400), (285, 380), (75, 100)]])
def test_a_set_is_made_of_one_decode(
    sides: list[tuple[int, int]], tmp_path: Path, opened: list[dict[str, Any]]
) -> None:
    stored(gradient((1200, 1600)), 6).save(tmp_path / "a.jpg", quality=95, exif=exif(6))
    sizes = [Size(*each) for each in sides]
    wanted = rendition(tmp_path / "a.jpg", quality=95)
    with wanted.source.open() as descriptor:
        made = VipsEngine().render_set(descriptor, [(wanted, Geometry(size, size)) for size in sizes])
        assert opened == [{}, {"shrink": 2}]
        alone = [VipsEngine().render(descriptor, wanted, Geometry(size, size)) for size in sizes]
    assert [picture.size for picture in pictures(made)] == sizes
    for one, other in zip(pictures(made), pictures(alone), strict=True):
        assert psnr(one, other) >= 40


def test_copies_are_upright_and_of_the_format_or_tiff(tmp_path: Path, opened: list[dict[str, Any]]) -> None:
    sizes = [Size(80, 60), Size(40, 30)]
    for mode, format, kept in (("RGB", "jpeg", "JPEG"), ("RGB", "tiff", "TIFF"), ("RGBA", "jpeg", "TIFF")):
        path = tmp_path / "a.png"
        stored(gradient((160, 120)).convert(mode), 6).save(path, exif=exif(6))
        wanted = rendition(path)
        opened.clear()
        with wanted.source.open() as descriptor:
            geometry = Geometry(Size(20, 15), Size(20, 15))
            with VipsEngine().reduced(descriptor, wanted, geometry, sizes, format) as (files, render):
                copies, made = pictures(files), pictures([render(wanted)])
            assert made[0].size == geometry.final
        assert len(opened) == 1
        assert [(copy.format, copy.size) for copy in copies] == [(kept, (80, 60)), (kept, (40, 30))]
        assert {copy.getexif().get(0x0112, 1) for copy in copies} == {1}


def test_a_copy_is_decoded_as_much_reduced_as_its_largest_rendition(
    tmp_path: Path, opened: list[dict[str, Any]]
) -> None:
    gradient((1600, 1200)).save(tmp_path / "a.jpg")
    wanted, copy, largest = rendition(tmp_path / "a.jpg"), Size(500, 375), Size(400, 300)
    with wanted.source.open() as descriptor:
        for headroom, of_rendition, of_copy in (
            (1.8, [{}, {"shrink": 2}], [{}, {"shrink": 2}]),
            (3.0, [{}], [{}]),
            (1.0, [{}, {"shrink": 4}], [{}, {"shrink": 2}]),  # a quarter would be smaller than the copy
        ):
            engine = VipsEngine(headroom=headroom)
            opened.clear()
            engine.render(descriptor, wanted, Geometry(largest, largest))
            assert opened == of_rendition
            opened.clear()
            with engine.reduced(descriptor, wanted, Geometry(largest, largest), [copy], "tiff"):
                assert opened == of_copy


def test_a_copy_is_read_whatever_sources_may_be_and_never_broken(tmp_path: Path) -> None:
    gradient((80, 60)).save(tmp_path / "a.tif")
    wanted, geometry = rendition(tmp_path / "a.tif"), Geometry(Size(20, 15), Size(20, 15))
    engine = VipsEngine(inputs=("png",), fail_on="none")
    with wanted.source.open() as descriptor:
        (copy,) = pictures([engine.render_copy(descriptor, wanted, geometry)])
        assert copy.size == (20, 15)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: len(data) // 2])
    with (tmp_path / "a.tif").open("rb") as file, pytest.raises(UnreadableSource):
        engine.render_copy(file.fileno(), wanted, geometry)
