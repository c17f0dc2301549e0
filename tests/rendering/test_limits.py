"""Limits are checked on the header, before a pixel is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.config.keys import Config
from flask_images_vips.engines.engine import Header
from flask_images_vips.errors import LimitExceeded
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Size
from flask_images_vips.options.options import Options
from flask_images_vips.rendering.limits import Limits
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.source import Source

SOURCE = Source("a.png", "/", "/a.png", 1000, 1)


def limits(**config: Any) -> Limits:
    return Limits(Config.read({f"IMAGES_{name.upper()}": value for name, value in config.items()}))


def plan(limits: Limits, header: Header, format: str = "png", *, mark: Header | None = None, **of: Any) -> Any:
    rendition = Rendition(SOURCE, Options(**of), by_name(format))
    return limits.plan(rendition, header, trimmed=None, mark=mark)


def test_a_plan_within_all_limits_is_the_geometry() -> None:
    assert plan(limits(), Header(Size(400, 200), "png"), width=100).final == (100, 50)


@pytest.mark.parametrize(
    ("config", "asked", "what"),
    [
        ({"max_source_pixels": 79_999}, {}, "IMAGES_MAX_SOURCE_PIXELS"),
        ({"max_source_pixels": 100_000}, {"mark": Header(Size(400, 300), "png")}, "IMAGES_MAX_SOURCE_PIXELS"),
        ({"max_output_pixels": 4999}, {"width": 100}, "IMAGES_MAX_OUTPUT_PIXELS"),
        ({"max_width": 99}, {"width": 100}, "IMAGES_MAX_WIDTH"),
        ({"max_height": 49}, {"width": 100}, "IMAGES_MAX_HEIGHT"),
    ],
)
def test_what_exceeds_a_limit_is_refused_and_the_key_is_named(
    config: dict[str, Any], asked: dict[str, Any], what: str
) -> None:
    with pytest.raises(LimitExceeded, match=what):
        plan(limits(**config), Header(Size(400, 200), "png"), **asked)


def test_a_format_limits_the_longest_side() -> None:
    with pytest.raises(LimitExceeded, match="webp"):
        plan(
            limits(max_width=20_000), Header(Size(17_000, 10), "png"), format="webp", width=17_000
        )  # WebP ends at 16,383


def test_a_frame_that_is_decoded_as_a_whole_may_have_half_of_the_pixels() -> None:
    limit = limits(max_source_pixels=80_000)
    limit.check_source(Header(Size(400, 200), "jpeg"))
    limit.check_source(Header(Size(200, 200), "gif", frames=9, whole=True))
    with pytest.raises(LimitExceeded):
        limit.check_source(Header(Size(400, 200), "gif", whole=True))


def test_a_side_may_not_be_so_long_that_a_few_rows_take_much_memory() -> None:
    limits().check_source(Header(Size(100_000, 3), "png"))
    limits(max_source_pixels=10**8).check_source(Header(Size(3, 200_000), "png"))
    for size in (Size(100_001, 3), Size(3, 100_001)):
        with pytest.raises(LimitExceeded, match="a side"):
            limits().check_source(Header(size, "png"))


@pytest.mark.parametrize(
    ("header", "options", "format", "frames"),
    [
        (Header(Size(10, 10), "gif", frames=5), Options(), "gif", 5),
        (Header(Size(10, 10), "gif", frames=5), Options(), "webp", 5),
        (Header(Size(10, 10), "gif", frames=5), Options(), "png", 1),
        (Header(Size(10, 10), "gif", frames=5), Options(animated=False), "gif", 1),
        (Header(Size(10, 10), "gif", frames=7), Options(), "gif", 1),
        (Header(Size(10, 100), "gif", frames=6), Options(), "gif", 1),
    ],
)
def test_an_animation_is_rendered_with_all_its_frames_or_as_a_still(
    header: Header, options: Options, format: str, frames: int
) -> None:
    assert limits(max_frames=6, max_source_pixels=5999).frames(header, options, by_name(format)) == frames


@pytest.mark.parametrize(("most", "frames"), [(25_000, 5), (24_999, 1)])
def test_an_animation_becomes_a_still_where_its_frames_would_have_too_many_pixels(most: int, frames: int) -> None:
    limit, header, gif = limits(max_output_pixels=most), Header(Size(400, 200), "gif", frames=5), by_name("gif")
    geometry = plan(limit, header, "gif", width=100)
    assert limit.frames(header, Options(width=100), gif, geometry) == frames


def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    source = Source("a.png", str(tmp_path), str(tmp_path / "missing.png"), 1001, 1)
    with pytest.raises(LimitExceeded, match="IMAGES_MAX_SOURCE_BYTES"):
        limits(max_source_bytes=1000).open(source)
