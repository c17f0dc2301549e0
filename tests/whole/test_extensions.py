"""Sites with the extensions and the surroundings that sites have: the page, and every picture in it."""

from __future__ import annotations

import html
import importlib
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import gradient, url_of
from flask import Blueprint, Flask, g, render_template_string, request, url_for
from servers import IN_THREAD
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BuildError

from flask_images_vips import Images, resized_img_src

PAGE = """<!doctype html><title>t</title>
{{ resized_img_tag('a.png', width=20, alt='A') }}
{{ resized_img_tag('a.png', layout='full', placeholder='color', alt='A') }}
{{ resized_picture_tag('a.png', width=30, alt='A') }}
<img src="{{ url_for('images', filename='a.png', width=9) }}">
<img src="{{ url_for('images.crop', filename='a.png', width=9, height=9) }}">
<img src="{{ url_for('images.tiny', filename='a.png') }}">
<a href="{{ url_for('index') }}">home</a>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all sites, which share their cache."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "static").mkdir()
    gradient((64, 48)).save(folder / "static" / "a.png")
    return folder


def site(folder: Path, kind: type[Flask] = Flask, **config: Any) -> Flask:
    app = kind("site", root_path=str(folder))
    app.config.update(SECRET_KEY="a secret", IMAGES_CACHE=str(folder / "cache"), **config, **IN_THREAD)
    Images(app)
    app.config["IMAGES_PRESETS"] = {"tiny": {"width": 5}}
    app.add_url_rule("/", "index", lambda: render_template_string(PAGE))
    return app


def pictures(app: Any, base: str = "http://localhost", path: str = "/", **keywords: Any) -> list[str]:
    """Get a page and each picture in it, and return the URLs of the pictures."""
    client = app.test_client(**keywords)
    page = client.get(path, base_url=base)
    assert page.status_code == 200, page.text
    urls = sorted(set(re.findall(r"[^\"' ]*/imgsizer/[^\"' ]+", html.unescape(page.text))))
    for url in urls:
        answer = client.get(url, base_url=base)
        assert (answer.status_code, answer.mimetype) in {(200, f"image/{kind}") for kind in ("png", "webp", "avif")}
        assert "Set-Cookie" not in answer.headers
        assert answer.content_length == len(answer.data)
    assert len(urls) >= 7
    return urls


def babel(app: Flask) -> None:
    import flask_babel

    flask_babel.Babel(app, locale_selector=lambda: "de")


def talisman(app: Flask) -> None:
    import flask_talisman

    flask_talisman.Talisman(app, force_https=False)


def compress(app: Flask) -> None:
    import flask_compress

    flask_compress.Compress(app)


def limiter(app: Flask) -> None:
    import flask_limiter.util

    flask_limiter.Limiter(
        flask_limiter.util.get_remote_address, app=app, default_limits=["99/minute"], storage_uri="memory://"
    )


def login(app: Flask) -> None:
    import flask_login

    flask_login.LoginManager(app).user_loader(lambda name: None)
    app.before_request(lambda: None if flask_login.current_user.is_anonymous else "somebody")


def wtf(app: Flask) -> None:
    import flask_wtf

    flask_wtf.CSRFProtect(app)


def minify(app: Flask) -> None:
    import flask_minify

    flask_minify.Minify(app, html=True, js=True, cssless=True)


def caching(app: Flask) -> None:
    import flask_caching

    cache = flask_caching.Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    app.view_functions["index"] = cache.cached()(app.view_functions["index"])


def dash(app: Flask) -> None:
    import dash

    dash.Dash(server=app, url_base_pathname="/dash/").layout = dash.html.Img(src=url_of(app, "a.png", width=9))


def extension(name: str) -> ModuleType:
    """Import an extension. Most are not in the extra `tests`: ``nox -s extensions`` installs all, and requires them."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        if os.environ.get("IMAGES_REQUIRE_EXTENSIONS"):
            raise
        pytest.skip(f"{name} is not installed: run nox -s extensions")


EXTENSIONS = {f"flask_{add.__name__}": add for add in (babel, talisman, compress, limiter, login, wtf, minify, caching)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*EXTENSIONS, "dash"])
def test_with_an_extension(folder: Path, name: str) -> None:
    extension(name)
    app = site(folder)
    (EXTENSIONS.get(name) or dash)(app)
    first = pictures(app)
    assert pictures(app) == first == pictures(site(folder))
    assert all(app.view_functions[rule.endpoint] for rule in app.url_map.iter_rules())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("module", "name"), [("apiflask", "APIFlask"), ("flask_openapi3", "OpenAPI")])
def test_in_another_kind_of_application(folder: Path, module: str, name: str) -> None:
    kind = getattr(extension(module), name)
    app = site(folder, kind)
    pictures(app)
    description = app.test_client().get("/openapi/openapi.json" if name == "OpenAPI" else "/openapi.json")
    assert description.status_code == 200


