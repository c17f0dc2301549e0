"""Fonts for the tests of lettering: DejaVu, which matplotlib carries, and one that is drawn here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from flask_images_vips.engines.lettering.typeface import Typeface

WIDE, EMOJI = "日本語、。「」", "😀👍"


def dejavu() -> Path:
    """DejaVu Sans. It has Latin, Greek, Cyrillic, Hebrew and Arabic letters, but no Chinese ones and no colours."""
    matplotlib = find_spec("matplotlib")
    assert matplotlib is not None
    assert matplotlib.origin is not None
    return Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


def square_font(path: Path, letters: str, *, coloured: bool = False) -> Path:
    """A font whose *letters* are squares, 0.8 of their size; red ones, if *coloured*."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square, empty = pen.glyph(), TTGlyphPen(None).glyph()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "square", "layer"])
    builder.setupCharacterMap({ord(letter): "square" for letter in letters})
    builder.setupGlyf({".notdef": empty, "square": square, "layer": square})
    builder.setupHorizontalMetrics(dict.fromkeys((".notdef", "square", "layer"), (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    if coloured:
        builder.setupCOLR({"square": [("layer", 0)]}, version=0)
        builder.setupCPAL([[(1.0, 0.0, 0.0, 1.0)]])
    builder.save(path)
    return path


@pytest.fixture(scope="session")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A chain of fonts: Latin and Arabic, then Chinese, then emoji."""
    folder = tmp_path_factory.mktemp("fonts")
    return [
        dejavu(),
        square_font(folder / "wide.ttf", WIDE),
        square_font(folder / "emoji.ttf", EMOJI + "\ufe0f\u200d", coloured=True),
    ]


@contextmanager
def typeface(paths: Sequence[Path], weight: int = 0) -> Iterator[Typeface]:
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        yield Typeface([file.fileno() for file in files], weight)
