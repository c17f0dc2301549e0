"""Test the README: its tables are up to date, and its code runs.

``python tests/test_readme.py`` writes the tables again.
"""

from __future__ import annotations

import html
import io
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from conftest import PHOTOGRAPHS, ROOT
from PIL import Image

from flask_images_vips.config.keys import Config
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.formats import JPEG
from flask_images_vips.operating.cli import images
from flask_images_vips.options.options import DECLARED, DEFAULTS, Option, Options, write_query

README = ROOT / "README.md"


def options_table() -> str:
    rows = [
        "| option | in URLs | default | values | engine | description | example |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, declared in DECLARED.items():
        cells = (f"`{declared.short}`", default_of(name), declared.values, engines_of(declared), declared.doc)
        rows.append(f"| `{name}` | {' | '.join(cells)} | `{declared.example}` |")
    return "\n".join(rows)


def default_of(name: str) -> str:
    value = DEFAULTS[name]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"`{value}`"
    plain = f"{value:g}" if isinstance(value, float) else str(value)
    return {"background": "black", "padding": "0"}.get(name, "" if value is None else plain)


def engines_of(declared: Option) -> str:
    """The engines that can render the option's example."""
    options = Options.parse(write_query(keywords_of(declared)))
    able = [
        engine.name for engine in (VipsEngine(), PillowEngine()) if not engine.refusal(options, options.format or JPEG)
    ]
    return "both" if len(able) == 2 else able[0]


def keywords_of(declared: Option) -> dict[str, Any]:
    """The keywords of the option's example."""
    keywords: dict[str, Any] = eval(f"dict({declared.example})")
    return keywords


def configuration_table() -> str:
    rows = ["| key | default | description |", "|---|---|---|"]
    for item in fields(Config):
        key = item.metadata["key"]
        default = list(item.default) if item.default and isinstance(item.default, tuple) else item.default
        rows.append(f"| `{key.name}` | `{default if default != () else None!r}` | {key.doc} |")
    return "\n".join(rows)


def commands_table() -> str:
    rows = ["| command | what it does |", "|---|---|"]
    for name in images.list_commands(click.Context(images)):
        command = images.get_command(click.Context(images), name)
        assert command is not None
        sentences = " ".join((command.help or "").partition("\n\n")[0].split())
        rows.append(f"| `flask images {name}` | {sentences} |")
    return "\n".join(rows)


TABLES = {
    "options": options_table,
    "configuration": configuration_table,
    "commands": commands_table,
}


def test_the_tables_are_those_of_the_code() -> None:
    text = README.read_text("utf-8")
    for name, table in TABLES.items():
        assert f"<!-- {name} -->\n{table()}\n<!-- /{name} -->" in text, "run: python tests/test_readme.py"


def test_every_key_and_option_has_a_sentence() -> None:
    assert all(item.metadata["key"].doc.endswith((".", ")")) for item in fields(Config))
    assert all(declared.doc.endswith(".") for declared in DECLARED.values())


def test_every_option_has_an_example_that_can_be_rendered() -> None:
    for name, declared in DECLARED.items():
        assert getattr(Options.parse(write_query(keywords_of(declared))), name) != DEFAULTS[name], name


def test_the_ten_lines_serve_a_photograph_of_ones_own(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)[0]
    (tmp_path / "app.py").write_text(code)
    (tmp_path / "static").mkdir()
    shutil.copy2(PHOTOGRAPHS / "cat.jpg", tmp_path / "static" / "cat.jpg")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "flask", "--app", "app", "run", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(tmp_path)
    ) as server:
        try:
            page = get(f"http://127.0.0.1:{port}/").decode()
            tag = re.search(r'<img alt="A cat" .* height="300" src="([^"]+)" width="400"/>', page)
            assert tag is not None, page
            picture = Image.open(io.BytesIO(get(f"http://127.0.0.1:{port}{html.unescape(tag[1])}")))
            assert (picture.size, picture.format) == ((400, 300), "JPEG")
        finally:
            server.terminate()


def environment(folder: Path) -> dict[str, str]:
    import os

    return {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}


def get(url: str) -> bytes:
    """Request *url* and return the body. The server may still be starting."""
    last: Exception | None = None
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                body: bytes = response.read()
                return body
        except urllib.error.URLError as error:
            last = error
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer") from last


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def write_generated() -> None:
    text = README.read_text("utf-8")
    for name, table in TABLES.items():
        text = re.sub(
            rf"<!-- {name} -->\n.*<!-- /{name} -->",
            lambda _, name=name, table=table: f"<!-- {name} -->\n{table()}\n<!-- /{name} -->",
            text,
            flags=re.DOTALL,
        )
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    write_generated()
