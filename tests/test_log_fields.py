"""The fields of log lines: programs find in them what the lines say, and no secrets."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from conftest import url_of
from flask import Flask

from flask_images_vips.log_fields import fields


def records(caplog: pytest.LogCaptureFixture) -> dict[str, logging.LogRecord]:
    """The lines with fields, by their event."""
    return {record.image_event: record for record in caplog.records if hasattr(record, "image_event")}


def test_the_line_of_a_render_has_its_cost(app: Flask, draw: Any, caplog: pytest.LogCaptureFixture) -> None:
    draw("a.png", (64, 48))
    with caplog.at_level(logging.INFO, logger="flask_images_vips"):
        data = app.test_client().get(url_of(app, "a.png", width=32)).data
    line = vars(records(caplog)["rendered"])
    assert line["image_ref"] == "a.png"
    assert (line["image_format"], line["image_engine"]) == ("png", "vips")
    assert (line["image_width"], line["image_height"], line["image_bytes"]) == (32, 24, len(data))
    assert 0 <= line["image_waited_seconds"] <= line["image_seconds"]
    assert line["image_cpu_seconds"] > 0


def test_the_line_of_a_refusal_has_its_status_and_reason(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    app.test_client().get(url_of(app, "missing.png", width=32))
    line = vars(records(caplog)["refused"])
    assert (line["image_ref"], line["image_status"]) == ("missing.png", 404)
    assert line["image_error"] == "SourceNotFound"
    assert line["image_reason"] in line["message"]


def test_the_line_of_a_file_that_cannot_be_small_enough_has_both_sizes(
    app: Flask, draw: Any, caplog: pytest.LogCaptureFixture
) -> None:
    draw("a.jpg", (640, 480))
    app.test_client().get(url_of(app, "a.jpg", width=600, max_bytes=1000))
    line = vars(records(caplog)["too large"])
    assert line["image_limit"] == 1000 < line["image_bytes"]


def test_a_ref_in_a_field_has_no_secrets_and_no_line_breaks() -> None:
    assert fields("refused", "https://me:pass@a.example/b.jpg?token=1", status=502) == {
        "image_event": "refused",
        "image_ref": "https://a.example/b.jpg?token=…",
        "image_status": 502,
    }
    assert fields("refused", "a\nb\x1b.jpg")["image_ref"] == "a\ufffdb\ufffd.jpg"
    assert fields("refused", "two words.jpg")["image_ref"] == "two words.jpg"
