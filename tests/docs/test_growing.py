"""The page about growing: its configuration is accepted, its links lead somewhere, and its metrics exist."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import ROOT
from flask import Flask

from flask_images_vips.config.keys import Config

PATH = ROOT / "docs" / "deploying" / "growing.md"
PAGE = PATH.read_text("utf-8")


def test_the_configuration_of_each_step_is_accepted() -> None:
    app = Flask("growing")
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        exec(block, {"app": app})
        assert Config.read(app.config)
    assert app.config["IMAGES_REDIS"]


def test_the_metrics_of_its_signs_exist() -> None:
    named = set(re.findall(r"`(images_\w+)`", PAGE))
    assert len(named) > 3
    monitoring = (ROOT / "docs" / "operating" / "monitoring.md").read_text("utf-8")
    assert named <= set(re.findall(r"^\| `(images_\w+)`", monitoring, re.MULTILINE))


def test_its_links_lead_to_pages_and_headings() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, heading = target.partition("#")
        page = (PATH.parent / path).resolve() if path else PATH
        assert page.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", Path(page).read_text("utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target
