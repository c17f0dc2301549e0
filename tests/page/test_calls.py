"""Calls with names that no picture can have, and with options that are not given."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch, sample
from flask import Flask, render_template, render_template_string, url_for
from jinja2 import DictLoader, StrictUndefined, Undefined, UndefinedError
from markupsafe import Markup

from flask_images_vips import (
    resized_img_hint,
    resized_img_json_ld,
    resized_img_placeholder,
    resized_img_preload,
    resized_img_size,
    resized_img_src,
    resized_img_srcset,
    resized_img_tag,
    resized_picture_tag,
)
from flask_images_vips.errors import InvalidOption, InvalidPath
from flask_images_vips.page import calls
from flask_images_vips.page.helpers import HELPERS
from page.markup import parsed

ALL: tuple[Any, ...] = (*HELPERS, resized_img_hint)
WITHOUT_URL = (resized_img_hint, resized_img_json_ld, resized_img_placeholder, resized_img_size)
NOT_NAMES = (None, "", "../x", "a//b.jpg", 5, b"a.png", Undefined(name="cover"), "file:///etc/passwd", "http://[x")


@pytest.mark.parametrize("helper", ALL)
def test_a_name_that_no_picture_can_have_is_a_missing_picture_and_one_line(
    page: Flask, helper: Any, caplog: Any
) -> None:
    for name in NOT_NAMES:
        caplog.clear()
        keywords = {} if helper is resized_img_placeholder else {"width": 30, "alt": "A"}
        result = helper(name, **keywords)
        (record,) = caplog.records
        assert re.match(rf"{helper.__name__} in .*test_calls\.py, line \d+: ", record.getMessage())
        assert repr(name) in record.getMessage()
        urls = re.findall(r"/imgsizer/[^\"' ]+", html.unescape(str(result)))
        assert {page.test_client().get(url).status_code for url in urls} <= {404}
        assert bool(urls) == (helper not in WITHOUT_URL)


def test_the_line_names_the_template(page: Flask, caplog: Any) -> None:
    page.jinja_loader = DictLoader({"gallery.html": "\n{% for x in [1] %}\n{{ resized_img_tag(cover) }}{% endfor %}"})
    parsed(render_template("gallery.html").strip())
    assert [record.getMessage() for record in caplog.records] == [
        "resized_img_tag in gallery.html, line 3: Undefined is not a path (expected a string such as "
        "'photos/cat.jpg', or a pathlib.Path)"
    ]


@pytest.mark.usefixtures("page")
def test_a_source_of_a_picture_whose_name_cannot_be_one_is_left_out(caplog: Any) -> None:
    tag = resized_picture_tag("wide.jpg", width=90, sources=[{"media": "print", "path": None}], formats=[])
    assert [child.tag for child in parsed(f"{tag}")] == ["img"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", NOT_NAMES)
def test_a_url_alone_raises(page: Flask, name: Any) -> None:
    with pytest.raises(InvalidPath):
        page.extensions["images"].build_url(name)
    with pytest.raises(ValueError, match=r"path|scheme|URL"):
        url_for("images", filename=name)


def test_a_path_is_a_path(page: Flask, draw: Any) -> None:
    draw("folder/foto: x.png", (64, 48))
    for same in (Path("folder/foto: x.png"), Path("/folder//./foto: x.png"), Markup("folder/foto: x.png")):
        assert resized_img_tag(same, width=9) == resized_img_tag("folder/foto: x.png", width=9)
        assert url_for("images", filename=same) == resized_img_src("folder/foto: x.png")
    assert fetch(page, "folder/foto: x.png", width=20).size == (20, 15)


OPTIONS = (
    *("width", "background", "animated", "cache", "enlarge", "quality", "focal", "padding", "trim", "watermark"),
    *("mode", "format", "version", "preset", "scheme", "hidpi", "hidpi_quality", "layout", "placeholder", "widths"),
    *("densities", "priority", "nonce"),
)


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("nothing", [None, "", Undefined(name="nothing")])
def test_an_option_that_is_none_empty_or_undefined_is_not_given(nothing: Any) -> None:
    for helper in (resized_img_tag, resized_picture_tag, resized_img_preload):
        for layout in ({}, {"layout": "constrained"}):
            expected = helper("wide.jpg", height=90, alt="", **layout)
            for name in {*OPTIONS} - {*layout}:
                assert helper("wide.jpg", height=90, alt="", **layout, **{name: nothing}) == expected, name
    assert resized_picture_tag("wide.jpg", formats=nothing, sources=nothing) == resized_picture_tag("wide.jpg")
    for name in OPTIONS[:14]:
        assert url_for("images", filename="a.png", **{name: nothing}) == resized_img_src("a.png"), name


ODD = (
    *(5, -1, 0, 0.5, True, 1j, 10**30, float("nan"), float("inf"), Decimal("NaN"), Decimal("1e400"), Fraction(1, 3)),
    *("abc", "\0", "\udce9", "-" * 5000, "http://[x", b"x", object(), int, ValueError("x"), timedelta(days=10**6)),
    *([], [5], ["x"], [None], [[1]], {}, {"a": 1}, {5: 6}, {"x"}, range(3), ("a", None)),
    *([{}], [{5: 6}], [{"media": 5}], [{"path": 5}], [{"width": []}], [{"layout": 5, "widths": "x"}]),
)
ATTRIBUTES = ("alt", "class_", "crossorigin", "data_x", "loading", "onclick", "referrerpolicy", "sizes", "style")
KEYWORDS = {*calls.URL_KEYWORDS, *OPTIONS, *ATTRIBUTES, "hi_dpi", "hidpi_width", "formats", "sources", "media", "other"}


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("helper", ALL)
def test_no_value_ends_a_page(helper: Any) -> None:
    names = {"kind"} if helper is resized_img_placeholder else KEYWORDS - {"preset", "scheme", "_scheme"}
    for name, value in sample(product(sorted(names), ODD), part=4):
        for layout in ({}, {"layout": "fixed", "width": 9}):
            more = {} if helper is resized_img_placeholder else layout
            str(helper("a.png", **{**more, name: value}))


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize(
    ("helper", "wrong", "expected"),
    [
        (resized_img_tag, {"layout": "wide"}, "one of constrained, fixed, full"),
        (resized_img_tag, {"layout": ["fixed"]}, "one of constrained, fixed, full"),
        (resized_img_tag, {"placeholder": "blur"}, "one of color, lqip, blurhash, thumbhash"),
        (resized_img_tag, {"widths": 400}, "a list of numbers above 0, such as [1, 2]"),
        (resized_img_srcset, {"widths": ["x"]}, "a list of numbers above 0, such as [1, 2]"),
        (resized_img_tag, {"densities": [0]}, "a list of numbers above 0, such as [1, 2]"),
        (resized_img_preload, {"densities": ["2x"]}, "a list of numbers above 0, such as [1, 2]"),
        (resized_picture_tag, {"hidpi": "double"}, "a number above 0, such as 2"),
        (resized_picture_tag, {"formats": 5}, "a list of formats, such as ['avif', 'webp']"),
        (resized_picture_tag, {"sources": "abc"}, "a list such as [{'media': '(max-width: 600px)', 'width': 300}]"),
        (resized_picture_tag, {"sources": [5]}, "a list such as [{'media': '(max-width: 600px)', 'width': 300}]"),
    ],
)
def test_an_invalid_value_of_an_argument_is_one_line_and_not_given(
    helper: Any, wrong: dict[str, Any], expected: str, caplog: Any
) -> None:
    assert helper("wide.jpg", width=90, **wrong) == helper("wide.jpg", width=90, priority=False)
    ((name, value),) = wrong.items()
    (line,) = {record.getMessage() for record in caplog.records}
    assert re.fullmatch(rf"{helper.__name__} in .*test_calls\.py, line \d+: .*", line)
    assert line.endswith(f": {name}={value!r} has no effect: expected {expected}")


@pytest.mark.usefixtures("page")
def test_an_unknown_format_of_a_picture_and_an_unknown_placeholder_are_left_out(caplog: Any) -> None:
    assert resized_picture_tag("wide.jpg", width=90, formats=["jxs", "avif", 5]) == resized_picture_tag(
        "wide.jpg", width=90, formats="avif"
    )
    assert resized_img_placeholder("wide.jpg", "blur") is None
    (formats, kind) = caplog.records
    assert "formats='jxs' has no effect: expected one of jpeg, png" in formats.getMessage()
    assert "kind='blur' has no effect: expected one of color, lqip" in kind.getMessage()


@pytest.mark.usefixtures("page")
def test_an_unknown_preset_raises_because_a_preset_may_hide_something() -> None:
    for helper in (resized_img_tag, resized_img_src, resized_picture_tag, resized_img_srcset):
        with pytest.raises(InvalidOption, match="expected one of IMAGES_PRESETS"):
            helper("wide.jpg", preset="blured")


def test_an_undefined_name_still_ends_a_strict_template(page: Flask) -> None:
    page.jinja_env.undefined = StrictUndefined
    for call in ("resized_img_src(cover)", "resized_img_src('a.png', width=wide)", "resized_img_tag('a.png', nonce=n)"):
        with pytest.raises(UndefinedError):
            render_template_string(f"{{{{ {call} }}}}")
