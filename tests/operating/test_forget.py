"""``flask images forget`` and ``allow``: what they say, ask and refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import Result
from conftest import fetch, url_of
from flask import Flask

NOBODY = 65534


def run(app: Flask, *arguments: str, said: str | None = None) -> Result:
    return app.test_cli_runner().invoke(args=["images", *arguments], input=said)


@pytest.fixture
def site(app: Flask, draw: object) -> Flask:
    """An application with renditions of two pictures."""
    for name in ("photos/a.png", "photos/b.png"):
        draw(name)  # type: ignore[operator]
        for width in (10, 20):
            fetch(app, name, width=width)
    return app


def status(app: Flask, name: str) -> int:
    return app.test_client().get(url_of(app, name, width=10)).status_code


def test_a_picture_is_forgotten_and_allowed_again(site: Flask) -> None:
    result = run(site, "forget", "/photos/a.png")
    assert (result.exit_code, result.output) == (0, "photos/a.png is forgotten: 2 renditions.\n")
    assert [status(site, name) for name in ("photos/a.png", "photos/b.png")] == [410, 200]
    again = run(site, "forget", "photos/a.png")
    assert (again.exit_code, again.output) == (0, "photos/a.png is forgotten again: nothing was left of it.\n")
    result = run(site, "allow", "photos/a.png")
    assert (result.exit_code, result.output) == (0, "photos/a.png is served again.\n")
    assert status(site, "photos/a.png") == 200


def test_several_are_forgotten_and_the_receipts_can_be_read_by_a_program(site: Flask) -> None:
    result = run(site, "forget", "--json", "photos/a.png", "photos/b.png")
    assert result.exit_code == 0
    receipts = json.loads(result.output)
    assert [receipt["ref"] for receipt in receipts] == ["photos/a.png", "photos/b.png"]
    assert [receipt["renditions"] for receipt in receipts] == [2, 2]


def test_an_original_is_removed_after_a_question(site: Flask, static: Path) -> None:
    refused = run(site, "forget", "--source", "photos/a.png", said="n\n")
    assert refused.exit_code == 1
    assert "Remove photos/a.png and what is made of it?" in refused.output
    assert status(site, "photos/a.png") == 200
    result = run(site, "forget", "--source", "--yes", "photos/a.png")
    assert f"The original {static / 'photos' / 'a.png'} is removed too." in result.output
    assert not (static / "photos" / "a.png").exists()


def test_a_name_of_which_nothing_is_found_is_not_forgotten_unless_that_is_meant(site: Flask) -> None:
    result = run(site, "forget", "a.png", "photos/b.png")
    assert result.exit_code == 1
    assert "Did you mean 'photos/a.png'? Use --anyway to forget it nevertheless." in result.output
    assert "photos/b.png is forgotten: 2 renditions." in result.output
    assert run(site, "allow", "a.png").exit_code == 1
    assert run(site, "forget", "--anyway", "a.png").exit_code == 0
    assert run(site, "allow", "a.png").exit_code == 0


def test_to_allow_what_is_not_forgotten_fails(site: Flask) -> None:
    result = run(site, "allow", "photos/a.png", "photos/b.png")
    assert (result.exit_code, result.output) == (1, "Error: Not forgotten: 'photos/a.png', 'photos/b.png'.\n")


def test_what_cannot_be_done_is_one_sentence(site: Flask, tmp_path: Path) -> None:
    (tmp_path / "cache" / "flask-images-vips" / "forgotten").write_text("not a folder")
    result = run(site, "forget", "photos/a.png")
    assert result.exit_code == 1
    assert "'photos/a.png' is not forgotten completely" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", [["forget", "a.png"], ["allow", "a.png"], ["prune", "--max-size", "1GB"]])
def test_without_a_cache_the_command_says_who_should_run_it(app: Flask, draw: object, command: list[str]) -> None:
    draw("a.png")  # type: ignore[operator]
    result = run(app, *command)
    assert result.exit_code == 1
    assert "There is no cache in" in result.output


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("command", [["forget", "photos/a.png"], ["allow", "photos/a.png"], ["prune", "--max-size=1"]])
def test_another_user_than_that_of_the_site_is_refused(site: Flask, tmp_path: Path, command: list[str]) -> None:
    cache = tmp_path / "cache" / "flask-images-vips"
    os.chown(cache, NOBODY, -1)
    result = run(site, *command)
    assert result.exit_code == 1
    assert "belongs to the user nobody, but this command runs as root" in result.output
