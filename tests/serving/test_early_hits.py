"""Hits that are answered before Flask begins: they have the same status, headers and bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from conftest import all_renderers_taken, signed, url_of
from flask import Flask, session
from PIL import Image
from werkzeug.exceptions import Unauthorized
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client, TestResponse

from flask_images_vips import Images, resized_img_src
from serving.test_views import age


class Site:
    """An application that counts the requests that Flask sees."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.seen = 0
        self.client = app.test_client()
        app.before_request(self._count)

    def _count(self) -> None:
        self.seen += 1

    def is_early(self, url: str, **options: Any) -> bool:
        """Whether *url* is answered before Flask begins."""
        before = self.seen
        self.client.open(url, **options).close()
        return self.seen == before


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock: two responses, one of them a second later, would differ in Expires."""
    now = time.time()
    monkeypatch.setattr("flask_images_vips.serving.responses.time.time", lambda: now)


@pytest.fixture
def usual(make_app: Callable[..., Flask]) -> Site:
    return Site(make_app())


@pytest.fixture
def early(make_app: Callable[..., Flask]) -> Site:
    """Shares the cache of `usual`."""
    return Site(make_app(IMAGES_EARLY_HITS=True))


def whole(response: TestResponse) -> tuple[str, list[tuple[str, str]], bytes]:
    with response:
        return response.status, sorted(pair for pair in response.headers if pair[0] != "Date"), response.data


REQUESTS: dict[str, dict[str, Any]] = {
    "GET": {},
    "HEAD": {"method": "HEAD"},
    "the known ETag": {"headers": {"If-None-Match": "{etag}"}},
    "a weak one": {"headers": {"If-None-Match": "W/{etag}"}},
    "several": {"headers": {"If-None-Match": '"other", {etag}'}},
    "any": {"headers": {"If-None-Match": "*"}},
    "another ETag": {"headers": {"If-None-Match": '"other"', "If-Modified-Since": "{modified}"}},
    "not modified since": {"headers": {"If-Modified-Since": "{modified}"}},
    "modified since": {"headers": {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}},
    "HEAD of what is known": {"method": "HEAD", "headers": {"If-None-Match": "{etag}"}},
    "a part": {"headers": {"Range": "bytes=2-5"}},
    "its end": {"headers": {"Range": "bytes=-5"}},
    "several parts": {"headers": {"Range": "bytes=0-1,4-5"}},
    "another unit": {"headers": {"Range": "items=0-5"}},
    "beyond the end": {"headers": {"Range": "bytes=9999999-"}},
    "a part of this one": {"headers": {"Range": "bytes=0-1", "If-Range": "{etag}"}},
    "a part of another": {"headers": {"Range": "bytes=0-1", "If-Range": '"other"'}},
    "a session's cookie": {"headers": {"Cookie": "session=x"}},
    "as it was written": {"environ_overrides": {"RAW_URI": "{url}"}},
    "otherwise written": {"environ_overrides": {"RAW_URI": "/imgsizer/%61.png"}},
    "a file wrapper": {"environ_overrides": {"wsgi.file_wrapper": FileWrapper}},
}


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("keywords", [{}, {"width": 10, "format": "jpeg"}, {"width": 10, "download": "x"}], ids=str)
def test_a_hit_is_answered_as_by_flask(
    usual: Site, early: Site, static: Path, keywords: dict[str, Any], asked: dict[str, Any]
) -> None:
    Image.effect_noise((600, 600), 90).save(static / "a.png")  # large enough to be streamed
    age(static / "a.png")
    url = url_of(usual.app, "a.png", **keywords)
    headers = early.client.get(url).headers
    values = {"url": url, "etag": headers["ETag"], "modified": headers["Last-Modified"]}
    options = {
        name: {key: text.format_map(values) if isinstance(text, str) else text for key, text in given.items()}
        if isinstance(given, dict)
        else given
        for name, given in asked.items()
    }
    assert whole(early.client.open(url, **options)) == whole(usual.client.open(url, **options))
    assert early.is_early(url, **options)
    assert not usual.is_early(url, **options)


@pytest.mark.parametrize("name", ["sub/Crème brûlée.png", "a b+c%.png", "a.gif[n=-1]", 'a"b;c.png'])
def test_odd_names_are_early_too(usual: Site, early: Site, draw: Any, name: str) -> None:
    draw(name, format="PNG")
    url = url_of(usual.app, name, width=10)
    early.client.get(url)
    assert whole(early.client.get(url)) == whole(usual.client.get(url))
    assert early.is_early(url)


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "DELETE"])
def test_other_methods_go_to_flask(usual: Site, early: Site, draw: Any, method: str) -> None:
    draw("a.png")
    url = url_of(usual.app, "a.png", width=10)
    early.client.get(url)
    assert whole(early.client.open(url, method=method)) == whole(usual.client.open(url, method=method))


def test_refusals_go_to_flask(usual: Site, early: Site, draw: Any, static: Path) -> None:
    draw("a.png")
    (static / "no.png").write_text("no picture")
    url = url_of(usual.app, "a.png", width=10)
    early.client.get(url)
    for refused in (
        url.replace("w=10", "w=11"),
        url + "&w=10",
        url.partition("?")[0],
        signed(usual.app, "missing.png", "w=10"),
        signed(usual.app, "a.png", "w=abc"),
        signed(usual.app, "no.png", "w=10"),
    ):
        for _ in range(2):
            assert not early.is_early(refused)
            assert whole(early.client.get(refused)) == whole(usual.client.get(refused))


def test_only_what_is_kept_is_early(usual: Site, early: Site, draw: Any, tmp_path: Path) -> None:
    path = draw("a.png", (64, 48))
    age(path, 3000)
    url, unkept = url_of(usual.app, "a.png", width=10), url_of(usual.app, "a.png", width=10, cache=False)
    assert [early.is_early(url) for _ in range(3)] == [False, True, True]
    assert [early.is_early(unkept) for _ in range(2)] == [False, False]
    early.app.test_cli_runner().invoke(args=["images", "purge", "a.png"])
    assert [early.is_early(url) for _ in range(2)] == [False, True]
    age(draw("a.png", (48, 64)), 2000)
    assert [early.is_early(url) for _ in range(2)] == [False, True]
    assert whole(early.client.get(url)) == whole(usual.client.get(url))
    path.unlink()
    assert not early.is_early(url)
    assert early.client.get(url).status_code == 404


def test_a_changed_secret_counts_at_once(early: Site, draw: Any) -> None:
    draw("a.png")
    url = url_of(early.app, "a.png", width=10)
    early.client.get(url)
    early.app.secret_key = "another"
    assert not early.is_early(url)
    assert early.client.get(url).status_code == 404


def test_hits_are_early_while_renders_wait(make_app: Callable[..., Flask], draw: Any) -> None:
    site = Site(make_app(IMAGES_EARLY_HITS=True, IMAGES_MAX_RENDERS=1, IMAGES_LOCK_TIMEOUT=0.2))
    draw("a.png")
    known, cold = url_of(site.app, "a.png", width=10), url_of(site.app, "a.png", width=20)
    site.client.get(known)
    with all_renderers_taken(site.app):
        assert site.client.get(cold).headers["Cache-Control"] == "no-store"  # the nearest that is kept
        assert site.is_early(known)
        assert not site.is_early(cold)
    assert site.client.get(cold).headers["Cache-Control"] != "no-store"
    assert site.is_early(cold)


def test_the_key_may_be_set_after_the_extension_was_created(tmp_path: Path, draw: Any) -> None:
    draw("a.png")
    app = Flask("site", root_path=str(tmp_path))
    Images(app)
    app.config.update(SECRET_KEY="a secret", IMAGES_CACHE=str(tmp_path / "cache"), IMAGES_EARLY_HITS=True)
    site = Site(app)
    url = url_of(app, "a.png", width=10)
    assert [site.is_early(url) for _ in range(2)] == [False, True]


def test_no_cookie_and_no_hook_of_the_application_meets_an_early_hit(early: Site, draw: Any) -> None:
    @early.app.before_request
    def remember() -> None:
        session["visits"] = session.get("visits", 0) + 1

    @early.app.after_request
    def mark(response: Any) -> Any:
        response.headers["X-Hooked"] = "yes"
        return response

    draw("a.png")
    url = url_of(early.app, "a.png", width=10)
    first, second = early.client.get(url), early.client.get(url)
    assert first.headers["X-Hooked"] == "yes"
    assert not {"X-Hooked", "Set-Cookie", "Vary"} & set(second.headers.keys())
    assert first.data == second.data


def test_a_mounted_application_has_early_hits(early: Site, draw: Any) -> None:
    draw("a.png")
    client = Client(DispatcherMiddleware(Unauthorized(), {"/shop/admin": early.app}))
    with early.app.test_request_context(base_url="http://localhost/shop/admin"):
        url = resized_img_src("a.png", width=10)
    assert url.startswith("/shop/admin/imgsizer/")
    first = whole(client.get(url))
    seen = early.seen
    assert whole(client.get(url)) == first
    assert early.seen == seen == 1


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_proxy_fix_may_stand_on_either_side(tmp_path: Path, draw: Any, before: bool) -> None:
    draw("a.png")
    app = Flask("site", root_path=str(tmp_path))
    app.config.update(SECRET_KEY="a secret", IMAGES_CACHE=str(tmp_path / "cache"), IMAGES_EARLY_HITS=True)
    site = Site(app)
    for step in (fix, Images) if before else (Images, fix):
        step(app)
    url = url_of(app, "a.png", width=10)
    forwarded = {"X-Forwarded-Prefix": "/shop", "X-Forwarded-Host": "example.com"}
    assert [site.is_early(url, headers=forwarded) for _ in range(2)] == [False, True]


def fix(app: Flask) -> None:
    app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1, x_prefix=1)  # type: ignore[method-assign]


def test_what_wraps_the_application_later_stands_before_its_hits(early: Site, draw: Any) -> None:
    draw("a.png")
    url = url_of(early.app, "a.png", width=10)
    early.client.get(url)
    early.app.wsgi_app = Unauthorized()  # type: ignore[assignment,method-assign]
    assert early.client.get(url).status_code == 401


def test_a_route_of_the_application_that_comes_before_ours_is_kept(early: Site, draw: Any) -> None:
    draw("a.png")
    url = url_of(early.app, "a.png", width=10)
    early.app.add_url_rule("/imgsizer/a.png", "own", lambda: "the application's own")
    for _ in range(2):
        assert early.client.get(url).text == "the application's own"


def test_several_applications_in_a_process_do_not_mix(early: Site, make_app: Any, draw: Any) -> None:
    draw("a.png")
    other = Site(make_app(IMAGES_EARLY_HITS=True, IMAGES_URL="/pictures", IMAGES_NAME="pictures", SECRET_KEY="other"))
    one_url, other_url = (url_of(site.app, "a.png", width=10) for site in (early, other))
    for site, url, foreign in ((early, one_url, other_url), (other, other_url, one_url)):
        assert [site.is_early(url) for _ in range(2)] == [False, True]
        assert site.client.get(foreign).status_code == 404
        assert site.client.get(foreign.replace("/pictures", "/imgsizer")).status_code == 404 or site is other


@pytest.mark.parametrize("config", [{"USE_X_SENDFILE": True}, {"IMAGES_ACCEL_REDIRECT": "/_images/"}], ids=str)
def test_files_are_handed_over_as_by_flask(make_app: Any, draw: Any, config: dict[str, Any]) -> None:
    draw("a.png")
    usual, early = Site(make_app(**config)), Site(make_app(IMAGES_EARLY_HITS=True, **config))
    url = url_of(usual.app, "a.png", width=10)
    early.client.get(url)
    assert early.is_early(url)
    handed = early.client.get(url)
    assert {"X-Sendfile", "X-Accel-Redirect"} & set(handed.headers.keys())
    assert whole(handed) == whole(usual.client.get(url))


def test_an_early_hit_opens_the_front_door(make_app: Any, draw: Any, tmp_path: Path) -> None:
    age(draw("a.png"))
    site = Site(make_app(IMAGES_EARLY_HITS=True, IMAGES_FRONT_DOOR=str(tmp_path / "door")))
    url = url_of(site.app, "a.png", width=10)
    site.client.get(url)
    folder = (tmp_path / "door" / "flask-images-vips").resolve()
    (link,) = links(folder)
    link.unlink()
    assert site.is_early(url)
    assert [*links(folder)] == [link]


def links(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("??/*") if path.is_symlink())


def test_an_application_that_decides_who_sees_what_is_always_asked(
    make_app: Callable[..., Flask], draw: Callable[..., Path]
) -> None:
    draw("a.png")
    site = Site(make_app(IMAGES_EARLY_HITS=True))
    answers = iter([Images.PUBLIC, Images.PUBLIC, False])
    site.app.extensions["images"].authorize(lambda ref, options: next(answers))
    url = url_of(site.app, "a.png", width=10)
    assert [site.client.get(url).status_code for _ in range(3)] == [200, 200, 403]
    assert site.seen == 3


def test_a_url_whose_time_is_over_answers_410(
    early: Site, draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    now = time.time()
    url = url_of(early.app, "a.png", width=10, expires=now + 100)
    early.client.get(url).close()
    assert early.is_early(url)
    monkeypatch.setattr("flask_images_vips.serving.responses.time.time", lambda: now + 100)
    assert early.client.get(url).status_code == 410
