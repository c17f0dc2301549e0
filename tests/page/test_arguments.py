"""Which keywords go into the URL, into the tag, and into the layout."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips import resized_img_src, resized_img_tag
from flask_images_vips.page.arguments import Keywords, LayoutRequest, asks_for_layout
from flask_images_vips.page.responsive import Layout


@pytest.mark.usefixtures("page")
def test_html_attributes_go_to_the_tag_and_not_into_the_url() -> None:
    attributes = {"alt": "A cat", "title": "t", "id": "i", "loading": "lazy", "decoding": "async", "style": "x:y"}
    tag = resized_img_tag("a.png", width=32, data_zoom="2", aria_label="l", hidden=True, inert=False, **attributes)
    plain = resized_img_tag("a.png", width=32)
    for name, value in attributes.items():
        assert f' {name}="{value}"' in tag
    assert ' data-zoom="2"' in tag
    assert ' aria-label="l"' in tag
    assert ' hidden=""' in tag
    assert "inert" not in tag
    assert plain.partition(' src="')[2].partition('"')[0] in tag
    assert resized_img_src("a.png", width=32, alt="x", class_="y", hidpi=2) == resized_img_src("a.png", width=32)


@pytest.mark.usefixtures("page")
def test_a_call_is_sorted_by_where_its_keywords_go() -> None:
    call = Keywords.sort(
        {"width": 9, "zzz": 1, "alt": "x", "data_a": 2, "for_": 3, "class_": "y", "hidpi": 2, "hidpi_quality": 40}
    )
    assert call.options == {"width": 9, "zzz": 1, "for_": 3}
    assert call.attributes == {"alt": "x", "data-a": 2, "class": "y"}
    assert (call.hidpi, call.scale) == ({"quality": 40}, 2)


def test_a_preset_is_replaced_by_its_options(make_app: Any) -> None:
    with make_app(IMAGES_PRESETS={"avatar": {"width": 24, "mode": "crop"}}).app_context():
        assert Keywords.sort({"preset": "avatar", "width": 9}).options == {"width": 9, "mode": "crop"}


def test_a_layout_is_taken_out_of_the_options() -> None:
    options = {"width": 9, "layout": "full", "priority": 1, "placeholder": False, "widths": [1, 2]}
    assert LayoutRequest.take_from(options) == (Layout.FULL, True, None, [1, 2], None)
    assert options == {"width": 9}
    assert LayoutRequest.take_from({}).layout is Layout.CONSTRAINED
    assert LayoutRequest.take_from({"densities": [1, 2]}).layout is Layout.FIXED


@pytest.mark.parametrize(
    ("keywords", "asks"), [({}, False), ({"layout": None}, False), ({"priority": False}, True), ({"widths": []}, True)]
)
def test_any_keyword_of_a_layout_but_none_asks_for_one(keywords: dict[str, Any], asks: bool) -> None:
    assert asks_for_layout(keywords) is asks
