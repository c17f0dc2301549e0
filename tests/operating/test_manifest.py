"""``flask images manifest``: it prints, exports, imports and clears what was asked for."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from conftest import cached_files, fetch, url_of
from flask import Flask
from recording.test_recorder import recorder_of

from flask_images_vips.state import images_of


def run(app: Flask, *arguments: str, input: str | None = None) -> Result:
    return app.test_cli_runner().invoke(args=["images", "manifest", *arguments], input=input)


@pytest.fixture
def used(app: Flask, draw: Any) -> Flask:
    draw("a.png")
    for width, times in ((10, 1), (20, 3), (30, 2)):
        for _ in range(times):
            fetch(app, "a.png", width=width)
    recorder_of(app).write_at_exit()
    return app


def test_the_most_popular_are_printed(used: Flask) -> None:
    assert run(used).output.splitlines() == [
        "count  format  source   query",
        "    3  png     'a.png'  w=20",
        "    2  png     'a.png'  w=30",
        "    1  png     'a.png'  w=10",
    ]
    assert run(used, "--top", "1").output.splitlines()[1:] == ["    3  png     'a.png'  w=20", "and 2 more"]


def test_an_exported_manifest_can_be_imported_elsewhere(used: Flask, tmp_path: Path, make_app: Any) -> None:
    file = tmp_path / "manifest.jsonl"
    assert run(used, "export", str(file)).exit_code == 0
    assert [json.loads(line)["query"] for line in file.read_text().splitlines()] == ["w=20", "w=30", "w=10"]
    other = make_app(IMAGES_CACHE=str(tmp_path / "other"))
    assert run(other, "import", str(file)).output == "3 images read, 3 of them new\n"
    assert run(other, "import", "-", input=file.read_text()).output == "3 images read, 0 of them new\n"
    assert run(other).output == run(used).output
    assert file.read_text() in run(other, "export").output


def test_an_invalid_manifest_is_not_imported(used: Flask, tmp_path: Path) -> None:
    file, before = tmp_path / "manifest.jsonl", run(used).output
    file.write_text('{"source": "b.png", "query": "w=5", "count": 1}\nw=5\n')
    result = run(used, "import", str(file))
    assert result.exit_code == 1
    assert f"{file}: line 2 is not a line of a manifest" in result.output
    file.write_bytes(b"\xff\xfe")
    result = run(used, "import", str(file))
    assert result.exit_code == 1
    assert "not UTF-8" in result.output
    assert run(used, "import", str(tmp_path / "missing")).exit_code == 2
    assert run(used).output == before


LINE = '127.0.0.1 - - [09/Oct/2026:10:00:00 +0000] "GET {} HTTP/1.1" {} 512 "-" "Mozilla/5.0"'


def test_what_shows_a_forgotten_picture_is_not_imported(used: Flask, tmp_path: Path, draw: Any) -> None:
    draw("secret.png", (8, 8))
    images_of(used).app.extensions["images"].forget("secret.png")
    lines = [{"source": "secret.png", "query": "w=3"}, {"source": "cat.png", "query": "w=9&wm=secret.png"}]
    text = "".join(f"{json.dumps({**line, 'count': 5})}\n" for line in (*lines, {"source": "cat.png", "query": "w=9"}))
    result = run(used, "import", "-", input=text)
    assert result.exit_code == 0, result.output
    assert result.output == ("3 images read, 1 of them new\n2 images left out, because of forgotten pictures\n")
    assert "secret" not in run(used, "export").output
    for path in (tmp_path / "cache").rglob("asked/*"):
        assert b"secret" not in path.read_bytes()


def test_an_access_log_of_nginx_is_added(used: Flask, tmp_path: Path, draw: Any) -> None:
    draw("b.png")
    log, auto = tmp_path / "access.log", url_of(used, "b.png", width=50, format="auto")
    os.utime(draw("c.png"), (1_600_000_000, 1_600_000_000))
    old, uncached = url_of(used, "c.png", width=50), url_of(used, "b.png", width=5, cache=False)
    os.utime(draw("c.png"), (1_700_000_000, 1_700_000_000))
    new = url_of(used, "c.png", width=50)
    assert old != new
    lines = [LINE.format(auto, 200)] * 9 + [LINE.format(old, 200), LINE.format(new, 304), LINE.format(uncached, 200)]
    lines += [LINE.format("/imgsizer/b.png?w=5&s=x", 200), LINE.format("/imgsizer/b.png?w=5&s=x", 404), "no request"]
    log.write_text("\n".join(lines))
    result = run(used, "import", "--access-log", str(log))
    assert result.output == "2 images read, 2 of them new\n1 request left out, which this site would refuse\n"
    rows = [line.split() for line in run(used).output.splitlines()]
    assert ["9", "avif", "'b.png'", "f=auto&w=50"] in rows
    assert ["2", "png", "'c.png'", "w=50"] in rows
    assert run(used, "import", "--access-log", str(log)).output.startswith("2 images read, 0 of them new")


def test_an_access_log_that_cannot_be_read_is_a_sentence(used: Flask, tmp_path: Path) -> None:
    (tmp_path / "access.log.gz").write_bytes(b"not compressed")
    result = run(used, "import", "--access-log", str(tmp_path / "access.log.gz"))
    assert result.exit_code == 1
    assert "access.log.gz cannot be read: " in result.output


def test_clear_forgets_the_record_and_keeps_the_images(used: Flask, tmp_path: Path) -> None:
    assert run(used, "clear").exit_code == 0
    result = run(used)
    assert result.exit_code == 1
    assert "Nothing is recorded in" in result.output
    assert run(used, "export").exit_code == 1
    assert len(cached_files(tmp_path / "cache")) == 3


def test_it_says_if_nothing_is_recorded_by_configuration(make_app: Any) -> None:
    app = make_app(IMAGES_RECORD=False)
    result = run(app)
    assert result.exit_code == 1
    assert "because IMAGES_RECORD is False" in result.output


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")
def test_what_nginx_has_sent_is_counted_by_the_times_of_the_files(make_app: Any, draw: Any) -> None:
    os.utime(draw("a.png"), (1_700_000_000, 1_700_000_000))
    app = make_app(IMAGES_FRONT_DOOR=True)
    for width in (10, 20):
        assert app.test_client().get(url_of(app, "a.png", width=width)).status_code == 200
    recorder_of(app).write_at_exit()
    before = {line.split()[3]: int(line.split()[0]) for line in run(app).output.splitlines()[1:]}
    link = next(iter(Path(images_of(app).pipeline.cache.folder, "front").glob("??/*w=20*")))
    os.utime(link, (time.time() + 60, 1_700_000_000))  # as if nginx had just read it
    after = {line.split()[3]: int(line.split()[0]) for line in run(app).output.splitlines()[1:]}
    assert after == {"w=10": before["w=10"], "w=20": before["w=20"] + 1}


@pytest.mark.parametrize("command", [(), ("export",), ("import", "-"), ("clear",)])
def test_a_folder_of_another_user_is_a_sentence(
    used: Flask, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    folder, listdir = os.path.join(images_of(used).pipeline.cache.folder, "asked"), os.listdir

    def refuse(path: Any = ".") -> list[str]:
        if path == folder:
            raise PermissionError(13, "Permission denied", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    result = run(used, *command, input="")
    assert result.exit_code == 1
    assert "Permission denied" in result.output
    assert "Run this command as the same user as the site." in result.output
    assert "Traceback" not in result.output
