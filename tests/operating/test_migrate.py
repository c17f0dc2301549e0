"""``flask images migrate``, and ``flask images-migrate`` for a site that still imports Flask-Images."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import ROOT, needs
from flask.cli import ScriptInfo

from flask_images_vips.operating.migrate import command

SITE = """from flask import Flask
from flask_images import Images

app = Flask(__name__)
app.secret_key = "a secret"
images = Images(app)
"""
DIFF = """--- a/{name}.py
+++ b/{name}.py
@@ -1,4 +1,4 @@
 from flask import Flask
-from flask_images import Images
+from flask_images_vips import Images
{space}
 app = Flask(__name__)
"""
names = iter(range(1000))


@pytest.fixture
def site(tmp_path: Path, draw: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with a site that imports Flask-Images. It is in the current folder."""
    draw("a.png")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "index.html").write_text("{{ resized_img_tag('a.png', width=30)|safe }}")
    name = f"old_site_{next(names)}"  # each is imported once
    (tmp_path / f"{name}.py").write_text(SITE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def run(name: str, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, obj=ScriptInfo(name))


def test_a_site_that_imports_flask_images_gets_its_plan(site: str, tmp_path: Path) -> None:
    result = run(site)
    assert result.exit_code == 0, result.output
    assert "To change by hand: nothing" in result.output
    assert "Everything is the same." in result.output
    assert "pictures rendered, and their sizes compared: 1" in result.output
    assert DIFF.format(name=site, space=" ") in result.output
    assert (tmp_path / f"{site}.py").read_text() == SITE
    assert "flask_images" not in sys.modules


def test_the_diff_can_be_applied(site: str, tmp_path: Path) -> None:
    result = run(site, "--diff")
    assert result.output == DIFF.format(name=site, space=" ")
    patch = shutil.which("patch")
    needs("patch", patch, "apt-get install patch")
    subprocess.run([str(patch), "-p1"], input=result.output, text=True, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / f"{site}.py").read_text() == SITE.replace("from flask_images ", "from flask_images_vips ")
    assert run(site, "--diff").output == ""


def test_what_breaks_is_exit_code_1(site: str, tmp_path: Path) -> None:
    (tmp_path / "templates" / "b.html").write_text("{{ resized_img_tag('a.png')|replace('a', 'b')|safe }}")
    result = run(site, "--render", "0")
    assert result.exit_code == 1
    assert "To change by hand: 1\n- resized_img_tag returns Markup" in result.output
    assert "    templates/b.html:1" in result.output


def test_programs_read_json(site: str) -> None:
    plan = json.loads(run(site, "--json", "--render", "0").output)
    assert plan["safe"] is True
    assert plan["proof"]["holds"] is True
    assert plan["proof"]["urls"] > 20
    assert plan["templates"] == 1
    assert plan["diff"] == DIFF.format(name=site, space=" ")
    assert {each["level"] for each in plan["differences"]} == {"differs"}


def test_long_lists_of_places_are_cut(site: str, tmp_path: Path) -> None:
    (tmp_path / "templates" / "b.html").write_text("\n{{ resized_img_size('a.png') }}" * 12)
    assert "    templates/b.html:11\n    and 2 more" in run(site, "--render", "0").output


def test_no_pictures_prove_nothing(site: str, tmp_path: Path) -> None:
    (tmp_path / "static" / "a.png").unlink()
    assert "There are no pictures in IMAGES_PATH, so nothing is proved." in run(site).output


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("app.config['IMAGES_FORMATS'] = 'JPEG'", "With flask_images_vips, the site does not work. IMAGES_FORMATS = "),
        ("app.secret_key = None", "With flask_images_vips, the site does not work. No secret key"),
        ("app.extensions.clear()", "uses neither Flask-Images nor flask_images_vips"),
    ],
)
def test_a_site_that_cannot_work_gets_one_sentence(site: str, tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / f"{site}.py").write_text(f"{SITE}{lines}\n")
    result = run(site)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_the_entry_point_is_this_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, name = project["entry-points"]["flask.commands"]["images-migrate"].partition(":")
    assert getattr(importlib.import_module(module), name) is command


def test_flask_finds_the_command_before_it_loads_the_site(site: str, tmp_path: Path) -> None:
    """As installed: Flask reads the entry points of all packages that it finds."""
    metadata = tmp_path / "lib" / "stand_in-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stand-in\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[flask.commands]\nimages-migrate = flask_images_vips.operating.migrate:command\n"
    )
    path = os.pathsep.join([str(tmp_path / "lib"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", site, "images-migrate", "--render", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything is the same." in done.stdout
    assert done.stderr == ""
