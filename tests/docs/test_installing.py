"""docs/start/installing.md lists each extra, and what the package needs at least."""

from __future__ import annotations

import re
import tomllib

from conftest import ROOT

TEXT = (ROOT / "docs" / "start" / "installing.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FOR_DEVELOPERS = {"bench", "tests", "docs", "lint"}


def test_each_extra_is_on_the_page() -> None:
    assert (
        set(re.findall(r"^\| `([\w-]+)` \|", TEXT, re.MULTILINE))
        == {*PROJECT["optional-dependencies"]} - FOR_DEVELOPERS
    )


def test_the_least_versions_are_those_of_the_package() -> None:
    least = re.findall(r"(Flask|Werkzeug|Pillow)>=([\d.]+)", " ".join(PROJECT["dependencies"]))
    for name, version in least:
        assert f"{name} {version}" in TEXT
    assert f"Python {PROJECT['requires-python'].removeprefix('>=')} or newer" in TEXT
    assert f"pyvips-binary {PROJECT['optional-dependencies']['binary'][0].partition('>=')[2]} or newer" in TEXT
