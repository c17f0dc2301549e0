"""OpenTelemetry: one trace from the request to the encoder, written to a file, and the metrics."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import all_renderers_taken, url_of
from flask import Flask
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from flask_images_vips.errors import ConfigError
from flask_images_vips.monitoring.families import SECONDS
from flask_images_vips.options.options import Options
from flask_images_vips.state import images_of
from flask_images_vips.urls import ImageUrl


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """A function that returns the spans that were written to a file so far."""
    provider, path = TracerProvider(), tmp_path / "spans.json"

    def line(span: ReadableSpan) -> str:
        return span.to_json(indent=None) + "\n"

    with path.open("w") as file:
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=file, formatter=line)))
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
        yield lambda: [json.loads(each) for each in path.read_text().splitlines()]


@pytest.fixture
def app(make_app: Callable[..., Flask], draw: Any) -> Flask:
    draw("a.png")
    return make_app(IMAGES_OPENTELEMETRY=True)


def by_name(spans: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {span["name"]: span for span in spans}


def test_one_trace_leads_from_the_request_to_the_encoder(
    app: Flask, exported: Callable[[], list[dict[str, Any]]]
) -> None:
    with trace.get_tracer("the site").start_as_current_span("GET /imgsizer"):
        response = app.test_client().get(url_of(app, "a.png", width=10))
    spans = by_name(exported())
    parents = {
        "images.serve": "GET /imgsizer",
        **dict.fromkeys(
            ("images.lookup", "images.lock", "images.queue", "images.render", "images.store"), "images.serve"
        ),
        "images.encode": "images.render",
    }
    assert spans.keys() == {"GET /imgsizer", *parents}
    for name, parent in parents.items():
        span, above = spans[name], spans[parent]
        assert span["parent_id"] == above["context"]["span_id"], name
        assert span["context"]["trace_id"] == spans["GET /imgsizer"]["context"]["trace_id"]
        assert above["start_time"] <= span["start_time"] <= span["end_time"] <= above["end_time"]
    attributes = spans["images.serve"]["attributes"]
    assert attributes.pop("images.cpu_seconds") > 0
    assert attributes == {
        "images.ref": "a.png",
        "images.format": "png",
        "images.cached": False,
        "images.rendered": 1,
        "images.engine": "vips",
        "images.size_bytes": len(response.data),
        "http.response.status_code": 200,
    }


def test_a_hit_has_one_span(app: Flask, exported: Callable[[], list[dict[str, Any]]]) -> None:
    url = url_of(app, "a.png", width=10)
    app.test_client().get(url)
    before = len(exported())
    app.test_client().get(url)
    (hit,) = exported()[before:]
    assert hit["name"] == "images.serve"
    assert hit["attributes"]["images.cached"]


def test_a_refusal_is_an_error_if_the_site_is_to_blame(
    make_app: Callable[..., Flask], draw: Any, exported: Callable[[], list[dict[str, Any]]]
) -> None:
    app = make_app(IMAGES_OPENTELEMETRY=True, IMAGES_MAX_RENDERS=1, IMAGES_LOCK_TIMEOUT=0.1)
    draw("a.png")
    draw("b.png")
    assert app.test_client().get(url_of(app, "b.png", width=10)).status_code == 200
    before = len(exported())
    assert app.test_client().get(url_of(app, "missing.png", width=10)).status_code == 404
    with all_renderers_taken(app):
        assert app.test_client().get(url_of(app, "a.png", width=10)).status_code == 503
    spans = [span for span in exported()[before:] if span["name"] == "images.serve"]
    missing, busy = spans
    assert (missing["status"]["status_code"], missing["attributes"]["error.type"]) == ("UNSET", "SourceNotFound")
    assert (busy["status"]["status_code"], busy["attributes"]["error.type"]) == ("ERROR", "WaitedTooLong")
    assert "images.queue" in by_name(exported()[before:])


def test_a_render_in_the_background_has_a_trace_of_its_own(
    app: Flask, exported: Callable[[], list[dict[str, Any]]]
) -> None:
    pipeline, url = images_of(app).pipeline, ImageUrl("a.png", Options(width=10), None)
    rendition = pipeline.rendition(url, pipeline.sources.find(url))
    pipeline.render(rendition, time.monotonic(), pipeline.producer.once(yields=True))
    spans = by_name(exported())
    assert spans.keys() == {"images.background", "images.queue", "images.render", "images.encode"}
    assert spans["images.background"]["parent_id"] is None
    assert spans["images.queue"]["parent_id"] == spans["images.background"]["context"]["span_id"]


def test_a_trace_that_is_not_sampled_costs_no_spans_of_phases(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: TracerProvider(sampler=ALWAYS_OFF))
    with caplog.at_level(logging.ERROR, logger="flask_images_vips"):
        assert app.test_client().get(url_of(app, "a.png", width=10)).status_code == 200
    assert not caplog.records


def test_without_an_sdk_images_are_served(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="flask_images_vips"):
        assert app.test_client().get(url_of(app, "a.png", width=10)).status_code == 200
    assert not caplog.records


def test_the_metrics_are_those_of_prometheus(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    for _ in range(3):
        app.test_client().get(url_of(app, "a.png", width=10))
    data = reader.get_metrics_data()
    assert data is not None
    found = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    served: Any = found["images.served"].data.data_points
    assert {(point.attributes["cache"], point.value) for point in served} == {("miss", 1), ("hit", 2)}
    (render,) = found["images.render_seconds"].data.data_points
    assert (render.count, tuple(render.explicit_bounds)) == (1, SECONDS)  # type: ignore[union-attr]
    assert found["images.render_seconds"].unit == "s"
    assert found["images.served_bytes"].unit == "By"
    assert "images.phase_seconds" in found
    provider.shutdown()


def test_without_the_package_the_configuration_cannot_work(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(ConfigError, match=r"pip install 'flask-images-vips\[otel\]'"):
        make_app(IMAGES_OPENTELEMETRY=True)
