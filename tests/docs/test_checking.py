"""The page about checking a site: its commands run, and its table lists every check."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, gradient
from flask import Flask
from operating.checking.ground import Ground

from docs.blocks import runs
from flask_images_vips import Images

PAGE = (ROOT / "docs" / "operating" / "checking.md").read_text("utf-8")
CHECKING = ROOT / "flask_images_vips" / "operating" / "checking"
_NAME = re.compile(r'\b(?:ok|warning|error)\(\s*"([a-z-]+)"')


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    return Ground(tmp_path, monkeypatch)


@runs("docs/operating/checking.md", "sh")
def test_the_commands_of_the_page_run(ground: Ground) -> None:
    ground.libraries()
    app = ground.make()
    commands = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert commands
    for line in commands:
        command = line.partition(" > ")[0].replace("https://www.example.com", "http://127.0.0.1:9")
        result = app.test_cli_runner().invoke(args=shlex.split(command.removeprefix("flask ")))
        assert result.exit_code in (0, 1), (line, result.output)
        assert "Traceback" not in result.output


@runs("docs/operating/checking.md", "console")
def test_the_examples_of_urls_are_what_the_command_prints(ground: Ground) -> None:
    path = ground.folder / "static" / "photos" / "cat.jpg"
    path.parent.mkdir()
    gradient((800, 600)).save(path)
    os.utime(path, (1_784_851_200, 1_784_851_200))
    ground.config["IMAGES_PRESETS"] = {"avatar": {"width": 96, "height": 96, "mode": "crop"}}
    app = ground.make()
    examples = re.findall(r"```console\n\$ flask (.*?)\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 3
    for command, printed in examples:
        output = app.test_cli_runner().invoke(args=shlex.split(command)).output
        expected = [comparable(line) for line in printed.splitlines() if line.strip() != "…"]
        assert [line for line in map(comparable, output.splitlines()) if line in expected] == expected, output


@runs("docs/operating/checking.md", "python", "json")
def test_the_view_for_monitoring_answers_as_the_page_says(ground: Ground) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    app = Flask("site", root_path=str(ground.folder))
    app.config.update(ground.config)
    exec(code, {"app": app, "Images": Images})
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    found = app.test_client().get("/health/images")
    assert found.status_code == 200
    assert keys_of(found.json) == keys_of(json.loads(example))


def keys_of(found: object) -> object:
    """Return the names of all fields in a JSON object."""
    return {name: keys_of(value) for name, value in found.items()} if isinstance(found, dict) else None


def comparable(line: str) -> str:
    """Return *line* without what differs between machines: folders, keys, signatures and sizes of files."""
    return re.sub(r"s=[\w-]{27}|[0-9a-f]{12,}|[\d,]+ bytes|/\S*/flask-images-vips/\S*|/\S*/static/", "…", line)


def test_the_page_lists_every_check() -> None:
    used = {name for file in CHECKING.glob("*.py") for name in _NAME.findall(file.read_text("utf-8"))}
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert used == listed


@runs("docs/operating/checking.md", "ok       secret-key")
def test_the_page_quotes_what_the_command_says(ground: Ground) -> None:
    ground.patch.setattr("tempfile.gettempdir", lambda: str(ground.folder))
    del ground.config["IMAGES_CACHE"]
    ground.libraries()
    (found,) = (finding for finding in ground.examine() if finding.name == "cache-place")
    for text in (found.message.partition("(")[0], found.message.partition(")")[2], found.cure):
        assert text in PAGE
