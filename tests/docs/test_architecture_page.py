"""docs/inside/ shows the modules, the layers and the way of a request as they are.

``python tests/docs/test_architecture_page.py`` writes the layers, and draws the way of a request, again.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

if not __package__:  # it runs as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import ROOT

from docs import diagram
from docs.blocks import runs

PAGE = "docs/inside/architecture.md"
PACKAGE = ROOT / "flask_images_vips"


def layers() -> str:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (found,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    return "<!-- layers -->\n```text\n{}\n```\n<!-- /layers -->".format("\n".join(found))


def tree() -> str:
    found = re.search(
        r"<!-- tree -->\n```text\nflask_images_vips/\n(.*?)```", (ROOT / PAGE).read_text("utf-8"), re.DOTALL
    )
    assert found is not None
    return found[1]


@runs(PAGE, "demo | testing")
def test_the_layers_are_those_of_the_contract() -> None:
    assert layers() in (ROOT / PAGE).read_text("utf-8"), "run: python tests/docs/test_architecture_page.py"


@runs(PAGE, "flask_images_vips/\n")
def test_the_tree_has_every_module_and_every_folder() -> None:
    modules = {file.name for file in PACKAGE.glob("*.py")}
    folders = {f"{file.parent.name}/" for file in PACKAGE.glob("*/__init__.py")}
    listed = {name for line in tree().splitlines() for name in re.findall(r"(?:^|\s)([a-z_]+(?:\.py|/))(?=\s|$)", line)}
    assert modules | folders <= listed
    assert {name for name in listed if not any(PACKAGE.rglob(name.rstrip("/")))} == set()


def test_the_diagram_names_modules_that_exist() -> None:
    svg = diagram.FILE.read_text("utf-8")
    assert svg == diagram.drawing(), "run: python tests/docs/test_architecture_page.py"
    assert ElementTree.fromstring(svg).get("viewBox") is not None
    for module, *_ in (*diagram.STEPS, *diagram.RENDERING):
        assert (PACKAGE / module).is_file(), module


def test_the_steps_on_the_page_name_modules_that_exist() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", (ROOT / "docs" / "inside" / "request.md").read_text("utf-8")))
    assert len(named) > 10
    assert {module for module in named if not (PACKAGE / module).is_file()} == set()


if __name__ == "__main__":
    page = ROOT / PAGE
    old = page.read_text("utf-8")
    page.write_text(re.sub(r"<!-- layers -->\n.*<!-- /layers -->", lambda _: layers(), old, flags=re.DOTALL), "utf-8")
    diagram.FILE.write_text(diagram.drawing(), "utf-8")
