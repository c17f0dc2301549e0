"""The page ``docs/operating/warming.md``: its site works, and its commands print what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, gradient, url_of
from flask import Flask

from docs.blocks import runs

PAGE = (ROOT / "docs" / "operating" / "warming.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for name, text in BLOCK.findall(PAGE) if name == kind]


def shop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The site of the page, in *folder*."""
    (python,), (jinja,) = blocks("python"), blocks("jinja")
    (folder / "shop.py").write_text(python)
    (folder / "templates").mkdir()
    (folder / "templates" / "home.html").write_text(jinja)
    for name in ("logo.png", "hero.jpg", "team.jpg", *(f"products/{each}.jpg" for each in ("cup", "plate", "fork"))):
        path = folder / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        gradient((800, 600)).save(path)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    monkeypatch.chdir(folder)
    from shop import app  # type: ignore[import-not-found]

    app.config["IMAGES_CACHE"] = str(folder / "cache")
    found: Flask = app
    return found


@runs("docs/operating/warming.md", "python", "jinja", "console")
def test_the_commands_of_the_page_print_what_it_says(tmp_path: Path, monkeypatch: Any) -> None:
    app = shop(tmp_path, monkeypatch)
    line = '203.0.113.9 - - [29/Nov/2026:20:00:00 +0000] "GET {} HTTP/1.1" 200 1234 "-" "-"\n'
    asked = url_of(app, "products/fork.jpg", width=40)
    (tmp_path / "access.log").write_text(line.format(asked) + line.format(asked.replace("w=40", "w=41")))
    commands = [part for block in blocks("console") for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part]
    assert len(commands) == 5
    for text in commands:
        command, _, expected = text.partition("\n")
        assert command.startswith("flask --app shop images warm")
        found = app.test_cli_runner().invoke(args=command.split()[3:])
        assert (found.output, found.exit_code) == (expected, 0), command
