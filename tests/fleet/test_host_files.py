"""What a host remembers about the log."""

from __future__ import annotations

import math
import stat
import threading
from pathlib import Path

import pytest
from conftest import share

from flask_images_vips.fleet.host_files import HostFiles
from flask_images_vips.fleet.log import ALLOW, FORGET, Event, Position


def test_a_host_keeps_its_name_and_its_position(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path / "hosts"))
    assert (files.known_host(), files.position(), files.position_age()) == ("", None, math.inf)
    with files.turn():
        name = files.host()
    position = Position("generation", "1-0", 5)
    files.set_position(position)
    again = HostFiles(str(tmp_path / "hosts"))
    assert name == again.known_host() == again.host()
    assert again.position() == position
    assert 0 <= again.position_age() < math.inf
    assert stat.S_IMODE((tmp_path / "hosts").stat().st_mode) == 0o700
    assert HostFiles(str(tmp_path / "others")).host() != name


def test_a_copy_of_the_cache_on_another_host_is_another_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = HostFiles(str(tmp_path / "hosts"))
    monkeypatch.setattr("socket.gethostname", lambda: "web-1")
    name = files.host()
    monkeypatch.setattr("socket.gethostname", lambda: "web")
    assert files.known_host() == ""
    assert files.host() not in ("", name)


def test_an_event_that_is_kept_while_others_are_told_is_not_lost(tmp_path: Path) -> None:
    files, told, over = HostFiles(str(tmp_path / "hosts")), [], threading.Event()

    def tell() -> None:
        while not over.is_set() or files.has_kept():
            told.extend(event.ref for event in files.kept())
            files.drop_kept()

    files.keep(Event(FORGET, "first", "one"))
    teller = threading.Thread(target=tell)
    teller.start()
    kept = [str(number) for number in range(share(2000))]
    for ref in kept:
        files.keep(Event(FORGET, ref, "one"))
    over.set()
    teller.join()
    assert told == ["first", *kept]


def test_a_damaged_position_counts_as_none(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path))
    for text in ("", "[]", "null", '["a", "b"]', '["a", "b", "c"]', "\xff"):
        (tmp_path / "position").write_bytes(text.encode("latin-1"))
        assert files.position() is None


def test_events_are_kept_in_their_order_until_they_are_told(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path / "hosts"))
    assert (files.has_kept(), list(files.kept())) == (False, [])
    first, second = Event(FORGET, "a\nb.png", "one"), Event(ALLOW, "ä.png", "one")
    files.keep(first)
    assert list(files.kept()) == [first]
    files.keep(second)
    assert list(files.kept()) == [first]  # until that is told
    files.drop_kept()
    assert files.has_kept()
    assert list(files.kept()) == [second]
    files.drop_kept()
    assert not files.has_kept()
