"""The conditions of a request, as RFC 9110 orders them."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import url_of
from flask import Flask

from flask_images_vips.serving import conditions
from serving.test_views import age

ETAG = '"65-1f"'
DATE = "Thu, 01 Jan 1970 00:01:40 GMT"


@pytest.mark.parametrize(
    ("header", "weak", "strong"),
    [
        (ETAG, True, True),
        ("*", True, True),
        (" * ", True, True),
        (f"W/{ETAG}", True, False),
        (f'"a", {ETAG}', True, True),
        (f'"a",{ETAG} , "b"', True, True),
        (f'"a,b", W/"c",W/{ETAG}', True, False),
        (f"W/{ETAG}, {ETAG}", True, True),
        ('"a", "b"', False, False),
        ('"*"', False, False),
        ("65-1f", False, False),
        ('"65-1f0"', False, False),
        ('"', False, False),
        ("", False, False),
        ('"a" "b', False, False),
    ],
)
def test_a_list_of_etags(header: str, weak: bool, strong: bool) -> None:
    assert conditions.lists(header, ETAG, weak=True) == weak
    assert conditions.lists(header, ETAG, weak=False) == strong


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"IF_NONE_MATCH": ETAG}, 304),
        ({"IF_NONE_MATCH": '"a"'}, 200),
        ({"IF_NONE_MATCH": '"a"', "IF_MODIFIED_SINCE": DATE}, 200),
        ({"IF_NONE_MATCH": "", "IF_MODIFIED_SINCE": DATE}, 200),
        ({"IF_MODIFIED_SINCE": DATE}, 304),
        ({"IF_MODIFIED_SINCE": "Thu, 01 Jan 1970 00:01:39 GMT"}, 200),
        ({"IF_MODIFIED_SINCE": "Thu, 01 Jan 2099 00:00:00 GMT"}, 304),
        ({"IF_MODIFIED_SINCE": "yesterday"}, 200),
        ({"IF_MODIFIED_SINCE": ""}, 200),
        ({"IF_MATCH": ETAG}, 200),
        ({"IF_MATCH": "*"}, 200),
        ({"IF_MATCH": '"a"'}, 412),
        ({"IF_MATCH": f"W/{ETAG}"}, 412),
        ({"IF_MATCH": '"a"', "IF_NONE_MATCH": '"a"'}, 412),
        ({"IF_MATCH": '"a"', "IF_NONE_MATCH": ETAG}, 412),
        ({"IF_MATCH": '"a"', "IF_MODIFIED_SINCE": DATE}, 412),
    ],
)
def test_the_status(headers: dict[str, str], status: int) -> None:
    environ = {f"HTTP_{name}": value for name, value in headers.items()}
    assert conditions.status(environ, ETAG, 100) == status


@pytest.mark.parametrize("wanted", [{}, {"Range": "bytes=0-1"}, {"Range": "bytes=0-1", "If-None-Match": '"other"'}])
def test_a_picture_other_than_the_required_one_is_412(app: Flask, draw: Any, wanted: dict[str, str]) -> None:
    age(draw("a.png"))
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    etag = client.get(url).headers["ETag"]
    other = client.get(url, headers={**wanted, "If-Match": '"other"'})
    assert (other.status_code, other.data, other.headers["Cache-Control"]) == (412, b"", "no-store")
    this = client.get(url, headers={**wanted, "If-Match": etag})
    assert this.status_code == (206 if wanted else 200)


def test_a_condition_counts_for_a_range_too(app: Flask, draw: Any) -> None:
    age(draw("a.png"))
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    first = client.get(url)
    part = {"Range": "bytes=0-1"}
    assert client.get(url, headers={**part, "If-None-Match": first.headers["ETag"]}).status_code == 304
    assert client.get(url, headers={**part, "If-Modified-Since": first.headers["Last-Modified"]}).status_code == 304
