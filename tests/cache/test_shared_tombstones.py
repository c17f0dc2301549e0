"""Tombstones that hosts share in an object store or in Redis."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from real_servers import RedisServer, StoreServer

from flask_images_vips.cache.shared_tombstones import Place, SharedTombstones
from flask_images_vips.cache.tombstones import Tombstones
from flask_images_vips.fleet.connection import RedisConnection
from flask_images_vips.fleet.places import RedisPlace, StorePlace
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: redis-server")

Join = Callable[[str], SharedTombstones]


@pytest.fixture(params=["store", "redis"])
def place(request: pytest.FixtureRequest) -> Place:
    """A new place, in a real store or Redis."""
    if request.param == "store":
        server: StoreServer = request.getfixturevalue("store_server")
        location = parse_location(request.getfixturevalue("store_url"))
        return StorePlace(ObjectStore(location, server.options, timeout=5), "forgotten")
    redis: RedisServer = request.getfixturevalue("redis_server")
    return RedisPlace(RedisConnection(redis.url, "images", timeout=5), "forgotten")


@pytest.fixture
def join(place: Place, tmp_path: Path) -> Join:
    """A function that starts a host with a disk of this name."""
    return lambda name: SharedTombstones(str(tmp_path / name), place)


def test_a_new_host_learns_them(join: Join, place: Place) -> None:
    first, second = join("first"), join("second")
    second.sync()
    assert (list(place.names()), second.may_have_any()) == ([], False)
    assert first.add("secret")
    first.share("secret")
    assert "secret" in first
    assert "secret" not in second
    second.sync()
    assert "secret" in second
    assert "bb" not in second
    assert second.may_have_any()
    assert len(list(place.names())) == 2
    assert not any("secret" in name for name in place.names())


def test_what_is_allowed_is_allowed_everywhere(join: Join) -> None:
    first, second = join("first"), join("second")
    first.add("aa")
    first.share("aa")
    second.sync()
    assert second.remove("aa")
    second.unshare("aa")
    assert "aa" not in second
    first.sync()
    assert "aa" in first  # it has forgotten it by itself, so it must be told
    assert first.remove("aa")
    assert "aa" not in first
    third = join("third")
    third.sync()
    assert "aa" not in third


def test_a_host_brings_those_that_it_had_before(join: Join, tmp_path: Path) -> None:
    Tombstones(str(tmp_path / "first")).add("aa")
    first, second = join("first"), join("second")
    first.sync()
    second.sync()
    assert "aa" in second
    second.share("bb")
    first.sync()
    assert "bb" in first


def test_a_place_that_lost_them_gets_them_back(join: Join, place: Place) -> None:
    first, second = join("first"), join("second")
    first.add("aa")
    first.share("aa")
    second.sync()
    for name in list(place.names()):
        place.delete(name)
    second.sync()
    assert "aa" in second
    third = join("third")
    third.sync()
    assert "aa" in third


def test_two_hosts_that_share_the_first_one_at_once_agree_on_a_key(join: Join, place: Place) -> None:
    first, second = join("first"), join("second")
    first.add("aa")
    second.add("bb")
    first.share("aa")
    second.share("bb")
    assert len(list(place.names())) == 3
    first.sync()
    second.sync()
    assert all(name in host for name in ("aa", "bb") for host in (first, second))


def test_a_copy_of_another_place_stays_in_force(join: Join, place: Place, tmp_path: Path) -> None:
    first = join("first")
    first.share("aa")
    for name in list(place.names()):
        place.delete(name)
    join("second").share("bb")
    with pytest.raises(OSError, match="copy of other tombstones"):
        first.sync()
    assert "aa" in first


def test_hosts_bring_what_each_of_them_knows_to_a_place_that_lost_them(join: Join, place: Place) -> None:
    first, second = join("first"), join("second")
    first.add("aa")
    first.share("aa")
    second.sync()
    first.add("bb")
    first.share("bb")
    second.add("cc")  # as it was told
    for name in list(place.names()):
        place.delete(name)
    second.sync()  # knows nothing of bb
    first.sync()
    third = join("third")
    third.sync()
    assert [name in third for name in ("aa", "bb", "cc")] == [True] * 3
    second.sync()
    assert [name in second for name in ("aa", "bb", "cc")] == [True] * 3


def test_a_host_whose_first_tombstone_is_told_uses_the_key_of_the_others(join: Join, place: Place) -> None:
    first, second = join("first"), join("second")
    second.sync()
    first.add("aa")
    first.share("aa")
    second.meet()
    assert second.add("aa")
    for name in list(place.names()):
        place.delete(name)
    second.sync()
    first.sync()
    assert "aa" in first
    assert not second.sync()  # nothing is new


def test_what_is_allowed_stays_allowed_if_the_place_has_lost_nothing(join: Join) -> None:
    first, second = join("first"), join("second")
    first.share("aa")
    first.share("bb")
    second.sync()
    first.remove("aa")
    first.unshare("aa")
    second.sync()
    first.sync()
    assert [name in host for host in (first, second) for name in ("aa", "bb")] == [False, True] * 2
