"""The page about quality: its configuration is accepted, its metrics and links exist, and its command counts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from conftest import ROOT, needs
from flask import Flask

from docs.blocks import runs
from flask_images_vips.background_renders import _AUTO_AFTER
from flask_images_vips.config.keys import KEYS, Config

PATH = ROOT / "docs" / "guides" / "quality.md"
PAGE = PATH.read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_configuration_is_accepted() -> None:
    app = Flask("quality")
    for block in blocks("python"):
        exec(block, {"app": app})
        assert Config.read(app.config)
    config = Config.read(app.config)
    assert config.quality_at(2.5) == 55
    assert config.by_visitor is not None
    assert config.by_visitor.compares
    assert config.target_score == Config().target_score
    assert _AUTO_AFTER == 10


def test_its_keys_and_metrics_exist() -> None:
    assert set(re.findall(r"IMAGES_[A-Z_]+", PAGE)) <= KEYS.keys()
    monitoring = (ROOT / "docs" / "operating" / "monitoring.md").read_text("utf-8")
    named = set(re.findall(r"`(images_\w+)`", PAGE))
    assert len(named) == 3
    assert named <= set(re.findall(r"^\| `(images_\w+)`", monitoring, re.MULTILINE))


def test_its_headings_are_where_other_pages_link_to() -> None:
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)}
    linked = "".join(
        (ROOT / "docs" / f"{name}.md").read_text("utf-8")
        for name in ("operating/monitoring", "operating/statistics", "deploying/cdn")
    )
    targets = re.findall(r"\(\.\./guides/quality\.md#([\w-]+)\)", linked)
    assert targets
    assert {*targets} <= headings


@runs("docs/guides/quality.md", "sh")
def test_the_command_counts_the_arms_in_a_log_of_nginx(tmp_path: Path) -> None:
    needs("awk", shutil.which("awk"), "apt install mawk")
    line = '192.0.2.1 - - [30/Nov/2026:12:00:00 +0000] "GET /imgsizer/a.jpg?{} HTTP/1.1" 200 {} "-" "-"\n'
    log = tmp_path / "access.log"
    queries = (("arm=canary&w=1&s=x", 100), ("w=1&arm=canary&s=x", 20), ("arm=usual&w=1&s=x", 300), ("w=1&s=x", 4000))
    log.write_text("".join(line.format(query, size) for query, size in queries))
    (command,) = blocks("sh")
    run = subprocess.run(
        ["sh", "-c", command.replace("/var/log/nginx/access.log", str(log))], capture_output=True, text=True, check=True
    )
    assert sorted(run.stdout.split("\n")) == ["", "canary 2 120", "usual 1 300"]
