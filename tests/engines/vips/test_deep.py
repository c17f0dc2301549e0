"""An AVIF of 10 or 12 bits has finer steps than one of 8 bits can have, through all steps of a render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import gradient
from PIL import Image

from engines.test_colour import display_p3_profile
from engines.test_engine import exif, header_size, psnr, stored
from flask_images_vips.engines.engine import Engine
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips import abilities
from flask_images_vips.engines.vips.deep import in_8_bits, in_16_bits
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.engines.vips.load import pyvips
from flask_images_vips.formats import FORMATS, by_name
from flask_images_vips.geometry import lay_out
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.local import LocalSources

SIZE = (1024, 32)


@pytest.fixture(autouse=True)
def _is_written() -> None:
    if not abilities.writes_deep_avif():
        pytest.skip(f"libvips {abilities.version_name()} does not write AVIF with more than 8 bits")


@pytest.fixture
def engine() -> Engine:
    return VipsEngine()


def render(engine: Engine, path: Path, **wishes: Any) -> bytes:
    options = Options.parse(write_query(wishes))
    source = LocalSources([str(path.parent)]).find(path.name)
    mark = None
    if options.watermark is not None:
        mark = LocalSources([str(path.parent)]).find(options.watermark.ref)
    mark_size = None if mark is None else header_size(engine, Path(mark.path))
    geometry = lay_out(header_size(engine, path), options, mark=mark_size)
    with source.open() as descriptor:
        assert options.format is not None
        return engine.render(descriptor, Rendition(source, options, options.format, watermark=mark), geometry)


def slope(low: int = 10_000, high: int = 14_000) -> Any:
    """A gradient in grey of 16 bits, within 16 levels of 8 bits. Each pixel has a level of its own."""
    row = np.linspace(low, high, SIZE[0]).astype(np.uint16)
    return pyvips.Image.new_from_array(np.tile(row[None, :, None], (SIZE[1], 1, 3))).copy(interpretation="rgb16")


def levels(data: bytes) -> Any:
    """The levels of an AVIF, from 0 to 65,535, as an array."""
    image = pyvips.Image.new_from_buffer(data, "")
    return in_16_bits(image).numpy()


def steps(data: bytes) -> int:
    """The number of levels in the red of an AVIF."""
    return len(np.unique(levels(data)[..., 0]))


@pytest.mark.parametrize(("depth", "least"), [(8, 14), (10, 55), (12, 220)])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_gradient_keeps_its_steps(depth: int, least: int, name: str, engine: Engine, tmp_path: Path) -> None:
    slope().write_to_file(tmp_path / name)
    made = steps(render(engine, tmp_path / name, format="avif", depth=depth, quality=95, width=512))
    assert least <= made <= 1.3 * least


def test_a_gradient_over_all_levels_has_more_than_256_of_them(engine: Engine, tmp_path: Path) -> None:
    slope(0, 65_535).write_to_file(tmp_path / "a.png")
    data = render(engine, tmp_path / "a.png", format="avif", depth=10, quality=95, width=900)
    assert steps(data) > 700
    wanted = slope(0, 65_535).resize(900 / 1024).numpy()
    assert np.abs(levels(data)[10, ..., 0] - wanted[10, ..., 0].astype(float)).mean() < 100


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.png"])
def test_a_source_of_8_bits_is_scaled_with_finer_steps(name: str, engine: Engine, tmp_path: Path) -> None:
    row = np.tile(np.linspace(40, 56, 1021).astype(np.uint8), (33, 1))
    Image.merge("RGB", [Image.fromarray(row)] * 3).save(tmp_path / name, quality=95)
    fine, coarse = (
        steps(render(engine, tmp_path / name, format="avif", depth=depth, quality=98, width=200)) for depth in (10, 8)
    )
    assert fine > 2 * coarse


def test_an_avif_keeps_its_depth(engine: Engine, tmp_path: Path) -> None:
    slope().write_to_file(tmp_path / "a.avif", bitdepth=12, Q=98, subsample_mode="off")
    assert steps(render(engine, tmp_path / "a.avif", format="avif", depth=12, quality=95, width=512)) > 200


@pytest.mark.parametrize(
    "wishes",
    [
        {"blur": 1},
        {"brightness": 1.1},
        {"saturation": 0.5},
        {"grayscale": True},
        {"sharpen": "1,50,1"},
        {"mode": "pad", "height": 600, "background": "#336699"},
        {"padding": 4, "border": "2,#336699"},
        {"radius": 8},
        {"rotate": 90, "flip": "h"},
        {"mode": "crop", "height": 16},
        {"region": (0.25, 0, 0.5, 1)},
        {"width": 1400, "enlarge": True},
    ],
)
def test_steps_of_a_render_keep_the_levels_and_look_as_with_8_bits(wishes: Any, engine: Engine, tmp_path: Path) -> None:
    slope().write_to_file(tmp_path / "a.png")
    wishes = {"format": "avif", "quality": 95, "width": 512, **wishes}
    deep, shallow = (render(engine, tmp_path / "a.png", depth=depth, **wishes) for depth in (12, 8))
    assert steps(deep) > 90
    one, other = levels(deep).astype(float) / 257, levels(shallow).astype(float) / 257
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 1


def test_a_turned_picture_a_profile_and_alpha_come_out_as_with_8_bits(engine: Engine, tmp_path: Path) -> None:
    picture = gradient((96, 64))
    stored(picture, 6).save(tmp_path / "turned.jpg", exif=exif(6), quality=95)
    picture.save(tmp_path / "p3.png", icc_profile=display_p3_profile())
    picture.convert("L").save(tmp_path / "grey.png")
    clear = picture.copy()
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    clear.save(tmp_path / "clear.png")
    clear.save(tmp_path / "clear p3.png", icc_profile=display_p3_profile())
    picture.convert("CMYK").save(tmp_path / "inks.jpg", quality=95)
    for name in ("turned.jpg", "p3.png", "grey.png", "clear.png", "clear p3.png", "inks.jpg"):
        for wishes in ({"width": 48}, {}, {"width": 120, "enlarge": True}, {"width": 48, "keep": "icc"}):
            deep, shallow = (
                pyvips.Image.new_from_buffer(
                    render(engine, tmp_path / name, format="avif", depth=depth, quality=95, **wishes), ""
                )
                for depth in (10, 8)
            )
            assert deep.format == "ushort"
            assert (deep.bands, deep.hasalpha()) == (shallow.bands, shallow.hasalpha()), name
            assert bool(deep.get_typeof("icc-profile-data")) == bool(shallow.get_typeof("icc-profile-data"))
            pictures = [Image.fromarray(in_8_bits(each).numpy().squeeze()) for each in (deep, shallow)]
            assert psnr(*pictures) > 37, (name, wishes)


def test_a_watermark_is_drawn_as_with_8_bits(engine: Engine, tmp_path: Path) -> None:
    slope().write_to_file(tmp_path / "a.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "mark.png")
    wishes: Any = {"format": "avif", "quality": 95, "watermark": "mark.png,e,0,1"}
    deep, shallow = (levels(render(engine, tmp_path / "a.png", depth=depth, **wishes)) for depth in (10, 8))
    assert np.abs(deep.astype(float) - shallow).mean() < 257
    assert deep[16, -4, 0] > 60_000
    assert deep[16, -4, 1] < 10_000


def test_other_formats_ignore_the_depth(engine: Engine, tmp_path: Path) -> None:
    gradient((64, 48)).save(tmp_path / "a.png")
    for format in ("jpeg", "png", "webp", "gif"):
        plain, other = (render(engine, tmp_path / "a.png", format=format, depth=depth) for depth in (8, 10))
        assert plain == other


def test_pillow_says_that_it_cannot() -> None:
    refusal = PillowEngine().refusal(Options(depth=10), by_name("avif"))
    assert refusal is not None
    assert refusal.expected == "8 (Pillow writes no AVIF with more bits)"
    assert not any(PillowEngine().refusal(Options(depth=10), format) for format in FORMATS if format.name != "avif")


def test_without_loss_all_bits_of_12_are_kept(engine: Engine, tmp_path: Path) -> None:
    slope().write_to_file(tmp_path / "a.png")
    made = levels(render(engine, tmp_path / "a.png", format="avif", depth=12, lossless=True))
    assert np.abs(made.astype(int) - slope().numpy()).max() < 40
