"""``flask images prune``: the least recently read files go first, and only as many as asked for."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from conftest import cached_files, fetch
from flask import Flask

from flask_images_vips.cache.removal import Removal
from flask_images_vips.operating import prune as module
from flask_images_vips.state import images_of

DAY = 86_400


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["images", "prune", *arguments])


@pytest.fixture
def site(app: Flask, draw: Any, tmp_path: Path) -> Flask:
    """An application with four renditions, of which the one at 10 px was read last."""
    for name in ("photos/a.png", "b.png"):
        draw(name)
        for width in (10, 20):
            fetch(app, name, width=width)
    for path in cached_files(tmp_path / "cache"):
        days = 1 if b"\0\0\0\x0a" in path.read_bytes()[16:20] else 40  # the width in the header of a PNG
        os.utime(path, (time.time() - days * DAY, path.stat().st_mtime))
    return app


def left(tmp_path: Path) -> int:
    return len(cached_files(tmp_path / "cache"))


def numbers(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_what_was_not_read_for_long_is_removed_and_counted_off(site: Flask, tmp_path: Path) -> None:
    result = run(site, "--older-than", "30d")
    assert result.exit_code == 0
    assert result.output.startswith("2 files (")
    assert result.output.endswith("left.\n")
    assert left(tmp_path) == 2
    bound = images_of(site).pipeline.cache.bound
    assert bound is not None
    assert run(site, "--older-than", "30d").output.startswith("0 files (0 bytes) removed, 2 files (")


def test_a_size_keeps_what_was_read_last(site: Flask, tmp_path: Path) -> None:
    sizes = sorted(path.stat().st_size for path in cached_files(tmp_path / "cache"))
    told = numbers(run(site, "--json", "--max-size", str(sizes[0] + sizes[1])))
    assert told["removed"] == 2
    assert told["left"] == 2
    assert told["left_bytes"] == sum(path.stat().st_size for path in cached_files(tmp_path / "cache"))
    assert all(path.read_bytes()[16:20] == b"\0\0\0\x0a" for path in cached_files(tmp_path / "cache"))


def test_only_the_pictures_of_a_pattern_are_looked_at(site: Flask, tmp_path: Path) -> None:
    assert numbers(run(site, "--json", "--source", "photos/*", "--older-than", "30d"))["removed"] == 1
    assert numbers(run(site, "--json", "--source", "photos/*"))["removed"] == 1
    assert left(tmp_path) == 2
    assert numbers(run(site, "--json", "--source", "b.png", "--max-size", "0"))["removed"] == 2
    unfound = run(site, "--source", "other/*")
    assert (unfound.exit_code, unfound.output) == (1, "Error: No picture matches 'other/*'.\n")


def test_a_dry_run_removes_nothing(site: Flask, tmp_path: Path) -> None:
    result = run(site, "--dry-run", "--max-size", "0")
    assert "4 files (" in result.output
    assert "would be removed, 0 files (0 bytes) left." in result.output
    assert left(tmp_path) == 4


def test_files_of_killed_processes_go_too(site: Flask, tmp_path: Path) -> None:
    litter = tmp_path / "cache" / "flask-images-vips" / "tmp" / ".tmp-old"
    litter.write_bytes(b"half")
    os.utime(litter, (time.time() - DAY, time.time() - DAY))
    run(site, "--max-size", "1GB")
    assert not litter.exists()


def test_ctrl_c_ends_it_and_it_says_what_was_done(site: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Removal.remove

    def interrupted(self: Removal, entries: Any) -> Any:
        for number, kept in enumerate(own(self, entries)):
            yield kept
            if number == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(Removal, "remove", interrupted)
    result = run(site, "--max-size", "0")
    assert result.exit_code == 130
    assert left(tmp_path) == 2
    assert result.output.startswith("2 files (")


def test_what_cannot_be_removed_is_one_sentence(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise OSError(30, "Read-only file system", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        result = run(site, "--max-size", "0")
    assert result.exit_code == 1
    assert result.output.endswith(
        " cannot be removed (Read-only file system). 0 files (0 bytes) were removed before.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give --max-size, --older-than or --source."),
        (["--max-size", "large"], "'large' is not a size such as 500MB, 2GB or 2GiB."),
        (["--older-than", "30"], "'30' is not an age such as 12h, 30d or 8w."),
        (["--older-than", "d"], "'d' is not an age"),
    ],
)
def test_a_wrong_call_says_what_is_expected(site: Flask, arguments: list[str], said: str) -> None:
    result = run(site, *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_sizes_and_ages_are_those_of_the_configuration() -> None:
    assert [module._size(text) for text in ("10", "2kB", "2KiB", "1.5GB")] == [10, 2000, 2048, 1_500_000_000]
    assert [module._age(text) for text in ("5s", "12h", "30d", "2W")] == [5, 43_200, 2_592_000, 1_209_600]
    assert [module._shown(size) for size in (0, 999, 1000, 2_500_000, 3 * 10**12)] == [
        *("0 bytes", "999 bytes", "1.0 kB", "2.5 MB", "3,000.0 GB"),
    ]
