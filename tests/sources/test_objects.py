"""Objects of a store: what is asked of the store, what is remembered, and what happens if it misbehaves."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest
from store_stub import Answer, Asked, Stub

from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.eviction import Bound
from flask_images_vips.errors import Busy, SourceChanged, SourceNotFound, UnreadableSource
from flask_images_vips.options.options import Options
from flask_images_vips.sources import objects as module
from flask_images_vips.sources.finder import Sources, current_version
from flask_images_vips.sources.object_file import ObjectSource
from flask_images_vips.sources.object_record import ObjectRecord
from flask_images_vips.sources.objects import ObjectSources
from flask_images_vips.sources.search_path import SearchPath
from flask_images_vips.stores import store as store_module
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore
from flask_images_vips.urls import ImageUrl

LARGE = b"a large picture " * 10_000
"""More than is read to find an object."""

Make = Callable[..., ObjectSources]


@pytest.fixture
def looked() -> list[tuple[str, int]]:
    """The refs and the bytes that `ObjectSources` has looked at."""
    return []


@pytest.fixture
def make(tmp_path: Path, stub: Stub, looked: list[tuple[str, int]]) -> Make:
    """A function that makes the sources of a new process on the same disk."""

    def make(place: str = "s3://bucket/pre", bound: Bound | None = None, **options: float) -> ObjectSources:
        store = ObjectStore(parse_location(place), stub.options, timeout=options.pop("timeout", 2))
        records = DiskCache(str(tmp_path / "records"), lock_timeout=5, temp_max_age=60)
        files = DiskCache(str(tmp_path / "files"), lock_timeout=5, temp_max_age=60, bound=bound)
        return ObjectSources(
            store,
            records,
            files,
            lambda source, data: looked.append((source.ref, len(data))),
            max_age_seconds=options.pop("max_age", 60),
        )

    return make


def content(source: ObjectSource) -> bytes:
    with source.open() as descriptor:
        return os.read(descriptor, 1 << 20)


def test_one_request_finds_an_object_and_another_fetches_its_file(
    make: Make, stub: Stub, looked: list[tuple[str, int]]
) -> None:
    stub.put("pre/a.jpg", LARGE)
    sources = make()
    found = sources.find("a.jpg")
    assert [each.range for each in stub.asked] == ["bytes=0-65535"]
    assert looked == [("a.jpg", 65536)]
    for _ in range(2):
        assert content(found) == LARGE
        assert sources.find("a.jpg") is found
    assert len(stub.asked) == 2


def test_a_small_object_takes_one_request_in_all(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", b"a cat")
    assert content(make().find("a.jpg")) == b"a cat"
    assert len(stub.asked) == 1


def test_another_process_and_one_after_a_restart_ask_nothing(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    first = make().find("a.jpg")
    content(first)
    second = make()
    assert second.find("a.jpg") == first == second.here("a.jpg")
    assert content(second.find("a.jpg")) == LARGE
    assert len(stub.asked) == 2


def test_an_old_answer_is_checked_by_one_conditional_request(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    sources = make(max_age=0)
    found = sources.find("a.jpg")
    etag = f'"{hashlib.md5(LARGE).hexdigest()}"'
    for _ in range(2):
        assert sources.again(found) is found
        assert stub.asked[-1].etag == etag
    assert len(stub.asked) == 3
    stub.put("pre/a.jpg", b"another")
    assert sources.again(found).size_bytes == 7
    del stub.objects["pre/a.jpg"]
    with pytest.raises(SourceNotFound):
        sources.find("a.jpg")


def test_a_page_uses_an_old_answer_and_lets_the_store_be_asked_later(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    sources = make(max_age=0)
    found, later = sources.here("a.jpg"), list[str]()
    sources.revalidate_later = later.append
    stub.put("pre/a.jpg", b"another")
    for _ in range(3):
        assert sources.here("a.jpg") is found
    assert len(stub.asked) == 1
    assert set(later) == {"a.jpg"}
    sources.revalidate("a.jpg")
    assert sources.here("a.jpg").size_bytes == 7
    assert len(stub.asked) == 2


def test_what_one_process_learns_or_purges_is_known_to_the_others(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    one, other = make(max_age=0), make()
    assert one.find("a.jpg") == other.find("a.jpg")
    stub.put("pre/a.jpg", b"another")
    assert one.find("a.jpg").size_bytes == 7
    assert other.here("a.jpg").size_bytes == 7
    count = len(stub.asked)
    one._records.purge(Path(one._records.path(one._key("a.jpg"))).parent.name)
    one.purge("a.jpg")
    other.here("a.jpg")
    assert len(stub.asked) == count + 1


def test_a_url_with_another_version_asks_the_store_but_not_each_time(
    make: Make, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.put("pre/a.jpg", LARGE)
    path = SearchPath([make()])
    finder = Sources(path, None, lambda descriptor, ref: None)
    first = finder.find(ImageUrl("a.jpg", Options(), None))
    stub.put("pre/a.jpg", LARGE[::-1])
    new = SearchPath([make("s3://bucket/pre/")]).stores[0]
    version = current_version(new.files.source(ObjectRecord.of(new.store.head("a.jpg"), "a.jpg", 0)))  # type: ignore[arg-type]
    url = ImageUrl("a.jpg", Options(), version)
    count = len(stub.asked)
    assert finder.find(url) == first  # it was asked just now
    monkeypatch.setattr(module, "_TRUSTED_SECONDS", -1)
    assert current_version(finder.find(url, first)) == version
    assert len(stub.asked) == count + 1
    finder.find(url)
    assert len(stub.asked) == count + 1


def test_a_missing_object_is_not_asked_for_again_at_once_and_appears_later(
    make: Make, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = make()
    for _ in range(3):
        with pytest.raises(SourceNotFound, match="no such object in s3://bucket/pre"):
            sources.find("a.jpg")
    assert len(stub.asked) == 1
    stub.put("pre/a.jpg", LARGE)
    clock = sources._remembered["a.jpg"].record.until + 1
    monkeypatch.setattr("time.time", lambda: clock)
    assert SearchPath([sources]).here("a.jpg").size_bytes == len(LARGE)
    assert len(stub.asked) == 2


def test_a_page_does_not_ask_the_first_store_for_what_the_second_has(make: Make, stub: Stub) -> None:
    stub.put("second/a.jpg", LARGE)
    first, second = make("s3://bucket/first", max_age=0), make("s3://bucket/second", max_age=0)
    path = SearchPath([first, second])
    found = path.here("a.jpg")
    assert [each.name for each in stub.asked] == ["first/a.jpg", "second/a.jpg"]
    for sources in (path, SearchPath([make("s3://bucket/first"), make("s3://bucket/second")])):
        assert sources.here("a.jpg") == found
    assert len(stub.asked) == 2


def test_many_threads_share_one_request_for_the_object_and_one_for_its_file(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    sources = make(), make()  # as two processes
    stub.passes.clear()
    with ThreadPoolExecutor(8) as threads:
        found = [threads.submit(sources[number % 2].find, "a.jpg") for number in range(8)]
        threading.Timer(0.3, stub.passes.set).start()
        files = [threads.submit(content, each.result()) for each in found]
    assert {each.result() for each in files} == {LARGE}
    assert len(stub.asked) == 2


def test_a_version_does_not_depend_on_the_store_and_is_the_same_for_the_same_bytes(make: Make, stub: Stub) -> None:
    for name in ("pre/a.jpg", "other/a.jpg"):
        stub.put(name, LARGE)
    assert make().find("a.jpg").identity == make("s3://bucket/other").find("a.jpg").identity


@pytest.mark.parametrize("etag", [{"ETag": ""}, {"ETag": 'W/"a"'}])
def test_without_a_strong_etag_the_time_is_a_part_of_the_version(make: Make, stub: Stub, etag: dict[str, str]) -> None:
    stub.tamper = lambda asked, answer: answer._replace(
        headers={name: value for name, value in {**answer.headers, **etag}.items() if value}
    )
    sources = make(max_age=0)
    stub.objects["pre/a.jpg"] = LARGE, 1_700_000_000
    first = sources.find("a.jpg")
    assert content(first) == LARGE
    assert sources.again(first) is first
    stub.objects["pre/a.jpg"] = LARGE[::-1], 1_700_000_001
    assert sources.again(first).identity != first.identity
    assert content(sources.find("a.jpg")) == LARGE[::-1]


def test_an_empty_object_is_no_image(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", b"")
    found = make().find("a.jpg")
    with pytest.raises(UnreadableSource, match="empty"), found.open():
        pass


def test_a_file_that_was_evicted_is_fetched_again(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    sources = make()
    found = sources.find("a.jpg")
    content(found)
    os.unlink(found.path)
    assert sources.again(found) is found
    assert content(found) == LARGE
    assert len(stub.asked) == 3


def test_a_file_that_cannot_be_stored_is_fetched_each_time(
    make: Make, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.put("pre/a.jpg", LARGE)
    sources = make(bound=Bound(str(tmp_path / "files"), 1000, 0))
    found = sources.find("a.jpg")
    for _ in range(2):
        assert content(found) == LARGE
    assert len(stub.asked) == 3
    assert not os.path.exists(found.path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(Busy, match="cannot be stored"), found.open():
        pass


def test_an_object_that_changes_before_its_file_is_fetched_is_found_anew(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    sources = make()
    found = sources.find("a.jpg")
    stub.put("pre/a.jpg", LARGE[::-1])
    with pytest.raises(SourceChanged), found.open():
        pass
    assert content(sources.again(found)) == LARGE[::-1]


def fails(status: int) -> Callable[[Asked, Answer], Answer]:
    return lambda asked, answer: Answer(status, {}, b"<Error/>")


def shortened(asked: Asked, answer: Answer) -> Answer:
    return answer._replace(headers={**answer.headers, "Content-Length": str(len(answer.body))}, body=answer.body[:100])


def another_length(asked: Asked, answer: Answer) -> Answer:
    return answer._replace(body=answer.body[:100])


def whole(asked: Asked, answer: Answer) -> Answer:
    return answer._replace(status=200) if answer.status == 206 else answer


def changing_etag(asked: Asked, answer: Answer) -> Answer:
    return answer._replace(headers={**answer.headers, "ETag": f'"{os.urandom(8).hex()}"'})


BAD = [fails(500), fails(503), fails(403), fails(302), shortened, another_length, whole]


@pytest.mark.parametrize("tamper", BAD)
def test_a_store_that_misbehaves_makes_no_picture_missing(
    make: Make, stub: Stub, tamper: Callable[[Asked, Answer], Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "AWAY_SECONDS", 0)
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0)
    for name in ("pre/a.jpg", "pre/b.jpg", "pre/c.jpg"):
        stub.put(name, LARGE)
    sources = make(max_age=0)
    known, fetched = sources.find("a.jpg"), sources.find("b.jpg")
    content(fetched)
    stub.tamper = tamper
    for ref in ("c.jpg", "none.jpg"):
        if not (ref == "none.jpg" and tamper in (shortened, another_length, whole)):
            with pytest.raises(Busy):
                sources.find(ref)
    assert (sources.find("a.jpg"), sources.find("b.jpg")) == (known, fetched)
    assert content(fetched) == LARGE
    with pytest.raises(Busy), known.open():
        pass
    stub.tamper = lambda asked, answer: answer
    assert content(known) == LARGE
    assert content(sources.find("c.jpg")) == LARGE


def test_etags_that_are_never_the_same_mix_no_versions(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    stub.tamper = changing_etag
    found = make().find("a.jpg")
    with pytest.raises(SourceChanged), found.open():
        pass
    assert not os.path.exists(found.path)


def test_one_etag_for_everything_mixes_no_sizes_and_tells_of_no_change_without_the_other(
    make: Make, stub: Stub
) -> None:
    stub.tamper = lambda asked, answer: answer._replace(headers={**answer.headers, "ETag": '"same"'})
    stub.put("pre/a.jpg", LARGE)
    sources = make()
    found = sources.find("a.jpg")
    stub.put("pre/a.jpg", LARGE + b"more")
    with pytest.raises(SourceChanged), found.open():
        pass
    assert content(sources.again(found)) == LARGE + b"more"


def test_a_store_that_is_away_is_asked_by_one_and_then_left_alone(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    sources = make(max_age=0)
    found = sources.find("a.jpg")
    stub.tamper = fails(500)
    for _ in range(5):
        assert sources.again(found) is found
    assert len(stub.asked) <= 3  # the first try, and obstore's second one
    with pytest.raises(Busy, match="within the last"):
        sources.find("new.jpg")


def test_a_refusal_is_remembered_for_a_moment(make: Make, stub: Stub) -> None:
    stub.tamper = fails(403)
    sources = make()
    for _ in range(3):
        with pytest.raises(Busy, match="403"):
            sources.find("a.jpg")
    assert len(stub.asked) == 1


def test_a_nearly_full_disk_does_not_make_the_store_be_asked_each_time(
    make: Make, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.put("pre/a.jpg", LARGE)
    make(max_age=0).find("a.jpg")
    stub.put("pre/a.jpg", LARGE[::-1])
    sources = make()
    monkeypatch.setattr(sources._records, "put", lambda *_, **__: None)
    new = {sources.find("a.jpg").identity for _ in range(3)}
    assert len(new) == 1
    assert len(stub.asked) == 2


def test_a_damaged_record_counts_as_missing(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    found = make().find("a.jpg")
    for damage in (b"", b"{}", b"[]", b'{"ref": "b.jpg", "until": 1e300}', b"\xff", b'{"ref": "a.jpg", "until": "x"}'):
        sources = make()
        Path(sources._records.path(sources._key("a.jpg"))).write_bytes(damage)
        assert sources.find("a.jpg") == found


def test_a_record_of_a_clock_that_was_wrong_is_not_believed_for_ever(make: Make, stub: Stub) -> None:
    stub.put("pre/a.jpg", LARGE)
    make(max_age=1e9).find("a.jpg")
    make().find("a.jpg")
    assert len(stub.asked) == 2


def test_the_time_of_an_object_is_that_of_the_store(make: Make, stub: Stub) -> None:
    stub.objects["pre/a.jpg"] = LARGE, 1_700_000_000
    found = make().find("a.jpg")
    assert formatdate(found.mtime, usegmt=True) == formatdate(1_700_000_000, usegmt=True)
    content(found)
    assert int(os.stat(found.path).st_mtime) == 1_700_000_000


def test_objects_are_listed_and_deleted(make: Make, stub: Stub) -> None:
    for name in ("pre/a.jpg", "pre/folder/b.jpg", "prefix/c.jpg"):
        stub.put(name, LARGE)
    sources = make()
    assert sorted(sources.refs()) == ["a.jpg", "folder/b.jpg"]
    assert list(sources.refs("folder")) == ["folder/b.jpg"]
