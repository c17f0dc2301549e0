"""What the application says of a picture: in its file, in its URL, and never where a cached file is sent."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Flask, current_app, has_request_context

from flask_images_vips import Images, Rights, read_rights
from flask_images_vips.errors import ConfigError, InvalidOption
from flask_images_vips.rights.files import with_rights
from rights.samples import RIGHTS, picture

MakeApp = Callable[..., Flask]


class Records:
    """The records of a site, and the calls of the function that returns them."""

    def __init__(self, app: Flask, **records: Any) -> None:
        self.records = {name.replace("_", "."): record for name, record in records.items()}
        self.calls: list[str] = []
        images: Images = app.extensions["images"]
        images.rights(self.find)

    def find(self, ref: str) -> Any:
        self.calls.append(ref)
        assert current_app.name == "site"
        found = self.records.get(ref)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def app(make_app: MakeApp, static: Path) -> Flask:
    (static / "a.jpg").write_bytes(with_rights(picture("jpeg"), Rights(creator="Source", credit="Source")))
    return make_app()


def test_a_file_says_what_the_application_says_and_of_the_rest_what_its_source_says(app: Flask) -> None:
    Records(app, a_jpg=Rights(creator="Anna", usage_terms="none"))
    data = app.test_client().get(url_of(app, "a.jpg", width=20, keep="rights")).data
    assert read_rights(data) == Rights(creator="Anna", credit="Source", usage_terms="none")


def test_the_function_is_called_once_for_a_url_and_once_for_a_render_and_never_for_a_hit(app: Flask) -> None:
    site = Records(app, a_jpg=RIGHTS)
    plain, kept = url_of(app, "a.jpg", width=20), url_of(app, "a.jpg", width=20, keep="rights")
    assert site.calls == ["a.jpg"]
    client = app.test_client()
    for _ in range(3):
        assert client.get(kept).status_code == client.get(plain).status_code == 200
    assert site.calls == ["a.jpg"] * 2


def test_another_record_is_another_url_and_another_file(app: Flask) -> None:
    site = Records(app, a_jpg=Rights(creator="Anna"))
    client, first = app.test_client(), url_of(app, "a.jpg", width=20, keep="rights")
    assert read_rights(client.get(first).data).creator == ("Anna",)
    site.records["a.jpg"] = Rights(creator="Bell")
    second = url_of(app, "a.jpg", width=20, keep="rights")
    assert second != first
    assert read_rights(client.get(second).data).creator == ("Bell",)
    assert read_rights(client.get(first).data).creator == ("Anna",)  # it is cached
    site.records["a.jpg"] = Rights(creator="Bell", alt="A cup")
    assert url_of(app, "a.jpg", width=20, keep="rights") == second


def test_without_a_record_the_url_is_as_without_a_function(app: Flask, make_app: MakeApp) -> None:
    Records(app, a_jpg=None)
    other = make_app(SECRET_KEY=app.secret_key)
    assert url_of(app, "a.jpg", keep="rights") == url_of(other, "a.jpg", keep="rights")
    data = app.test_client().get(url_of(app, "a.jpg", width=20, keep="rights")).data
    assert read_rights(data).creator == ("Source",)


def test_formats_without_metadata_need_no_record(app: Flask) -> None:
    site = Records(app, a_jpg=RIGHTS)
    url = url_of(app, "a.jpg", width=20, keep="rights", format="gif")
    site.calls.clear()
    assert app.test_client().get(url).status_code == 200
    assert site.calls == []


def test_a_function_that_fails_lets_the_client_try_again_and_nothing_is_stored(app: Flask, caplog: Any) -> None:
    site = Records(app, a_jpg=RIGHTS)
    url = url_of(app, "a.jpg", width=20, keep="rights")
    site.records["a.jpg"] = LookupError("no connection")
    answer = app.test_client().get(url)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "The function of images.rights failed for 'a.jpg'" in caplog.text
    site.records["a.jpg"] = RIGHTS
    assert read_rights(app.test_client().get(url).data).creator == RIGHTS.creator


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"creator": "Anna"}, r"Rights\(…\) or None"),
        (Rights(web_statement="javascript:alert(1)"), "begins with https:// or http://"),
        (Rights(licensor_url="www.example.org"), "begins with https:// or http://"),
    ],
)
def test_an_invalid_record_is_an_error_in_the_page_and_no_fault_of_the_client(
    app: Flask, record: Any, expected: str, caplog: Any
) -> None:
    site = Records(app, a_jpg=RIGHTS)
    url = url_of(app, "a.jpg", width=20, keep="rights")
    site.records["a.jpg"] = record
    with pytest.raises(InvalidOption, match=expected):
        url_of(app, "a.jpg", width=20, keep="rights")
    assert app.test_client().get(url).status_code == 503
    assert "The function of images.rights failed for 'a.jpg'" in caplog.text


def test_the_function_of_a_render_has_a_context_of_its_own(app: Flask) -> None:
    contexts: list[bool] = []
    images: Images = app.extensions["images"]

    @images.rights
    def find(ref: str) -> Rights:
        contexts.append(has_request_context())
        return RIGHTS

    ended: list[int] = []
    app.teardown_appcontext(lambda error: ended.append(len(contexts)))
    url = url_of(app, "a.jpg", width=20, keep="rights")
    ended.clear()
    app.test_client().get(url)
    assert ended[0] == len(contexts) == 2


def test_a_coroutine_function_may_say_it(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure_sync(function: Callable[..., Any]) -> Callable[..., Any]:
        if not inspect.iscoroutinefunction(function):
            return function
        return lambda *arguments: asyncio.run(function(*arguments))

    monkeypatch.setattr(app, "ensure_sync", ensure_sync)  # Flask's own needs asgiref
    images: Images = app.extensions["images"]

    @images.rights  # type: ignore[arg-type]
    async def find(ref: str) -> Rights:
        return RIGHTS

    assert read_rights(app.test_client().get(url_of(app, "a.jpg", width=20, keep="rights")).data) == RIGHTS


def test_only_one_function_can_be_registered(app: Flask) -> None:
    Records(app)
    with pytest.raises(ConfigError, match="already registered"):
        Records(app)


def test_scripts_get_the_same_file(app: Flask) -> None:
    Records(app, a_jpg=RIGHTS)
    images: Images = app.extensions["images"]
    with app.app_context():
        made = images.render("a.jpg", width=20, keep="rights")
    assert read_rights(made) == RIGHTS
    assert app.test_client().get(url_of(app, "a.jpg", width=20, keep="rights")).data == made


def test_a_preset_may_keep_rights(make_app: MakeApp, static: Path) -> None:
    (static / "a.jpg").write_bytes(picture("jpeg"))
    app = make_app(IMAGES_PRESETS={"news": {"width": 20, "keep": "rights"}}, IMAGES_ONLY_PRESETS=True)
    Records(app, a_jpg=RIGHTS)
    assert read_rights(app.test_client().get(url_of(app, "a.jpg", preset="news")).data) == RIGHTS
