"""The report of each page in debug mode: one line a page, which never breaks one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, render_template_string

WRONG = "<img src=\"{{ resized_img_src('a.png', width=30) }}\">"


@pytest.fixture
def debugged(make_app: Callable[..., Flask], draw: Any) -> Callable[..., Flask]:
    """A function that makes an application with a page of a template. Its further keywords are the configuration."""

    def make(template: str, *, debug: bool = True, **config: Any) -> Flask:
        draw("a.png")
        app = make_app(**config)
        app.debug = debug
        app.add_url_rule("/", "index", lambda: render_template_string(template))
        app.add_url_rule("/stream", "stream", lambda: Response(iter(["<img src='/x'>"]), mimetype="text/html"))
        app.add_url_rule("/zip", "zip", lambda: Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))
        return app

    return make


def lines(app: Flask, caplog: pytest.LogCaptureFixture, path: str = "/") -> list[tuple[str, str]]:
    with caplog.at_level(logging.INFO, logger="flask_images_vips"):
        assert app.test_client().get(path).status_code == 200
    return [(record.levelname, record.getMessage()) for record in caplog.records if "page " in record.getMessage()]


def test_a_page_with_findings_is_one_warning(debugged: Any, caplog: pytest.LogCaptureFixture) -> None:
    (level, line), *others = lines(debugged(WRONG * 7), caplog)
    assert not others
    assert level == "WARNING"
    assert line.startswith("page /: 1 finding about 7 images: line 1, a.png: has no width and height")
    assert line.count("\n") == 0


def test_a_line_names_the_first_findings_and_counts_the_others(debugged: Any, caplog: pytest.LogCaptureFixture) -> None:
    ((_, line),) = lines(debugged("\n".join([WRONG] * 7)), caplog)
    assert "7 findings" in line
    assert "line 5, a.png" in line
    assert "line 6, a.png" not in line
    assert line.endswith("; and 2 more")


def test_a_right_page_is_one_line_of_information(debugged: Any, caplog: pytest.LogCaptureFixture) -> None:
    right = debugged("{{ resized_img_tag('a.png', width=30) }}")
    assert lines(right, caplog) == [("INFO", "page /: 1 image, nothing wrong")]


@pytest.mark.parametrize("path", ["/stream", "/zip"])
def test_what_cannot_be_read_again_is_not_examined(debugged: Any, caplog: pytest.LogCaptureFixture, path: str) -> None:
    assert lines(debugged(WRONG), caplog, path) == []


def test_without_debug_mode_or_the_key_there_is_no_report_and_no_hook(
    debugged: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for app in (debugged(WRONG, debug=False), debugged(WRONG, IMAGES_PAGE_REPORT=False)):
        assert lines(app, caplog) == []
        assert not app.after_request_funcs


def test_an_error_of_the_report_does_not_break_the_page(
    debugged: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the report is wrong")

    monkeypatch.setattr("flask_images_vips.debugging.examine", fail)
    assert lines(debugged(WRONG), caplog) == [("ERROR", "The images of the page / cannot be examined.")]
