"""The functions that templates call."""

from __future__ import annotations

import html
from typing import Any

import pytest
from flask import Flask, render_template_string
from markupsafe import Markup

from flask_images_vips import (
    resized_img_attrs,
    resized_img_placeholder,
    resized_img_preload,
    resized_img_src,
    resized_img_srcset,
    resized_img_tag,
    resized_picture_tag,
)
from page.markup import offered, parsed


@pytest.mark.usefixtures("page")
def test_the_four_helpers_are_there_in_templates() -> None:
    text = render_template_string(
        "{{ resized_img_src('a.png', width=32) }} {{ resized_img_size('a.png', width=32).height }} "
        "{{ resized_img_attrs('a.png', width=32).width }} {{ resized_img_tag('a.png', width=32) }}"
    )
    assert text.startswith("/imgsizer/a.png?v=")
    assert " 24 32 <img " in text


@pytest.mark.parametrize("helper", [resized_img_attrs, resized_img_tag])
def test_a_missing_file_does_not_end_the_page(page: Flask, helper: Any, caplog: Any) -> None:
    result = helper("missing.png", width=32)
    assert len(caplog.records) == 1
    assert "missing.png" in caplog.text
    assert "width=" not in str(result).replace("w=", "").partition("/>")[0] or isinstance(result, dict)
    assert "/imgsizer/missing.png?w=32&" in str(result).replace("&amp;", "&")
    if isinstance(result, dict):
        assert not {"width", "height"} & result.keys()


@pytest.mark.parametrize("helper", [resized_img_tag, resized_picture_tag, resized_img_preload])
def test_a_missing_picture_leaves_a_valid_tag_and_one_line(page: Flask, helper: Any, caplog: Any) -> None:
    sources = {"sources": [{"media": "print", "width": 100}]} if helper is resized_picture_tag else {}
    tag = str(helper("gone.jpg", width=300, placeholder="lqip", alt="Gone", **sources))
    assert "srcset" not in tag
    assert "height=" not in tag
    assert html.escape(resized_img_src("gone.jpg", width=300)) in tag
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    caplog.clear()
    assert resized_img_placeholder("gone.jpg") is None
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "template",
    [
        "{{ resized_img_src('a.png', watermark='http://[x') }}",
        "{{ resized_img_src('a.png', background=(1.0, 2.5, 3)) }}",
        "{{ resized_img_src('a.png', border=()) }}",
        "{{ resized_img_src('a.png', download=bytes_of_latin_1) }}",
        "{{ resized_img_src('a.png', expires=infinite) }}",
        "{{ resized_img_tag('a.png', layout='fixed', width=10, sizes=400) }}",
    ],
)
def test_no_value_of_an_option_ends_a_page(app: Flask, draw: Any, template: str) -> None:
    draw("a.png")
    with app.test_request_context():
        assert "/imgsizer/a.png" in render_template_string(
            template, infinite=float("inf"), bytes_of_latin_1="\udce9.png"
        )


@pytest.mark.usefixtures("page")
def test_a_srcset_of_ones_own() -> None:
    own = resized_img_attrs("wide.jpg", width=200, widths=[100, 300, 500])
    assert (offered(own["srcset"]), own["src"]) == (["100w", "300w", "500w"], resized_img_src("wide.jpg", width=300))
    by_width = resized_img_srcset("wide.jpg", widths=[400, 800, 9000], mode="crop")
    assert isinstance(by_width, Markup)
    assert offered(by_width) == ["400w", "800w", "1600w"]
    assert offered(resized_img_srcset("wide.jpg", densities=[1, 2], width=200)) == ["1x", "2x"]
    assert offered(resized_img_srcset("wide.jpg", width=200)) == ["200w", "400w"]
    assert f"{html.escape(resized_img_src('wide.jpg', width=400))} 400w" in resized_img_srcset("wide.jpg", [400])
    tag = resized_img_tag("wide.jpg", width=200, srcset=resized_img_srcset("wide.jpg", [400]))
    assert "&amp;amp;" not in tag


