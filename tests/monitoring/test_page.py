"""The page about monitoring and the dashboard: they name what the code has, and the code of the page runs.

``python tests/monitoring/test_page.py`` writes the table of the metrics again.
"""

from __future__ import annotations

import json
import logging
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

if not __package__:  # as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import ROOT, needs, url_of
from docs.blocks import runs
from flask import Flask

from flask_images_vips import Images, Quota, errors, image_rendered
from flask_images_vips.monitoring.families import FAMILIES, Counter
from flask_images_vips.monitoring.prometheus import GAUGES
from flask_images_vips.phases import Name
from flask_images_vips.state import images_of

PAGE = ROOT / "docs" / "operating" / "monitoring.md"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "docker" / "grafana.json").read_text("utf-8"))
COLUMNS = 24


def table() -> str:
    rows = ["| metric | labels | what it tells |", "|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        for metric in family.metrics:
            name = f"`{metric.name}_total`" if isinstance(metric, Counter) else f"`{metric.name}`, a histogram"
            rows.append(f"| {name} | {labels} | {metric.doc} |")
    rows += [f"| `{name}` |  | {doc} |" for name, (doc, _) in GAUGES.items()]
    return "\n".join(rows)


def blocks(language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def block(word: str) -> str:
    (found,) = (code for code in blocks() if word in code)
    return found


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$job", ".*")


def names_of_series() -> dict[str, tuple[str, ...]]:
    """The names that Prometheus stores, with their labels."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(GAUGES, ())
    for family in FAMILIES:
        for metric in family.metrics:
            if isinstance(metric, Counter):
                found[f"{metric.name}_total"] = family.labels
            else:
                found.update(dict.fromkeys((f"{metric.name}_count", f"{metric.name}_sum"), family.labels))
                found[f"{metric.name}_bucket"] = (*family.labels, "le")
    return found


def test_the_table_is_that_of_the_code() -> None:
    text = PAGE.read_text("utf-8")
    assert f"<!-- metrics -->\n{table()}\n<!-- /metrics -->" in text, "run: python tests/monitoring/test_page.py"


def test_every_phase_is_explained() -> None:
    listed = re.findall(r"^\| `(\w+)` \| [A-Z]", PAGE.read_text("utf-8"), re.MULTILINE)
    assert listed == list(Name.__args__)  # type: ignore[attr-defined]


@runs("docs/operating/monitoring.md", 'app.config["IMAGES_METRICS"]', "from prometheus_client")
def test_the_metrics_are_shown_as_the_page_says(tmp_path: Path, draw: Any) -> None:
    draw("a.png")
    app = Flask("site", root_path=str(tmp_path))
    app.config.update(SECRET_KEY="a secret", IMAGES_CACHE=str(tmp_path / "cache"))
    exec(block('"/metrics/images"'), {"app": app, "Images": Images})
    exec(block("CollectorRegistry"), {"app": app})
    assert app.test_client().get(url_of(app, "a.png", width=10)).status_code == 200
    for path in ("/metrics", "/metrics/images"):
        assert "images_served_total{" in app.test_client().get(path).text


@runs("docs/operating/monitoring.md", "@images.tenant", "from flask_images_vips import Quota")
def test_the_tenants_and_the_quota_are_those_of_the_page(app: Flask) -> None:
    names: dict[str, Any] = {"images": app.extensions["images"]}
    exec(block("images.tenant"), names)
    exec(block("images.quota"), names)
    tenants = images_of(app).tenants
    assert tenants.quota_of("acme/a.jpg", app.ensure_sync) == ("acme", Quota(200, 3600))
    assert tenants.quota_of("internal/a.jpg", app.ensure_sync) is None
    assert tenants.quota_of("a.jpg", app.ensure_sync) is None


@runs("docs/operating/monitoring.md", "import json\nimport logging")
def test_the_formatter_writes_the_fields(app: Flask, draw: Any, capsys: pytest.CaptureFixture[str]) -> None:
    draw("a.png")
    logger, names = logging.getLogger("flask_images_vips"), dict[str, Any]()
    level = logger.level
    exec(block("JsonFormatter"), names)
    try:
        app.test_client().get(url_of(app, "a.png", width=10))
    finally:
        logger.removeHandler(names["handler"])
        logger.setLevel(level)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = (line for line in lines if line.get("image_event") == "rendered")
    assert line["message"].startswith("rendered 'a.png' by vips")
    listed = re.search(r"^\| `rendered` \| info \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert listed is not None
    assert {f"image_{name}" for name in re.findall(r"`(\w+)`", listed[1])} | {"image_event", "image_ref"} == {
        name for name in line if name.startswith("image_")
    }


def test_every_event_of_the_log_is_listed() -> None:
    listed = re.findall(r"^\| `([\w -]+)` \| (?:info|warning) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    code = "".join(path.read_text("utf-8") for path in (ROOT / "flask_images_vips").rglob("*.py"))
    assert sorted(listed) == sorted({*re.findall(r'\bfields\(\s*"([^"]+)",', code)})


@runs("docs/operating/monitoring.md", "from flask_images_vips import image_failed")
def test_a_receiver_is_called(app: Flask, draw: Any, capsys: pytest.CaptureFixture[str]) -> None:
    draw("a.png")
    exec(block("connect_via"), names := {"app": app})
    try:
        app.test_client().get(url_of(app, "a.png", width=10))
    finally:
        image_rendered.disconnect(names["note_render"], sender=app)
    assert re.fullmatch(r"a\.png as png: 0\.\d{3} s of CPU time\n", capsys.readouterr().out)


@runs("docs/operating/monitoring.md", "from opentelemetry import trace")
def test_the_hook_of_gunicorn_sets_up_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    (tmp_path / "gunicorn.conf.py").write_text(block("post_fork"))
    given: list[TracerProvider] = []
    monkeypatch.setattr(trace, "set_tracer_provider", given.append)
    runpy.run_path(str(tmp_path / "gunicorn.conf.py"))["post_fork"](None, None)
    given[0].shutdown()


@runs("docs/operating/monitoring.md", "Server-Timing: ")
def test_the_header_of_the_page_is_one_of_the_package(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_SERVER_TIMING=True)
    header = app.test_client().get(url_of(app, "a.png", width=10)).headers["Server-Timing"]
    (shown,) = re.findall(r"^Server-Timing: (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert re.sub(r"[\d.]+", "0", shown) == re.sub(r"[\d.]+", "0", header)


def test_the_dashboard_names_the_metrics_of_the_code_and_all_of_them() -> None:
    known = names_of_series()
    found = {name for expression in expressions() for name in re.findall(r"\bimages_\w+", expression)}
    assert found <= known.keys()
    shown = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in found}
    assert shown == {metric.name for family in FAMILIES for metric in family.metrics} | GAUGES.keys()


def test_the_dashboard_groups_by_labels_that_the_metrics_have() -> None:
    known = names_of_series()
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            (names, grouped) = (
                re.findall(r"\bimages_\w+", target["expr"]),
                re.findall(r"by \(([^)]*)\)", target["expr"]),
            )
            labels = {label for group in grouped for label in group.split(", ")}
            assert all(labels <= {*known[name]} for name in names), panel["title"]
            assert {*re.findall(r"{{(\w+)}}", target["legendFormat"])} <= labels | {"instance"}, panel["title"]


def test_the_alerts_name_metrics_and_labels_of_the_code() -> None:
    known = names_of_series()
    (rules,) = blocks("yaml")[1:]
    for rule in yaml.safe_load(rules)["groups"][0]["rules"]:
        names = set(re.findall(r"\bimages_\w+", rule["expr"]))
        used = set(re.findall(r"(\w+)=~?\"", rule["expr"]))
        used |= {label for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in group.split(", ")}
        assert names
        assert all(used <= {*known[name], "instance"} for name in names), rule["alert"]
    assert all(hasattr(errors, name) for name in re.findall(r'error="(\w+)"', rules))


def test_prometheus_accepts_the_alerts(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    needs("promtool", promtool, "apt-get install prometheus")
    (tmp_path / "alerts.yml").write_text(blocks("yaml")[1])
    command = [str(promtool), "check", "rules", "alerts.yml"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells
        assert all(x < COLUMNS for x, _ in own)
        assert panel["title"]
        assert panel["description"].endswith(".")
        cells |= own
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


if __name__ == "__main__":
    text = re.sub(
        r"<!-- metrics -->\n.*<!-- /metrics -->",
        lambda _: f"<!-- metrics -->\n{table()}\n<!-- /metrics -->",
        PAGE.read_text("utf-8"),
        flags=re.DOTALL,
    )
    PAGE.write_text(text, "utf-8")
