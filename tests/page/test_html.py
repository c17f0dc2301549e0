"""How elements are written: no name of an attribute can bring another attribute, or end the tag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import html5lib
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from flask_images_vips import (
    resized_img_attrs,
    resized_img_preload,
    resized_img_tag,
    resized_picture_tag,
)
from flask_images_vips.page.html import _warn_of, element, well_named

FORBIDDEN = [
    *"\0\t\n\f\r \x1f\"'<=>/`\x7f\x80\x9f\ud800\udfff\ufdd0\ufdef\ufffe\uffff\U0001ffff\U0010fffe",
]
INJECTED = "data-x onload=alert(1) y"


@pytest.fixture(autouse=True)
def nothing_warned_of_yet() -> Iterator[None]:
    _warn_of.cache_clear()
    yield
    _warn_of.cache_clear()


@pytest.fixture
def page(app: Flask, draw: Any) -> Iterator[Flask]:
    """A request of an application that has a.png, of 64×48 pixels."""
    draw("a.png")
    with app.test_request_context():
        yield app


def parsed(markup: str) -> list[dict[str, str]]:
    """The attributes of each element in *markup*, as browsers read them."""
    body = html5lib.parseFragment(markup, namespaceHTMLElements=False)
    return [dict(each.attrib) for each in body.iter() if isinstance(each.tag, str) and each is not body]


@pytest.mark.parametrize("character", FORBIDDEN, ids=ascii)
@pytest.mark.parametrize("place", ["{}data", "da{}ta", "data{}"])
def test_a_name_that_html_forbids_is_left_out_and_logged_once(character: str, place: str, caplog: Any) -> None:
    name = place.format(character)
    for _ in range(2):
        assert element("img", {"alt": "a", name: "b"}) == '<img alt="a"/>'
        assert well_named({name: 1, "id": 2}) == {"id": 2}
    assert [record.getMessage() for record in caplog.records] == [
        f"{name!r} is not a valid name of an HTML attribute: it is omitted from the tag"
    ]
    assert "\n" not in caplog.records[0].getMessage()


def test_a_name_may_not_be_empty(caplog: Any) -> None:
    assert element("img", {"": "a"}) == "<img/>"
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["onclick", "data-é", "aria-label", "@click", ":src", "x-on:load.once", "data-画像"])
def test_names_that_html_allows_are_written_as_they_are(name: str, caplog: Any) -> None:
    made = element("img", {name: "run()"})
    assert isinstance(made, Markup)
    assert made == f'<img {name}="run()"/>'
    assert not caplog.records


@given(name=st.text(), value=st.text())
def test_no_name_and_no_value_brings_another_attribute(name: str, value: str) -> None:
    made = element("img", {"id": "i", name: value})
    (found,) = parsed(made)
    assert found["id"] == "i" or name == "id"
    assert len(found) <= 2
    assert made.count("<") == made.count(">") == 1


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("name", [INJECTED, "data_x/onload", "aria-x>", "onload=alert(1) x", "on\tload"])
def test_no_helper_writes_a_keyword_that_is_no_name(name: str, caplog: Any) -> None:
    wishes: list[dict[str, Any]] = [{}, {"layout": "full"}, {"hidpi": 2}, {"placeholder": "blurhash", "nonce": "n"}]
    for more in wishes:
        given: dict[str, Any] = {"width": 32, "onclick": "run()", **more}
        assert resized_img_tag("a.png", **given, **{name: "1"}) == resized_img_tag("a.png", **given)
        assert resized_img_attrs("a.png", **given, **{name: "1"}) == resized_img_attrs("a.png", **given)
        assert resized_picture_tag("a.png", **given, **{name: "1"}) == resized_picture_tag("a.png", **given)
        assert resized_img_preload("a.png", **given, **{name: "1"}) == resized_img_preload("a.png", **given)
        assert ' onclick="run()"' in resized_img_tag("a.png", **given)
    assert len([record for record in caplog.records if record.module == "html"]) == 1


@pytest.mark.usefixtures("page")
def test_a_name_that_begins_like_no_attribute_stays_in_the_url() -> None:
    (found,) = parsed(resized_img_tag("a.png", **{'x" onload="alert(1)': 1}))
    assert not any(name.startswith("on") for name in found)
    assert "onload" in found["src"]


@pytest.mark.parametrize("value", [Markup('nice " onload="alert(1)'), Markup("<p>it's</p>")])
def test_markup_cannot_end_the_attribute_that_it_stands_in(value: Markup) -> None:
    tag = element("img", {"alt": value, "src": "a.png"})
    (image,) = html5lib.parseFragment(tag, namespaceHTMLElements=False)
    assert image.attrib.keys() == {"alt", "src"}
