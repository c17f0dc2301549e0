"""``docs/guides/responsive-images.md``: its four cases are valid HTML, and its view announces the picture."""

from __future__ import annotations

import html
import importlib
import re
from pathlib import Path

import html5lib
import pytest
from conftest import ROOT
from flask import render_template_string

from docs.blocks import runs
from docs.site_of_page import SiteOfPage
from flask_images_vips.demo import create_app

PAGE = "docs/guides/responsive-images.md"
TEXT = (ROOT / PAGE).read_text("utf-8")


@pytest.mark.parametrize("case", range(4))
def test_the_four_cases_are_valid_and_every_picture_in_them_is_served(
    case: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_images_vips.late_facts.DELAY_SECONDS", 0.1)  # the end of a test waits for it
    section = re.search(r"<!-- responsive -->(.*)<!-- /responsive -->", TEXT, re.DOTALL)
    assert section is not None
    templates = re.findall(r"```jinja\n(.*?)```", section[1], re.DOTALL)
    assert len(templates) == 4
    app = create_app()
    with app.test_request_context():
        page = render_template_string(templates[case])
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    parser.parse(f"<!doctype html><html><head><title>t</title></head><body>{page}</body></html>")
    urls = set(re.findall(r"/imgsizer/[^ \",]+", html.unescape(page)))
    assert len(urls) >= 2
    for url in urls:
        assert app.test_client().get(url).status_code == 200


@runs("docs/guides/responsive-images.md", "# app.py")
def test_the_view_puts_the_link_of_the_hero_into_its_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = SiteOfPage(tmp_path, monkeypatch)
    (code,) = re.findall(r"```python\n(# app.py.*?)```", TEXT, re.DOTALL)
    (tmp_path / "app.py").write_text(code)
    site.modules = {"app"}
    site.forget()  # one of another test
    response = importlib.import_module("app").app.test_client().get("/")
    site.forget()
    link = re.findall(r"^<([^>]+)>.*rel=\"?preload", response.headers["Link"])
    assert link
    assert html.escape(link[0]) in response.text
