"""What the pages about deploying state is what the code, and the files in docker/, say."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

if not __package__:  # as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import ROOT, signed, url_of

from docs.blocks import blocks_of, runs
from flask_images_vips.cache import eviction
from flask_images_vips.config.keys import Config
from flask_images_vips.pool import resources
from flask_images_vips.serving import headers, views

DEPLOYING = ROOT / "docs" / "deploying"
DOCKER = ROOT / "docker"
HOSTS = {"1 processor, 512 MB": (1, 512), "2 processors, 1 GB": (2, 1024), "2 processors, 2 GB": (2, 2048)}
HOSTS |= {"4 processors, 4 GB": (4, 4096), "4 processors, 8 GB": (4, 8192), "8 processors, 16 GB": (8, 16_384)}


def page(name: str) -> str:
    return (DEPLOYING / name).read_text("utf-8")


def renderers_table() -> str:
    """How many renderers some hosts have, and the memory of each.

    ``python tests/docs/test_deploying.py`` prints both tables.
    """
    rows = ["| the application may use | renderers | memory of each |", "|---|---|---|"]
    for host, (processors, mebibytes) in HOSTS.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(resources, "processors", lambda count=processors: count)
            patch.setattr(resources, "memory_bytes", lambda size=mebibytes: size * 2**20)
            count, memory = resources.renderers(None, None)
        rows.append(f"| {host} | {count} | {round(memory / 1e6)} MB |")
    return "\n".join(rows)


def processors_table() -> str:
    """How many renditions a processor makes in a second, from the costs that docs/deploying/growing.md shows."""
    rows = ["| rendition | CPU time | a processor makes in a second |", "|---|---|---|"]
    for name, cost in re.findall(
        r"^\| a render: (\w+ \d+ px) \| ([\d.]+) \([^)]*\) ms ", page("growing.md"), re.MULTILINE
    ):
        format, _, width = name.partition(" ")
        label = {"avif": "AVIF", "webp": "WebP", "jpeg": "JPEG"}[format]
        rows.append(f"| {label}, {width} | {float(cost):.0f} ms | {1000 / float(cost):.0f} |")
    return "\n".join(rows)


def test_the_table_of_processors_is_computed_from_the_measured_costs() -> None:
    assert f"<!-- processors -->\n{processors_table()}\n<!-- /processors -->" in page("tuning.md")


def test_the_table_of_renderers_is_that_of_the_code() -> None:
    assert f"<!-- renderers -->\n{renderers_table()}\n<!-- /renderers -->" in page("tuning.md")
    assert (resources.MAX_MEMORY, resources.MIN_MEMORY) == (768_000_000, 300_000_000)


def test_tuning_names_only_metrics_that_exist() -> None:
    monitoring = (ROOT / "docs" / "operating" / "monitoring.md").read_text("utf-8")
    metrics = set(re.findall(r"^\| `(images_\w+)`", monitoring, re.MULTILINE))
    for name in ("tuning.md", "serving.md"):
        assert set(re.findall(r"`(images_\w+)`", page(name))) <= metrics


def test_a_request_may_wait_as_long_as_tuning_says() -> None:
    assert Config().lock_timeout + Config().render_timeout == 25


def test_serving_lists_the_statuses_of_the_code() -> None:
    rows = dict(re.findall(r"^\| (\d{3}) \| [^|]* \| ([^|]*) \|$", page("serving.md"), re.MULTILINE))
    kept = {
        str(status): "no" if control == headers.NO_STORE else "a minute" for status, control in views._STATUS.values()
    }
    assert rows == kept


def test_serving_states_the_bounds_of_the_cache() -> None:
    assert (eviction.SHARDS, eviction._LARGEST_PART) == (256, 16)
    assert (Config().cache_max_size, Config().cache_min_free) == (10 * 10**9, 0.05)
    assert headers.SETTLED_SECONDS == 2


def test_serving_tells_how_long_images_may_be_kept(make_app: Any, draw: Any) -> None:
    app, text = make_app(), page("serving.md")
    os.utime(draw("cat.jpg"), (1_700_000_000, 1_700_000_000))
    urls = {
        "with the current version of its source": url_of(app, "cat.jpg", width=9),
        "with another version": signed(app, "cat.jpg", "v=AAAAAA&w=9"),
        "with `cache=False`": url_of(app, "cat.jpg", width=9, cache=False),
    }
    for case, url in urls.items():
        (row,) = re.findall(rf"^\| {case}[^|]*\| ([^|]*) \|$", text, re.MULTILINE)
        kept = app.test_client().get(url, environ_overrides={"RAW_URI": url}).headers["Cache-Control"]
        assert row == f"`{kept}`"


def test_serving_lists_the_headers_of_an_image(make_app: Any, draw: Any) -> None:
    app = make_app(IMAGES_ALLOW_ORIGIN="*", IMAGES_RESOURCE_POLICY="cross-origin", IMAGES_SERVER_TIMING=True)
    draw("cat.jpg")
    response = app.test_client().get(url_of(app, "cat.jpg", width=9, format="auto"), headers={"Accept": "image/webp"})
    table = page("serving.md").partition("## Headers")[2].partition("###")[0]
    missing = {name for name, _ in response.headers if f"`{name}`" not in table and f"`{name}: " not in table}
    assert missing == {"Content-Length"}


@runs("docs/deploying/docker.md", "text")
def test_the_drawing_names_the_services_and_the_files() -> None:
    (drawing,) = (block.code for block in blocks_of("docs/deploying/docker.md") if block.language == "text")
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert {"haproxy", "host-a", "host-b", "store", "redis", "prometheus"} <= services.keys()
    for name in ("haproxy.cfg", "nginx.conf"):
        assert name in drawing
        assert (DOCKER / name).exists()
    for name in ("HAProxy", "host a", "host b", "pages", "images", "object store", "Redis", "Prometheus"):
        assert name in drawing


def test_the_commands_for_compose_name_its_services() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    named = {
        name for line in re.findall(r"docker compose .*", page("docker.md")) for name in re.findall(r"host-\S+", line)
    }
    assert named
    assert named <= services.keys()


def test_each_file_for_kubernetes_is_listed() -> None:
    table = "\n".join(re.findall(r"^\| `.*", page("kubernetes.md"), re.MULTILINE))
    assert set(re.findall(r"`([\w.]+\.yaml)`", table)) == {path.name for path in (DOCKER / "kubernetes").glob("*.yaml")}


def test_a_pool_for_images_on_kubernetes_has_one_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = yaml.safe_load_all((DOCKER / "kubernetes" / "site.yaml").read_text())
    (site,) = (each for each in documents if each["kind"] == "Deployment")
    (pool,) = (each for each in site["spec"]["template"]["spec"]["containers"] if each["name"] == "images")
    limits = pool["resources"]["limits"]
    assert (limits["cpu"], limits["memory"]) == ("2", "1Gi")
    monkeypatch.setattr(resources, "processors", lambda: 2)
    monkeypatch.setattr(resources, "memory_bytes", lambda: 2**30)
    assert resources.renderers(None, None)[0] == 1


if __name__ == "__main__":
    print(renderers_table(), processors_table(), sep="\n\n")
