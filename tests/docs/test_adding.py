"""docs/inside/adding.md names modules, and names in them, that exist."""

from __future__ import annotations

import re

from conftest import ROOT

TEXT = (ROOT / "docs" / "inside" / "adding.md").read_text("utf-8")
PACKAGE = ROOT / "flask_images_vips"


def test_every_module_on_the_page_exists() -> None:
    named = set(re.findall(r"`(?:\.venv/bin/python )?([\w/]+/[\w.]*|\w+\.(?:py|md))`", TEXT))
    assert len(named) > 30
    missing = {path for path in named if not ((PACKAGE / path).exists() or (ROOT / path).exists())}
    assert missing == set()


def test_every_name_in_a_module_exists() -> None:
    found = re.findall(r"`([\w.]+)`\s+(?:in|of)\s+`([\w/]+\.py)`", TEXT)
    assert len(found) > 15
    for name, module in found:
        path = PACKAGE / module if (PACKAGE / module).exists() else ROOT / module
        code = path.read_text("utf-8")
        for part in name.split("."):
            assert re.search(rf"\b{part}\b", code), f"{module} has no {part}"
