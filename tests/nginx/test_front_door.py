"""The links of the front door: which URLs have one, who may make it, and when it goes. No nginx here."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.config.keys import Config
from flask_images_vips.nginx.front_door import FrontDoor, LinkConditions, nginx_map
from flask_images_vips.options.options import Options
from flask_images_vips.urls import ImageUrl

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links, modes")

SIGNATURE = "abcdefghijklmnopqrstuvwxyzA"
CANONICAL = f"a.png?v=abc&w=10&s={SIGNATURE}"
URL = ImageUrl("a.png", Options(width=10), "abc", canonical=CANONICAL)
CONDITIONS = LinkConditions.of(Config.read({}), "a secret", "a recipe", authorizer=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "front"


@pytest.fixture
def entry(tmp_path: Path) -> str:
    path = tmp_path / "entry.png"
    path.write_bytes(b"a picture")
    return str(path)


def links(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*") if path.is_symlink())


def path_of(door: FrontDoor, url: ImageUrl = URL) -> str:
    path = door.link_path(url, ".png", current=True)
    assert path is not None
    return path


def link(door: FrontDoor, entry: str, url: ImageUrl = URL) -> None:
    door.link(path_of(door, url), entry, public=True, settled=True)


# Which URLs have a link.


def test_the_name_of_a_link_is_the_whole_url() -> None:
    door = FrontDoor("/front", "stamp")
    assert path_of(door) == f"/front/ab/a.png@@@@@?v=abc&w=10&s={SIGNATURE}.png"
    nested = replace(URL, canonical=f"1/2/3/4/5/six.png?v=abc&s={SIGNATURE}")
    assert path_of(door, nested) == f"/front/ab/1@2@3@4@5@six.png?v=abc&s={SIGNATURE}.png"


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
    assert FrontDoor("/front", "stamp").link_path(replace(URL, canonical=canonical), ".png", current=True) is None


@pytest.mark.parametrize("options", [{"download": "1"}, {"expires": 4_000_000_000}, {"cache": False}], ids=str)
def test_a_url_whose_response_may_change_has_no_link(options: dict[str, Any]) -> None:
    url = replace(URL, options=replace(URL.options, **options))
    assert FrontDoor("/front", "stamp").link_path(url, ".png", current=True) is None


def test_a_url_of_another_version_has_no_link() -> None:
    assert FrontDoor("/front", "stamp").link_path(URL, ".png", current=False) is None


def test_the_map_of_nginx_and_the_application_build_the_same_name() -> None:
    pattern, name = re.fullmatch(r'\s*"~(.*)"\s+"(.*)";', nginx_map("/imgsizer"), re.DOTALL).groups()  # type: ignore[union-attr]
    for canonical in (CANONICAL, f"1/2/three.png?v=abc&s={SIGNATURE}", f"%2B/$~'(!),+*.png?f=&v=a.b&s={SIGNATURE}"):
        match = re.match(pattern.replace("(?<i", "(?P<i").replace("(?<shard", "(?P<shard"), f"/imgsizer/{canonical}")
        assert match is not None
        groups = match.groupdict(default="")
        found = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda key: groups[key[1] or key[2]], name)  # noqa: B023
        assert f"/front/{found}.png" == path_of(FrontDoor("/front", ""), replace(URL, canonical=canonical))


# When a link is made.


def test_a_link_leads_to_the_entry_and_can_be_followed_by_others(folder: Path, entry: str) -> None:
    before = os.umask(0o077)
    try:
        link(FrontDoor(str(folder), "stamp"), entry)
    finally:
        os.umask(before)
    (found,) = links(folder)
    assert found.read_bytes() == b"a picture"
    assert not os.path.isabs(found.readlink())
    assert [path.stat().st_mode & 0o777 for path in (folder, found.parent)] == [0o711, 0o711]
    assert (folder / ".stamp").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("facts", [{"public": False}, {"settled": False}, {"entry": None}], ids=str)
def test_a_response_that_may_not_be_repeated_to_everyone_is_not_linked(
    folder: Path, entry: str, facts: dict[str, Any]
) -> None:
    door = FrontDoor(str(folder), "stamp")
    door.link(path_of(door), **{"entry": entry, "public": True, "settled": True, **facts})
    assert not folder.exists()


def test_a_dangling_link_is_made_again_and_swept_otherwise(
    folder: Path, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.randrange", lambda _: 0)
    door, other = FrontDoor(str(folder), "stamp"), replace(URL, canonical=CANONICAL.replace("w=10", "w=20"))
    link(door, entry)
    link(door, entry, other)
    assert len(links(folder)) == 2
    Path(entry).unlink()
    again = Path(entry).with_name("again.png")
    again.write_bytes(b"again")
    link(door, str(again))
    assert [found.read_bytes() for found in links(folder)] == [b"again"]


def test_errors_cost_only_the_link(folder: Path, entry: str) -> None:
    folder.parent.write_text("a file where the folder should be")
    door = FrontDoor(str(folder), "stamp")
    link(door, entry)
    door.open()
    door.empty()
    assert links(folder) == []
    folder.parent.unlink()
    link(door, entry)
    assert len(links(folder)) == 1


# When links go.


def test_opening_creates_nothing(folder: Path) -> None:
    FrontDoor(str(folder), "stamp").open()
    assert not folder.exists()


def test_opening_keeps_the_links_of_the_same_stamp_and_removes_those_of_another(folder: Path, entry: str) -> None:
    link(FrontDoor(str(folder), "stamp"), entry)
    FrontDoor(str(folder), "stamp").open()
    assert len(links(folder)) == 1
    FrontDoor(str(folder), "another").open()
    assert links(folder) == []


def test_emptying_removes_the_links_and_nothing_else(folder: Path, entry: str) -> None:
    door = FrontDoor(str(folder), "stamp")
    link(door, entry)
    (folder / "notes.txt").write_text("not ours")
    door.empty()
    assert sorted(path.name for path in folder.iterdir()) == [".stamp", "notes.txt"]
    assert Path(entry).exists()
    link(door, entry)
    assert len(links(folder)) == 1


def test_a_door_that_was_taken_over_makes_no_links_and_warns_once(folder: Path, entry: str, caplog: Any) -> None:
    old, new = FrontDoor(str(folder), "old"), FrontDoor(str(folder), "new")
    link(old, entry)
    link(new, entry, replace(URL, canonical=CANONICAL.replace("w=10", "w=20")))
    for _ in range(2):
        link(old, entry)
    (found,) = links(folder)
    assert "w=20" in found.name
    assert caplog.text.count("used with another configuration now") == 1


def test_a_folder_that_was_deleted_belongs_to_whoever_links_next(folder: Path, entry: str) -> None:
    old, new = FrontDoor(str(folder), "old"), FrontDoor(str(folder), "new")
    link(old, entry)
    link(new, entry)
    shutil.rmtree(folder)
    link(old, entry)
    assert len(links(folder)) == 1
    assert (folder / ".stamp").read_text() == "old"


EVENTS: dict[str, Callable[[Path, dict[str, FrontDoor], dict[str, str]], None]] = {
    "the old one links": lambda _, doors, entries: link(doors["old"], entries["old"]),
    "the new one links": lambda _, doors, entries: link(doors["new"], entries["new"]),
    "the old one opens": lambda _, doors, entries: doors["old"].open(),
    "the new one opens": lambda _, doors, entries: doors["new"].open(),
    "it is emptied": lambda _, doors, entries: doors["old"].empty(),
    "it is deleted": lambda folder, _, entries: shutil.rmtree(folder, ignore_errors=True),
}


@pytest.mark.parametrize("first", EVENTS)
def test_in_every_order_of_events_all_links_are_of_the_stamp_in_the_folder(
    tmp_path: Path, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    entries = {name: str(tmp_path / f"{name}.png") for name in ("old", "new")}
    for path in entries.values():
        Path(path).write_bytes(b"a picture")
    for number, others in enumerate(itertools.product(EVENTS, repeat=3)):
        folder = tmp_path / str(number) / "front"
        doors = {name: FrontDoor(str(folder), name) for name in entries}
        for event in (first, *others):
            EVENTS[event](folder, doors, entries)
            makers = {found.resolve().stem for found in links(folder)}
            assert makers <= {(folder / ".stamp").read_text()} if makers else True, (first, *others)


# The stamp.


def test_the_stamp_of_a_configuration_is_what_it_always_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the next start would remove all existing links."""
    monkeypatch.setattr("flask_images_vips.nginx.front_door.REVISION", 3)
    config = Config.read({"IMAGES_QUALITY": 70, "IMAGES_ALLOWED_WIDTHS": [10, 20], "IMAGES_FORMATS": ["webp"]})
    stamp = LinkConditions.of(replace(config, url="/imgsizer"), "a secret", "a recipe", authorizer=False).stamp()
    assert stamp == "e010809068936351f39a3640bfc2a6fa"


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "another"},
        {"url": "/other"},
        {"settings": "another"},
        {"formats": ("webp",)},
        {"output_formats": ("jpeg",)},
        {"quality": {"jpeg": 50}},
        {"max_frames": 1},
        {"max_source_pixels": 1},
        {"only_presets": {"tiny": {"width": 30}}},
        {"allowed_widths": (30,)},
        {"authorizer": "may_see"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_condition_changes_the_stamp(change: dict[str, Any]) -> None:
    assert {field.name for field in fields(LinkConditions)} >= change.keys()
    assert replace(CONDITIONS, **change).stamp() != CONDITIONS.stamp()


def test_presets_count_only_if_urls_may_use_nothing_else() -> None:
    presets = {"IMAGES_PRESETS": {"tiny": {"width": 30}}}
    for only in (False, True):
        config = Config.read({**presets, "IMAGES_ONLY_PRESETS": only})
        stamp = LinkConditions.of(config, "a secret", "a recipe", authorizer=False).stamp()
        assert (stamp == CONDITIONS.stamp()) is not only
