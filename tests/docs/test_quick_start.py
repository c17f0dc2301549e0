"""docs/start/quick-start.md leads to the page that it describes."""

from __future__ import annotations

import html
import importlib
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import PHOTOGRAPHS, ROOT
from flask.testing import FlaskClient

from docs.blocks import runs

PAGE = "docs/start/quick-start.md"
TEXT = (ROOT / PAGE).read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """The site of the page, with the demo's cat."""
    (tmp_path / "app.py").write_text(blocks("python")[0])
    (tmp_path / "templates").mkdir()
    (tmp_path / "static" / "photos").mkdir(parents=True)
    cat = Path(shutil.copy2(PHOTOGRAPHS / "cat.jpg", tmp_path / "static" / "photos"))
    os.utime(cat, (1_700_000_000, 1_700_000_000))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "app", raising=False)
    app = importlib.import_module("app").app
    app.config["IMAGES_CACHE"] = str(tmp_path / "cache")
    return app.test_client()  # type: ignore[no-any-return]


@runs(PAGE, "# app.py", "<!doctype html>", "<img alt")
def test_the_ten_lines_show_the_tag_of_the_page(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "templates" / "index.html").write_text(blocks("jinja")[0])
    page = client.get("/").text
    (tag,) = re.findall("<img .*>", page)
    assert f"<!-- tag -->\n```html\n{tag}\n```\n<!-- /tag -->" in TEXT
    answer = client.get(html.unescape(re.findall('src="(.*?)"', tag)[0]))
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")


@runs(PAGE, "{{ resized_img_tag", "{{ resized_picture_tag")
@pytest.mark.parametrize("template", blocks("jinja")[1:])
def test_every_size_is_served(client: FlaskClient, tmp_path: Path, template: str) -> None:
    (tmp_path / "templates" / "index.html").write_text(template)
    urls = set(re.findall(r"/imgsizer/[^ \",]+", html.unescape(client.get("/").text)))
    assert len(urls) >= 1
    assert {client.get(url).status_code for url in urls} == {200}
