"""The command ``flask images check``: its screen, its JSON and its exit codes."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from checking.ground import Ground
from click.testing import Result
from flask import Flask


@pytest.fixture
def ground(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Ground:
    found = Ground(tmp_path, monkeypatch)
    found.config["IMAGES_MAX_RENDERS"] = 0
    found.libraries()
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    return found


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["images", "check", *arguments])


def test_each_line_says_how_bad_it_is_and_how_to_mend_it(ground: Ground) -> None:
    lines = run(ground.make()).output.splitlines()
    assert lines[0].split() == ["ok", "keys", "every", "IMAGES_…", "key", "is", "known"]
    (at,) = (number for number, line in enumerate(lines) if line.startswith("warning  renderers"))
    assert lines[at + 1].strip() == "→ Remove IMAGES_MAX_RENDERS, or set it to a number."
    assert "1 warning, 0 errors" in "".join(lines)
    assert "engine: auto (libvips 8.18.7 before Pillow 13.0.0)" in lines


def test_nothing_is_said_twice(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    ground.config |= {"IMAGES_PATH": ["statik"], "IMAGES_PATHS": []}
    output = run(ground.make()).output
    assert output.count("statik (does not exist)") == 1
    assert caplog.messages == []


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links, and any letter in names")
def test_names_of_files_do_not_control_the_terminal(ground: Ground) -> None:
    (ground.folder / "static" / "b\x1b[2J.png").symlink_to("/etc/hostname")
    output = ground.make().test_cli_runner().invoke(args=["images", "check"], color=True).output
    assert "b\ufffd[2J.png" in output
    assert "\x1b[2J" not in output


def test_an_error_sets_the_exit_code_and_a_warning_does_so_if_wanted(ground: Ground) -> None:
    app = ground.make()
    assert run(app).exit_code == 0
    assert run(app, "--strict").exit_code == 1
    app.secret_key = "dev"
    assert run(app).exit_code == 1


def test_the_faults_of_a_configuration_are_lines_too(ground: Ground) -> None:
    app = ground.make()
    app.config.update(IMAGES_FORMATS="JPEG", IMAGES_QUALITY=101, SECRET_KEY=None)
    result = run(app)
    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.output.splitlines() if line.startswith("error")] == [
        ["error", "configuration"]
    ] * 3
    assert "0 ok, 0 warnings, 3 errors" in result.output
    assert "Traceback" not in result.output


def test_programs_get_json(ground: Ground) -> None:
    found = json.loads(run(ground.make(), "--json").output)
    assert (found["errors"], found["warnings"]) == (0, 1)
    assert {"level": "ok", "name": "keys", "message": "every IMAGES_… key is known", "cure": ""} in found["findings"]
    assert found["libraries"]["vips"]["version"] == "8.18.7"
    assert found["workers"] == []


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "http://",
        "ftp://example.com",
        "http://example.com:port",
        "http://[",
        "http://a..b",
        "http://" + 64 * "a",
    ],
)
def test_what_is_no_url_is_a_usage_error(ground: Ground, url: str) -> None:
    result = run(ground.make(), "--url", url)
    assert result.exit_code == 2
    assert "Expected a URL, such as https://example.com" in result.output
