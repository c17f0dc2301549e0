"""The commands ``flask images``: what they refuse, and what they say."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from conftest import cached_files, fetch
from flask import Flask


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["images", *arguments])


def test_nginx_prints_a_configuration_for_the_given_addresses(make_app: Any) -> None:
    app = make_app(IMAGES_ACCEL_REDIRECT="/_images/", IMAGES_ALLOW_ORIGIN="*")
    result = run(app, "nginx", "--upstream", "app:8000", "--listen", "8080")
    assert result.exit_code == 0
    for line in ("server app:8000;", "listen 8080;", 'add_header Access-Control-Allow-Origin "*";'):
        assert line in result.output


def test_purge_asks_for_what_to_remove(app: Flask) -> None:
    result = run(app, "purge")
    assert result.exit_code == 2
    assert "--all" in result.output


def test_purge_fails_if_there_is_no_cache(app: Flask) -> None:
    result = run(app, "purge", "a.png")
    assert result.exit_code == 1
    assert "no cache in" in result.output
    assert "same user" in result.output


def test_purge_removes_the_renditions_of_one_source_or_of_all(app: Flask, draw: Any, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(name)
        for width in (10, 20):
            fetch(app, name, width=width)
    result = run(app, "purge", "/a.png")
    assert "2 files of /a.png removed" in result.output
    assert len(cached_files(tmp_path / "cache")) == 2
    assert "2 files removed" in run(app, "purge", "--all").output
    assert cached_files(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("p99.jpg", "Nothing is cached for 'p99.jpg'"),
        ("p99.jpg", "Expected a path as templates name it, relative to IMAGES_PATH"),
        ("a.png", "Did you mean 'photos/a.png'?"),
        ("photos/b.png", "Did you mean 'photos/a.png'?"),
        ("static/photos/a.png", "Did you mean 'photos/a.png'?"),
        ("{static}/photos/a.png", "Did you mean 'photos/a.png'?"),
        ("/imgsizer/photos/a.png?w=10&s=x", "Did you mean 'photos/a.png'?"),
        ("http://localhost/imgsizer/photos/a.png?w=10", "Did you mean 'photos/a.png'?"),
        ("http://localhost/imgsizer/_?u=https%3A%2F%2Fexample.com%2Fgone.png", "or a picture's URL"),
        ("other.png", "The picture exists"),
        ("../a.png", "path is not normalized"),
    ],
)
def test_purge_of_nothing_fails_and_names_what_would_match(
    app: Flask, draw: Any, static: Path, path: str, said: str
) -> None:
    draw("photos/a.png")
    fetch(app, "photos/a.png", width=10)
    if path == "other.png":
        draw(path)
    result = run(app, "purge", path.format(static=static))
    assert result.exit_code == 1
    assert said in result.output
    assert run(app, "purge", "photos/a.png").exit_code == 0


def test_purge_takes_patterns_and_several_paths(app: Flask, draw: Any, tmp_path: Path) -> None:
    for name in ("photos/a.png", "photos/deep/b.png", "photos/c[1].png", "d.png"):
        draw(name)
        fetch(app, name, width=10)
    result = run(app, "purge", "photos/*.png", "d.png")
    assert result.exit_code == 0
    assert "3 files of 3 pictures that match photos/*.png removed" in result.output
    assert "1 files of d.png removed" in result.output
    assert cached_files(tmp_path / "cache") == []
    fetch(app, "photos/c[1].png", width=10)
    assert run(app, "purge", "photos/c[1]*").exit_code == 0
    again = run(app, "purge", "photos/*.png")
    assert again.exit_code == 1
    assert "Nothing is cached for the 3 pictures that match 'photos/*.png'." in again.output
    unfound = run(app, "purge", "other/*")
    assert unfound.exit_code == 1
    assert "No picture matches 'other/*'. Expected a pattern for paths relative to IMAGES_PATH" in unfound.output


def test_purge_of_another_user_is_one_sentence(app: Flask, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("a.png")
    fetch(app, "a.png", width=10)

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        result = run(app, "purge", "a.png")
    assert result.exit_code == 1
    assert "cannot be removed (Permission denied). Run this command as the same user as the site." in result.output


def test_purge_of_links_fails_if_there_are_none(app: Flask, draw: Any) -> None:
    draw("a.png")
    fetch(app, "a.png", width=10)
    result = run(app, "purge", "--front")
    assert result.exit_code == 1
    assert "IMAGES_FRONT_DOOR is not set" in result.output


def test_a_command_lists_the_faults_of_the_configuration_without_a_traceback(app: Flask) -> None:
    app.config.update(IMAGES_FORMATS="JPEG", IMAGES_QUALITY=101, SECRET_KEY=None)
    result = run(app, "purge", "--all")
    assert result.exit_code == 1
    assert "has 3 faults:" in result.output
    assert "Traceback" not in result.output


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")
def test_purge_removes_the_links_of_the_front_door_and_keeps_the_renditions(
    make_app: Any, draw: Any, tmp_path: Path
) -> None:
    path = draw("a.png")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    app = make_app(IMAGES_FRONT_DOOR=True)
    fetch(app, "a.png", width=10)
    front = tmp_path / "cache" / "flask-images-vips" / "front"
    assert len([path for path in front.glob("??/*") if path.is_symlink()]) == 1
    assert run(app, "purge", "--front").exit_code == 0
    assert [*front.glob("??/*")] == []
    assert [path.suffix for path in cached_files(tmp_path / "cache") if path.parent != front] == [".png"]


def test_an_error_of_the_system_is_one_line_without_a_traceback(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**given: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/var/cache/site")

    monkeypatch.setattr("flask_images_vips.operating.stats.command.callback", fail)
    result = run(app, "stats")
    assert (result.exit_code, result.output) == (1, "Error: /var/cache/site: Permission denied\n")


ESCAPE = "\x1b]0;title\x07\x9b2J\u202e\r\nok"  # sets the title of the terminal, clears it, and writes backwards


@pytest.mark.parametrize(
    "arguments",
    [
        ("url", f"/imgsizer/{ESCAPE}.jpg?{ESCAPE}=1&w={ESCAPE}&s={ESCAPE}"),
        ("url", "/imgsizer/a%1b]0;b%07%c2%9b2J.png?w=%1b]&s=x"),
        ("url", f"{ESCAPE}.png", f"width={ESCAPE}"),
        ("url", "a.png", f"{ESCAPE}=3"),
        ("url", "a.png", "--json", f"{ESCAPE}=3"),
        ("url", f"/imgsizer/a.png?s={ESCAPE}", "--only"),
        ("forget", f"{ESCAPE}.png"),
        ("forget", f"{ESCAPE}.png", "--source"),
        ("forget", f"{ESCAPE}.png", "--anyway"),
        ("allow", f"{ESCAPE}.png"),
        ("purge", f"{ESCAPE}.png"),
        ("purge", f"{ESCAPE}*"),
        ("prune", "--source", f"{ESCAPE}*"),
        ("prune", "--max-size", ESCAPE),
        ("check", "--picture", f"{ESCAPE}.png"),
    ],
    ids=lambda arguments: ascii(" ".join(arguments))[1:28],
)
def test_no_name_controls_the_terminal(app: Flask, draw: Any, arguments: tuple[str, ...]) -> None:
    draw("a.png")
    if not arguments[1].endswith(("y", "--source", "--anyway")) and os.name == "posix":
        draw(f"{ESCAPE}.png")
    fetch(app, "a.png", width=10)
    result = run(app, *arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert [letter for letter in result.output if not letter.isprintable() and letter != "\n"] == []
    assert "ok" not in {line[:2] for line in result.output.splitlines()} - (
        {"ok"} if arguments[0] == "check" else set()
    )


def test_a_number_with_too_many_digits_is_no_size(app: Flask) -> None:
    result = run(app, "prune", "--max-size", "9" * 5000)
    assert result.exit_code == 2
    assert "is not a size such as 500MB" in result.output
