"""The files behind the URLs of a page: which are known, and by what name, size and path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Blueprint, Flask
from PIL import Image

from flask_images_vips.audit.files import File, Files
from flask_images_vips.state import images_of

PAGE = "http://localhost/shop/lamps?page=2"


@pytest.fixture
def app(make_app: Callable[..., Flask], draw: Any, tmp_path: Path) -> Iterator[Flask]:
    draw("photos/a b.png")
    (tmp_path / "inner" / "files").mkdir(parents=True)
    Image.new("RGB", (7, 5)).save(tmp_path / "inner" / "files" / "b.png")
    app = make_app()
    inner = Blueprint("inner", "inner", root_path=str(tmp_path / "inner"), static_folder="files", url_prefix="/inner")
    app.register_blueprint(inner)
    app.add_url_rule("/made/<name>", "made", lambda name: name)
    app.add_url_rule("/folder/", "folder", lambda: "")
    app.add_url_rule("/posted", "posted", lambda: "", methods=["POST"])
    with app.app_context():
        yield app


def find(app: Flask, url: str, page: str = PAGE, root: str = "") -> File | None:
    return Files(images_of(app), page, root).find(url)


def test_a_rendition_has_its_size_its_hit_and_its_place_in_the_cache(app: Flask) -> None:
    url = url_of(app, "photos/a b.png", width=32)
    file = find(app, url)
    assert file is not None
    assert (file.name, file.size, file.problem, file.target) == ("photos/a b.png", (32, 24), "", url)
    assert file.hit is not None
    app.test_client().get(url)
    assert Path(file.path).is_file()


@pytest.mark.parametrize(
    ("url", "name", "size"),
    [
        ("/static/photos/a%20b.png", "/static/photos/a b.png", (64, 48)),
        (" ../static/photos/a%20b.png?v=1#x ", "/static/photos/a b.png", (64, 48)),
        ("http://localhost/static/photos/a%20b.png", "/static/photos/a b.png", (64, 48)),
        ("//localhost/inner/files/b.png", "/inner/files/b.png", (7, 5)),
        ("/made/c.png", "/made/c.png", None),
    ],
)
def test_other_urls_of_the_application(app: Flask, url: str, name: str, size: Any) -> None:
    file = find(app, url)
    assert file is not None
    assert (file.name, file.size, file.problem, file.hit) == (name, size, "", None)


@pytest.mark.parametrize(
    "url", ["http://elsewhere.example/a.png", "data:image/png;base64,", "ftp://localhost/a.png", "/folder", "/posted"]
)
def test_what_is_not_known_is_none(app: Flask, url: str) -> None:
    assert find(app, url) is None


@pytest.mark.parametrize("url", ["/static/%2e%2e/secret.png", "/static/photos", "/static/no%00.png", "/nowhere"])
def test_what_is_no_file_has_a_problem(app: Flask, url: str) -> None:
    file = find(app, url)
    assert file is not None
    assert file.problem


def test_below_a_prefix_the_target_is_that_within_the_application(app: Flask) -> None:
    file = find(app, "/a%20site/static/photos/a%20b.png?x", "http://localhost/a%20site/", "/a site")
    assert file is not None
    assert (file.size, file.target) == ((64, 48), "/static/photos/a%20b.png?x")
    assert find(app, "/static/photos/a%20b.png", "http://localhost/a%20site/", "/a site") is None


def test_urls_of_a_base_url_are_of_this_application(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_BASE_URL="https://cdn.example.com")
    with app.app_context():
        file = find(app, url_of(app, "a.png", width=32))
        assert file is not None
        assert file.size == (32, 24)


def test_an_svg_that_is_passed_through_has_no_pixels(make_app: Callable[..., Flask], static: Path) -> None:
    (static / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>')
    (static / "b.svg").write_text("<svg/>")
    app = make_app(IMAGES_SVG="pass")
    with app.app_context():
        files = [find(app, url_of(app, name, width=32)) for name in ("a.svg", "b.svg")]
    assert [file and (file.size, file.problem[:19]) for file in files] == [(None, ""), (None, "the root element is")]
