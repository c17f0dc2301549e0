"""The page about statistics: its code runs, its examples look like the output, and its numbers are right."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, fetch
from flask import Flask
from recording.test_recorder import recorder_of

from docs.blocks import runs
from flask_images_vips.asked import read_manifest
from flask_images_vips.operating.statistics import gather
from flask_images_vips.operating.statistics_text import LISTS, lines
from flask_images_vips.recording import counts, recorder
from flask_images_vips.state import images_of

PAGE = (ROOT / "docs" / "operating" / "statistics.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def shape(line: str) -> str:
    """A line of output without its numbers and the width of its columns."""
    return re.sub(r" +", " ", re.sub(r"[\d,.]*\d( (bytes|kB|MB|GB|ms|s)\b)?", "#", line))


@runs("docs/operating/statistics.md", 'app.config["IMAGES_RECORD"]')
def test_recording_can_be_turned_off_as_the_page_says(make_app: Any) -> None:
    app = make_app()
    exec(blocks("python")[0], {"app": app})
    assert not images_of(app).pipeline.config.record


def test_the_statistics_have_the_form_of_the_example_and_all_lists(app: Flask, draw: Any) -> None:
    draw("a.png")
    fetch(app, "a.png", width=10)
    printed = [shape(line) for line in lines(gather(images_of(app).pipeline, 7, 5))]
    example = blocks("console")[0].splitlines()[2:-1]
    assert len(example) == 12
    assert {shape(line) for line in example} <= {*printed}
    listed = re.findall(r"^\| ([A-Z][^|]*) \|", PAGE, re.MULTILINE)
    titles = {title.partition(" (")[0] for title in LISTS}
    assert {*listed} == titles


@runs("docs/operating/statistics.md", "import json")
def test_the_json_is_read_as_in_the_example(app: Flask, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("a.png")
    for _ in range(2):
        fetch(app, "a.png", width=10)

    def run(command: list[str], **keywords: Any) -> Any:
        printed = app.test_cli_runner().invoke(args=command[1:]).output
        return subprocess.CompletedProcess(command, 0, printed.encode())

    monkeypatch.setattr(subprocess, "run", run)
    names: dict[str, Any] = {}
    exec(blocks("python")[1], names)
    assert 0 <= names["ratio"] <= 1


@runs("docs/operating/statistics.md", "from flask_images_vips.asked", "json")
def test_the_manifest_is_read_as_in_the_examples(app: Flask, draw: Any, capsys: pytest.CaptureFixture[str]) -> None:
    draw("a.png")
    fetch(app, "a.png", width=10)
    exec(blocks("python")[2], {"app": app})
    assert re.fullmatch(r"(1\.0|0\.99\d*) a\.png 10 png\n", capsys.readouterr().out)
    (line,) = blocks("json")
    (asked,) = read_manifest([line])
    assert json.loads(asked.line()) == json.loads(line)


def test_the_example_of_the_manifest_has_the_form_of_the_output(app: Flask, draw: Any) -> None:
    draw("a.png")
    for width in (10, 20):
        fetch(app, "a.png", width=width)
    recorder_of(app).write_at_exit()
    printed = app.test_cli_runner().invoke(args=["images", "manifest", "--top", "1"]).output.splitlines()
    example = blocks("console")[1].splitlines()
    assert printed[0].split() == example[1].split()
    assert len(printed[1].split()) == len(example[2].split())
    assert shape(example[-1]) == shape(printed[-1])


@runs("docs/operating/statistics.md", "console")
def test_the_commands_of_the_page_exist(app: Flask, tmp_path: Path, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("a.png")
    fetch(app, "a.png", width=10)
    monkeypatch.chdir(tmp_path)
    Path("access.log.1").write_text("")
    for line in re.findall(r"^\$ flask (.*)$", PAGE, re.MULTILINE):
        arguments = line.replace("/var/log/nginx/", f"{tmp_path}/").split()
        assert app.test_cli_runner().invoke(args=arguments).exit_code == 0, line


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"half after {counts.HALF_LIFE_DAYS} days" in PAGE
    assert f"last {counts.DAYS_KEPT} days" in PAGE
    assert f"first {recorder._SAMPLES_PER_GAP} within ten seconds" in PAGE.replace("\n", " ")
    assert recorder._WRITE_SECONDS == 10
    assert f"{counts._MAX_SOURCES:,} sources and {counts._MAX_ASKED:,} renditions" in PAGE