@pytest.mark.usefixtures("page")
def test_a_picture_offers_avif_webp_and_what_it_is() -> None:
    picture = parsed(resized_picture_tag("wide.jpg", width=700, alt="A"))
    assert [child.tag for child in picture] == ["source", "source", "img"]
    assert [child.get("type") for child in picture] == ["image/avif", "image/webp", None]
    for child in picture:
        assert (child.get("width"), child.get("height")) == ("700", "350")
        assert child.get("sizes") == "auto, (min-width: 700px) 700px, 100vw"
    assert resized_img_src("wide.jpg", width=640, format="avif") in picture[0].get("srcset")
    (webp, _) = parsed(resized_picture_tag("wide.jpg", width=700, format="avif", formats=["avif", "webp"]))
    assert webp.get("type") == "image/webp"
    assert resized_picture_tag("wide.jpg", formats="avif") == resized_picture_tag("wide.jpg", formats=["avif"])


@pytest.mark.usefixtures("page")
def test_an_art_directed_picture_has_sources_for_its_media_in_all_formats() -> None:
    narrow = {"media": "(max-width: 600px)", "width": 300, "height": 300, "sizes": "90vw"}
    other = {"media": "print", "path": "small.png", "layout": "fixed", "width": 30, "height": None}
    picture = parsed(
        resized_picture_tag("wide.jpg", width=800, height=200, mode="crop", formats=["avif"], sources=[narrow, other])
    )
    assert [(child.get("media"), child.get("type"), child.get("width"), child.get("height")) for child in picture] == [
        ("(max-width: 600px)", "image/avif", "300", "300"),
        ("(max-width: 600px)", None, "300", "300"),
        ("print", "image/avif", "30", "22"),
        ("print", None, "30", "22"),
        (None, "image/avif", "800", "200"),
        (None, None, "800", "200"),
    ]
    assert [child.get("sizes") for child in picture] == [
        *["auto, 90vw"] * 2,
        *[None] * 2,
        *["auto, (min-width: 800px) 800px, 100vw"] * 2,
    ]
    assert "m=crop" in picture[0].get("srcset")


@pytest.mark.usefixtures("page")
def test_a_source_may_have_another_aspect_than_the_picture() -> None:
    tall = {"media": "(max-width: 600px)", "aspect": "4:5"}
    for keywords in ({"layout": "full"}, {"width": 200}):
        picture = parsed(
            resized_picture_tag("wide.jpg", aspect="2:1", mode="crop", formats=[], sources=[tall], **keywords)
        )
        shapes = [int(child.get("width")) / int(child.get("height")) for child in picture]
        assert shapes == pytest.approx([0.8, 2], rel=0.01)


@pytest.mark.usefixtures("page")
def test_all_markup_is_right_with_and_without_autoescape_and_with_safe() -> None:
    calls = (
        "resized_img_tag('wide.jpg', width=200, layout='constrained', alt='\"<&')",
        "resized_picture_tag('wide.jpg', width=200, alt='\"<&')",
        "resized_img_srcset('wide.jpg', [200])",
        "resized_img_preload('wide.jpg', width=200)",
    )
    for call in calls:
        plain = render_template_string(f"{{{{ {call} }}}}")
        assert "&amp;s=" in plain
        assert "&amp;amp;" not in plain
        assert render_template_string(f"{{{{ {call}|safe }}}}") == plain
        assert render_template_string(f"{{% autoescape false %}}{{{{ {call} }}}}{{% endautoescape %}}") == plain


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ tag|replace('<img', '<img alt=\"x\"')|safe }}", '<img alt="x"{}'),
        ("{{ ('<p>' + tag + '</p>')|safe }}", "<p><img{}</p>"),
        ("{{ ('<p>' ~ tag ~ '</p>')|safe }}", "<p><img{}</p>"),
        ("{{ ['<p>', tag, '</p>']|join|safe }}", "<p><img{}</p>"),
        ("{{ '<p>%s</p>'|format(tag)|safe }}", "<p><img{}</p>"),
    ],
)
def test_a_site_may_change_the_tag_as_a_string(make_app: Any, draw: Any, template: str, expected: str) -> None:
    draw("a.png")
    with make_app().test_request_context():
        tag = resized_img_tag("a.png", width=9)
        assert isinstance(tag, Markup)
        assert render_template_string("{{ tag }}", tag=tag) == tag
    with make_app(IMAGES_MARKUP=False).test_request_context():
        plain = resized_img_tag("a.png", width=9)
        assert type(plain) is str
        assert plain == str(tag)
        assert render_template_string(template, tag=plain) == expected.format(plain.removeprefix("<img"))
        assert render_template_string("{{ '<p>' + tag }}", tag=plain) == html.escape("<p>" + plain).replace(
            "&quot;", "&#34;"
        )
