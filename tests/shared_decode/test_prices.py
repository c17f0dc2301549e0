"""Copies are made where they cost less than they save, by the prices of decoders."""

from __future__ import annotations

import pytest

from flask_images_vips.config.keys import Config
from flask_images_vips.engines.engine import Header
from flask_images_vips.geometry import Size
from flask_images_vips.shared_decode.copies import copy_sizes, usable_sizes
from flask_images_vips.shared_decode.prices import pays

ALWAYS, LATER, NEVER = "with the first rendition", "with a later one", "never"


def made(source: tuple[int, int], format: str, width: int, headroom: float = Config().headroom, **more: bool) -> str:
    """When the smallest copy for a rendition is made, or all copies of what is decoded whole."""
    header, scaled = Header(Size(*source), format, **more), Size(width, round(width * source[1] / source[0]))
    sizes = copy_sizes(header)
    copies = sizes if format in ("png", "avif", "tiff") else [min(usable_sizes(sizes, scaled))]
    at_first, later = (pays(header, scaled, copies, headroom, lone=lone) for lone in (True, False))
    assert later or not at_first
    return ALWAYS if at_first else LATER if later else NEVER


@pytest.mark.parametrize(
    ("source", "format", "small", "large"),
    [
        ((6000, 4000), "jpeg", LATER, LATER),
        ((4032, 3024), "jpeg", LATER, LATER),
        ((3000, 2000), "jpeg", NEVER, NEVER),  # decoded in less time than a copy of it takes to store
        ((4062, 2708), "webp", LATER, LATER),
        ((6000, 4000), "webp", ALWAYS, LATER),
        ((6000, 4000), "png", ALWAYS, ALWAYS),
        ((3000, 2000), "png", LATER, LATER),
        ((6000, 4000), "avif", ALWAYS, ALWAYS),
        ((3000, 2000), "avif", LATER, LATER),
        ((6000, 4000), "tiff", LATER, LATER),
        ((3000, 2000), "tiff", NEVER, NEVER),
    ],
)
def test_copies_are_made_where_they_save_more_than_they_cost(
    source: tuple[int, int], format: str, small: str, large: str
) -> None:
    assert (made(source, format, 320), made(source, format, 1280)) == (small, large)


def test_a_decoder_that_shrinks_as_much_for_the_copy_makes_it_cheap() -> None:
    assert (made((6000, 4000), "jpeg", 640), made((6000, 4000), "jpeg", 400)) == (ALWAYS, LATER)
    assert made((3000, 2000), "jpeg", 640) == LATER


def test_a_webp_with_alpha_is_decoded_whole() -> None:
    assert (made((4062, 2708), "webp", 1280, alpha=True), made((4062, 2708), "webp", 1280)) == (ALWAYS, LATER)


def test_a_smaller_headroom_makes_the_rendition_itself_cheaper() -> None:
    assert (made((6000, 4000), "jpeg", 640), made((6000, 4000), "jpeg", 640, headroom=1.0)) == (ALWAYS, LATER)
    assert (made((6000, 4000), "jpeg", 1280), made((6000, 4000), "jpeg", 1280, headroom=1.0)) == (LATER, NEVER)
