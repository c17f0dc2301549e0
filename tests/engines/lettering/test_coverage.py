"""Which characters a font file has."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from engines.lettering.conftest import EMOJI, WIDE
from flask_images_vips.engines.lettering.coverage import Coverage


def test_it_is_what_fonttools_reads(fonts: list[Path]) -> None:
    from fontTools.ttLib import TTFont

    for path in fonts:
        known = set(TTFont(path)["cmap"].getBestCmap())
        coverage = Coverage(path.read_bytes())
        codes = [*range(0x3000), *range(0x1F000, 0x1F700)]
        assert {code for code in codes if coverage.has(chr(code))} == known & {*codes}


def test_only_a_font_with_colours_is_coloured(fonts: list[Path]) -> None:
    latin, wide, emoji = (Coverage(path.read_bytes()) for path in fonts)
    assert (latin.coloured, wide.coloured, emoji.coloured) == (False, False, True)
    assert emoji.scalable
    assert all(map(wide.has, WIDE))
    assert not any(map(wide.has, EMOJI))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\0\1\0\0\0\x09" + b"x" * 40])
def test_another_file_is_no_font(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a TrueType or OpenType font"):
        Coverage(data).has("a")


def test_a_broken_font_raises_nothing_else(fonts: list[Path]) -> None:
    data = fonts[0].read_bytes()
    for length in range(0, 3000, 100):
        with contextlib.suppress(ValueError):
            Coverage(data[:length]).has("a")
