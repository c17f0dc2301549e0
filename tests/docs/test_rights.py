"""``docs/guides/rights.md``: its code runs, and does what it says."""

from __future__ import annotations

import html
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from flask import Flask
from rights.certificates import lay_certificates
from rights.samples import RIGHTS, picture

from docs.blocks import blocks_of, runs
from flask_images_vips import Images, Rights, read_rights
from flask_images_vips.rights.files import with_rights
from flask_images_vips.rights.xmp import packet_of

TEXT = (ROOT / "docs" / "guides" / "rights.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
FILES = {match[1]: code for code in BLOCKS if (match := re.match(r"# (\w+)\.py\n", code))}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, code in FILES.items():
        (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "cat.jpg").write_bytes(with_rights(picture("jpeg"), RIGHTS))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield tmp_path
    for name in FILES:
        sys.modules.pop(name, None)


@runs("docs/guides/rights.md", "# app.py")
@pytest.mark.usefixtures("site")
def test_the_application_says_who_may_use_the_picture() -> None:
    client = importlib.import_module("app").app.test_client()
    page = client.get("/").text
    assert 'alt="A cat asleep on a stove"' in page
    src = html.unescape(re.findall(r'src="([^"]+)"', page)[0])
    assert "&ri=" in src
    record = read_rights(client.get(src).data)
    assert (record.creator, record.web_statement) == (("Anna Bell",), "https://example.org/licence")
    assert record.usage_terms == RIGHTS.usage_terms
    found = json.loads(re.findall(r"<script[^>]*>(.*)</script>", page)[0])
    assert (found["creditText"], found["contentUrl"].startswith("http")) == ("Photo: Anna Bell", True)


@runs("docs/guides/rights.md", "# reading.py")
@pytest.mark.usefixtures("site")
def test_rights_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module("reading")
    assert capsys.readouterr().out == f"{RIGHTS.creator} {RIGHTS.copyright}\n"


def test_the_table_names_every_field_and_property_and_the_figures_hold() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    fields = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows))
    assert {*fields} == {*RIGHTS.in_file}
    packet = packet_of(RIGHTS).decode()
    assert all(name in packet for row in rows for name in re.findall(r"`(\w+:\w+)`", row))
    assert 1250 < len(with_rights(picture("jpeg"), RIGHTS)) - len(picture("jpeg")) < 1550
    assert Rights(creator="x" * 2000)


@runs("docs/guides/rights.md", 'app.config["IMAGES_C2PA"]')
def test_the_site_starts_with_the_certificates_of_the_page(site: Path) -> None:
    pytest.importorskip("c2pa")
    (code,) = (block.code for block in blocks_of("docs/guides/rights.md") if "IMAGES_C2PA" in block.code)
    (site / "c2pa").mkdir()
    lay_certificates(site / "c2pa")
    app = Flask("site", root_path=str(site))
    app.config.update(SECRET_KEY="docs", IMAGES_CACHE=str(site / "cache"))
    exec(code, {"app": app})
    Images(app)
