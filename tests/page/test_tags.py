"""The HTML of a picture: its attributes, and how they are escaped."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string
from markupsafe import Markup
from PIL import Image

from flask_images_vips import (
    resized_img_attrs,
    resized_img_placeholder,
    resized_img_src,
    resized_img_tag,
    resized_picture_tag,
)
from flask_images_vips.page.tags import element
from page.markup import offered, parsed


@pytest.mark.usefixtures("page")
def test_a_tag_is_markup_and_its_values_are_escaped() -> None:
    tag = resized_img_tag("a.png", width=32, alt='"><script>', class_="round")
    assert isinstance(tag, Markup)
    assert 'alt="&quot;&gt;&lt;script&gt;"' in tag
    assert 'class="round"' in tag
    assert render_template_string("{{ resized_img_tag('a.png')|safe }}").startswith("<img ")


@pytest.mark.usefixtures("page")
def test_without_a_layout_the_tag_is_what_it_was() -> None:
    assert resized_img_tag("wide.jpg", width=400, sizes="50vw", loading="lazy") == Markup(
        f'<img data-original-height="800" data-original-width="1600" height="200" loading="lazy" sizes="50vw" '
        f'src="{html.escape(resized_img_src("wide.jpg", width=400))}" width="400"/>'
    )
    assert "srcset" not in resized_img_attrs("wide.jpg", width=400, layout=None, priority=None, placeholder=None)


@pytest.mark.usefixtures("page")
def test_a_constrained_tag() -> None:
    found = resized_img_attrs("wide.jpg", width=700, layout="constrained", alt="A")
    assert offered(found.pop("srcset")) == [
        *("640w", "700w", "750w", "828w", "960w", "1080w", "1280w", "1400w"),
    ]
    assert found == {
        "alt": "A",
        "decoding": "async",
        "fetchpriority": None,
        "height": 350,
        "loading": "lazy",
        "sizes": "auto, (min-width: 700px) 700px, 100vw",
        "src": resized_img_src("wide.jpg", width=700),
        "style": "max-width:100%;height:auto",
        "width": 700,
    }


@pytest.mark.usefixtures("page")
def test_a_fixed_tag_names_densities_that_are_true() -> None:
    assert offered(resized_img_attrs("wide.jpg", width=300, layout="fixed")["srcset"]) == ["1x", "2x"]
    found = resized_img_attrs("wide.jpg", width=1000, height=500, mode="crop", layout="fixed")
    assert offered(found["srcset"]) == ["1x", "1.6x"]
    assert "style" not in found
    assert found.get("sizes") is None
    assert resized_img_attrs("wide.jpg", width=300, layout="fixed", sizes="9px").get("sizes") is None
    assert offered(resized_img_attrs("wide.jpg", width=300, densities=[1, 1.5, 3])["srcset"]) == ["1x", "1.5x", "3x"]


@pytest.mark.usefixtures("page")
def test_a_full_tag_has_the_pictures_own_size_and_a_src_of_middle_width() -> None:
    found = resized_img_attrs("wide.jpg", layout="full")
    assert (found["width"], found["height"], found["sizes"]) == (1600, 800, "auto, 100vw")
    assert offered(found["srcset"]) == ["640w", "750w", "828w", "960w", "1080w", "1280w", "1600w"]
    assert found["src"] == resized_img_src("wide.jpg", width=1280)
    assert found["style"] == "width:100%;height:auto"


@pytest.mark.usefixtures("page")
def test_a_tag_with_priority_is_eager_and_never_sized_by_itself() -> None:
    found = resized_img_attrs("wide.jpg", width=700, priority=True, sizes="50vw")
    assert (found["loading"], found["fetchpriority"], found["sizes"]) == ("eager", "high", "50vw")
    assert resized_img_attrs("wide.jpg", width=700, priority=False)["loading"] == "lazy"
    by_hand = resized_img_attrs("wide.jpg", width=700, layout="constrained", loading="eager")
    assert by_hand["sizes"] == "(min-width: 700px) 700px, 100vw"
    assert resized_img_attrs("wide.jpg", width=700, layout="full", sizes="auto, 9vw")["sizes"] == "auto, 9vw"
    assert resized_img_attrs("wide.jpg", width=700, layout="full", sizes="9vw")["sizes"] == "auto, 9vw"


@pytest.mark.usefixtures("with_placeholders")
def test_placeholders_on_tags() -> None:
    colour = resized_img_placeholder("wide.jpg", "color")
    assert resized_img_attrs("wide.jpg", width=200, placeholder="color")["style"].endswith(f";background:{colour}")
    lqip = resized_img_attrs("wide.jpg", width=200, placeholder="lqip", style="margin:0")["style"]
    assert lqip == (
        f"max-width:100%;height:auto;background:url({resized_img_placeholder('wide.jpg')}) center/100% 100% no-repeat;"
        "margin:0"
    )
    boxed = {"width": 200, "height": 200, "placeholder": "lqip"}
    assert "center/cover" in resized_img_attrs("wide.jpg", mode="crop", **boxed)["style"]
    assert "center/contain" in resized_img_attrs("wide.jpg", mode="pad", **boxed)["style"]
    for kind in ("blurhash", "thumbhash"):
        found = resized_img_attrs("wide.jpg", width=200, placeholder=kind)
        assert found[f"data-{kind}"] == resized_img_placeholder("wide.jpg", kind)
        assert "background" not in found["style"]


@pytest.mark.usefixtures("with_placeholders")
def test_nothing_shines_through_a_transparent_picture() -> None:
    assert "background" not in resized_img_attrs("clear.png", width=32, placeholder="lqip")["style"]
    assert "background" in resized_img_attrs("clear.png", width=32, placeholder="lqip", format="jpeg")["style"]


@pytest.mark.usefixtures("with_placeholders")
def test_with_a_nonce_styles_are_elements_and_without_style_there_are_none() -> None:
    tag = resized_img_tag("wide.jpg", width=200, placeholder="color", nonce='a"b', class_="mine", alt="")
    style, _, image = tag.partition("</style>")
    name, rule = re.fullmatch(r'<style nonce="a&#34;b">\.(resized-[0-9a-f]{12})\{(.*)\}', style).groups()  # type: ignore[union-attr]
    assert rule.startswith("max-width:100%;height:auto;background:#")
    assert f'class="{name} mine"' in image
    assert "style=" not in image
    assert "nonce" not in image
    assert "style" not in str(resized_img_tag("wide.jpg", width=200, layout="full", style=False))


def test_an_animation_is_not_offered_in_a_format_that_would_stop_it(page: Flask, static: Path) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    frames[0].save(static / "moving.gif", save_all=True, append_images=frames[1:])
    assert page.extensions["images"].pipeline.facts.header(find(page, "moving.gif")).frames == 3
    picture = parsed(resized_picture_tag("moving.gif", width=32))
    assert [child.get("type") for child in picture] == ["image/webp", None]


def find(app: Flask, name: str) -> Any:
    return app.extensions["images"].pipeline.sources.local.find(name)


@pytest.mark.usefixtures("with_placeholders")
@pytest.mark.parametrize("layout", [None, "constrained", "fixed", "full"])
@pytest.mark.parametrize("name", ["wide.jpg", "small.png", "gone.jpg", "http://example.com/a.jpg"])
@pytest.mark.parametrize("priority", [True, False])
def test_the_html_is_valid_and_its_attributes_are_escaped(layout: str | None, name: str, priority: bool) -> None:
    evil = "\"'><script>alert(1)</script>&amp;"
    keywords = {"width": 300, "alt": evil, "class_": evil, "data_x": evil, "sizes": None, "layout": layout}
    for placeholder in (None, "color", "lqip", "blurhash", "thumbhash"):
        tag = parsed(resized_img_tag(name, priority=priority, placeholder=placeholder, **keywords))
        assert (tag.get("alt"), tag.get("data-x"), tag.get("class")) == (evil,) * 3
        picture = parsed(resized_picture_tag(name, priority=priority, placeholder=placeholder, **keywords))
        assert picture[-1].attrib == tag.attrib
    for attributes in ({"onclick": evil}, {"style": evil}):
        assert parsed(resized_img_tag(name, layout="full", alt="", **attributes)) is not None


def test_attributes_are_sorted_and_none_and_false_leave_them_out() -> None:
    tag = element("img", {"width": 9, "alt": "", "hidden": True, "inert": False, "title": None, "data-x": 1.5})
    assert tag == '<img alt="" data-x="1.5" hidden="" width="9"/>'
    assert element("img", {"alt": Markup("&amp;")}) == '<img alt="&amp;"/>'


@pytest.mark.usefixtures("with_placeholders")
def test_no_colour_stands_behind_a_picture_that_does_not_look_like_it() -> None:
    for changed in ({"rotate": 90}, {"brightness": 2}, {"region": (0, 0, 0.5, 0.5)}, {"padding": 5}):
        style = resized_img_attrs("wide.jpg", width=200, placeholder="color", **changed)["style"]
        assert "background" not in style, changed
    assert "background" in resized_img_attrs("wide.jpg", width=200, placeholder="color")["style"]


@pytest.mark.usefixtures("with_placeholders")
def test_behind_a_region_stands_its_part_of_the_tiny_picture() -> None:
    def drawn(**options: object) -> str:
        style: str = resized_img_attrs("wide.jpg", width=200, placeholder="lqip", **options)["style"]
        return style.rpartition(") ")[2]

    assert drawn(region=(0.25, 0, 0.5, 0.5)) == "50% 0%/200% 200% no-repeat"
    assert drawn(region=(0.6, 0.75, 0.4, 0.25)) == "100% 100%/250% 400% no-repeat"
    assert drawn(region=(0, 0.5, 1, 0.5), mode="fit") == "0% 100%/100% 200% no-repeat"
    for other in ({"mode": "crop", "height": 50}, {"mode": "pad", "height": 200}, {"rotate": 90}):
        assert "background" not in drawn(region=(0.25, 0, 0.5, 0.5), **other)


@pytest.mark.parametrize(
    ("keywords", "lines"),
    [
        ({"layout": "constrained"}, 1),
        ({"layout": "fixed"}, 1),
        ({"placeholder": "color"}, 1),
        ({"layout": "fixed", "densities": [1, 2]}, 1),
        ({"layout": "full"}, 0),
        ({"layout": "constrained", "width": 90}, 0),
        ({"layout": "constrained", "height": 90}, 0),
        ({"widths": [90, 300]}, 0),
        ({"width": None}, 0),
    ],
)
def test_a_layout_without_a_width_is_logged_with_what_to_do(
    page: Flask, caplog: Any, keywords: dict[str, Any], lines: int
) -> None:
    for _ in range(2):
        for helper in (resized_img_tag, resized_img_attrs, resized_picture_tag):
            if keywords != {"width": None} or helper is not resized_picture_tag:
                helper("wide.jpg", **keywords)
    assert len(caplog.records) == lines
    assert not lines or "shows 'wide.jpg' in its full size, 1600×800 pixels: pass its width" in caplog.text
    page.debug = True
    for _ in range(2):
        resized_img_tag("wide.jpg", **keywords)
    assert len(caplog.records) == 3 * lines
