"""Who may see an image, and until when: expiring URLs, and the callback of the application."""

from __future__ import annotations

import asyncio
import copy
import html
import inspect
import os
import pickle
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import cached_files, signed, url_of
from flask import Flask, abort, redirect, session
from werkzeug.exceptions import Forbidden
from werkzeug.local import LocalProxy
from werkzeug.test import TestResponse

from flask_images_vips import PUBLIC, Images, Public, resized_img_srcset
from flask_images_vips.errors import Busy, ConfigError
from flask_images_vips.options.options import Options


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock of the responses ahead by some seconds."""
    real = time.time

    def ahead(seconds: float) -> None:
        for module in ("serving.hit", "serving.responses", "options.scalars"):
            monkeypatch.setattr(f"flask_images_vips.{module}.time.time", lambda: real() + seconds)

    return ahead


@pytest.fixture
def old(draw: Any) -> Callable[..., Path]:
    """Draws a picture that is an hour old."""

    def lay(name: str, **keywords: Any) -> Path:
        path: Path = draw(name, **keywords)
        os.utime(path, (time.time() - 3600,) * 2)
        return path

    return lay


def max_age(answer: TestResponse) -> int:
    directives = answer.headers["Cache-Control"].split(", ")
    (age,) = [directive.partition("=")[2] for directive in directives if directive.startswith("max-age=")]
    return int(age)


# URLs that expire.


def test_moments_are_written_in_every_form_that_people_have(app: Flask, draw: Any) -> None:
    draw("a.png")
    then = datetime(2100, 1, 1, tzinfo=UTC)
    for expires in (then, then.timestamp(), int(then.timestamp()), str(int(then.timestamp())), then.astimezone()):
        assert "exp=4102444800&" in url_of(app, "a.png", expires=expires)
    assert "exp=4102444800&" in url_of(app, "a.png", expires=then.astimezone().replace(tzinfo=None))
    before = int(time.time())
    url = url_of(app, "a.png", expires=timedelta(hours=1))
    assert before + 3600 <= int(url.partition("exp=")[2].partition("&")[0]) <= time.time() + 3600


def test_a_url_works_until_it_expires_and_is_410_from_then_on(
    app: Flask, old: Any, clock: Callable[[float], None]
) -> None:
    old("a.png")
    client = app.test_client()
    url = url_of(app, "a.png", width=10, expires=timedelta(minutes=10))
    first = client.get(url)
    assert first.status_code == 200
    assert 500 <= max_age(first) <= 600
    assert first.headers["Cache-Control"] == f"public, max-age={max_age(first)}"
    clock(500)
    later = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert later.status_code == 304
    assert max_age(later) <= 100
    clock(601)
    for headers in ({}, {"If-None-Match": first.headers["ETag"]}, {"Range": "bytes=0-1"}):
        gone = client.get(url, headers=headers)
        assert (gone.status_code, gone.mimetype) == (410, "text/plain")
        assert max_age(gone) <= 60
    assert client.head(url).status_code == 410


@pytest.mark.parametrize("seconds", [30, 100, 40_000_000])
@pytest.mark.parametrize("query", ["", "&v=x", "&v=VERSION"])
def test_no_cache_keeps_it_for_longer(make_app: Any, old: Any, seconds: int, query: str) -> None:
    old("a.png")
    app = make_app(IMAGES_MAX_AGE=1000)
    expires = int(time.time()) + seconds
    version = url_of(app, "a.png").partition("v=")[2].partition("&")[0]
    answer = app.test_client().get(signed(app, "a.png", f"exp={expires}{query.replace('VERSION', version)}&w=10"))
    assert answer.status_code == 200
    assert 0 < max_age(answer) <= seconds
    assert "immutable" not in answer.headers["Cache-Control"]
    assert "stale" not in answer.headers["Cache-Control"]
    assert time.time() + max_age(answer) <= expires + 1


def test_the_end_is_signed_and_no_part_of_what_is_rendered(app: Flask, old: Any, tmp_path: Path) -> None:
    old("a.png")
    client = app.test_client()
    expired = url_of(app, "a.png", width=10, expires=1)
    assert client.get(expired).status_code == 410
    assert client.get(expired.replace("exp=1&", "exp=9999999999&")).status_code == 404
    assert client.get(expired.replace("exp=1&", "")).status_code == 404
    for expires in (None, timedelta(hours=1), timedelta(hours=2)):
        assert client.get(url_of(app, "a.png", width=10, expires=expires)).status_code == 200
    assert len(cached_files(tmp_path / "cache")) == 1


@pytest.mark.parametrize("expires", ["never", "-1", "1e9", "1" * 11])
def test_what_is_no_moment_is_400(app: Flask, draw: Any, expires: str) -> None:
    draw("a.png")
    assert app.test_client().get(url_of(app, "a.png", expires=expires)).status_code == 400


def test_an_expired_answer_says_that_it_varies(app: Flask, draw: Any) -> None:
    draw("a.png")
    answer = app.test_client().get(url_of(app, "a.png", expires=1, format="auto"))
    assert (answer.status_code, answer.headers["Vary"]) == (410, "Accept")


# The callback of the application.


def by_folder(ref: str, options: Options) -> bool | Public:
    """Pictures of members/ are for those who are logged in, of nobody/ for nobody, and all others for everybody."""
    if ref.startswith("members/"):
        return "user" in session
    return False if ref.startswith("nobody/") else Images.PUBLIC


@pytest.fixture
def guarded(make_app: Any, old: Any) -> Flask:
    for name in ("members/a.png", "nobody/a.png", "a.png"):
        old(name)
    app: Flask = make_app()
    app.extensions["images"].authorize(by_folder)

    @app.get("/login")
    def login() -> str:
        session["user"] = "me"
        session.permanent = True
        return "hello"

    return app


def test_a_visitor_sees_what_the_application_allows(guarded: Flask, tmp_path: Path) -> None:
    stranger, member = guarded.test_client(), guarded.test_client()
    member.get("/login")
    urls = {name: url_of(guarded, f"{name}a.png", width=10) for name in ("", "members/", "nobody/")}
    for _ in range(2):  # what is cached is no less guarded
        assert [stranger.get(url).status_code for url in urls.values()] == [200, 403, 403]
        assert [member.get(url).status_code for url in urls.values()] == [200, 200, 403]
    assert stranger.get(urls["members/"]).headers["Cache-Control"] == "no-store"
    etag = member.get(urls["members/"]).headers["ETag"]
    assert stranger.get(urls["members/"], headers={"If-None-Match": etag}).status_code == 403
    assert stranger.get(urls["members/"], headers={"Range": "bytes=0-1"}).status_code == 403
    assert stranger.head(urls["members/"]).status_code == 403
    assert len(cached_files(tmp_path / "cache")) == 2


def test_what_is_for_one_visitor_is_kept_by_their_browser_alone(guarded: Flask) -> None:
    member = guarded.test_client()
    member.get("/login")
    url = url_of(guarded, "members/a.png", width=10)
    answer = member.get(url)
    assert answer.headers["Cache-Control"] == "private, max-age=3600"
    assert "Expires" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    for headers in ({"If-None-Match": answer.headers["ETag"]}, {"Range": "bytes=0-1"}):
        assert member.get(url, headers=headers).headers["Cache-Control"] == "private, max-age=3600"
    unversioned = member.get(signed(guarded, "members/a.png", "w=10"))
    assert unversioned.headers["Cache-Control"] == "private, max-age=3600"
    uncached = member.get(url_of(guarded, "members/a.png", width=10, cache=False))
    assert uncached.headers["Cache-Control"] == "no-store"
    public = member.get(url_of(guarded, "a.png", width=10))
    assert public.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("max_age", [0, 31_536_000])
def test_private_answers_stay_private_at_any_age(make_app: Any, old: Any, max_age: int) -> None:
    old("a.png")
    app = make_app(IMAGES_MAX_AGE=max_age)
    app.extensions["images"].authorize(lambda ref, options: True)
    url = url_of(app, "a.png", width=10)
    for environ in ({}, {"RAW_URI": url.replace("a.png", "%61.png")}):
        answer = app.test_client().get(url, environ_overrides=environ)
        assert answer.headers["Cache-Control"] == f"private, max-age={max_age}"


def test_a_private_url_may_expire(guarded: Flask) -> None:
    member = guarded.test_client()
    member.get("/login")
    answer = member.get(url_of(guarded, "members/a.png", expires=timedelta(seconds=100)))
    assert answer.headers["Cache-Control"].startswith("private, max-age=")
    assert 50 <= max_age(answer) <= 100


def test_only_what_is_for_everybody_enters_the_front_door(make_app: Any, old: Any, tmp_path: Path) -> None:
    names = ("members/a.png", "a.png")
    for name in names:
        old(name)
    app = make_app(IMAGES_FRONT_DOOR=True, IMAGES_ACCEL_REDIRECT="/_images/")
    app.extensions["images"].authorize(lambda ref, options: ref != "a.png" or PUBLIC)
    told = []
    for name in names:
        url = url_of(app, name, width=10)
        told += [app.test_client().get(url).headers.get("X-Accel-Redirect", "") for _ in range(2)]
    assert [bool(header) for header in told] == [False, True, False, True]  # nginx may send all of them
    (link,) = [path for path in (tmp_path / "cache").rglob("front/??/*") if path.is_symlink()]
    assert link.name.startswith("a.png@")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: modes")
@pytest.mark.parametrize("answers", [{"a.png": PUBLIC, "members/a.png": True}, None])
def test_other_users_read_public_images_only(
    make_app: Any, old: Any, tmp_path: Path, answers: dict[str, bool | Public] | None
) -> None:
    app = make_app(IMAGES_FRONT_DOOR=True)
    if answers:
        app.extensions["images"].authorize(lambda ref, options: answers[ref])
    modes = []
    for name in ("members/a.png", "a.png"):
        old(name)
        for _ in range(2):
            assert app.test_client().get(url_of(app, name, width=10)).status_code == 200
            files = [path for path in cached_files(tmp_path / "cache") if path.suffix == ".png"]
            modes.append(sorted(path.stat().st_mode & 0o777 for path in files if not path.is_symlink()))
    assert modes[:2] == [[0o600 if answers else 0o644]] * 2
    assert modes[2:] == [[0o600 if answers else 0o644, 0o644]] * 2
    link = next(path for path in (tmp_path / "cache").rglob("front/**/a.png@*") if path.is_symlink())
    folders = [*link.resolve().parents][:3]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o711] * 3


def test_the_callback_is_told_what_is_asked_for_and_may_answer_itself(app: Flask, old: Any) -> None:
    old("a.png")
    asked: list[tuple[str, int | None, str | None]] = []

    @app.extensions["images"].authorize
    def look(ref: str, options: Options) -> bool | Public:
        asked.append((ref, options.width, options.format and options.format.name))
        abort(418)

    answer = app.test_client().get(url_of(app, "a.png", width=10, format="auto"), headers={"Accept": "image/webp"})
    assert answer.status_code == 418
    assert asked == [("a.png", 10, "webp")]
    assert app.test_client().get(url_of(app, "missing.png")).status_code == 418
    assert app.test_client().get(url_of(app, "a.png") + "x").status_code == 404
    assert len(asked) == 2


def test_each_object_asks_its_own_callback_in_the_context_of_each_application(tmp_path: Path, old: Any) -> None:
    old("a.png")
    statuses = []
    shared = Images()
    shared.authorize(lambda ref, options: "user" in session)
    for name, images in (("one", shared), ("two", shared), ("three", Images())):
        app = Flask(name, root_path=str(tmp_path))
        app.config.update(SECRET_KEY=name, IMAGES_CACHE=str(tmp_path / name))
        images.init_app(app)
        client = app.test_client()
        if name == "two":
            with client.session_transaction() as one:
                one["user"] = "me"
        answer = client.get(url_of(app, "a.png", width=10))
        statuses.append((answer.status_code, answer.headers["Cache-Control"].partition(",")[0]))
    assert statuses == [(403, "no-store"), (200, "private"), (200, "public")]


def test_a_second_callback_is_refused(app: Flask) -> None:
    app.extensions["images"].authorize(by_folder)
    with pytest.raises(ConfigError, match="already"):
        app.extensions["images"].authorize(by_folder)


@pytest.mark.parametrize("door", [True, False])
def test_with_a_front_door_a_callback_comes_before_the_first_image(make_app: Any, old: Any, door: bool) -> None:
    old("a.png")
    app = make_app(IMAGES_FRONT_DOOR=door)
    url = url_of(app, "a.png", width=10)
    if door:
        with pytest.raises(ConfigError, match="too late"):
            app.extensions["images"].authorize(by_folder)
    else:
        app.extensions["images"].authorize(lambda ref, options: False)
        assert app.test_client().get(url).status_code == 403


def test_another_callback_removes_the_links_of_the_last(make_app: Any, old: Any, tmp_path: Path) -> None:
    old("a.png")

    def stricter(ref: str, options: Options) -> bool:
        return False

    links = []
    for callback in (by_folder, by_folder, stricter):
        app = make_app(IMAGES_FRONT_DOOR=True)
        app.extensions["images"].authorize(callback)
        app.test_client().get("/imgsizer/unsigned.png")
        links.append(sum(path.is_symlink() for path in (tmp_path / "cache").rglob("front/??/*")))
        app.test_client().get(url_of(app, "a.png", width=10))
    assert links == [0, 1, 0]


# The watermark, which is a source as well.


MARKED = {
    ("a.png", "b.png"): (200, 200, "public, max-age=31536000, immutable"),
    ("a.png", "members/a.png"): (403, 200, "private, max-age=3600"),
    ("members/a.png", "a.png"): (403, 200, "private, max-age=3600"),
    ("a.png", "nobody/a.png"): (403, 403, "no-store"),
    ("members/a.png", "nobody/a.png"): (403, 403, "no-store"),
    ("nobody/a.png", "a.png"): (403, 403, "no-store"),
    ("a.png", "./members//a.png"): (403, 200, "private, max-age=3600"),
}


@pytest.mark.parametrize(("name", "mark"), MARKED)
def test_a_watermark_is_shown_to_those_who_may_see_it(guarded: Flask, old: Any, name: str, mark: str) -> None:
    old("b.png")
    stranger, member = guarded.test_client(), guarded.test_client()
    member.get("/login")
    url = url_of(guarded, name, width=30, watermark=mark)
    for_stranger, for_member, cache_control = MARKED[name, mark]
    for _ in range(2):
        answer = member.get(url)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (for_member, cache_control)
        assert stranger.get(url).status_code == for_stranger


def test_the_callback_is_asked_about_every_source_with_the_options_of_the_url(app: Flask, old: Any) -> None:
    for name in ("a.png", "marks/b.png"):
        old(name)
    asked: list[tuple[str, int | None]] = []

    def note(ref: str, options: Options) -> bool:
        asked.append((ref, options.width))
        assert options.watermark is not None
        return True

    app.extensions["images"].authorize(note)
    url = url_of(app, "a.png", width=30, watermark="marks/b.png")
    for _ in range(2):
        assert app.test_client().get(url).status_code == 200
    assert asked == [("a.png", 30), ("marks/b.png", 30)] * 2


def test_a_watermark_that_is_not_for_everybody_enters_no_front_door_and_no_early_hit(
    make_app: Any, old: Any, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png", "members/a.png"):
        old(name)
    app = make_app(IMAGES_FRONT_DOOR=True, IMAGES_EARLY_HITS=True)
    allowed = [True]
    app.extensions["images"].authorize(lambda ref, options: PUBLIC if ref in ("a.png", "b.png") else allowed[0])
    urls = [url_of(app, "a.png", width=30, watermark=mark) for mark in ("b.png", "members/a.png")]
    for _ in range(2):
        assert [app.test_client().get(url).status_code for url in urls] == [200, 200]
    (link,) = [path for path in (tmp_path / "cache").rglob("front/??/*") if path.is_symlink()]
    assert "b.png" in link.name
    allowed[0] = False
    assert [app.test_client().get(url).status_code for url in urls] == [200, 403]


def test_no_other_size_is_sent_where_a_callback_permits_one(guarded: Flask, monkeypatch: Any) -> None:
    def busy(*arguments: object) -> None:
        raise Busy("all slots are taken")

    stranger, member = guarded.test_client(), guarded.test_client()
    member.get("/login")
    member.get(url_of(guarded, "a.png", width=40, watermark="members/a.png"))
    monkeypatch.setattr("flask_images_vips.pipeline.Pipeline.entry", busy)
    url = url_of(guarded, "a.png", width=30, watermark="members/a.png")
    answer = member.get(url)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
    assert stranger.get(url).status_code == 403


def test_one_size_of_a_set_opens_no_other(guarded: Flask, draw: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    draw("members/large.jpg", (2900, 1500))
    stranger, member = guarded.test_client(), guarded.test_client()
    member.get("/login")
    with guarded.test_request_context():
        srcset = str(resized_img_srcset("members/large.jpg", widths=[200, 300, 400]))
    first, *others = [html.unescape(candidate.split()[0]) for candidate in srcset.split(", ")]
    assert member.get(first).status_code == 200
    assert len(cached_files(tmp_path / "cache")) == 3
    for url in (first, *others):
        assert stranger.get(url).status_code == 403
        assert member.get(url).headers["Cache-Control"].startswith("private")


# What a callback may return.


def ask(app: Flask, callback: Any, name: str = "a.png") -> TestResponse:
    """The answer to a visitor, where *callback* decides."""
    app.extensions["images"].authorize(callback)
    return app.test_client().get(url_of(app, name, width=10))


def test_public_is_one_object_with_a_name() -> None:
    assert Images.PUBLIC is PUBLIC is Images().PUBLIC
    assert isinstance(PUBLIC, Public)
    assert repr(PUBLIC) == "PUBLIC"
    assert pickle.loads(pickle.dumps(PUBLIC)) is copy.deepcopy(PUBLIC) is PUBLIC


class User:
    is_authenticated = False

    def may_see(self) -> bool:
        return False


USERS = LocalProxy(User)


@pytest.mark.parametrize("answer", [True, np.bool_(True), LocalProxy(lambda: True)], ids=["bool", "NumPy", "proxy"])
def test_what_is_true_is_for_this_visitor_only(app: Flask, old: Any, answer: object) -> None:
    old("a.png")
    response = ask(app, lambda ref, options: answer)
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "private, max-age=3600")


@pytest.mark.parametrize("answer", [False, 0, "", [], LocalProxy(lambda: 0), np.bool_(False)], ids=repr)
def test_what_is_false_refuses_without_a_word(app: Flask, old: Any, caplog: Any, answer: object) -> None:
    old("a.png")
    response = ask(app, lambda ref, options: answer)
    assert (response.status_code, response.headers["Cache-Control"]) == (403, "no-store")
    assert "must return" not in caplog.text


async def coroutine(ref: str, options: Options) -> bool:
    return ref == "a.png"


NOT_ANSWERS: dict[str, Callable[[], object]] = {
    "None": lambda: None,
    "a coroutine": lambda: coroutine("a.png", Options()),
    "a generator": lambda: (answer for answer in [True]),
    "a filter": lambda: filter(None, [False]),
    "a method": lambda: User().may_see,
    "a function": lambda: by_folder,
    "a builtin_function_or_method": lambda: [].count,
    "a Response": lambda: redirect("/login"),
    "a tuple": lambda: ("no", 403),
    "a dict": lambda: {"error": "no"},
    "a Forbidden": Forbidden,
    "a type": lambda: Forbidden,
    "a User": User,
    "a LocalProxy": lambda: USERS,
    "a str": lambda: "PUBLIC",
    "a int": lambda: 1,
    "a list": lambda: [False],
    "a float": lambda: float("nan"),
    "a NotImplementedType": lambda: NotImplemented,
    "a partial": lambda: partial(by_folder),
}


@pytest.mark.parametrize("returned", NOT_ANSWERS)
def test_what_is_no_answer_refuses_and_is_logged_once(app: Flask, old: Any, caplog: Any, returned: str) -> None:
    old("a.png")

    def may_see(ref: str, options: Options) -> Any:
        return NOT_ANSWERS[returned]()

    statuses = [ask(app, may_see).status_code]
    statuses += [app.test_client().get(url_of(app, "a.png", width=10)).status_code for _ in range(2)]
    assert statuses == [403, 403, 403]
    (line,) = [record.getMessage() for record in caplog.records if "must return" in record.getMessage()]
    assert f"{__name__}.{test_what_is_no_answer_refuses_and_is_logged_once.__name__}.<locals>.may_see" in line
    assert f" returned {returned} for 'a.png'" in line
    for answer in ("True", "False", "Images.PUBLIC"):
        assert answer in line


def test_a_callback_that_forgets_a_return_makes_nothing_public(make_app: Any, old: Any, tmp_path: Path) -> None:
    old("a.png")
    app = make_app(IMAGES_FRONT_DOOR=True, IMAGES_EARLY_HITS=True)
    for response in (ask(app, lambda ref, options: session.get("user")), app.test_client().get(url_of(app, "a.png"))):
        assert (response.status_code, response.headers["Cache-Control"]) == (403, "no-store")
    assert not [path for path in (tmp_path / "cache").rglob("front*/??/*") if path.is_symlink()]


class Rule:
    async def __call__(self, ref: str, options: Options) -> bool:
        return True


@pytest.mark.parametrize("callback", [partial(by_folder), Rule()], ids=["partial", "object"])
def test_any_callable_decides_and_has_a_name(app: Flask, old: Any, caplog: Any, callback: Any) -> None:
    old("nobody/a.png")
    assert ask(app, callback, "nobody/a.png").status_code == 403
    assert (f"callback {__name__}.Rule returned a coroutine" in caplog.text) == isinstance(callback, Rule)


def test_a_coroutine_function_runs_as_the_applications_views_do(app: Flask, old: Any) -> None:
    for name in ("a.png", "b.png"):
        old(name)
    usual = app.ensure_sync

    def ensure_sync(function: Callable[..., Any]) -> Callable[..., Any]:
        if not inspect.iscoroutinefunction(function):
            return usual(function)
        return lambda *arguments: asyncio.run(function(*arguments))

    app.ensure_sync = ensure_sync  # type: ignore[method-assign]
    response = ask(app, coroutine)
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "private, max-age=3600")
    assert app.test_client().get(url_of(app, "b.png", width=10)).status_code == 403


def test_an_exception_of_the_callback_is_the_applications(app: Flask, old: Any) -> None:
    old("a.png")
    app.register_error_handler(ZeroDivisionError, lambda error: ("The rights are unknown.", 503))
    response = ask(app, lambda ref, options: bool(1 // 0))
    assert (response.status_code, response.text) == (503, "The rights are unknown.")
