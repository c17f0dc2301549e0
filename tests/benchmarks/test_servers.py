"""Servers start, end with their children, and say what they lack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import load, servers
from bench.measure import WrongAnswer


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    broken = servers.Server("broken", lambda *_: ["sh", "-c", "echo no such thing; exit 3"], lambda _: lambda *_: "/")
    with pytest.raises(RuntimeError, match="broken does not start: no such thing"), servers.running(broken, tmp_path):
        pass


def test_a_server_that_answers_an_error_says_why(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "broken.jpg").write_text("no picture")
    os.utime(tmp_path / "static" / "broken.jpg", (0, 0))  # a young file might still be written
    server = servers.threaded()
    wrong = r"(?s)gthread: /imgsizer/broken.jpg.* was answered 422.* Its log: .*broken.jpg"
    with pytest.raises(WrongAnswer, match=wrong), servers.running(server, tmp_path) as here:
        load.get(server.name, here.port, here.url("broken.jpg", 40, 30))


def test_a_server_that_is_missing_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name in ("BENCH_THUMBOR", "BENCH_IPX", "BENCH_IMGPROXY", "BENCH_IMAGOR"):
        monkeypatch.delenv(name, raising=False)
    for server in servers.peers():
        assert f"{server.name} is not installed: " in server.missing
