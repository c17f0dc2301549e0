"""Responses: what the client has, ranges, streams, and files for the server in front."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from conftest import all_renderers_taken, signed, url_of
from flask import Flask, Response, session
from PIL import Image
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_images_vips.serving.responses import _warn_of_no_server_in_front
from serving.test_views import age


def test_what_the_client_has_is_304_without_a_body(app: Flask, draw: Any) -> None:
    age(draw("a.png"))
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    first = client.get(url)
    for known in ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]}):
        again = client.get(url, headers=known)
        assert (again.status_code, again.data) == (304, b"")
        for name in ("ETag", "Cache-Control"):
            assert again.headers[name] == first.headers[name]
        assert not {"Content-Type", "Content-Length"} & set(again.headers.keys())
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(url, headers={"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}).status_code == 200


def test_last_modified_is_the_sources_and_never_in_the_future(app: Flask, draw: Any) -> None:
    path = draw("a.png")
    os.utime(path, (0, 1_700_000_000))
    response = app.test_client().get(url_of(app, "a.png", width=10))
    assert response.headers["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    for seconds in (0, 1_000_000):  # another version may have the same date, or the date is in the future
        os.utime(path, (0, time.time() + seconds))
        response = app.test_client().get(url_of(app, "a.png", width=10))
        assert "Last-Modified" not in response.headers


@pytest.mark.parametrize("mtime", [0, -1_000_000, 2**33])
def test_odd_modification_times_are_served(app: Flask, draw: Any, mtime: int) -> None:
    os.utime(draw("a.png"), (mtime, mtime))
    client = app.test_client()
    url = url_of(app, "a.png", width=10)
    assert client.get(url).data == client.get(url).data
    assert client.get(url).status_code == 200


@pytest.mark.parametrize("version", ["mtime", "hash"])
@pytest.mark.parametrize("changed", ["a.png", "mark.png"])
def test_another_picture_of_the_same_size_and_second_has_other_validators(
    make_app: Any, draw: Any, static: Path, changed: str, version: str
) -> None:
    second = 1_700_000_000 * 1_000_000_000
    for name in ("a.png", "mark.png"):
        os.utime(draw(name), ns=(second, second))
    app = make_app(IMAGES_VERSION=version)
    url = signed(app, "a.png", "f=bmp&w=10&wm=mark.png")  # without a version, in a format without compression
    client = app.test_client()
    before = client.get(url)
    path = static / changed
    Image.new("RGB", (64, 48), "red").save(path)
    os.utime(path, ns=(second, second + (version == "mtime")))
    known = {"If-None-Match": before.headers["ETag"]}
    if "Last-Modified" in before.headers:
        known["If-Modified-Since"] = before.headers["Last-Modified"]

    after = client.get(url, headers=known)

    assert (after.status_code, len(after.data)) == (200, len(before.data))
    assert after.data != before.data
    assert "Last-Modified" not in before.headers


def test_a_date_stands_for_a_version_only_if_no_other_version_has_it(make_app: Any, draw: Any) -> None:
    age(draw("a.png"))
    age(draw("mark.png"))
    for version, dated in (("mtime", True), ("hash", False)):
        client = (app := make_app(IMAGES_VERSION=version)).test_client()
        assert ("Last-Modified" in client.get(signed(app, "a.png", "w=10")).headers) == dated
        assert "Last-Modified" not in client.get(signed(app, "a.png", "w=10&wm=mark.png")).headers
        for keywords in ({}, {"watermark": "mark.png"}):
            assert "Last-Modified" in client.get(url_of(app, "a.png", width=10, **keywords)).headers


def test_a_range_is_206(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    whole = client.get(url).data
    part = client.get(url, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.data) == (206, whole[2:6])
    beyond = client.get(url, headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")
    assert beyond.headers["Cache-Control"] == "no-store"
    assert client.get(url, headers={"Range": "items=0-5"}).data == whole


def test_several_ranges_at_once_get_the_whole(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    whole = app.test_client().get(url)
    answer = app.test_client().get(url, headers={"Range": "bytes=0-1,4-5"})
    assert (answer.status_code, answer.data) == (200, whole.data)


def test_if_range_gives_the_whole_where_the_picture_changed(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    etag = client.get(url).headers["ETag"]
    part = {"Range": "bytes=0-1"}
    assert client.get(url, headers={**part, "If-Range": etag}).status_code == 206
    assert client.get(url, headers={**part, "If-Range": '"other"'}).status_code == 200


def test_a_large_rendition_is_streamed_from_its_file(app: Flask, static: Path) -> None:
    Image.effect_noise((600, 600), 90).save(static / "noise.png")
    url = url_of(app, "noise.png")
    client = app.test_client()
    rendered = client.get(url)
    assert len(rendered.data) > 100_000
    environ = {"wsgi.file_wrapper": FileWrapper}
    for method in ("GET", "HEAD"):
        with client.open(url, method=method, environ_overrides=environ) as streamed:
            assert streamed.data == (rendered.data if method == "GET" else b"")
            assert streamed.headers["Content-Length"] == str(len(rendered.data))


def test_only_the_one_spelling_of_a_url_is_immutable(app: Flask, draw: Any) -> None:
    age(draw("a.png"))
    url = url_of(app, "a.png", width=10, height=9)
    path, _, query = url.partition("?")
    reordered = "&".join(reversed(query.split("&")))
    for spelling in (f"{path}?{reordered}", f"{url}&", url.replace("w=10", "w=%31%30")):
        answer = app.test_client().get(spelling)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=60")
    assert "immutable" in app.test_client().get(url).headers["Cache-Control"]


@pytest.mark.parametrize("key", ["RAW_URI", "REQUEST_URI"])
def test_only_the_one_spelling_of_a_path_is_immutable(app: Flask, draw: Any, key: str) -> None:
    age(draw("a.png"))
    url = url_of(app, "a.png", width=10)

    def cache_control(spelling: str | None) -> str:
        environ = EnvironBuilder(url).get_environ()
        for each in ("RAW_URI", "REQUEST_URI"):  # servers pass one of them, or none
            del environ[each]
        _, status, headers = run_wsgi_app(app.wsgi_app, environ | ({} if spelling is None else {key: spelling}))
        assert status == "200 OK"
        return headers["Cache-Control"]

    assert cache_control(url) == "public, max-age=31536000, immutable"
    assert cache_control(f"http://localhost{url}") == "public, max-age=31536000, immutable"
    assert cache_control(url.replace("a.png", "%61.png")) == "public, max-age=60"
    assert cache_control(None) == "public, max-age=3600"


def test_hooks_read_and_replace_a_large_body_as_any_other(app: Flask, static: Path) -> None:
    Image.effect_noise((600, 600), 90).save(static / "noise.png")
    url = url_of(app, "noise.png")
    bodies: list[bytes] = []

    @app.after_request
    def read(response: Response) -> Response:
        bodies.append(response.get_data())
        if len(bodies) == 3:
            response.set_data(b"another body")
        return response

    client, environ = app.test_client(), {"wsgi.file_wrapper": FileWrapper}
    answers = []
    for _ in range(3):
        with client.get(url, environ_overrides=environ) as response:
            answers.append((response.data, response.headers["Content-Length"]))
    rendered = answers[0][0]
    assert bodies == [rendered] * 3
    assert answers == [*[(rendered, str(len(rendered)))] * 2, (b"another body", "12")]


def test_what_is_called_when_a_streamed_response_is_closed(app: Flask, static: Path) -> None:
    Image.effect_noise((600, 600), 90).save(static / "noise.png")
    closed: list[str] = []

    @app.after_request
    def register(response: Response) -> Response:
        response.call_on_close(lambda: closed.append("closed"))
        return response

    url = url_of(app, "noise.png")
    client, environ = app.test_client(), {"wsgi.file_wrapper": FileWrapper}
    bodies = []
    for _ in range(2):
        with client.get(url, environ_overrides=environ) as response:
            bodies.append(response.data)
    assert bodies[0] == bodies[1]
    assert closed == ["closed", "closed"]


@pytest.mark.parametrize("early", [False, True])
def test_head_has_the_headers_of_get(make_app: Any, draw: Any, static: Path, early: bool) -> None:
    age(draw("a.png"))
    (static / "broken.png").write_text("no picture")
    Image.effect_noise((600, 600), 90).save(static / "noise.png")
    app = make_app(IMAGES_EARLY_HITS=early)
    client, environ = app.test_client(), {"wsgi.file_wrapper": FileWrapper}
    urls = [url_of(app, name, format=format) for name in ("a.png", "noise.png") for format in ("png", "auto")]
    urls += [url_of(app, "a.png", width="x"), url_of(app, "gone.png"), url_of(app, "broken.png", format="auto")]
    urls += ["/imgsizer/a.png", url_of(app, "a.png", cache=False), url_of(app, "a.png", expires=1)]
    for url in urls:
        client.get(url)
        for headers in ({}, {"If-None-Match": "*"}, {"If-Match": '"other"'}):
            answers = []
            for method in ("GET", "HEAD"):
                with client.open(url, method=method, headers=headers, environ_overrides=environ) as response:
                    if "Expires" in response.headers:  # a second may begin between the two
                        response.headers["Expires"] = "in time"
                    answers.append((response.status, sorted(response.headers)))
            assert answers[0] == answers[1]
            assert response.data == b""


def test_another_size_that_is_sent_meanwhile_has_other_validators(make_app: Any, draw: Any) -> None:
    age(draw("a.png"))
    app = make_app(IMAGES_LOCK_TIMEOUT=0.2)
    client = app.test_client()
    small, large = (url_of(app, "a.png", width=width) for width in (10, 20))
    there = client.get(small)
    with all_renderers_taken(app):
        instead = client.get(large)
    assert instead.headers["Cache-Control"] == "no-store"
    assert instead.data == there.data
    wanted = client.get(large)
    assert wanted.data != there.data
    assert instead.headers["ETag"] != wanted.headers["ETag"]
    assert "Last-Modified" not in instead.headers


@pytest.mark.parametrize("private", [False, True])
def test_no_response_carries_the_session(app: Flask, draw: Any, private: bool) -> None:
    draw("a.png")
    if private:
        app.extensions["images"].authorize(lambda ref, options: True)

    @app.before_request
    def visit() -> None:
        session["visited"] = True
        session.permanent = True

    @app.after_request
    def remember(response: Response) -> Response:
        response.set_cookie("theme", "dark")
        response.headers["set-cookie"] = "theme=dark"
        response.headers["SET-COOKIE2"] = "theme=dark"
        return response

    client = app.test_client()
    for name in ("a.png", "missing.png"):
        answer = client.get(url_of(app, name, width=10, format="auto"), headers={"Accept": "image/webp"})
        assert not {"Set-Cookie", "Set-Cookie2"} & {*answer.headers.keys()}
        assert answer.headers["Vary"] == "Accept"


def test_a_file_is_handed_over_unless_the_server_in_front_could_not_send_it(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_ACCEL_REDIRECT="/_images/")
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    rendered, handed_over = client.get(url), client.get(url)
    again = client.get(url, headers={"X-Images-Here": "1"})
    assert handed_over.headers["X-Accel-Redirect"].startswith("/_images/")
    assert handed_over.data == b""
    assert "X-Accel-Redirect" not in again.headers
    assert again.data == rendered.data


def test_a_range_is_refused_by_date_if_the_bytes_may_change_under_it(make_app: Any, draw: Any) -> None:
    age(draw("a.png"))
    app = make_app(IMAGES_RECOMPRESS_AFTER=1000, IMAGES_ACCEL_REDIRECT="/_images/")
    url = url_of(app, "a.png", width=10, format="jpeg")
    client = app.test_client()
    whole = client.get(url)
    part = {"Range": "bytes=0-1", "X-Images-Here": "1"}
    by_date = client.get(url, headers={**part, "If-Range": whole.headers["Last-Modified"]})
    by_etag = client.get(url, headers={**part, "If-Range": whole.headers["ETag"]})
    assert (by_date.status_code, by_date.data) == (200, whole.data)
    assert (by_etag.status_code, by_etag.data) == (206, whole.data[:2])


def test_x_sendfile_names_a_folder_in_any_language(make_app: Any, draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    app = make_app(USE_X_SENDFILE=True, IMAGES_CACHE=str(tmp_path / "кэш"))
    url = url_of(app, "a.png", width=10)
    rendered, handed_over = (app.test_client().get(url) for _ in range(2))
    path = handed_over.headers["X-Sendfile"].encode("latin-1")
    assert Path(os.fsdecode(path)).read_bytes() == rendered.data


@pytest.mark.parametrize("key", ["IMAGES_ACCEL_REDIRECT", "USE_X_SENDFILE"])
def test_without_a_server_in_front_a_warning_says_that_images_are_empty(
    make_app: Any, draw: Any, key: str, caplog: Any
) -> None:
    draw("a.png")
    app = make_app(**{key: "/_images/"})
    url = url_of(app, "a.png", width=10)
    client = app.test_client()
    rendered = client.get(url)
    _warn_of_no_server_in_front.cache_clear()

    assert client.get(url, headers={"X-Forwarded-For": "203.0.113.1"}).data == b""
    assert key not in caplog.text
    assert [client.get(url).data for _ in range(2)] == [b"", b""]
    assert caplog.text.count(f"{key} is set, but") == 1
    # The development server sends the file itself.
    assert client.get(url, environ_overrides={"SERVER_SOFTWARE": "Werkzeug/3.1"}).data == rendered.data
