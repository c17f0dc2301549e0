"""The commands ``flask images``: what they refuse, and what they say."""

from __future__ import annotations

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
