"""What the application says of a picture, in the page: ``alt``, and an ``ImageObject`` for search engines."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask

from flask_images_vips import (
    Rights,
    resized_img_attrs,
    resized_img_json_ld,
    resized_img_tag,
    resized_picture_tag,
)
from page.markup import parsed

RECORD = Rights(
    creator="Anna Bell",
    credit="Bell & Partners",
    copyright="© 2026 Anna Bell",
    licensor_url="https://example.org/buy?a=1&b=2",
    web_statement="https://example.org/licence",
    digital_source_type="trainedAlgorithmicMedia",
    alt='A "cup" </script><script>alert(1)</script>',
)


def say(page: Flask, record: Rights | None = RECORD) -> list[str]:
    """Let the application say *record* of each picture. Returns the calls of its function."""
    calls: list[str] = []

    @page.extensions["images"].rights  # type: ignore[untyped-decorator]
    def find(ref: str) -> Rights | None:
        calls.append(ref)
        return record

    return calls


def data_of(markup: Any) -> dict[str, Any]:
    match = re.fullmatch(r'<script type="application/ld\+json">([^<>&]*)</script>', str(markup))
    assert match is not None, markup
    found: dict[str, Any] = json.loads(match[1])
    return found


@pytest.mark.parametrize("layout", [{}, {"layout": "constrained"}])
def test_tags_without_alt_have_that_of_the_record(page: Flask, layout: dict[str, str]) -> None:
    say(page)
    for alt in ({}, {"alt": None}):
        assert parsed(f"{resized_img_tag('wide.jpg', width=90, **layout, **alt)}").attrib["alt"] == RECORD.alt
    assert resized_img_attrs("wide.jpg", width=90, **layout)["alt"] == RECORD.alt
    picture = parsed(f"{resized_picture_tag('wide.jpg', width=90, **layout)}")
    assert picture[-1].attrib["alt"] == RECORD.alt


def test_a_tag_that_names_an_alt_keeps_it_and_asks_nobody(page: Flask) -> None:
    calls = say(page)
    for alt in ("", "Mine"):
        assert resized_img_attrs("wide.jpg", width=90, alt=alt)["alt"] == alt
    assert "alt" not in parsed(f"{resized_img_tag('wide.jpg', width=90, alt=False)}").attrib
    assert calls == []


def test_a_page_without_records_is_as_it_was(page: Flask) -> None:
    before = resized_img_tag("wide.jpg", width=90), resized_picture_tag("wide.jpg", width=90)
    assert resized_img_json_ld("wide.jpg", width=90) == ""
    say(page, None)
    assert (resized_img_tag("wide.jpg", width=90), resized_picture_tag("wide.jpg", width=90)) == before
    assert resized_img_json_ld("wide.jpg", width=90) == ""


def test_the_image_object_has_what_the_record_says(page: Flask) -> None:
    say(page)
    found = data_of(resized_img_json_ld("wide.jpg", width=90, keep="rights"))
    answer = page.test_client().get(found.pop("contentUrl"))
    assert answer.status_code == 200
    size = resized_img_attrs("wide.jpg", width=90)
    assert found == {
        "@context": "https://schema.org/",
        "@type": "ImageObject",
        "width": size["width"],
        "height": size["height"],
        "description": RECORD.alt,
        "creator": {"@type": "Person", "name": "Anna Bell"},
        "creditText": "Bell & Partners",
        "copyrightNotice": "© 2026 Anna Bell",
        "license": "https://example.org/licence",
        "acquireLicensePage": "https://example.org/buy?a=1&b=2",
        "digitalSourceType": "https://schema.org/TrainedAlgorithmicMediaDigitalSource",
    }


def test_its_url_is_absolute_and_several_creators_are_a_list(page: Flask) -> None:
    say(page, Rights(creator=["Anna", "Bell"], digital_source_type="https://example.org/own"))
    found = data_of(resized_img_json_ld("wide.jpg"))
    assert found["contentUrl"].startswith("http://localhost/")
    assert [creator["name"] for creator in found["creator"]] == ["Anna", "Bell"]
    assert found["digitalSourceType"] == "https://example.org/own"
    assert "license" not in found


@pytest.mark.parametrize(
    "evil", ["</script>", "<!--<script>", "]]>", "&lt;/script&gt;", "a\u2028b", "'\"\\", "\\u003c/script>"]
)
def test_no_text_ends_the_script(page: Flask, evil: str) -> None:
    say(page, Rights(credit=evil, creator=evil, alt=evil))
    assert data_of(resized_img_json_ld("wide.jpg"))["creditText"] == evil.strip()


def test_a_missing_picture_and_no_picture_ask_nobody_or_say_it(page: Flask, caplog: Any) -> None:
    calls = say(page)
    assert resized_img_json_ld(None) == ""  # type: ignore[arg-type]
    assert "alt" not in parsed(f"{resized_img_tag(None, width=9)}").attrib  # type: ignore[arg-type]
    assert calls == []
    assert data_of(resized_img_json_ld("gone.jpg"))["creditText"] == RECORD.credit
