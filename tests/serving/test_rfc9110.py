"""Conditional requests and ranges, in every combination, against what RFC 9110 says of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import cached_files, sample, url_of
from flask import Flask
from sources import test_remote
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_images_vips.serving import ranges
from serving.rfc9110 import File, Request, requests, right
from serving.test_views import age


class Given(NamedTuple):
    status: int
    headers: Any
    body: bytes


def given(app: Flask, url: str, method: str = "GET", **headers: str) -> Given:
    environ = EnvironBuilder(url, method=method, headers=headers).get_environ()
    body, status, answered = run_wsgi_app(app, environ, buffered=True)
    return Given(int(status.split()[0]), answered, b"".join(body))


def file_of(app: Flask, url: str) -> File:
    whole = given(app, url)
    assert whole.status == 200
    date = whole.headers.get("Last-Modified")
    modified = int(parsedate_to_datetime(date).timestamp()) if date else None
    return File(whole.headers["ETag"], modified, whole.body)


def check(app: Flask, url: str, request: Request, file: File, vary: str | None) -> None:
    answer = given(app, url, request.method, **request.headers)
    expected = right(request, file)
    headers = answer.headers
    found = answer.status, answer.body, headers.get("Content-Range")
    assert found == tuple(expected), request
    assert headers.get("Vary") == vary
    if answer.status in (200, 206, 304):
        assert headers["ETag"] == file.etag
        assert ("Last-Modified" in headers) == (file.modified is not None)
    if answer.status in (412, 416):
        assert headers["Cache-Control"] == "no-store"
    if answer.status == 304:
        assert not {"Content-Type", "Content-Length"} & set(headers.keys())
    else:
        length = len(file.data) if (answer.status, request.method) == (200, "HEAD") else len(answer.body)
        assert headers.get("Content-Length", "0") == str(length)


remote_app, origin = test_remote.remote_app, test_remote.origin


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A young source would be old before all requests are answered."""
    now = time.time()
    monkeypatch.setattr("flask_images_vips.serving.responses.time.time", lambda: now)


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("format", ["png", "auto"])
def test_a_hit(make_app: Callable[..., Flask], draw: Any, format: str, early: bool) -> None:
    age(draw("a.png"))
    app = make_app(IMAGES_EARLY_HITS=early)
    url = url_of(app, "a.png", width=10, format=format)
    file = file_of(app, url)
    assert file.modified is not None
    for request in sample(requests(file), 400):
        check(app, url, request, file, "Accept" if format == "auto" else None)


@pytest.mark.parametrize("private", [False, True])
def test_a_young_source_has_no_date(app: Flask, draw: Any, private: bool) -> None:
    draw("a.png")
    if private:
        app.extensions["images"].authorize(lambda ref, options: True)
    url = url_of(app, "a.png", width=10)
    file = file_of(app, url)
    assert file.modified is None
    for request in sample(requests(file), 400):
        check(app, url, request, file, None)


def test_a_remote_source(remote_app: Callable[..., Flask], origin: test_remote.Origin) -> None:
    app = remote_app()
    url = url_of(app, origin.url, width=10)
    file = file_of(app, url)
    for request in sample(requests(file), 400):
        check(app, url, request, file, None)


@pytest.mark.parametrize("keywords", [{}, {"cache": False}])
def test_a_picture_that_is_not_cached(app: Flask, draw: Any, keywords: dict[str, Any]) -> None:
    age(draw("a.png"))
    url = url_of(app, "a.png", width=10, format="auto", **keywords)
    file = file_of(app, url)
    for request in sample(requests(file), 5000):
        for path in cached_files(Path(app.config["IMAGES_CACHE"])):
            path.unlink()
        check(app, url, request, file, "Accept")


@pytest.mark.parametrize("ref", ["gone.png", "broken.png"])
def test_no_condition_and_no_range_applies_to_an_error(
    make_app: Callable[..., Flask], draw: Any, static: Path, ref: str
) -> None:
    age(draw("missing.png"))
    (static / "broken.png").write_text("no picture")
    app = make_app(IMAGES_FALLBACK="missing.png")
    url = url_of(app, ref, width=10, format="auto")
    whole = given(app, url)
    for request in sample(requests(File('"x"', None, whole.body)), 2000):
        answer = given(app, url, request.method, **request.headers)
        assert answer.status == whole.status != 200
        assert answer.body == (whole.body if request.method == "GET" else b"")
        assert (answer.headers["Vary"], answer.headers["Content-Length"]) == ("Accept", str(len(whole.body)))


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("BYTES=0-99", slice(0, 10)),
        ("bytes= 3- ", slice(3, 10)),
        ("bytes=-4", slice(6, 10)),
        ("bytes=-99", slice(0, 10)),
        ("bytes=10-", slice(10, 10)),
        ("bytes=-0", slice(10, 10)),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=a-b", None),
        ("bytes=3", None),
        ("bytes=+1-2", None),
        ("bytes=\u0661-2", None),
        ("bytes =1-2", None),
        ("bytes=0-1,", None),
        (f"bytes=0-{'9' * 50}", slice(0, 10)),
        (f"bytes={'9' * 5000}-", None),
        ("", None),
    ],
)
def test_the_part_that_a_header_asks_for(header: str, part: slice | None) -> None:
    assert ranges.wanted(header, 10) == part
