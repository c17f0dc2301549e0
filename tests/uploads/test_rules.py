"""Rules that no picture could meet are mistakes of the application, and are named."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips.config.keys import Config
from flask_images_vips.geometry import Size
from flask_images_vips.uploads.rules import Rules


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"formats": ["exe"]}, "'exe' is not accepted; expected some of jpeg"),
        ({"formats": "svg"}, "'svg' is not accepted"),
        ({"formats": ["tga"]}, "expected one that IMAGES_INPUT_FORMATS lists"),
        ({"formats": []}, "expected at least one format"),
        ({"min_size": (0, 5)}, r"min_size=\(0, 5\): expected \(width, height\)"),
        ({"max_size": (5, 5, 5)}, "max_size"),
        ({"max_size": -1}, "max_size"),
        ({"max_pixels": 0}, "max_pixels=0: expected a whole number"),
        ({"max_bytes": 2.5}, "max_bytes=2.5"),
        ({"min_size": 100, "max_size": 50}, "min_size=100 is more than max_size=50"),
        ({"convert": "svg"}, "convert='svg': expected one of"),
    ],
)
def test_a_rule_that_makes_no_sense_is_named(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rules(**rules).checked(Config())


def test_names_of_formats_have_aliases() -> None:
    assert Rules(formats=["JPG", "tif", "jpeg"]).checked(Config()).formats == ("jpeg", "tiff")


def test_no_more_bytes_are_read_than_a_source_may_have() -> None:
    assert Rules(max_bytes=10**12).checked(Config(max_source_bytes=1000)).max_bytes == 1000
    assert Rules(max_bytes=10).checked(Config()).max_bytes == 10


@pytest.mark.parametrize(
    ("size", "within"),
    [((1000, 10), (50, 1)), ((10, 1000), (1, 50)), ((50, 50), (50, 50)), ((300, 200), (50, 33)), ((49, 490), (5, 50))],
)
def test_a_reduced_size_has_the_same_shape_and_no_side_of_nothing(size: tuple[int, int], within: object) -> None:
    assert Rules(max_size=50).checked(Config()).within(Size(*size)) == within


def test_no_side_is_longer_than_that_of_the_format() -> None:
    rules = Rules(max_size=500, max_pixels=20_000).checked(Config())
    assert rules.within(Size(1000, 100), 100) == (100, 10)
    assert rules.within(Size(1000, 1000)) == (141, 141)
    assert all(rules.within(Size(width, 997)).pixels <= 20_000 for width in range(100, 1000, 7))
