"""The code of docs/guides/svg.md runs, and its table has the limits of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from flask import render_template_string

from docs.blocks import runs
from flask_images_vips.headers import xml
from flask_images_vips.serving.headers import common_headers
from flask_images_vips.state import images_of
from flask_images_vips.svg import css, drawing, references

TEXT = (ROOT / "docs" / "guides" / "svg.md").read_text("utf-8")


@runs("docs/guides/svg.md", "python", "{{ resized_img_tag('logo.svg'")
def test_the_example_sends_an_svg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"/>')
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (template,) = re.findall(r"```html\+jinja\n(.*?)```", TEXT, re.DOTALL)
    found: dict[str, Any] = {"__name__": "app"}
    exec(code, found)
    app = found["app"]
    app.root_path = str(tmp_path)
    app.config["IMAGES_CACHE"] = str(tmp_path / "cache")
    with app.test_request_context():
        tag = render_template_string(template)
    assert 'width="120"' in tag
    assert 'height="90"' in tag
    (url,) = re.findall('src="([^"]*)"', tag)
    answer = app.test_client().get(url.replace("&amp;", "&"))
    assert answer.headers["Content-Type"] == "image/svg+xml"
    policy = dict(common_headers(images_of(app).pipeline.config))["Content-Security-Policy"]
    assert policy in TEXT.replace("\n", " ")


def test_the_table_has_the_limits() -> None:
    stated = [int(number.replace(",", "")) for number in re.findall(r"^\|.*\| ([\d,]+) \|$", TEXT, re.MULTILINE)]
    limits = [xml.MAX_BYTES, xml.MAX_ELEMENTS, xml._MAX_ATTRIBUTES, drawing._MAX_DEPTH]
    drawn = [references.MAX_DRAWN, references.MAX_DRAWN, references.MAX_DEPTH]
    assert stated == [*limits, *drawn, css._MAX_RULES]
