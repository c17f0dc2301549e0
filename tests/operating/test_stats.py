"""``flask images stats``: its numbers are those of the requests made, as text and as JSON."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from conftest import url_of
from flask import Flask
from recording.test_recorder import recorder_of

from flask_images_vips import resized_img_src
from flask_images_vips.state import images_of


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["images", "stats", *arguments])


def ask(app: Flask, url: str, page: str | None = None) -> int:
    return app.test_client().get(url, headers={"Referer": f"http://localhost{page}"} if page else {}).status_code


@pytest.fixture
def used(app: Flask, draw: Any) -> Flask:
    """An application that has been asked for a.png 7 times, in 2 sizes, and for b.png once, and has refused 3."""
    app.add_url_rule("/gallery", "gallery", lambda: "")
    draw("a.png", (640, 480))
    draw("b.png")
    for _ in range(5):
        assert ask(app, url_of(app, "a.png", width=200), "/gallery") == 200
    for _ in range(2):
        assert ask(app, url_of(app, "a.png", width=10, format="webp"), "/gallery") == 200
    assert ask(app, url_of(app, "b.png", width=10)) == 200
    for url in ("/imgsizer/a.png?w=10&s=x", "/imgsizer/a.png?w=11&s=x", url_of(app, "gone\x1b[2J.png", width=10)):
        assert ask(app, url) == 404
    recorder_of(app).write_at_exit()
    return app


def test_the_json_has_the_numbers_of_all_requests(used: Flask) -> None:
    result = run(used, "--json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert found["cache"]["kinds"]["renditions"]["files"] == 3
    assert found["requests"]["hits"] == 5
    assert found["requests"]["misses"] == found["requests"]["renders"] == 3
    assert found["requests"]["hit_ratio"] == 5 / 8
    assert found["requests"]["cpu_seconds"] > 0
    assert found["formats"]["png"] == {**found["formats"]["png"], "files": 2, "asked": 6, "renders": 2}
    assert found["formats"]["webp"] == {**found["formats"]["webp"], "files": 1, "asked": 2, "renders": 1}
    assert {name: page["renders"] for name, page in found["pages"].items()} == {"gallery": 2}
    assert [(each["source"], each["asked"], each["renders"], each["files"]) for each in found["sources"][:2]] == [
        ("a.png", 7.0, 2.0, 2),
        ("b.png", 1.0, 1.0, 1),
    ]
    assert found["refused"] == {"404 WrongSignature": 2, "404 SourceNotFound": 1}
    assert found["refused_sources"] == [{"source": "gone\x1b[2J.png", "reasons": {"404 SourceNotFound": 1}}]
    assert {each["source"] for each in found["slowest"]} == {"a.png", "b.png"}
    assert (found["biggest"][0]["source"], found["biggest"][0]["query"]) == ("a.png", "w=200")
    assert Path(found["biggest"][0]["file"]).stat().st_size == found["biggest"][0]["size"]
    assert len(found["oldest"]) == 3


def test_the_text_says_the_same(used: Flask) -> None:
    result = run(used)
    assert result.exit_code == 0
    for line in (
        f"Cache {images_of(used).pipeline.cache.folder}",
        "  8 images sent, 62.5 % from the cache",
        "  3 refused",
        "  2  404 WrongSignature",
        "  1  'gone\\x1b[2J.png'  404 SourceNotFound",
    ):
        assert line in result.output.splitlines()
    cells = [re.split(r"  +", line.strip()) for line in result.output.splitlines()]
    for begin in (["renditions", "3"], ["png", "6", "2"], ["'a.png'", "7", "2"], ["gallery", "2"]):
        assert begin in [row[: len(begin)] for row in cells]
    assert "'a.png' w=200" in result.output
    assert all(letter.isprintable() for letter in result.output.replace("\n", ""))


def test_arms_are_compared_where_there_are_any(make_app: Any, draw: Any) -> None:
    draw("a.jpg", (640, 480))
    app = make_app(IMAGES_BY_VISITOR={"save_data": 30, "share": 0.5})
    app.add_url_rule("/page", "page", lambda: resized_img_src("a.jpg", width=200))
    client, sent = app.test_client(), {"canary": [0, 0], "usual": [0, 0]}
    for number in range(20):
        visitor = {"environ_overrides": {"REMOTE_ADDR": f"192.0.2.{number}"}, "headers": {"Save-Data": "on"}}
        url = client.get("/page", **visitor).text
        counts = sent["canary" if "arm=canary" in url else "usual"]
        counts[0] += 1
        counts[1] += len(client.get(url, **visitor).data)
    recorder_of(app).write_at_exit()
    found = json.loads(run(app, "--json").output)
    assert found["arms"] == {arm: {"pages": n, "served": n, "bytes": size} for arm, (n, size) in sent.items()}
    assert {each["source"]: each["asked"] for each in found["sources"]} == {"a.jpg": 20}
    assert "By arm of IMAGES_BY_VISITOR" in run(app).output
    cells = [re.split(r"  +", line.strip()) for line in run(app).output.splitlines()]
    (row,) = (row for row in cells if row[0] == "canary")
    assert row[1:3] == [str(sent["canary"][0])] * 2
    assert row[4] == row[5] != row[3]


def test_lists_have_the_length_that_is_asked_for(used: Flask) -> None:
    found = json.loads(run(used, "--json", "--top", "1").output)
    assert [len(found[name]) for name in ("sources", "slowest", "biggest", "oldest", "pages")] == [1] * 5


def test_days_before_are_not_counted(used: Flask) -> None:
    from flask_images_vips.recording.journal import Journal

    def as_of_last_week(counts: Any) -> None:
        counts.days = {"2020-01-01": next(iter(counts.days.values()))}

    journal = Journal(images_of(used).pipeline.cache.folder)
    journal.append(journal.read(), 1e12)
    journal.change(as_of_last_week)
    assert json.loads(run(used, "--json", "--days", "31").output)["requests"]["hits"] == 0
    assert run(used, "--days", "0").exit_code == 2


def test_what_a_file_names_is_found_without_a_record(make_app: Any, draw: Any) -> None:
    app = make_app(IMAGES_RECORD=False)
    draw("photos/a.png")
    assert ask(app, url_of(app, "photos/a.png", width=10)) == 200
    result = run(app)
    assert "IMAGES_RECORD is False" in result.output
    assert "'photos/a.png'" in result.output
    assert json.loads(run(app, "--json").output)["biggest"][0]["query"] is None


def test_what_nginx_sends_is_said_not_to_be_counted(make_app: Any, draw: Any) -> None:
    app = make_app(IMAGES_FRONT_DOOR=True)
    draw("a.png")
    assert ask(app, url_of(app, "a.png", width=10)) == 200
    assert "by itself (IMAGES_FRONT_DOOR)" in run(app).output


def test_without_a_cache_it_says_so(app: Flask) -> None:
    result = run(app)
    assert result.exit_code == 1
    assert "There is no cache in" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("part", ["", "asked"])
def test_a_folder_of_another_user_is_a_sentence(used: Flask, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    folder, listdir = os.path.join(images_of(used).pipeline.cache.folder, part).rstrip("/"), os.listdir

    def refuse(path: Any = ".") -> list[str]:
        if path == folder:
            raise PermissionError(13, "Permission denied", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    result = run(used)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {folder} belongs to another user. Run this command as the same user as the site.\n"
    )