def languages(app: Flask, *, asks: bool) -> None:
    """Put a language before every path, as Flask's documentation shows it, or into every URL that is built."""

    @app.url_defaults
    def add_language(endpoint: str, values: dict[str, Any]) -> None:
        if not asks or app.url_map.is_endpoint_expecting(endpoint, "lang"):
            values.setdefault("lang", g.get("lang", "de"))

    @app.url_value_preprocessor
    def take_language(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.lang = (values or {}).pop("lang", "de")

    app.add_url_rule("/<lang>/page", "page", lambda: render_template_string(PAGE + "{{ url_for('page') }}"))


@pytest.mark.parametrize("asks", [True, False])
def test_a_language_in_every_url_is_not_part_of_those_of_pictures(folder: Path, asks: bool) -> None:
    app = site(folder)
    languages(app, asks=asks)
    assert pictures(app, path="/en/page") == pictures(app, path="/fr/page") == pictures(site(folder))


def test_a_default_that_is_an_option_is_one_for_every_picture(folder: Path) -> None:
    app = site(folder)
    app.url_defaults(lambda endpoint, values: values.setdefault("quality", 7))
    with app.test_request_context():
        for keywords in ({"quality": 7, "foo": "bar"}, {"quality": 8}):
            expected = resized_img_src("a.png", width=9, mode="crop", **keywords)
            given = {name: value for name, value in keywords.items() if value != 7}
            assert url_for("images.crop", filename="a.png", width=9, **given) == expected


def test_every_endpoint_that_url_for_takes_is_in_the_map(folder: Path) -> None:
    app = Flask("site", root_path=str(folder))
    app.config.update(SECRET_KEY="any", IMAGES_CACHE=str(folder / "cache"), IMAGES_PRESETS={"one": {"width": 5}})
    theirs = Blueprint("images", __name__)
    theirs.add_url_rule("/list", "list", lambda: "list")
    theirs.add_url_rule("/crop", "crop", lambda: "crop")
    Images(app)
    app.register_blueprint(theirs)
    for kind in ("fit", "crop", "pad", "reshape", "one"):
        assert app.url_map.is_endpoint_expecting(f"images.{kind}", "path")
    app.config["IMAGES_PRESETS"] = {"one": {"width": 5}, "two": {"width": 6}}
    with app.test_request_context():
        assert url_for("images.two", filename="a.png") == resized_img_src("a.png", width=6)
        assert app.url_map.is_endpoint_expecting("images.two", "path")
        assert (url_for("images.list"), url_for("images.crop")) == ("/list", "/crop")
        for values in ({"path": "a.png"}, {}):
            with pytest.raises(ValueError, match="needs filename="):
                url_for("images.fit", **values)
        with pytest.raises(BuildError):
            url_for("images.zoom", filename="a.png")


def test_behind_a_proxy_with_a_prefix_and_where_it_is_mounted(folder: Path) -> None:
    app = site(folder)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1, x_host=1, x_proto=1)  # type: ignore[method-assign]
    headers = {"X-Forwarded-Prefix": "/shop", "X-Forwarded-Host": "example.com", "X-Forwarded-Proto": "https"}
    page = html.unescape(app.test_client().get("/", headers=headers).text)
    urls = set(re.findall(r"[^\"' ]*/imgsizer/[^\"' ]+", page))
    assert len(urls) >= 7
    for url in urls:
        assert url.startswith("/shop/imgsizer/")
        assert app.test_client().get(url.removeprefix("/shop"), headers=headers).status_code == 200
    whole = Flask("whole")
    whole.wsgi_app = DispatcherMiddleware(whole.wsgi_app, {"/shop": app.wsgi_app})  # type: ignore[method-assign]
    assert all(url.startswith("/shop/imgsizer/") for url in pictures(whole, path="/shop/"))


def test_with_a_server_name_in_a_request_and_in_a_task(folder: Path) -> None:
    app = site(folder, SERVER_NAME="example.com", PREFERRED_URL_SCHEME="https")
    expected = pictures(app, "https://example.com")
    with app.app_context():  # as a task of Celery has it
        assert not request
        page = html.unescape(render_template_string(PAGE.replace("url_for('index')", "url_for('index', x=1)")))
        outside = url_for("images.crop", filename="a.png", width=9, height=9)
        assert resized_img_src("a.png", width=9, external=True).startswith("https://example.com/imgsizer/")
    found = set(re.findall(r"[^\"' ]*/imgsizer/[^\"' ]+", page))
    assert {url.removeprefix("https://example.com") for url in found} == set(expected)
    assert app.test_client().get(outside, base_url="https://example.com").status_code == 200
