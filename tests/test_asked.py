"""The manifest: read, exported, imported, and read by another version of the code."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.asked import Asked, InvalidLine, import_asked, read_asked, read_manifest
from flask_images_vips.recording import counts as counting
from flask_images_vips.recording.counts import Counts
from flask_images_vips.recording.journal import Journal

LINE = {"source": "photos/cat.jpg", "query": "f=auto&w=300", "format": "webp", "count": 12}


def record(folder: Path, **asked: float) -> None:
    counts = Counts()
    for name, count in asked.items():
        counts.ask(f"{name}.png", "w=50", "png", counting.Asked(count))
    Journal(str(folder)).append(counts, time.time())


def line(**fields: Any) -> str:
    return json.dumps({**LINE, **fields})


def test_the_most_popular_come_first(tmp_path: Path) -> None:
    record(tmp_path, a=1, b=3, c=2)
    asked = read_asked(str(tmp_path))
    assert [(each.url.ref, each.url.options.width, each.format) for each in asked] == [
        ("b.png", 50, "png"),
        ("c.png", 50, "png"),
        ("a.png", 50, "png"),
    ]
    assert [each.count for each in asked] == pytest.approx([3, 2, 1], abs=0.01)
    assert read_asked(str(tmp_path / "nowhere")) == []


def test_what_this_version_does_not_understand_is_left_out(tmp_path: Path) -> None:
    record(tmp_path, a=1)
    counts = Counts()
    counts.ask("b.png", "w=wide", "png", counting.Asked(9))
    counts.ask("c.png", "f=auto&w=5", "jxs", counting.Asked(9))
    counts.ask("http://[/d.png", "w=5", "png", counting.Asked(9))
    counts.ask("\udc80.png", "w=5", "png", counting.Asked(9))
    counts.ask("f.png", "w=5&new=\udc80", "png", counting.Asked(9))
    counts.ask("e.png", "w=5&new=1", "png", counting.Asked(9))  # an option that is not known is no error, as in URLs
    Journal(str(tmp_path)).append(counts, time.time())
    assert [each.url.ref for each in read_asked(str(tmp_path))] == ["e.png", "a.png"]


def test_an_exported_manifest_is_read_as_it_was(tmp_path: Path) -> None:
    lines = [line(), line(query="w=5", format="jpeg"), line(source="https://example.com/a?b=c", query="v=1&w=5")]
    manifest = [*read_manifest([*lines, "", "\n"])]
    assert [json.loads(each.line()) for each in manifest] == [json.loads(each) for each in lines]
    import_asked(str(tmp_path), manifest)
    read = read_asked(str(tmp_path))
    assert sorted(each.line() for each in read) == sorted(each.line() for each in manifest)
    assert manifest[0].url.negotiated
    assert manifest[0].url.options.format is not None


def test_a_line_without_format_means_that_of_the_url() -> None:
    (asked,) = read_manifest(['{"source": "a.png", "query": "f=webp", "count": 1}'])
    assert asked.format == "webp"
    (asked,) = read_manifest(['{"source": "a.png", "query": "", "count": 1}'])
    assert asked.format == "png"


def test_importing_twice_changes_nothing_and_the_higher_count_is_kept(tmp_path: Path) -> None:
    record(tmp_path, a=1, b=30)
    manifest = [*read_manifest([line(source=f"{name}.png", query="w=50", format="png") for name in "abc"])]
    assert import_asked(str(tmp_path), manifest) == 1
    assert import_asked(str(tmp_path), manifest) == 0
    counts = {each.url.ref: each.count for each in read_asked(str(tmp_path))}
    assert counts == pytest.approx({"a.png": 12, "b.png": 30, "c.png": 12}, abs=0.01)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("not JSON", "is not a line of a manifest (it is not JSON)"),
        ("[]", "is not a line of a manifest"),
        ("[" * 100_000, "it is not JSON"),
        ('{"source": "a.png"}', "KeyError('query')"),
        (line(count="many"), "is not a line of a manifest"),
        (line(count=-1), "expected a number from 0"),
        (line(count=True), "expected a number from 0"),
        (line(source="../etc/passwd"), "path is not normalized"),
        (line(source=5), "is not a path"),
        (line(query="w=wide"), "width='wide'"),
        (line(query=5), "is not a line of a manifest"),
        (line(query="\udc80=1"), "surrogates not allowed"),
        (line(format="jxs"), "format='jxs'"),
        (line(format=None), "is not a line of a manifest"),
    ],
)
def test_an_invalid_line_is_named(wrong: str, said: str) -> None:
    with pytest.raises(InvalidLine) as error:
        [*read_manifest([line(), "", wrong])]
    assert str(error.value).startswith("line 3")
    assert said in str(error.value)


def test_an_item_needs_little_to_be_written() -> None:
    (asked,) = read_manifest([line()])
    assert isinstance(asked, Asked)
    assert json.loads(asked.line()) == LINE
