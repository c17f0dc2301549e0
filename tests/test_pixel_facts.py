"""What only pixels tell is kept for all processes, and a page that lacks it can ask for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.geometry import Box
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Flip
from flask_images_vips.pixel_facts import PixelFacts
from flask_images_vips.sources.source import Source

SOURCE = Source("a.jpg", "/static", "/static/a.jpg", 5, 7)
BOX = Box(1, 2, 30, 40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def process(folder: Path) -> Any:
    """A function that returns the facts as another process has them."""

    def start(place: Path = folder) -> PixelFacts:
        cache = DiskCache(str(place), lock_timeout=5, temp_max_age=60)
        return PixelFacts(cache, lambda source, kind: ("ab" * 16, f"{kind}-{source.mtime_ns}.txt"))

    return start


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.txt"))


def test_what_one_process_asks_for_another_makes(process: Any, folder: Path) -> None:
    page, images = process(), process()
    assert (page.placeholder(SOURCE, "color"), images.asked(SOURCE)) == (None, [])
    page.ask(SOURCE, "lqip")
    page.ask(SOURCE, "color")
    assert page.asked(SOURCE) == images.asked(SOURCE) == ["color", "lqip"]
    images.add_placeholders(SOURCE, {"color": "#102030"})
    assert page.placeholder(SOURCE, "color") == process().placeholder(SOURCE, "color") == "#102030"
    assert page.asked(SOURCE) == images.asked(SOURCE) == ["lqip"]
    assert files(folder) == ["color-7.txt", "wanted-lqip-7.txt"]


def test_another_version_of_the_source_is_another_one(process: Any) -> None:
    facts, other = process(), Source("a.jpg", "/static", "/static/a.jpg", 5, 8)
    facts.ask(SOURCE, "color")
    facts.add_placeholders(SOURCE, {"lqip": "data:image/webp;base64,AAAA"})
    facts.add_trim(SOURCE, Options(trim=10), BOX)
    assert facts.asked(other) == []
    assert facts.placeholder(other, "lqip") is None
    assert facts.trim(other, Options(trim=10)) is None


def test_asking_again_writes_nothing_until_files_were_removed(process: Any, folder: Path) -> None:
    facts = process()
    facts.ask(SOURCE, "color")
    for path in folder.rglob("wanted-*"):
        path.unlink()
    facts.ask(SOURCE, "color")
    assert files(folder) == []
    facts.forget()
    facts.ask(SOURCE, "color")
    assert files(folder) == ["wanted-color-7.txt"]


def test_without_a_usable_folder_a_process_still_knows_what_it_has_asked_for(process: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    facts = process(tmp_path / "file")
    facts.ask(SOURCE, "color")
    assert facts.asked(SOURCE) == ["color"]
    facts.add_placeholders(SOURCE, {"color": "#102030"})
    facts.add_trim(SOURCE, Options(trim=10), BOX)
    assert (facts.asked(SOURCE), facts.placeholder(SOURCE, "color")) == ([], "#102030")
    assert facts.trim(SOURCE, Options(trim=10)) == BOX


def test_a_box_is_that_of_the_options_that_decide_it(process: Any) -> None:
    one, other = process(), process()
    assert one.trim(SOURCE, Options()) is None
    one.add_trim(SOURCE, Options(trim=10, width=50), BOX)
    for options in (Options(trim=10), Options(trim=10, height=9)):
        assert one.trim(SOURCE, options) == other.trim(SOURCE, options) == BOX
    for changed in ({"trim": 11}, {"rotate": 90}, {"flip": Flip.HORIZONTAL}, {"trim": None}):
        options = Options(**{"trim": 10, **changed})
        assert one.trim(SOURCE, options) is other.trim(SOURCE, options) is None


@pytest.mark.parametrize(
    "content", [b"1 2 3", b"1 2 3 4 5", b"1 2 0 4", b"-1 2 3 4", b"1 2 3 4\n", b"1 2 3 99999999", b"[1,2,3,4]", b"\xff"]
)
def test_a_damaged_box_is_unknown_and_removed(process: Any, folder: Path, content: bytes) -> None:
    process().add_trim(SOURCE, Options(trim=10), BOX)
    (path,) = folder.rglob("trim-*")
    path.write_bytes(content)
    assert process().trim(SOURCE, Options(trim=10)) is None
    assert not path.exists()


def test_memory_is_bounded(process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.pixel_facts._REMEMBERED", 3)
    facts = process()
    for trim in range(1, 9):
        facts.add_trim(SOURCE, Options(trim=trim), BOX)
        assert len(facts._known) <= 3
    assert facts.trim(SOURCE, Options(trim=1)) == BOX


@pytest.mark.parametrize("point", [[0.25, 1.0], [0.0, 0.4567], []], ids=str)
def test_the_point_of_faces_is_known_to_every_process_also_if_there_are_none(process: Any, point: list[float]) -> None:
    facts = process()
    assert facts.focus(SOURCE) is None
    facts.add_focus(SOURCE, point)
    assert list(facts.focus(SOURCE)) == list(process().focus(SOURCE)) == point


def test_a_damaged_point_of_faces_is_looked_for_again(process: Any, folder: Path) -> None:
    process().add_focus(SOURCE, [0.5, 0.5])
    (path,) = folder.rglob("focus-*")
    path.write_text("0.5 7.5")
    assert process().focus(SOURCE) is None
