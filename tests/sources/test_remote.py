"""Originals at URLs: fetched once, kept, asked for again when old, and never a reason for a broken page."""

from __future__ import annotations

import io
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import cached_files, gradient, signed, url_of
from flask import Flask, render_template_string
from PIL import Image

from flask_images_vips import resized_img_attrs, resized_img_size, resized_img_tag
from flask_images_vips.cache.once import _lock_name
from flask_images_vips.sources.remote import RemoteSources, _key
from flask_images_vips.state import images_of


def encoded(size: tuple[int, int] = (80, 60), format: str = "JPEG") -> bytes:
    file = io.BytesIO()
    gradient(size).save(file, format)
    return file.getvalue()


class Origin:
    """A server whose answer a test may change, and what it was asked for."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, encoded(), {}
        self.delay_seconds = 0.0
        self.before: Callable[[str], object] = lambda path: None
        self.asked: list[dict[str, str]] = []
        origin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                origin.asked.append(dict(self.headers))
                origin.before(self.path)
                time.sleep(origin.delay_seconds)
                etag = origin.headers.get("ETag")
                unchanged = etag is not None and self.headers.get("If-None-Match") == etag
                status, body = (304, b"") if unchanged and origin.status == 200 else (origin.status, origin.body)
                self.send_response_only(status)
                for name, value in origin.headers.items():
                    self.send_header(name, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/photos/cat.jpg"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def origin() -> Iterator[Origin]:
    origin = Origin()
    yield origin
    origin.server.shutdown()
    origin.server.server_close()


@pytest.fixture
def remote_app(make_app: Callable[..., Flask], origin: Origin) -> Callable[..., Flask]:
    """Makes applications that may fetch from *origin*."""

    def make(**config: Any) -> Flask:
        allowed = {"IMAGES_REMOTE_ALLOW_PRIVATE": ["127.0.0.0/8"], "IMAGES_REMOTE_PORTS": [origin.port]}
        return make_app(**allowed, **config)

    return make


def get(app: Flask, url: str) -> Any:
    return app.test_client().get(url)


def sources_of(app: Flask) -> RemoteSources:
    with app.app_context():
        remote = images_of(app).pipeline.sources.remote
    assert remote is not None
    return remote


def expire(app: Flask, url: str, until: float = 0) -> None:
    """Let the record of *url* be old, or hold *until* another time, for all processes."""
    remote = sources_of(app)
    remote._remembered.clear()
    for path in cached_files(Path(remote.store.folder)):
        if path.name == "record":
            record = json.loads(path.read_bytes())
            path.write_text(json.dumps({**record, "until": until}))


def pixels(response: Any) -> tuple[int, int]:
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.data)).size


def test_a_picture_at_a_url_is_fetched_once_and_rendered(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    assert pixels(get(app, url_of(app, origin.url, width=40))) == (40, 30)
    assert pixels(get(app, url_of(app, origin.url, width=40))) == (40, 30)
    assert pixels(get(app, url_of(app, origin.url, width=20))) == (20, 15)
    assert len(origin.asked) == 1
    assert len(list(Path(app.config["IMAGES_CACHE"]).rglob("original-*"))) == 1


def test_another_process_uses_what_was_fetched(remote_app: Callable[..., Flask], origin: Origin) -> None:
    one, other = remote_app(), remote_app()
    assert pixels(get(one, url_of(one, origin.url, width=40))) == (40, 30)
    assert pixels(get(other, url_of(other, origin.url, width=20))) == (20, 15)
    assert len(origin.asked) == 1


def test_many_who_want_it_at_once_fetch_it_once(remote_app: Callable[..., Flask], origin: Origin) -> None:
    apps = [remote_app() for _ in range(3)]  # as three processes: they meet at the lock alone
    origin.delay_seconds = 0.2
    wanted = [(app, url_of(app, origin.url, width=20 + number)) for number in range(4) for app in apps]
    with ThreadPoolExecutor(len(wanted)) as pool:
        answers = list(pool.map(lambda each: get(*each), wanted))
    assert [pixels(answer)[0] for answer in answers] == [20 + number for number in range(4) for _ in apps]
    assert len(origin.asked) == 1


def test_the_name_and_the_format_are_those_of_the_urls_path(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    origin.body = encoded(format="PNG")
    response = get(app, url_of(app, f"http://127.0.0.1:{origin.port}/a/logo.png?size=large.gif", width=20))
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Disposition"] == 'inline; filename="logo.png"'


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 86_400),
        ({"Cache-Control": "max-age=600"}, 600),
        ({"Cache-Control": "public, s-maxage=300, max-age=600"}, 300),
        ({"Cache-Control": "max-age=600", "Age": "500"}, 100),
        ({"Cache-Control": "max-age=999999999"}, 86_400),
        ({"Cache-Control": "no-store"}, 1),
        ({"Cache-Control": "max-age=soon"}, 86_400),
        ({"Cache-Control": 'max-age="600"'}, 600),
        ({"Date": formatdate(1e9, usegmt=True), "Expires": formatdate(1e9 + 700, usegmt=True)}, 700),
        ({"Expires": "0"}, 1),
    ],
)
def test_it_is_fresh_for_as_long_as_its_server_says(
    remote_app: Callable[..., Flask], origin: Origin, headers: dict[str, str], seconds: float
) -> None:
    app = remote_app()
    origin.headers = headers
    get(app, url_of(app, origin.url, width=40))
    (record,) = sources_of(app)._remembered.values()
    assert record.until - time.time() == pytest.approx(seconds, abs=20 if seconds > 20 else 1)


def test_an_old_one_that_did_not_change_is_asked_for_again_and_not_sent_again(
    remote_app: Callable[..., Flask], origin: Origin
) -> None:
    app = remote_app()
    origin.headers = {"ETag": '"one"', "Last-Modified": formatdate(1e9, usegmt=True)}
    first = get(app, url_of(app, origin.url, width=40))
    expire(app, origin.url)
    again = get(app, url_of(app, origin.url, width=40))
    assert (again.status_code, again.headers["ETag"]) == (200, first.headers["ETag"])
    assert [asked.get("If-None-Match") for asked in origin.asked] == [None, '"one"']
    assert origin.asked[1]["If-Modified-Since"] == formatdate(1e9, usegmt=True)
    assert get(app, url_of(app, origin.url, width=40)).status_code == 200
    assert len(origin.asked) == 2  # fresh once more
    assert len(cached_files(Path(app.config["IMAGES_CACHE"]) / "flask-images-vips")) == 3  # record, original, rendition


def test_equal_bytes_are_the_same_version_though_the_server_says_nothing(
    remote_app: Callable[..., Flask], origin: Origin
) -> None:
    app = remote_app()
    first = get(app, url_of(app, origin.url, width=40))
    expire(app, origin.url)
    assert get(app, url_of(app, origin.url, width=40)).headers["ETag"] == first.headers["ETag"]
    assert len(origin.asked) == 2
    assert len(list(Path(app.config["IMAGES_CACHE"]).rglob("original-*"))) == 1


def test_another_picture_under_the_url_replaces_the_old_one(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app, other = remote_app(), remote_app()
    origin.headers = {"Last-Modified": formatdate(1e9, usegmt=True)}
    assert pixels(get(app, url_of(app, origin.url, width=40))) == (40, 30)
    assert pixels(get(other, url_of(other, origin.url, width=40))) == (40, 30)
    origin.body = encoded((80, 80))
    expire(app, origin.url)
    assert pixels(get(app, url_of(app, origin.url, width=40))) == (40, 40)
    # The other process remembers the old version, which is no longer there for a size that it has not made.
    assert pixels(get(other, url_of(other, origin.url, width=20))) == (20, 20)
    assert len(list(Path(app.config["IMAGES_CACHE"]).rglob("original-*"))) == 1


@pytest.mark.parametrize("processes", [1, 2])
def test_an_old_one_is_sent_at_once_while_one_request_asks_for_it(
    remote_app: Callable[..., Flask], origin: Origin, processes: int
) -> None:
    apps = [remote_app() for _ in range(processes)]  # as processes: they meet at the lock alone
    url = url_of(apps[0], origin.url, width=40)
    assert [pixels(get(app, url)) for app in apps] == [(40, 30)] * processes
    expire(apps[0], origin.url)
    sources_of(apps[-1])._remembered.clear()
    asked, answered = threading.Event(), threading.Event()
    origin.body = encoded((80, 80))
    origin.before = lambda path: (asked.set(), answered.wait(30))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(get, apps[0], url)
        assert asked.wait(30)
        others = [get(apps[-1], url_of(apps[-1], origin.url, width=width)) for width in (40, 20)]
        answered.set()
        assert pixels(asking.result()) == (40, 40)
    assert [pixels(other) for other in others] == [(40, 30), (20, 15)]
    assert pixels(get(apps[-1], url)) == (40, 40)
    assert len(origin.asked) == 2


def test_a_slow_server_holds_up_nothing_else(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    first = f"http://127.0.0.1:{origin.port}/0.jpg"
    others = (f"http://127.0.0.1:{origin.port}/{number}.jpg" for number in itertools.count(1))
    other = next(url for url in others if _lock_name(_key(url))[:3] == _lock_name(_key(first))[:3])
    asked, answered = threading.Event(), threading.Event()
    origin.before = lambda path: path == "/0.jpg" and (asked.set(), answered.wait(30))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(get, app, url_of(app, first, width=40))
        assert asked.wait(30)
        assert pixels(get(app, url_of(app, other, width=40))) == (40, 30)
        assert not slow.done()
        answered.set()
        assert pixels(slow.result()) == (40, 30)


def test_long_headers_are_not_kept(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    long = "x" * 60_000
    origin.headers = {"ETag": f'"{long}"', "Last-Modified": long, "Cache-Control": f"max-age=600, {long}"}
    get(app, url_of(app, origin.url, width=40))
    origin.headers = {"Content-Encoding": long}
    assert get(app, url_of(app, f"{origin.url}2", width=40)).status_code == 502
    records = [repr(record) for record in sources_of(app)._remembered.values()]
    assert len(records) == 2
    assert max(map(len, records)) < 2000


@pytest.mark.parametrize("status", [500, 403, 301, 206])
def test_one_that_cannot_be_had_any_more_is_served_as_it_was(
    remote_app: Callable[..., Flask], origin: Origin, status: int
) -> None:
    app = remote_app()
    get(app, url_of(app, origin.url, width=40))
    expire(app, origin.url)
    origin.status = status
    assert pixels(get(app, url_of(app, origin.url, width=20))) == (20, 15)
    assert pixels(get(app, url_of(app, origin.url, width=30))) == (30, 22)
    assert len(origin.asked) == 2  # it is left alone for a while


def test_one_that_is_gone_answers_404(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    get(app, url_of(app, origin.url, width=40))
    expire(app, origin.url)
    origin.status = 404
    assert get(app, url_of(app, origin.url, width=40)).status_code == 404
    assert list(Path(app.config["IMAGES_CACHE"]).rglob("original-*")) == []


def test_a_failure_is_remembered_for_a_while(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app, other = remote_app(), remote_app()
    origin.status = 503
    answers = [get(each, url_of(each, origin.url, width=40)) for each in (app, app, other)]
    assert [answer.status_code for answer in answers] == [502] * 3
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert len(origin.asked) == 1
    origin.status = 200
    expire(app, origin.url)
    assert pixels(get(app, url_of(app, origin.url, width=40))) == (40, 30)


def test_all_failures_have_one_answer(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()

    def refused(url: str) -> tuple[int, bytes, list[tuple[str, str]]]:
        response = get(app, url_of(app, url, width=40))
        return response.status_code, response.data, sorted(response.headers)

    answers = []
    for status, body in ((500, b""), (403, b"no"), (200, b"<html>"), (200, b""), (200, encoded()[:20])):
        origin.status, origin.body = status, body
        answers.append(refused(f"http://127.0.0.1:{origin.port}/{len(answers)}.jpg"))
    answers.append(refused("http://10.0.0.1/blocked.jpg"))
    answers.append(refused(f"http://127.0.0.1:{origin.port + 1}/port.jpg"))
    answers.append(refused("ftp://127.0.0.1/scheme.jpg"))
    assert answers == [answers[0]] * len(answers)
    assert answers[0][0] == 502


def test_without_hosts_nothing_is_fetched(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app(IMAGES_REMOTE_HOSTS=[])
    assert get(app, url_of(app, origin.url, width=40)).status_code == 404
    assert origin.asked == []


def test_only_hosts_of_the_list_are_asked(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app(IMAGES_REMOTE_HOSTS=["img.example.com"])
    assert get(app, url_of(app, origin.url, width=40)).status_code == 502
    assert origin.asked == []


def test_a_version_of_the_sites_own_makes_it_immutable(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    origin.headers = {"Last-Modified": formatdate(1e9, usegmt=True)}
    plain = get(app, url_of(app, origin.url, width=40))
    assert "immutable" not in plain.headers["Cache-Control"]
    assert plain.headers["Last-Modified"] == formatdate(1e9, usegmt=True)
    versioned = get(app, url_of(app, origin.url, width=40, version="7"))
    assert versioned.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_page_is_made_without_fetching(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    with app.test_request_context():
        assert resized_img_size(origin.url, width=40) is None
        assert {"width", "height"}.isdisjoint(resized_img_attrs(origin.url, width=40))
        assert resized_img_attrs(origin.url, width=40, height=20, mode="crop")["height"] == 20
        assert "height" not in resized_img_tag(origin.url, width=40, height=20, mode="fit")
        page = render_template_string("{{ resized_img_tag(url, width=40) }}", url=origin.url)
    assert page.startswith("<img src=")
    assert origin.asked == []


def test_a_page_knows_the_size_once_it_was_fetched(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app, other = remote_app(), remote_app()
    get(app, url_of(app, origin.url, width=40))
    with other.test_request_context():
        size = resized_img_size(origin.url, width=40)
        assert size is not None
        assert (size.width, size.height, size.image_width) == (40, 30, 80)
        assert resized_img_attrs(origin.url, width=40)["height"] == 30
    assert len(origin.asked) == 1


def test_an_original_that_was_evicted_is_fetched_again(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    get(app, url_of(app, origin.url, width=40))
    for path in Path(app.config["IMAGES_CACHE"]).rglob("original-*"):
        path.unlink()
    assert pixels(get(app, url_of(app, origin.url, width=40))) == (40, 30)  # the rendition is still there
    assert pixels(get(app, url_of(app, origin.url, width=20))) == (20, 15)
    assert len(origin.asked) == 2


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b'{"url": 1}', b'{"url": "u", "until": 1, "new": 2}', b"[" * 100_000),
        *({"file": "../../../a.jpg"}, {"until": "never"}, {"mtime_ns": None}, {"etag": ["a"]}, {"etag": "x" * 60_000}),
    ],
)
def test_a_record_that_cannot_be_read_counts_as_none(
    remote_app: Callable[..., Flask], origin: Origin, data: bytes | dict[str, Any]
) -> None:
    app, other = remote_app(), remote_app()
    get(app, url_of(app, origin.url, width=40))
    (path,) = Path(app.config["IMAGES_CACHE"]).rglob("record")
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(json.loads(path.read_bytes()) | data).encode())
    assert pixels(get(other, url_of(other, origin.url, width=20))) == (20, 15)
    assert len(origin.asked) == 2


def test_originals_stay_within_their_share(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app(IMAGES_CACHE_MAX_SIZE="2MB", IMAGES_CACHE_MIN_FREE=0)
    origin.body = encoded((400, 300)) + bytes(20_000)
    urls = [f"http://127.0.0.1:{origin.port}/{number}.jpg" for number in range(60)]
    for url in urls:
        assert pixels(get(app, url_of(app, url, width=20))) == (20, 15)
    originals = list(Path(app.config["IMAGES_CACHE"]).rglob("original-*"))
    assert 0 < sum(path.stat().st_size for path in originals) <= 510_000
    assert pixels(get(app, url_of(app, urls[0], width=30))) == (30, 22)


def test_purging_a_url_removes_its_original_too(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    get(app, url_of(app, origin.url, width=40))
    result = app.test_cli_runner().invoke(args=["images", "purge", origin.url])
    assert result.exit_code == 0, result.output
    assert cached_files(Path(app.config["IMAGES_CACHE"])) == []
    assert pixels(get(app, url_of(app, origin.url, width=40))) == (40, 30)
    assert len(origin.asked) == 2


def test_a_store_that_cannot_be_written_answers_502(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    cache = Path(app.config["IMAGES_CACHE"]) / "flask-images-vips"
    cache.mkdir(parents=True)
    (cache / "remote").write_text("not a folder")
    assert get(app, url_of(app, origin.url, width=40)).status_code == 502


def test_a_time_in_the_future_is_now(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    origin.headers = {"Last-Modified": "Fri, 31 Dec 9999 23:59:59 GMT"}
    assert pixels(get(app, url_of(app, origin.url, width=40))) == (40, 30)
    (record,) = sources_of(app)._remembered.values()
    assert record.mtime_ns <= time.time_ns() + 1_000_000_000


def test_a_record_of_a_clock_that_ran_years_ahead_is_asked_for_again(
    remote_app: Callable[..., Flask], origin: Origin
) -> None:
    app = remote_app()
    url = url_of(app, origin.url, width=40)
    assert pixels(get(app, url)) == (40, 30)
    expire(app, origin.url, until=time.time() + 14 * 365 * 86_400)
    assert pixels(get(app, url)) == (40, 30)
    assert len(origin.asked) == 2


def test_what_was_kept_of_a_host_that_is_allowed_no_more_is_not_used(
    remote_app: Callable[..., Flask], origin: Origin
) -> None:
    app = remote_app()
    get(app, url_of(app, origin.url, width=40))
    narrower = remote_app(IMAGES_REMOTE_HOSTS=["img.example.com"])
    assert get(narrower, url_of(narrower, origin.url, width=20)).status_code == 502


def test_a_watermark_has_its_version_beside_that_of_the_site(
    remote_app: Callable[..., Flask], origin: Origin, draw: Callable[..., Path]
) -> None:
    app = remote_app()
    origin.headers = {"Last-Modified": formatdate(1e9, usegmt=True)}
    mark = draw("mark.png", (8, 8))
    os.utime(mark, (1_700_000_000,) * 2)
    wishes = {"width": 40, "version": "7", "watermark": "mark.png,se,0,1"}
    before = url_of(app, origin.url, **wishes)
    assert "immutable" in get(app, before).headers["Cache-Control"]
    os.utime(mark, (1_700_000_100,) * 2)
    assert url_of(app, origin.url, **wishes) != before
    assert "immutable" not in get(app, before).headers["Cache-Control"]


def test_a_signed_url_that_is_none_answers_502(remote_app: Callable[..., Flask], origin: Origin) -> None:
    app = remote_app()
    for query in ("u=http%3A%2F%2F%5Bbad%2Fx.png", "f=auto&u=http%3A%2F%2F%5Bbad%2Fx.png"):
        assert get(app, signed(app, "_", query)).status_code == 502
