"""The links of the front door: which URLs have one, who may make it, and when it goes. No nginx here."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.hashing import digest
from flask_images_vips.nginx.front_door import FrontDoor, nginx_map
from flask_images_vips.nginx.switch import CLOSED, FOLDER_NAME
from flask_images_vips.options.options import Options
from flask_images_vips.options.text import Text
from flask_images_vips.options.values import Focal, Mode
from flask_images_vips.sources.source import Source
from flask_images_vips.urls import ImageUrl

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links, modes")

SIGNATURE = "abcdefghijklmnopqrstuvwxyzA"
CANONICAL = f"a.png?v=abc&w=10&s={SIGNATURE}"
SOURCE = Source("a.png", "/static", "/static/a.png", 100, 0)
URL = ImageUrl("a.png", Options(width=10), "abc", canonical=CANONICAL)
STAMPS = {name: digest(name, 16) for name in ("stamp", "another", "old", "new", "")}
STARTS = {name: number for number, name in enumerate(STAMPS, 1)}  # the new one was started after the old one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "front"


@pytest.fixture
def entry(tmp_path: Path) -> str:
    path = tmp_path / "entry.png"
    path.write_bytes(b"a picture")
    return str(path)


def links(folder: Path) -> list[Path]:
    """The links that lead somewhere."""
    return sorted(path for path in folder.glob("??/*") if path.is_symlink() and path.exists())


def door_of(folder: str | Path, name: str = "stamp") -> FrontDoor:
    return FrontDoor(str(folder), lambda: STAMPS[name], started_ns=STARTS[name])


def path_of(door: FrontDoor, url: ImageUrl = URL) -> str:
    path = door.link_path(url, ".png", current=True)
    assert path is not None
    return path


def link(
    door: FrontDoor,
    entry: str,
    url: ImageUrl = URL,
    sources: tuple[Source, ...] = (SOURCE,),
    confirm: Callable[[], bool] = lambda: True,
) -> None:
    door.link(path_of(door, url), entry, sources, public=True, settled=True, confirm=confirm)


# Which URLs have a link.


def test_the_name_of_a_link_is_the_whole_url() -> None:
    door = door_of("/front")
    assert path_of(door) == f"/front.{STAMPS['stamp']}/ab/a.png@@@@@?v=abc&w=10&s={SIGNATURE}.png"
    nested = replace(URL, canonical=f"1/2/3/4/5/six.png?v=abc&s={SIGNATURE}")
    assert path_of(door, nested) == f"/front.{STAMPS['stamp']}/ab/1@2@3@4@5@six.png?v=abc&s={SIGNATURE}.png"


@pytest.mark.parametrize(
    "canonical",
    [
        None,
        f"a.png?w=10&s={SIGNATURE}",
        f"a.png?v=abc&w=10&s={SIGNATURE}x",
        f"a.png?v=abc&w=10&s={SIGNATURE[:-1]}B",
        f"a.png?v=abc&w=10&s=..{SIGNATURE[2:]}",
        f"1/2/3/4/5/6/seven.png?v=abc&s={SIGNATURE}",
        f"../a.png/?v=abc&s={SIGNATURE}",
        f"a@b.png?v=abc&s={SIGNATURE}",
        f"{'x' * 101}?v=abc&s={SIGNATURE}",
        f"{'x' * 99}/{'x' * 99}/{'x' * 20}?v=abc&s={SIGNATURE}",
        f"a.png?v=abc&w=10&s={SIGNATURE}\n",
    ],
)
def test_a_url_that_nginx_does_not_look_up_has_no_link(canonical: str | None) -> None:
    assert door_of("/front").link_path(replace(URL, canonical=canonical), ".png", current=True) is None


@pytest.mark.parametrize(
    "options", [{"download": "1"}, {"expires": 4_000_000_000}, {"cache": False}, {"text": Text("Hello")}], ids=str
)
def test_a_url_whose_response_may_change_has_no_link(options: dict[str, Any]) -> None:
    url = replace(URL, options=replace(URL.options, **options))
    assert door_of("/front").link_path(url, ".png", current=True) is None


def test_a_url_of_another_version_has_no_link() -> None:
    assert door_of("/front").link_path(URL, ".png", current=False) is None


def test_the_map_of_nginx_and_the_application_build_the_same_name() -> None:
    pattern, name = re.fullmatch(r'\s*"~(.*)"\s+"(.*)";', nginx_map("/imgsizer"), re.DOTALL).groups()  # type: ignore[union-attr]
    for canonical in (CANONICAL, f"1/2/three.png?v=abc&s={SIGNATURE}", f"%2B/$~'(!),+*.png?f=&v=a.b&s={SIGNATURE}"):
        match = re.match(pattern.replace("(?<i", "(?P<i"), f"/imgsizer/{canonical}")
        assert match is not None
        groups = match.groupdict(default="")
        found = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda key: groups[key[1] or key[2]], name)  # noqa: B023
        assert path_of(door_of("/front"), replace(URL, canonical=canonical)) == f"/front.{STAMPS['stamp']}/{found}.png"


# When a link is made.


def test_a_link_leads_to_the_entry_and_can_be_followed_by_others(folder: Path, entry: str) -> None:
    before = os.umask(0o077)
    try:
        link(door_of(folder), entry)
    finally:
        os.umask(before)
    (found,) = links(folder)
    assert found.read_bytes() == b"a picture"
    assert not os.path.isabs(found.readlink())
    assert [path.stat().st_mode & 0o777 for path in (folder, found.parent)] == [0o711, 0o711]
    assert folder.readlink() == Path(f"front.{STAMPS['stamp']}")


@pytest.mark.parametrize("facts", [{"public": False}, {"settled": False}, {"entry": None}], ids=str)
def test_a_response_that_may_not_be_repeated_to_everyone_is_not_linked(
    folder: Path, entry: str, facts: dict[str, Any]
) -> None:
    door = door_of(folder)
    values = {"entry": entry, "sources": (SOURCE,), "confirm": lambda: True, "public": True, "settled": True, **facts}
    door.link(path_of(door), **values)
    assert not folder.exists()


def test_a_dangling_link_is_made_again_and_swept_otherwise(
    folder: Path, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.randrange", lambda _: 0)
    door, other = door_of(folder), replace(URL, canonical=CANONICAL.replace("w=10", "w=20"))
    link(door, entry)
    link(door, entry, other)
    assert len(links(folder)) == 2
    Path(entry).unlink()
    again = Path(entry).with_name("again.png")
    again.write_bytes(b"again")
    link(door, str(again))
    assert [found.read_bytes() for found in links(folder)] == [b"again"]


def test_errors_cost_only_the_link(folder: Path, entry: str) -> None:
    folder.parent.rmdir()
    folder.parent.write_text("a file where the folder should be")
    door = door_of(folder)
    link(door, entry)
    door.open()
    door.empty()
    assert links(folder) == []
    folder.parent.unlink()
    folder.parent.mkdir()
    link(door, entry)
    assert len(links(folder)) == 1


# When links go.


def test_opening_tells_older_processes_and_closing_creates_nothing(folder: Path, entry: str) -> None:
    FrontDoor(str(folder), lambda: CLOSED).open()
    assert not folder.is_symlink()
    door_of(folder, "new").open()
    link(door_of(folder, "old"), entry)
    assert links(folder) == []


def test_opening_keeps_the_links_of_the_same_stamp_and_removes_those_of_another(folder: Path, entry: str) -> None:
    link(door_of(folder), entry)
    door_of(folder).open()
    assert len(links(folder)) == 1
    door_of(folder, "another").open()
    assert links(folder) == []


def test_emptying_removes_the_links_and_nothing_else(folder: Path, entry: str) -> None:
    door = door_of(folder)
    link(door, entry)
    (folder / "notes.txt").write_text("not ours")
    door.empty()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert Path(entry).exists()
    link(door, entry)
    assert len(links(folder)) == 1


def test_a_door_that_was_taken_over_makes_no_links_and_warns_once(folder: Path, entry: str, caplog: Any) -> None:
    old, new = door_of(folder, "old"), door_of(folder, "new")
    link(old, entry)
    link(new, entry, replace(URL, canonical=CANONICAL.replace("w=10", "w=20")))
    for _ in range(2):
        link(old, entry)
    (found,) = links(folder)
    assert "w=20" in found.name
    assert caplog.text.count("used with another configuration now") == 1


@pytest.mark.parametrize("started_first", [True, False])
def test_the_process_that_was_started_last_keeps_the_door(folder: Path, entry: str, started_first: bool) -> None:
    """Whatever the order of their first requests is."""
    for name in ("old", "new") if started_first else ("new", "old"):
        link(door_of(folder, name), entry)
    assert folder.readlink().name.endswith(STAMPS["new"])
    assert [path.name for path in folder.parent.glob("front.*") if path.is_dir()] == [folder.readlink().name]


def test_a_process_of_the_same_configuration_keeps_the_door_for_it(folder: Path, entry: str) -> None:
    """A process of another configuration, started between the two, does not get it."""
    link(FrontDoor(str(folder), lambda: STAMPS["old"], started_ns=1), entry)
    FrontDoor(str(folder), lambda: STAMPS["old"], started_ns=3).open()
    FrontDoor(str(folder), lambda: STAMPS["new"], started_ns=2).open()
    assert len(links(folder)) == 1


def test_a_start_in_the_future_does_not_keep_the_door_for_ever(folder: Path, entry: str) -> None:
    link(FrontDoor(str(folder), lambda: STAMPS["old"], started_ns=time.time_ns() + 10**13), entry)
    door_of(folder, "new").open()
    assert links(folder) == []


def test_links_of_an_earlier_time_do_not_come_back(folder: Path, entry: str) -> None:
    """When a configuration is used again, and a process was killed while it took its links away."""
    link(FrontDoor(str(folder), lambda: STAMPS["old"], started_ns=1), entry)
    kept = folder.with_name("kept")
    shutil.copytree(folder.resolve(), kept, symlinks=True)
    link(FrontDoor(str(folder), lambda: STAMPS["new"], started_ns=2), entry)
    kept.rename(folder.with_name(f"front.{STAMPS['old']}"))
    FrontDoor(str(folder), lambda: STAMPS["old"], started_ns=3).open()
    assert links(folder) == []


def test_conditions_that_change_while_the_process_runs_take_the_links_away(folder: Path, entry: str) -> None:
    secret = ["old"]
    door = FrontDoor(str(folder), lambda: STAMPS[secret[0]])
    before = path_of(door)
    link(door, entry)
    secret[0] = "new"
    door.renew()
    assert links(folder) == []
    # Of a request that began before.
    door.link(before, entry, (SOURCE,), public=True, settled=True, confirm=lambda: True)
    assert links(folder) == []
    link(door, entry)
    assert len(links(folder)) == 1


def test_a_door_that_was_moved_or_closed_leaves_no_links_behind(tmp_path: Path, entry: str) -> None:
    own, other = tmp_path / "cache" / "front", tmp_path / "elsewhere" / FOLDER_NAME
    own.parent.mkdir()

    def moved(folder: Path, name: str) -> FrontDoor:
        files = {"lock": f"{own}.lock", "record": str(own)}
        return FrontDoor(str(folder), lambda: STAMPS[name], started_ns=STARTS[name], **files)

    first, second = moved(other, "stamp"), moved(own, "another")
    link(first, entry)
    assert (len(links(other)), len(links(own))) == (1, 1)  # the record leads there too
    second.open()
    link(second, entry)
    link(first, entry, replace(URL, canonical=CANONICAL.replace("w=10", "w=20")))
    assert (len(links(other)), len(links(own))) == (0, 1)
    moved(other, "old").open()
    assert (links(other), links(own)) == ([], [])
    third = moved(other, "old")
    link(third, entry)
    FrontDoor(str(own), lambda: CLOSED, started_ns=STARTS["new"], lock=f"{own}.lock").open()
    link(third, entry)
    link(second, entry)
    third.open()
    assert (links(other), links(own)) == ([], [])
    link(moved(own, ""), entry)  # a newer configuration has a door again
    assert len(links(own)) == 1


def test_a_link_is_not_made_if_the_response_is_not_confirmed(folder: Path, entry: str) -> None:
    door = door_of(folder)
    link(door, entry, confirm=lambda: False)
    assert links(folder) == []
    assert [*folder.glob("of-*")] == []  # a source that was forgotten meanwhile leaves no name


@pytest.mark.parametrize("change", ["empty", "purge", "notice", "another configuration"])
def test_a_link_that_is_still_being_made_goes_too(folder: Path, entry: str, change: str) -> None:
    door, other = door_of(folder, "old"), door_of(folder, "old")
    changed = replace(SOURCE, mtime_ns=1)
    changes = {
        "empty": other.empty,
        "purge": lambda: other.purge("a.png"),
        "notice": lambda: other.notice("a.png", changed),
        "another configuration": door_of(folder, "new").open,
    }

    def confirm() -> bool:
        changes[change]()
        return True

    link(door, entry, confirm=confirm)
    assert links(folder) == []
    if change != "another configuration":
        link(door, entry)
        assert len(links(folder)) == 1


def test_a_source_that_was_not_changed_keeps_its_links(folder: Path, entry: str) -> None:
    door = door_of(folder)
    link(door, entry)
    door.notice("a.png", SOURCE)
    door.notice("b.png", None)
    door.purge("b.png")
    assert len(links(folder)) == 1
    door.notice("a.png", None)
    assert links(folder) == []


def test_a_link_does_not_come_back_with_its_source(folder: Path, entry: str) -> None:
    door, other = door_of(folder), replace(URL, canonical=CANONICAL.replace("w=10", "w=20"))
    link(door, entry)
    door.purge("a.png")
    link(door, entry, other)
    assert [found.name for found in links(folder)] == [Path(path_of(door, other)).name]


def test_a_link_to_another_entry_is_replaced(folder: Path, entry: str) -> None:
    door, other = door_of(folder), Path(entry).with_name("other.png")
    other.write_bytes(b"another picture")
    link(door, entry)
    link(door, str(other))
    (found,) = links(folder)
    assert found.read_bytes() == b"another picture"


def test_purging_takes_the_links_to_one_source_and_to_pictures_that_show_it(folder: Path, entry: str) -> None:
    door, other = door_of(folder), replace(SOURCE, ref="b.png")
    for query, sources in (("w=1", (SOURCE,)), ("w=2", (other,)), ("w=3", (other, SOURCE))):
        link(door, entry, replace(URL, canonical=f"a.png?v=abc&{query}&s={SIGNATURE}"), sources)
    assert len(links(folder)) == 3
    door.purge("a.png")
    assert ["w=2" in found.name for found in links(folder)] == [True]


# The number of links.


def test_a_folder_of_links_is_bounded(folder: Path, entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("flask_images_vips.nginx.links._MOST_LINKS", 8)
    door = door_of(folder)
    for width in range(40):
        link(door, entry, replace(URL, canonical=CANONICAL.replace("w=10", f"w={width}")))
        assert len(links(folder)) <= 8
    assert any("w=39" in found.name for found in links(folder))


def test_a_url_with_an_option_without_effect_has_no_link() -> None:
    for mode, linked in ((Mode.FIT, False), (Mode.CROP, True)):
        options = Options(width=10, height=10, mode=mode, focal=Focal(0.25, 0.5))
        found = door_of("/front").link_path(replace(URL, options=options), ".png", current=True)
        assert (found is not None) is linked


# Files of others.


def test_no_file_of_the_door_is_followed(folder: Path, entry: str, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "ab").mkdir()
    (foreign / "ab" / "link").symlink_to("nowhere")
    own = folder.with_name(f"front.{STAMPS['stamp']}")

    def plant(path: Path, target: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        path.symlink_to(target)
        door = door_of(folder)
        door.open()
        link(door, entry)
        door.purge("anything")
        door.empty()

    plant(folder, foreign)
    assert folder.readlink() == Path(own.name)
    shutil.rmtree(own)
    plant(own, foreign)
    own.unlink()
    own.mkdir()
    plant(own / "ab", foreign)
    plant(folder.with_name("front.lock"), foreign / "stamp")
    assert sorted(path.relative_to(foreign).as_posix() for path in foreign.rglob("*")) == ["ab", "ab/link"]


def test_a_real_folder_of_an_earlier_version_is_moved_aside_and_emptied(folder: Path, entry: str) -> None:
    (folder / "ab").mkdir(parents=True)
    (folder / "ab" / "old.png").symlink_to(entry)
    (folder / ".stamp").write_text("a stamp")
    door = door_of(folder)
    door.open()
    assert folder.is_symlink()
    link(door, entry)
    assert len(links(folder)) == 1
    assert list(folder.parent.glob("front.former*")) == []


def test_a_door_that_cannot_be_emptied_is_an_error_in_the_log(folder: Path, entry: str, caplog: Any) -> None:
    link(door_of(folder, "old"), entry)
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder.parent.chmod(0o500)
    try:
        door_of(folder, "new").open()
    finally:
        folder.parent.chmod(0o700)
    assert f"The links in {folder} cannot be removed" in caplog.text
