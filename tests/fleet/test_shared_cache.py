"""Renditions in a real object store."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from real_servers import Proxy, StoreServer, store_options

from flask_images_vips.cache.entry import Key
from flask_images_vips.fleet.shared_cache import ObjectCache
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore

KEY: Key = ("5a" * 16, "c0ffee-0123.jpg")
NEIGHBOUR: Key = ("5a" * 16, "c0ffee-4567.webp")
MARKED: Key = ("77" * 16, f"beef-0123~{KEY[0]}.png")
PATH = f"5a/{KEY[0]}/{KEY[1]}"


@pytest.fixture
def store(store_server: StoreServer, store_url: str) -> ObjectStore:
    return ObjectStore(parse_location(store_url), store_server.options, timeout=5)


@pytest.fixture
def cache(store: ObjectStore) -> ObjectCache:
    return ObjectCache(store)


@pytest.fixture
def proxy(store_server: StoreServer) -> Iterator[Proxy]:
    made = Proxy(store_server.port)
    yield made
    made.close()


def paths(store: ObjectStore) -> list[str]:
    return sorted(each.path for each in store.list())


def test_the_first_content_of_a_key_stays(cache: ObjectCache, store: ObjectStore) -> None:
    assert cache.fetch(KEY) is None
    assert cache.offer(KEY, b"first") is None
    assert cache.offer(KEY, b"second") == b"first"
    assert cache.fetch(KEY) == b"first"
    assert paths(store) == [PATH]
    found = store.get(PATH)
    assert found is not None
    assert found.metadata["content-type"] == "image/jpeg"


@pytest.mark.parametrize("foreign", [b"", b"fir", b"other"])
def test_an_object_that_is_not_whole_is_missing_and_then_replaced(
    cache: ObjectCache, store: ObjectStore, foreign: bytes
) -> None:
    cache.offer(KEY, b"first")
    original = store.get(PATH)
    assert original is not None
    store.put(PATH, foreign, metadata={"digest": original.metadata["digest"]})
    assert cache.fetch(KEY) is None
    assert cache.offer(KEY, b"anew") is None
    assert cache.fetch(KEY) == b"anew"


def test_an_object_under_the_name_of_another_is_missing(cache: ObjectCache, store: ObjectStore) -> None:
    cache.offer(KEY, b"first")
    original = store.get(PATH)
    assert original is not None
    store.put(f"5a/{NEIGHBOUR[0]}/{NEIGHBOUR[1]}", original.data, metadata=dict(original.metadata))
    assert cache.fetch(NEIGHBOUR) is None


def test_nothing_is_not_stored(cache: ObjectCache, store: ObjectStore) -> None:
    assert cache.offer(KEY, b"") is None
    assert paths(store) == []


def test_a_folder_is_erased_with_what_depends_on_it(cache: ObjectCache, store: ObjectStore) -> None:
    other: Key = (MARKED[0], "beef-4567.png")
    for key in (KEY, NEIGHBOUR, MARKED, other):
        cache.offer(key, b"data")
    removed = cache.erase(KEY[0])
    assert (sorted(removed.own), removed.others, removed.size_bytes) == ([KEY[1], NEIGHBOUR[1]], (MARKED[1],), 8)
    assert paths(store) == [f"77/{MARKED[0]}/beef-4567.png"]
    assert not any(cache.erase(KEY[0]))


def test_an_entry_that_depends_on_others_leaves_no_trace(cache: ObjectCache, store: ObjectStore) -> None:
    cache.offer(MARKED, b"data")
    assert cache.erase(MARKED[0]).own == (MARKED[1],)
    assert paths(store) == []


def test_what_is_barred_while_it_is_stored_is_removed(store: ObjectStore) -> None:
    answers = iter([False, True, False, False, True, True])  # of the first key: before, after; of the second: too
    cache = ObjectCache(store, bars=lambda folder: next(answers))
    assert cache.offer(KEY, b"data") is None
    assert paths(store) == []
    assert cache.offer(MARKED, b"data") is None
    assert paths(store) == []


def test_what_is_barred_is_not_stored(store: ObjectStore) -> None:
    cache = ObjectCache(store, bars=lambda folder: folder == KEY[0])
    for key in (KEY, MARKED):
        assert cache.offer(key, b"data") is None
    assert paths(store) == []


def test_all_entries_are_removed_and_nothing_else(cache: ObjectCache, store: ObjectStore) -> None:
    for key in (KEY, MARKED):
        cache.offer(key, b"data")
    store.put("forgotten/abc", b"x")
    assert [each.path for each in cache.oldest_first([KEY[0]])] == [PATH]
    assert cache.purge_all() == 2
    assert paths(store) == ["forgotten/abc"]


def test_a_store_that_is_away_is_a_miss_but_what_cannot_be_removed_is_an_error(proxy: Proxy, store_url: str) -> None:
    cache = ObjectCache(ObjectStore(parse_location(store_url), store_options(proxy.port), timeout=1))
    cache.offer(KEY, b"first")
    proxy.refuses = True
    proxy.cut()
    assert cache.fetch(KEY) is None
    assert cache.offer(KEY, b"second") is None
    with pytest.raises(OSError, match="bucket"):
        cache.erase(KEY[0])
    with pytest.raises(OSError, match="bucket"):
        cache.purge_all()


def test_a_store_that_refuses_is_named_once(
    store_server: StoreServer, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {**store_server.options, "secret_access_key": "wrong"}
    cache = ObjectCache(ObjectStore(parse_location(store_url), wrong, timeout=5))
    for _ in range(2):
        assert cache.fetch(KEY) is None
        assert cache.offer(KEY, b"data") is None
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "refuses requests (status 403)" in warnings[0]


def test_without_locks_nobody_waits(cache: ObjectCache) -> None:
    with cache.alone(KEY, since=time.monotonic(), timeout=60, needless=lambda: False) as held:
        assert not held


def test_an_object_that_is_gone_when_it_was_there_already_is_not_made_without_a_condition(
    cache: ObjectCache, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A store may also answer so while another host makes the object."""
    monkeypatch.setattr(store, "create", lambda *_, **__: False)
    assert cache.offer(KEY, b"late") is None
    assert paths(store) == []
    assert not caplog.records
