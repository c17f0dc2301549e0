"""Calls with names that no picture can have, and with options that are not given."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch
from flask import Flask, render_template, render_template_string, url_for
from jinja2 import DictLoader, StrictUndefined, Undefined, UndefinedError
from markupsafe import Markup

from flask_images_vips import (
    resized_img_hint,
    resized_img_placeholder,
    resized_img_preload,
    resized_img_size,
    resized_img_src,
    resized_img_tag,
    resized_picture_tag,
)
from flask_images_vips.errors import InvalidPath
from flask_images_vips.page.helpers import HELPERS
from page.markup import parsed

ALL: tuple[Any, ...] = (*HELPERS, resized_img_hint)
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
        assert bool(urls) == (helper not in (resized_img_hint, resized_img_placeholder, resized_img_size))


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


def test_an_undefined_name_still_ends_a_strict_template(page: Flask) -> None:
    page.jinja_env.undefined = StrictUndefined
    for call in ("resized_img_src(cover)", "resized_img_src('a.png', width=wide)", "resized_img_tag('a.png', nonce=n)"):
        with pytest.raises(UndefinedError):
            render_template_string(f"{{{{ {call} }}}}")
