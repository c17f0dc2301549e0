"""Access logs: which image URLs visitors have requested, and how often."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import signed, url_of
from flask import Flask

from flask_images_vips.operating.warming import logs
from flask_images_vips.operating.warming.logs import Logs
from flask_images_vips.operating.warming.wanted import Wanted, label
from flask_images_vips.state import images_of

COMBINED = '127.0.0.1 - - [29/Nov/2026:20:00:00 +0000] "{} {} HTTP/1.1" {} 123 "https://example.com/" "Mozilla/5.0"\n'


def line(url: str, method: str = "GET", status: int = 200) -> str:
    return COMBINED.format(method, url, status)


def read(app: Flask, path: Path) -> tuple[dict[str, int], int]:
    found = Logs(images_of(app))
    found.read(str(path))
    with app.app_context():
        return {label(each.url): each.count for each in found.wanted()}, found.refused


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
    input = b"\xe9 is no UTF-8\n" + text.encode() * 2
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(input), "utf-8"))
    found = Logs(images_of(app))
    found.read("-")
    with app.app_context():
        assert [each.count for each in found.wanted()] == [2]


def test_what_is_no_log_has_no_lines_that_fill_the_memory(
    app: Flask, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.jpg")
    text = line(url_of(app, "a.jpg", width=10))
    (tmp_path / "access.log").write_text(text + "x" * 1_000_000 + "\n" + text)
    longest: list[int] = []
    monkeypatch.setattr(logs, "_REQUEST", _Noting(logs._REQUEST, longest))
    assert read(app, tmp_path / "access.log")[0] == {"a.jpg?w=10": 2}
    assert max(longest) <= 100_000


class _Noting:
    """A regular expression that notes the lengths of what is searched."""

    def __init__(self, pattern: re.Pattern[str], lengths: list[int]) -> None:
        self._pattern = pattern
        self._lengths = lengths

    def search(self, text: str) -> re.Match[str] | None:
        self._lengths.append(len(text))
        return self._pattern.search(text)


@pytest.mark.parametrize("legacy", [True, False])
def test_urls_of_flask_images_become_those_of_today(make_app: Any, draw: Any, tmp_path: Path, legacy: bool) -> None:
    app = make_app(IMAGES_LEGACY_SIGNATURES=legacy)
    draw("a.jpg")
    today = url_of(app, "a.jpg", width=10)
    before, _, signature = signed(app, "a.jpg", "v=OLD&w=10").rpartition("=")
    log = tmp_path / "access.log"
    log.write_text(line(before + "=" + quote(f"b'{signature}'")))
    found = Logs(images_of(app))
    found.read(str(log))
    with app.app_context():
        (wanted,) = found.wanted()
    assert isinstance(wanted, Wanted)
    assert f"/imgsizer/{wanted.url.canonical}" == today
