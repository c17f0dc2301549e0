"""Texts on pictures, by both engines: the same lines, the same box, in every format, scaled with the picture."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch, share, url_of
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from engines.lettering.conftest import dejavu, square_font
from flask_images_vips.engines.lettering.drawing import drawn_text
from flask_images_vips.geometry import Size
from flask_images_vips.options.text import Text, TextStyle
from flask_images_vips.options.values import Colour
from flask_images_vips.sources.fonts import Lettering
from flask_images_vips.sources.source import Source

MakeApp = Callable[..., Flask]
SQUARES = "abcdefgh "
STYLES = {
    "default": {"of_width": 200, "size": 20, "margin": 10, "lines": 2, "color": "white"},
    "box": {"of_width": 200, "size": 20, "margin": 10, "background": "#ff0000", "padding": 5, "gravity": "northeast"},
    "shade": {"of_width": 200, "size": 20, "margin": 10, "shade": "#000000"},
    "center": {"of_width": 200, "size": 20, "gravity": "center", "align": "center"},
}


@pytest.fixture(params=["vips", "pillow"])
def site(request: pytest.FixtureRequest, make_app: MakeApp, static: Path) -> Flask:
    """A site with a blue picture of 200 × 100 pixels, and a font of squares."""
    if request.param == "vips":
        pytest.importorskip("pyvips")
    Image.new("RGB", (200, 100), "blue").save(static / "blue.png")
    Image.new("RGBA", (200, 100), (0, 0, 0, 0)).save(static / "clear.png")
    square_font(static / "squares.ttf", SQUARES)
    return make_app(IMAGES_ENGINE=request.param, IMAGES_FONTS={"squares": "squares.ttf"}, IMAGES_TEXT_STYLES=STYLES)


def box_of(picture: Image.Image, colour: str = "white") -> tuple[int, int, int, int] | None:
    """The box of the pixels of *colour*, roughly."""
    plain = Image.new("RGB", picture.size, colour)
    near = ImageChops.difference(picture.convert("RGB"), plain).convert("L").point([255 * (v < 60) for v in range(256)])
    return near.getbbox()


def is_about(box: tuple[int, ...] | None, expected: tuple[int, ...]) -> bool:
    return box is not None and all(abs(one - other) <= 1 for one, other in zip(box, expected, strict=True))


def test_a_text_is_where_its_style_says(site: Flask) -> None:
    # Three squares of 16 pixels, one each 20 pixels. The base line is 15 above the bottom.
    assert is_about(box_of(fetch(site, "blue.png", format="png", text="abc")), (10, 69, 66, 85))


def test_it_is_scaled_with_the_picture_and_with_dpr(site: Flask) -> None:
    half = fetch(site, "blue.png", width=100, format="png", text="abc")
    assert is_about(box_of(half), (5, 34, 33, 42))
    double = fetch(site, "blue.png", width=100, dpr=2, format="png", text="abc")
    assert is_about(box_of(double), (10, 69, 66, 85))


def test_it_is_on_the_canvas_of_crop_and_pad(site: Flask) -> None:
    for mode in ("crop", "pad"):
        picture = fetch(site, "blue.png", width=100, height=100, mode=mode, enlarge=True, format="png", text="a")
        box = box_of(picture)
        assert box is not None
        assert is_about(box[:1], (5,))
        assert box[3] > 80


def test_it_wraps_and_ends_in_an_ellipsis(site: Flask) -> None:
    long = box_of(fetch(site, "blue.png", format="png", text="abcd efgh abcd efgh abcd efgh"))
    assert long is not None
    assert long[0] >= 10
    assert long[2] <= 191
    assert long[3] - long[1] in range(38, 43)  # two lines


def test_markup_is_drawn_as_it_is(site: Flask) -> None:
    plain, bold = (fetch(site, "blue.png", format="png", text=text) for text in ("abc", "<b>abc</b>"))
    assert box_of(plain) != box_of(bold)


def test_a_box_is_behind_the_text(site: Flask) -> None:
    picture = fetch(site, "blue.png", format="png", text="abc", text_style="box")
    assert is_about(box_of(picture, "red"), (120, 10, 190, 44))


def test_a_shade_is_strongest_at_the_edge_of_the_text(site: Flask) -> None:
    picture = fetch(site, "blue.png", format="png", text="a", text_style="shade").convert("RGB")
    column = [ImageStat.Stat(picture.crop((150, row, 151, row + 1))).mean[2] for row in (0, 40, 99)]
    assert column[0] == 255
    assert 0 < column[1] < 255
    assert column[2] == 0


def test_a_centred_text_is_in_the_middle(site: Flask) -> None:
    box = box_of(fetch(site, "blue.png", format="png", text="abc", text_style="center"))
    assert box is not None
    assert abs((box[0] + box[2]) / 2 - 100) <= 3  # a letter is wider than its square


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "gif", "avif"])
def test_it_is_in_every_format(site: Flask, format: str) -> None:
    picture = fetch(site, "blue.png", format=format, text="abc")
    assert is_about(box_of(picture), (10, 69, 66, 85))


def test_it_is_in_every_frame_of_an_animation(site: Flask, static: Path) -> None:
    frames = [Image.new("RGB", (200, 100), colour) for colour in ("blue", "navy", "green")]
    frames[0].save(static / "moving.gif", save_all=True, append_images=frames[1:], duration=50)
    moving = fetch(site, "moving.gif", text="abc")
    assert moving.n_frames == 3  # type: ignore[attr-defined]
    for number in range(3):
        moving.seek(number)
        assert is_about(box_of(moving), (10, 69, 66, 85))


def test_a_transparent_picture_keeps_its_transparency(site: Flask) -> None:
    picture = fetch(site, "clear.png", text="abc").convert("RGBA")
    assert is_about(picture.getchannel("A").getbbox(), (10, 69, 66, 85))
    assert picture.getpixel((20, 75)) == (255, 255, 255, 255)


def test_both_engines_draw_the_same_pixels(make_app: MakeApp, static: Path, tmp_path: Path, fonts: list[Path]) -> None:
    Image.new("RGB", (300, 200), "blue").save(static / "blue.png")
    made = []
    for engine in ("vips", "pillow"):
        app = make_app(
            IMAGES_ENGINE=engine,
            IMAGES_CACHE=str(tmp_path / engine),
            IMAGES_FONTS={"all": [str(path) for path in fonts]},
            IMAGES_TEXT_STYLES={"default": {"of_width": 300, "size": 30, "margin": 20, "shade": "#000a"}},
        )
        made.append(
            fetch(app, "blue.png", format="png", lossless=True, text="Hello 日本語 😀\nمرحبا 12").convert("RGB")
        )
    most = max(high for _, high in ImageChops.difference(*made).getextrema())
    assert most <= 2


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"text": "a", "text_style": "bx"}, "did you mean box?"),
        ({"text": "a", "text_style": "../x"}, "one of IMAGES_TEXT_STYLES (default, box, shade, center)"),
    ],
)
def test_an_unknown_style_is_refused_and_the_page_logs_it(
    site: Flask, keywords: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = site.test_client().get(url_of(site, "blue.png", **keywords))
    assert response.status_code == 400
    assert words in caplog.text


def test_a_text_needs_a_font(make_app: MakeApp, static: Path) -> None:
    Image.new("RGB", (20, 10)).save(static / "a.png")
    app = make_app()
    assert app.test_client().get(url_of(app, "a.png", text="Hello")).status_code == 400


def test_a_changed_font_is_drawn_and_has_another_url(site: Flask, static: Path) -> None:
    before = url_of(site, "blue.png", format="png", text="abc")
    assert box_of(fetch(site, "blue.png", format="png", text="abc")) is not None
    square_font(static / "squares.ttf", "xyz")  # without these letters
    after = url_of(site, "blue.png", format="png", text="abc")
    assert before != after
    assert box_of(fetch(site, "blue.png", format="png", text="abc")) is None


STRANGE = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from("\u200d\ufe0f\u200b\u0301\u2066\u00ad \n👩👍🇫🏽日\u0644\u05d0"),
    ),
    max_size=40,
)


@given(STRANGE, st.tuples(st.integers(1, 90), st.integers(1, 60)))
@settings(max_examples=share(300), deadline=None)
def test_any_text_is_drawn_within_any_picture(text: str, canvas: tuple[int, int]) -> None:
    written = Text.write(text)
    if written is None:
        return
    assert Text.parse(written) == (written,)
    font = dejavu()
    source = Source("font", str(font.parent), str(font), font.stat().st_size, font.stat().st_mtime_ns)
    style = TextStyle("title", size=200, lines=2, background=Colour(1, 2, 3), radius=50)
    drawn = drawn_text(written, Lettering(style, (source,)), Size(*canvas), "it")
    assert 0 <= drawn.left <= drawn.left + drawn.size.width <= canvas[0]
    assert 0 <= drawn.top <= drawn.top + drawn.size.height <= canvas[1]
    assert len(drawn.rgba) == 4 * drawn.size.pixels


def test_a_broken_font_is_an_error_with_a_reason(site: Flask, static: Path) -> None:
    data = (static / "squares.ttf").read_bytes()
    (static / "squares.ttf").write_bytes(data[:40] + bytes(400))
    response = site.test_client().get(url_of(site, "blue.png", text="abc"))
    assert 400 <= response.status_code < 500


def test_a_renderer_draws_it_behind_its_walls(
    make_app: MakeApp, static: Path, tmp_path: Path, fonts: list[Path]
) -> None:
    """The fonts are in a folder that a renderer cannot read: it gets them open."""
    Image.new("RGB", (200, 100), "blue").save(static / "blue.png")
    shutil.copy(fonts[0], tmp_path / "hidden.ttf")
    app = make_app(IMAGES_FONTS={"title": [str(tmp_path / "hidden.ttf"), *map(str, fonts[1:])]})
    assert box_of(fetch(app, "blue.png", format="png", text="Hello 日")) is not None
