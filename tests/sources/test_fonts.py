"""The fonts of a site: where they are, and what happens if one changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from engines.lettering.conftest import dejavu, square_font

from flask_images_vips.config.keys import Config
from flask_images_vips.errors import ConfigError, SourceNotFound
from flask_images_vips.options.options import Options
from flask_images_vips.sources.fonts import Fonts, fonts_of

TEXT = Options.parse({"txt": "Hello"})


def fonts(root: Path, *files: str, **styles: object) -> Fonts:
    settings = {"IMAGES_FONTS": {"title": list(files)}, "IMAGES_TEXT_STYLES": {"default": styles}}
    return fonts_of(Config.read(settings), str(root))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "static" / "fonts").mkdir(parents=True)
    square_font(tmp_path / "static" / "fonts" / "a.ttf", "abc")
    return tmp_path


def test_a_font_is_found_in_images_path_in_the_application_and_by_an_absolute_path(root: Path) -> None:
    for path in ("fonts/a.ttf", "static/fonts/a.ttf", str(root / "static" / "fonts" / "a.ttf")):
        lettering = fonts(root, path).lettering(TEXT)
        assert lettering is not None
        with lettering.fonts[0].open() as descriptor:
            assert os.fstat(descriptor).st_size == lettering.fonts[0].size_bytes


def test_a_picture_without_a_text_needs_no_font(root: Path) -> None:
    assert fonts(root, "fonts/a.ttf").lettering(Options()) is None


def test_the_same_lettering_is_returned_until_a_file_changes(root: Path) -> None:
    found = fonts(root, "fonts/a.ttf")
    first = found.lettering(TEXT)
    assert found.lettering(TEXT, first) is first
    square_font(root / "static" / "fonts" / "a.ttf", "abcd")
    second = found.lettering(TEXT, first)
    assert first is not None
    assert second is not None
    assert (second.identity != first.identity, second.version != first.version) == (True, True)


def test_a_copy_of_the_file_and_another_host_have_the_same_version(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.ttf"
    copy.write_bytes((root / "static" / "fonts" / "a.ttf").read_bytes())
    one, other = (fonts(root, path).lettering(TEXT) for path in ("fonts/a.ttf", str(copy)))
    assert one is not None
    assert other is not None
    assert one.version == other.version


def test_another_style_has_another_version(root: Path) -> None:
    one, other = (fonts(root, "fonts/a.ttf", size=size).lettering(TEXT) for size in (20, 21))
    assert one is not None
    assert other is not None
    assert one.version != other.version


def test_a_font_that_is_missing_at_the_start_is_an_error(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"IMAGES_FONTS\['title'\]: there is no file .*b\.ttf"):
        fonts(root, "fonts/a.ttf", "fonts/b.ttf")


def test_a_web_font_is_an_error_that_says_what_to_do(root: Path) -> None:
    (root / "a.woff2").write_bytes(b"wOF2" + bytes(100))
    with pytest.raises(ConfigError, match="It is a web font: unpack it"):
        fonts(root, "a.woff2")


def test_a_font_that_is_removed_later_is_named(root: Path) -> None:
    found = fonts(root, "fonts/a.ttf")
    (root / "static" / "fonts" / "a.ttf").unlink()
    with pytest.raises(SourceNotFound, match=r"as a font"):
        found.lettering(TEXT)


def test_the_font_of_the_tests_is_one(root: Path) -> None:
    assert fonts(root, str(dejavu())).lettering(TEXT) is not None
