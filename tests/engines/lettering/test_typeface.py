"""Measuring and drawing letters with a chain of fonts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image, features

from engines.lettering.conftest import dejavu, typeface
from flask_images_vips.engines.lettering import typeface as module
from flask_images_vips.engines.lettering.letters import letters
from flask_images_vips.engines.lettering.typeface import Pieces


def drawn(fonts: list[Path], text: str, *, right_to_left: bool = False) -> Pieces:
    pieces = Pieces(Image.new("L", (400, 60)), [])
    with typeface(fonts) as face:
        face.draw(pieces, letters(text), (10, 45), 40, right_to_left=right_to_left)
    return pieces


def test_widths_grow_with_the_size(fonts: list[Path]) -> None:
    with typeface(fonts) as face:
        line = letters("Hello, 日本 😀")
        assert face.width(line, 50) == pytest.approx(50 * face.measure(line), rel=0.03)


def test_a_letter_is_drawn_by_the_first_font_that_has_it(fonts: list[Path]) -> None:
    with typeface(fonts) as face:
        assert face.measure(["日"]) == 1
        assert face.measure(["a", "日", "本"]) == pytest.approx(face.measure(["a"]) + 2)
        assert face.measure(["😀"]) == 1


def test_emoji_keep_their_colours_and_other_letters_are_a_mask(fonts: list[Path]) -> None:
    pieces = drawn(fonts, "a😀")
    ((picture, left, top),) = pieces.pictures
    middle = picture.getpixel((picture.width // 2, picture.height // 2))
    assert middle == (255, 0, 0, 255)
    assert left > 10
    assert top < 45
    box = pieces.mask.getbbox()
    assert box is not None
    assert box[2] <= left + 5  # the mask has only the letter before it


def test_a_font_of_colours_does_not_draw_digits_or_spaces(fonts: list[Path]) -> None:
    with typeface(fonts) as face, typeface([fonts[0]]) as latin:
        assert face.measure(letters("😀 1 ")) == pytest.approx(1 + latin.measure(letters(" 1 ")), rel=0.01)


def test_arabic_letters_are_joined_if_the_layout_is_there() -> None:
    if not features.check("raqm"):
        pytest.skip("Pillow has no raqm here: install FriBiDi")
    with typeface([dejavu()]) as face:
        joined, apart = face.measure(letters("سلم")), sum(face.measure([each]) for each in "سلم")
    assert joined < 0.9 * apart


def test_without_a_layout_letters_from_right_to_left_are_turned_around_and_a_warning_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_layout = drawn([dejavu()], "אב (ג)", right_to_left=True).mask
    monkeypatch.setattr(module.features, "check", lambda name: False)
    monkeypatch.setattr(module, "_said", module.Said())
    with caplog.at_level(logging.WARNING):
        without = drawn([dejavu()], "אב (ג)", right_to_left=True).mask
    assert "libfribidi0" in caplog.text
    difference = sum(abs(one - other) for one, other in zip(with_layout.tobytes(), without.tobytes(), strict=True))
    assert difference < 0.2 * sum(with_layout.tobytes())


def test_a_letter_that_no_font_has_is_named_once(
    fonts: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_said", module.Said())
    with caplog.at_level(logging.WARNING):
        drawn(fonts, "\u1900\u1900")
        drawn(fonts, "\u1900")
    assert caplog.text.count("U+1900") == 1
    assert "IMAGES_FONTS" in caplog.text


def test_a_file_that_is_no_font_raises_value_error(tmp_path: Path) -> None:
    (tmp_path / "a.ttf").write_bytes(b"nothing of the kind" * 100)
    with typeface([tmp_path / "a.ttf"]) as face, pytest.raises(ValueError, match="not a TrueType"):
        face.measure(["a"])
