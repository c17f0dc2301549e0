"""The keys about text on pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.config.fonts import MOST_FONTS, fonts, text_styles
from flask_images_vips.errors import ConfigError


def test_a_font_is_one_file_or_several() -> None:
    found = fonts("IMAGES_FONTS", {"a": "x.ttf", "b": ["y.ttf", Path("z.otf")]})
    assert found == {"a": ("x.ttf",), "b": ("y.ttf", "z.otf")}
    assert fonts("IMAGES_FONTS", None) is None


@pytest.mark.parametrize("value", ["x.ttf", ["x.ttf"], {"a": []}, {"a": ["x"] * (MOST_FONTS + 1)}, {1: "x"}, {"a": ""}])
def test_anything_else_is_an_error_that_says_what_is_expected(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"fonts/Inter\.ttf"):
        fonts("IMAGES_FONTS", value)


@pytest.mark.parametrize("value", ["card", ["card"], {"card": 3}])
def test_styles_are_a_mapping_of_mappings(value: Any) -> None:
    with pytest.raises(ConfigError, match="IMAGES_TEXT_STYLES"):
        text_styles("IMAGES_TEXT_STYLES", value)
