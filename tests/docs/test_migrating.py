"""The plan in docs/start/migrating.md is the one that the command prints for the site in it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import PHOTOGRAPHS, ROOT
from flask.cli import ScriptInfo

from docs.blocks import runs
from flask_images_vips.operating.migrate import command
from flask_images_vips.operating.migrating.proof import sets_of_options

TEXT = (ROOT / "docs" / "start" / "migrating.md").read_text("utf-8")


def block(pattern: str) -> str:
    found = re.search(pattern, TEXT, re.DOTALL)
    assert found is not None
    return found[1]


@runs("docs/start/migrating.md", "python", "jinja", "")
def test_the_plan_of_the_page_is_that_of_its_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.py").write_text(block(r"<!-- site -->\n```python\n(.*?)```"))
    (tmp_path / "requirements.txt").write_text("Flask\nFlask-Images==3.0.2\n")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "index.html").write_text(block(r"```jinja\n(.*?)```"))
    photos = tmp_path / "static" / "photos"
    photos.mkdir(parents=True)
    for name in ("cat.jpg", "flower.jpg"):
        shutil.copy2(PHOTOGRAPHS / name, photos)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = CliRunner().invoke(command, [], obj=ScriptInfo("shop"))
    assert result.exit_code == 1
    assert result.output.rstrip("\n") == block(r"<!-- plan -->\n```\n(.*?)\n```")


def test_the_number_of_usual_sets_is_that_of_the_code() -> None:
    assert f"and {len(sets_of_options([])[0])} usual ones" in TEXT


def test_the_table_lists_each_option() -> None:
    table = TEXT.partition("| option |")[2].partition("\n\n")[0]
    named = [option for parameter in command.params for option in parameter.opts]
    assert re.findall(r"`(--\w+)`", table) == named
