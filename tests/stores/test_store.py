"""Requests to a real object store."""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Iterator

import pytest
from real_servers import Proxy, StoreServer, free_port, store_options

from flask_images_vips.errors import ConfigError
from flask_images_vips.stores import store as module
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore, StoreFailed, StoreRefused


@pytest.fixture
def store(store_server: StoreServer, store_url: str) -> ObjectStore:
    return ObjectStore(parse_location(store_url), store_server.options, timeout=5)


@pytest.fixture
def proxy(store_server: StoreServer) -> Iterator[Proxy]:
    made = Proxy(store_server.port)
    yield made
    made.close()


def through(proxy: Proxy, url: str) -> ObjectStore:
    return ObjectStore(parse_location(url), store_options(proxy.port), timeout=1)


def test_an_object_is_stored_once(store: ObjectStore) -> None:
    assert store.get("a/b") is None
    assert store.create("a/b", b"first", media_type="image/jpeg", metadata={"digest": "abc"})
    assert not store.create("a/b", b"second")
    found = store.get("a/b")
    assert found is not None
    assert (found.data, found.stated.size_bytes, found.metadata["digest"]) == (b"first", 5, "abc")
    assert abs(found.stated.mtime_ns / 1e9 - time.time()) < 60
    store.put("a/b", b"third")
    again = store.get("a/b", unless=found.stated.etag)
    assert again is not None
    assert again.data == b"third"


def test_the_beginning_of_an_object_is_read(store: ObjectStore) -> None:
    store.put("a", b"0123456789")
    found = store.get("a", most_bytes=4)
    assert found is not None
    assert (found.data, found.stated.size_bytes) == (b"0123", 10)
    assert store.head("a") == found.stated
    unchanged = store.get("a", unless=found.stated.etag)
    assert unchanged is not None
    assert (unchanged.data, unchanged.stated.etag) == (b"", found.stated.etag)


def test_an_object_is_downloaded_up_to_a_limit(store: ObjectStore) -> None:
    store.put("a", b"0123456789")
    file = io.BytesIO()
    stated = store.download("a", file, most_bytes=10)
    assert stated is not None
    assert file.getvalue() == b"0123456789"
    assert store.download("b", file, most_bytes=10) is None
    with pytest.raises(ValueError, match="10 bytes"):
        store.download("a", io.BytesIO(), most_bytes=9)


def test_an_empty_object_is_no_failure(store: ObjectStore) -> None:
    store.put("a", b"")
    found = store.get("a", most_bytes=4)
    assert found is not None
    assert (found.data, found.stated.size_bytes) == (b"", 0)
    file = io.BytesIO()
    assert store.download("a", file, most_bytes=4) == found.stated
    assert not store.is_away


def test_a_large_object_is_downloaded_in_parts(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART_BYTES", 4)
    store.put("a", b"0123456789")
    file = io.BytesIO()
    assert store.download("a", file, most_bytes=10) == store.head("a")
    assert file.getvalue() == b"0123456789"


def test_an_object_that_changes_during_a_download_is_not_mixed(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Changing(io.BytesIO):
        def write(self, data: object) -> int:
            store.put("a", b"abcdefghij")
            return super().write(data)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_PART_BYTES", 4)
    store.put("a", b"0123456789")
    assert store.download("a", Changing(), most_bytes=10) is None


def test_a_refusal_does_not_count_as_an_absence_of_the_store(store_server: StoreServer, store_url: str) -> None:
    stranger = ObjectStore(parse_location(store_url), {**store_server.options, "secret_access_key": "wrong"}, timeout=5)
    with pytest.raises(StoreRefused, match="403"):
        stranger.get("a")
    store = ObjectStore(parse_location(store_url), store_server.options, timeout=5)
    for path in ("a//b", "a\tb"):
        with pytest.raises(StoreRefused):
            store.get(path)
    assert not stranger.is_away
    assert not store.is_away


def test_objects_are_listed_and_deleted(store: ObjectStore) -> None:
    for name in ("a/1", "a/2", "b/1"):
        store.put(name, b"x")
    assert [each.path for each in store.list("a")] == ["a/1", "a/2"]
    store.delete(["a/1", "a/missing", "a/2"])
    assert [each.path for each in store.list()] == ["b/1"]


def test_a_store_that_fails_is_left_alone_for_a_while(
    proxy: Proxy, store_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = through(proxy, store_url)
    store.put("a", b"x")
    proxy.refuses = True
    proxy.cut()
    for _ in range(5):
        with pytest.raises(StoreFailed):
            store.get("a")
    asked = proxy.connections
    proxy.refuses = False
    with pytest.raises(StoreFailed, match="within the last"):
        store.get("a")
    assert proxy.connections == asked
    monkeypatch.setattr(store._breaker, "away_until", 0.0)
    assert store.get("a") is not None
    messages = [record.getMessage() for record in caplog.records if "object store" in record.getMessage()]
    assert len(messages) == 2
    assert "cannot be used" in messages[0]
    assert "answers again" in messages[1]


def test_a_store_that_stalls_is_waited_for_only_so_long(proxy: Proxy, store_url: str) -> None:
    store = through(proxy, store_url)
    store.put("a", b"x")
    proxy.passes.clear()
    with pytest.raises(StoreFailed):
        store.get("a")


def test_a_forked_process_sends_nothing(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a", b"x")
    child = os.fork()
    if child == 0:
        try:
            store.get("a")
        except StoreFailed:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_options_that_obstore_does_not_know_are_named(store_url: str) -> None:
    store = ObjectStore(parse_location(store_url), {"endpont": "http://127.0.0.1:1"}, timeout=1)
    with pytest.raises(ConfigError, match="endpont"):
        store.get("a")
    assert module.AWAY_SECONDS > 1


def test_options_of_connections_may_be_among_those_of_the_store(store_server: StoreServer) -> None:
    options = {**store_server.options, "allow_http": True, "user_agent": "tests"}
    store = ObjectStore(parse_location("s3://bucket/connections"), options, timeout=5)
    assert store.get("a") is None


@pytest.mark.parametrize("wrong", [{"timeout": "3s"}, {"region": 5}, {"proxy_url": "no URL"}])
def test_options_that_obstore_does_not_take_are_errors_of_the_configuration(wrong: dict[str, object]) -> None:
    store = ObjectStore(parse_location("s3://bucket"), wrong, timeout=1)
    with pytest.raises(ConfigError, match="IMAGES_STORE_OPTIONS"):
        store.check()


def test_a_store_that_fails_now_and_then_does_not_fill_the_log(
    proxy: Proxy, store_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = through(proxy, store_url)
    for _ in range(3):
        proxy.refuses = True
        proxy.cut()
        with pytest.raises(StoreFailed):
            store.get("a")
        proxy.refuses = False
        monkeypatch.setattr(store._breaker, "away_until", 0.0)
        assert store.get("a") is None
    assert sum("object store" in record.getMessage() for record in caplog.records) == 2


def test_no_credentials_of_an_endpoint_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    options = {**store_options(free_port()), "endpoint": f"http://user:hidden@127.0.0.1:{free_port()}"}
    with pytest.raises(StoreFailed) as error:
        ObjectStore(parse_location("s3://bucket"), options, timeout=1).get("a")
    assert "hidden" not in str(error.value) + caplog.text
