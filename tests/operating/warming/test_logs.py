"""Access logs: which image URLs visitors have requested, and how often."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import signed, url_of
from flask import Flask

from flask_images_vips.operating.warming.logs import Logs
from flask_images_vips.operating.warming.wanted import Wanted, label
from flask_images_vips.state import images_of

COMBINED = '127.0.0.1 - - [29/Nov/2026:20:00:00 +0000] "{} {} HTTP/1.1" {} 123 "https://example.com/" "Mozilla/5.0"\n'


def line(url: str, method: str = "GET", status: int = 200) -> str:
    return COMBINED.format(method, url, status)


def read(app: Flask, path: Path) -> tuple[dict[str, int], int]:
    logs = Logs(images_of(app))
    logs.read(str(path))
    with app.app_context():
        return {label(each.url): each.count for each in logs.wanted()}, logs.refused


def test_requests_are_counted_by_url(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("a.jpg")
    draw("ü b.jpg")
    a, b = url_of(app, "a.jpg", width=10), url_of(app, "ü b.jpg", width=10)
    log = tmp_path / "access.log"
    log.write_text(
        line(a) * 3
        + line(f"http://example.com/app{a}")
        + line(a, "POST")
        + line(a, status=404)
        + line(a, "HEAD", 304)
        + line(b)
        + line(b.replace("%C3%BC", r"\xC3\xBC"))
        + line("/page")
        + line("/imgsizer/a.jpg")
        + line(a.replace("w=10", "w=11"))
        + "not a line of a log\n"
    )
    assert read(app, log) == ({"a.jpg?w=10": 5, "ü b.jpg?w=10": 2}, 1)


def test_a_log_may_be_compressed_or_come_from_standard_input(
    app: Flask, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.jpg")
    text = line(url_of(app, "a.jpg", width=10))
    (tmp_path / "access.log.gz").write_bytes(gzip.compress(text.encode()))
    assert read(app, tmp_path / "access.log.gz")[0] == {"a.jpg?w=10": 1}
    monkeypatch.setattr("sys.stdin", io.StringIO(text * 2))
    logs = Logs(images_of(app))
    logs.read("-")
    with app.app_context():
        assert [each.count for each in logs.wanted()] == [2]


@pytest.mark.parametrize("legacy", [True, False])
def test_urls_of_flask_images_become_those_of_today(make_app: Any, draw: Any, tmp_path: Path, legacy: bool) -> None:
    app = make_app(IMAGES_LEGACY_SIGNATURES=legacy)
    draw("a.jpg")
    today = url_of(app, "a.jpg", width=10)
    before, _, signature = signed(app, "a.jpg", "v=OLD&w=10").rpartition("=")
    log = tmp_path / "access.log"
    log.write_text(line(before + "=" + quote(f"b'{signature}'")))
    logs = Logs(images_of(app))
    logs.read(str(log))
    with app.app_context():
        (wanted,) = logs.wanted()
    assert isinstance(wanted, Wanted)
    assert f"/imgsizer/{wanted.url.canonical}" == today
