"""``docs/guides/uploads.md``: its code runs, also in Flask-Admin."""

from __future__ import annotations

import importlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT, gradient
from flask import render_template_string
from headers.containers import saved

from docs.blocks import blocks_of, runs
from flask_images_vips.uploads import refusals
from flask_images_vips.uploads.accepted import StoredImage

TEXT = (ROOT / "docs" / "guides" / "uploads.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
FILES = {match[1]: code for code in BLOCKS if (match := re.match(r"# (\w+)\.py\n", code))}
JPEG = saved(gradient((640, 480)), "JPEG")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """A function that imports a module of the page."""
    for name, code in FILES.items():
        (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "static").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield importlib.import_module
    for name in FILES:
        sys.modules.pop(name, None)


def files(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "static" / "uploads").rglob("*.jpg")]


@runs("docs/guides/uploads.md", "python")
def test_every_block_is_a_file_that_runs() -> None:
    assert len(FILES) == len(BLOCKS) == 7


def test_three_lines_are_a_form(site: Any, tmp_path: Path) -> None:
    client = site("app").app.test_client()
    assert client.post("/photos", data={"photo": (io.BytesIO(JPEG), "a.jpg")}).status_code == 302
    assert len(files(tmp_path)) == 1
    assert client.post("/photos", data={"photo": (io.BytesIO(JPEG[:999]), "a.jpg")}).status_code == 422
    assert len(files(tmp_path)) == 1


def test_the_page_shows_why_a_picture_is_refused(site: Any, tmp_path: Path) -> None:
    client = site("form").app.test_client()
    assert "Choose another one." in client.post("/new", data={"photo": (io.BytesIO(), "a.jpg")}).text
    page = client.post("/new", data={"photo": (io.BytesIO(JPEG), "a.jpg")}).text
    assert client.get(unescape(re.findall('src="(.+?)"', page)[0])).status_code == 200


def test_a_new_avatar_takes_the_place_of_the_old_one(site: Any, tmp_path: Path) -> None:
    client = site("avatar").app.test_client()
    for _ in range(2):
        assert client.post("/avatar", data={"avatar": (io.BytesIO(JPEG), "a.jpg")}).status_code == 302
        assert len(files(tmp_path)) == 1
    assert "This picture is damaged" in client.post("/avatar", data={"avatar": (io.BytesIO(JPEG[:500]), "a.jpg")}).text
    (url,) = re.findall('src="(.+?)"', client.get("/avatar").text)
    assert client.get(unescape(url)).status_code == 200


def test_the_form_of_flask_wtf_stores_a_picture(site: Any, tmp_path: Path) -> None:
    pytest.importorskip("flask_wtf")
    app = site("wtf").app
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    assert 'enctype="multipart/form-data"' in client.get("/photos/new").text
    small = client.post("/photos/new", data={"photo": (io.BytesIO(saved(gradient((90, 9)), "JPEG")), "a.jpg")})
    assert "but needs at least 400 × 300" in small.text
    assert client.post("/photos/new", data={"photo": (io.BytesIO(JPEG), "a.jpg")}).text.startswith("uploads/photos/")
    assert len(files(tmp_path)) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Flask-Admin
def test_flask_admin_stores_replaces_and_removes_pictures(site: Any, tmp_path: Path) -> None:
    pytest.importorskip("flask_admin")
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("flask_sqlalchemy")
    app, database, models = (module := site("site_admin")).app, module.db, site("models")
    client = app.test_client()

    def image() -> Any:
        """The picture of the only row."""
        with app.app_context():
            return database.session.query(models.Photo).one().image

    def send(path: str, data: bytes = JPEG, **fields: str) -> Any:
        file = (io.BytesIO(data), "a.jpg" if data else "")
        return client.post(f"/admin/photo/{path}", data={"title": "A", "alt": "A cat", "image": file, **fields})

    try:
        assert send("new/").status_code == 302
        first = image()
        assert (first.alt, first.focal_point, len(files(tmp_path))) == ("A cat", None, 1)
        page = client.get("/admin/photo/edit/?id=1").text
        assert 'name="focus"' in page
        assert f"/imgsizer/{first.path}?" in page
        assert send("edit/?id=1", b"", focus="0.250,0.750").status_code == 302
        assert (image().path, image().focal_point) == (first.path, (0.25, 0.75))
        assert send("edit/?id=1").status_code == 302
        assert image().path != first.path
        assert files(tmp_path) == [image().path.rpartition("/")[2]]
        assert "This picture is damaged" in send("new/", JPEG[:500]).text
        assert send("delete/", b"", id="1").status_code == 302
        assert files(tmp_path) == []
    finally:
        with app.app_context():
            database.engine.dispose()


def test_all_reasons_are_listed() -> None:
    codes = [value for name, value in vars(refusals).items() if name.isupper() and isinstance(value, str)]
    assert len([code for code in codes if not code.startswith("of ")]) == 10
    for code in codes:
        assert f"`{code}`" in TEXT or code.startswith("of "), code


@runs("docs/guides/uploads.md", "jinja")
def test_the_template_shows_what_the_column_holds(site: Any) -> None:
    app = site("app").app
    (template,) = (block.code for block in blocks_of("docs/guides/uploads.md") if block.language == "jinja")
    with app.test_request_context():
        accepted = app.extensions["images"].accept(io.BytesIO(JPEG))
        photo = SimpleNamespace(image=StoredImage(accepted.path, accepted.size, focal_point=(0.3, 0.4)))
        page = render_template_string(template, photo=photo)
    (url,) = re.findall('src="(.+?)"', page)
    assert app.test_client().get(unescape(url)).status_code == 200
