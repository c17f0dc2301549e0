"""Metrics for Prometheus: what is counted, how it is shown, and what is wrong with a configuration."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed
from werkzeug.datastructures import Headers

from flask_images_vips import Images, ImagesCollector, resized_img_src
from flask_images_vips.errors import Busy, ConfigError
from flask_images_vips.monitoring import prometheus
from flask_images_vips.monitoring.families import FAMILIES, SECONDS
from flask_images_vips.options.options import Options
from flask_images_vips.page.links import build_url
from flask_images_vips.state import images_of
from flask_images_vips.urls import ImageUrl


class Samples:
    """The values of a text, found by the name of the metric and the values of its labels."""

    def __init__(self, text: str) -> None:
        self.values = {
            (sample.name, frozenset(sample.labels.values())): sample.value
            for family in parsed(text)
            for sample in family.samples
        }

    def __getitem__(self, key: str | tuple[str, ...]) -> float:
        name, *labels = (key,) if isinstance(key, str) else key
        return self.values[name, frozenset(labels)]

    def labels(self, name: str) -> set[frozenset[str]]:
        return {labels for each, labels in self.values if each == name}


def shown(app: Flask) -> Samples:
    response = app.test_client().get("/metrics/images")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    return Samples(response.text)


@pytest.fixture
def app(make_app: Callable[..., Flask], draw: Any) -> Flask:
    draw("a.png")
    app = make_app(IMAGES_METRICS="/metrics/images")
    app.add_url_rule("/gallery/<int:page>", "gallery", lambda page: "a page")
    return app


def test_pages_and_images_are_counted_by_arm(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("a.jpg", (640, 480))
    app = make_app(IMAGES_METRICS="/metrics/images", IMAGES_BY_VISITOR={"save_data": 30, "share": 0.5})
    app.add_url_rule(
        "/page", "page", lambda: resized_img_src("a.jpg", width=200) + " " + resized_img_src("a.jpg", width=99)
    )
    client, sent, pages = app.test_client(), {"canary": 0, "usual": 0}, {"canary": 0, "usual": 0}
    for number in range(20):
        visitor = {"environ_overrides": {"REMOTE_ADDR": f"192.0.2.{number}"}, "headers": {"Save-Data": "on"}}
        url = client.get("/page", **visitor).text.split(" ")[0]
        arm = "canary" if "arm=canary" in url else "usual"
        assert ("q=30" in url) == (arm == "canary")
        pages[arm] += 1
        sent[arm] += len(client.get(url, **visitor).data)
    with app.test_request_context():
        plain = build_url("a.jpg", width=200)
    assert client.get(plain).status_code == 200  # belongs to no arm
    found = shown(app)
    assert min(pages.values()) > 0
    for arm in ("canary", "usual"):
        assert found["images_arm_pages_total", arm] == found["images_arm_served_total", arm] == pages[arm]
        assert found["images_arm_served_bytes_total", arm] == sent[arm]


def test_a_miss_hits_and_refusals_are_counted(app: Flask) -> None:
    client, url = app.test_client(), url_of(app, "a.png", width=10)
    first = client.get(url)
    for _ in range(2):
        client.get(url)
    client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    client.get("/imgsizer/a.png?w=10")
    client.get(url_of(app, "missing.png", width=10))
    found = shown(app)
    size = len(first.data)
    assert found["images_served_total", "png", "200", "miss"] == 1
    assert found["images_served_total", "png", "200", "hit"] == 2
    assert found["images_served_total", "png", "304", "hit"] == 1
    assert found["images_served_bytes_total", "png", "200", "hit"] == 2 * size
    assert found["images_failed_total", "404", "BadSignature"] == 1
    assert found["images_failed_total", "404", "SourceNotFound"] == 1
    assert found["images_rendered_total", "png", "vips", "visitor"] == 1
    assert found["images_rendered_bytes_total", "png", "vips", "visitor"] == size
    assert found["images_render_cpu_seconds_total", "png", "vips", "visitor"] > 0
    assert found["images_render_seconds_count", "png", "vips", "visitor"] == 1
    assert found["images_render_seconds_bucket", "png", "vips", "visitor", "+Inf"] == 1
    assert found["images_phase_seconds_count", "render"] == 1
    assert found["images_phase_seconds_count", "lookup"] == 2  # of the miss, and of the source that is missing
    assert (
        0 < found["images_phase_seconds_sum", "render"] <= found["images_render_seconds_sum", "png", "vips", "visitor"]
    )
    assert found["images_cache_bytes"] >= size
    assert found["images_cache_max_bytes"] == 10e9
    assert found["images_cache_free_bytes"] > 0
    assert found["images_renderers"] >= 1


def test_renders_in_vain_are_counted_with_their_time(app: Flask, static: Path) -> None:
    whole = (static / "a.png").read_bytes()
    (static / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert app.test_client().get(url_of(app, "cut.png", width=10)).status_code == 422
    found = shown(app)
    assert found["images_failed_total", "422", "UnreadableSource"] == 1
    assert found["images_failed_render_seconds_total", "422", "UnreadableSource"] > 0
    assert not found.labels("images_rendered_total")


def test_buckets_count_what_is_at_most_their_limit() -> None:
    (_, _, _, seconds, _) = next(family for family in FAMILIES if family.name == "rendered").metrics
    for value, place in ((0.0, 0), (0.001, 0), (0.0011, 1), (10.0, len(SECONDS) - 1), (11.0, len(SECONDS))):
        counts = prometheus._buckets(seconds, value)  # type: ignore[arg-type]
        assert (sum(counts), counts.index(1)) == (1, place)


@pytest.mark.parametrize(
    ("referer", "endpoint"),
    [
        ("http://localhost/gallery/2?sort=name", "gallery"),
        ("http://localhost/gallery/two", "other"),
        ("http://localhost/nowhere", "other"),
        ("http://elsewhere.example/gallery/2", "other"),
        ("http://[", "other"),
        ("gallery/2", "other"),
        (None, "other"),
    ],
)
def test_the_cost_of_a_render_belongs_to_the_endpoint_of_its_page(
    app: Flask, referer: str | None, endpoint: str
) -> None:
    headers = Headers([("Referer", referer)] if referer else [])
    app.test_client().get(url_of(app, "a.png", width=10), headers=headers)
    found = shown(app)
    assert found["images_endpoint_rendered_total", endpoint] == 1
    assert found["images_endpoint_cpu_seconds_total", endpoint] > 0


def test_the_endpoint_of_a_page_is_found_below_the_root_of_the_application(app: Flask) -> None:
    client, url = app.test_client(), url_of(app, "a.png", width=10)
    headers = {"Referer": "http://localhost/shop/gallery/2"}
    client.get(url, headers=headers, environ_overrides={"SCRIPT_NAME": "/shop"})
    assert shown(app)["images_endpoint_rendered_total", "gallery"] == 1


def test_clients_that_ask_for_openmetrics_get_it(app: Flask) -> None:
    app.test_client().get(url_of(app, "a.png", width=10))
    response = app.test_client().get(
        "/metrics/images", headers={"Accept": "application/openmetrics-text;version=1.0.0"}
    )
    assert response.content_type.startswith("application/openmetrics-text")
    assert {family.name for family in parsed_openmetrics(response.text)} >= {"images_served", "images_cache_bytes"}


def test_early_hits_are_counted(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_METRICS="/metrics/images", IMAGES_EARLY_HITS=True)
    for _ in range(3):
        app.test_client().get(url_of(app, "a.png", width=10)).close()
    assert shown(app)["images_served_total", "png", "200", "hit"] == 2


def test_background_renders_are_told_apart(app: Flask) -> None:
    pipeline, url = images_of(app).pipeline, ImageUrl("a.png", Options(width=10), None)
    rendition = pipeline.rendition(url, pipeline.sources.find(url))
    pipeline.render(rendition, time.monotonic(), pipeline.producer.once(yields=True))
    found = shown(app)
    assert found["images_rendered_total", "png", "vips", "background"] == 1
    assert not found.labels("images_endpoint_rendered_total")


def test_they_are_off_by_default(make_app: Callable[..., Flask], draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    app = make_app()
    app.test_client().get(url_of(app, "a.png", width=10))
    assert app.test_client().get("/metrics/images").status_code == 404
    assert not list((tmp_path / "cache").rglob("metrics"))


def test_they_can_be_shown_by_a_view_of_the_site(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_METRICS=True)
    registry = CollectorRegistry(auto_describe=True)
    registry.register(ImagesCollector(app))
    assert not images_of(app).is_built  # registering reads no configuration
    app.test_client().get(url_of(app, "a.png", width=10))
    assert Samples(generate_latest(registry).decode())["images_served_total", "png", "200", "miss"] == 1
    assert "flask_images_vips.metrics" not in app.view_functions


def test_sums_that_are_locked_too_long_are_not_shown_in_part(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(self: object) -> None:
        raise Busy("locked")

    monkeypatch.setattr("flask_images_vips.monitoring.sums.Sums.totals", busy)
    assert app.test_client().get("/metrics/images").status_code == 503


def test_numbers_of_another_version_are_left_out(app: Flask) -> None:
    app.test_client().get(url_of(app, "a.png", width=10))
    sums = images_of(app).instance(prometheus.sums_of)
    for key in (("served", "png"), ("served", "png", "200", "older"), ("unknown", "a")):
        sums.add(key, (1, 2, 3))
    assert shown(app).labels("images_served_total") == {frozenset({"png", "200", "miss"})}


def test_a_path_that_is_set_too_late_is_told(app: Flask, tmp_path: Path) -> None:
    late = Flask("late", root_path=str(tmp_path))
    late.secret_key = "a secret"
    Images(late)
    late.config["IMAGES_METRICS"] = "/metrics/images"
    with pytest.raises(ConfigError, match="came too late"):
        late.test_client().get("/")


def test_without_the_package_the_configuration_cannot_work(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_images_vips.monitoring.prometheus.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'flask-images-vips\[metrics\]'"):
        make_app(IMAGES_METRICS=True)


@pytest.mark.parametrize("value", ["metrics", "/", "/a b", "/a/<int:b>", 5, "http://a.example/m"])
def test_a_value_that_is_no_path_is_refused(make_app: Callable[..., Flask], value: object) -> None:
    with pytest.raises(ConfigError, match="IMAGES_METRICS"):
        make_app(IMAGES_METRICS=value)


def test_the_view_is_served_at_the_host_of_the_images(tmp_path: Path) -> None:
    app = Flask("hosts", root_path=str(tmp_path), host_matching=True, static_host="static.example")
    app.config.update(SECRET_KEY="a secret", IMAGES_CACHE=str(tmp_path / "c"), IMAGES_METRICS="/metrics/images")
    Images(app)
    client = app.test_client()
    assert client.get("/metrics/images", base_url="http://static.example").status_code == 200
    assert client.get("/metrics/images", base_url="http://other.example").status_code == 404


def test_names_are_unique_and_documented() -> None:
    metrics = [metric for family in FAMILIES for metric in family.metrics]
    names = [metric.name for metric in metrics] + list(prometheus.GAUGES)
    assert len(names) == len(set(names))
    assert all(metric.doc.endswith(".") for metric in metrics)
