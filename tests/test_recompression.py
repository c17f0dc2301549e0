"""The second encoding of what is asked for again and again: when, once, and that no answer is a mix of the two."""

from __future__ import annotations

import contextlib
import http.client
import io
import logging
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import PHOTOGRAPHS, all_renderers_taken, cached_files, url_of, uwsgi
from flask import Flask
from nginx.test_nginx import aged, opened
from PIL import Image
from servers import (
    PATIENCE_SECONDS,
    Answer,
    Server,
    cache_folder,
    decoded_size,
    environment,
    planned_size,
    site,
    temporary_files,
    until,
)
from werkzeug.test import TestResponse
from whole.test_processes import SAY_WHO

from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.entry import Key
from flask_images_vips.cache.eviction import Bound
from flask_images_vips.cache.locks import try_lock, unlock
from flask_images_vips.errors import Busy, LimitExceeded, SourceChanged
from flask_images_vips.formats import JPEG
from flask_images_vips.options.options import Options
from flask_images_vips.recompression import Recompressor
from flask_images_vips.rendition import Rendition
from flask_images_vips.serving.hit import verify
from flask_images_vips.serving.responses import _STREAMED_BYTES
from flask_images_vips.sources.source import Source
from flask_images_vips.state import images_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: an open file is replaced")
pytest.importorskip("pyvips")

MakeApp = Callable[..., Flask]
Lay = Callable[[str], Path]

SLOW = {"width": 1600, "format": "png"}  # half a second
WIDTH = 800  # so large that each libvips makes a smaller file: a progressive JPEG has a longer header


class Hot:
    """One rendition of an application that is asked for, and its file."""

    def __init__(self, app: Flask, name: str, **keywords: Any) -> None:
        self.app, self.url = app, url_of(app, name, **keywords)
        self.first = self.get()
        self.file = entry_of(app, self.url)

    def get(self) -> TestResponse:
        with self.app.test_client().get(self.url) as response:
            assert (response.status_code, len(response.data)) == (200, response.content_length)
            return response

    def ask(self, times: int) -> None:
        for _ in range(times):
            self.get()

    def is_final(self) -> bool:
        return is_final(self.file)

    def wait(self) -> None:
        until(self.is_final, "it was made again")


def is_final(file: Path) -> bool:
    return not file.stat().st_mode & stat.S_IWUSR


def entry_of(app: Flask, url: str) -> Path:
    """Where the rendition of *url* is kept."""
    images = images_of(app)
    path, _, query = url.removeprefix("/imgsizer/").partition("?")
    wanted = verify(images, path, query.encode(), "").url
    return Path(images.pipeline.cache.path(images.pipeline.rendition(wanted, images.pipeline.sources.find(wanted)).key))


def assert_never_recompresses(app: Flask) -> None:
    recompressor = images_of(app).recompressor
    assert recompressor is None or recompressor.after == 0


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock of all background work of the host. Raises `Busy` if a process is at work."""
    lock = try_lock(path)
    if lock is None:
        raise Busy("a process is at work")
    try:
        yield
    finally:
        unlock(lock)


def turn_of(app: Flask) -> contextlib.AbstractContextManager[None]:
    return locked(images_of(app).pipeline.cache.background_lock)


def is_at_work(app: Flask) -> bool:
    try:
        with turn_of(app):
            return False
    except Busy:
        return True


# When


def test_nothing_is_made_again_unless_asked_for(make_app: MakeApp, photograph: Lay) -> None:
    photograph("coffee.jpg")
    hot = Hot(app := make_app(), "coffee.jpg", width=300)
    hot.ask(50)
    assert_never_recompresses(app)
    assert hot.get().data == hot.first.data
    assert not hot.is_final()


@pytest.mark.parametrize("config", [{"IMAGES_EFFORT": "small"}, {"USE_X_SENDFILE": True}])
def test_nothing_is_made_again_where_it_would_be_useless_or_wrong(make_app: MakeApp, config: dict[str, Any]) -> None:
    assert_never_recompresses(make_app(IMAGES_RECOMPRESS_AFTER=1, **config))


@pytest.mark.parametrize("early", [False, True])
def test_it_is_made_again_after_as_many_answers(make_app: MakeApp, photograph: Lay, early: bool) -> None:
    photograph("coffee.jpg")
    app = make_app(IMAGES_RECOMPRESS_AFTER=5, IMAGES_EARLY_HITS=early)
    hot, marker = Hot(app, "coffee.jpg", width=WIDTH), Hot(app, "coffee.jpg", width=WIDTH + 1)
    hot.ask(3)
    marker.ask(4)
    marker.wait()  # they are worked off in turn, so the first would have been before it
    assert not hot.is_final()
    hot.ask(1)
    hot.wait()
    assert hot.file.stat().st_size < len(hot.first.data)


# The libaom of Debian 12 makes few AVIFs smaller with more effort. That of the cat is one of them.
@pytest.mark.parametrize(
    ("format", "name"), [("jpeg", "coffee"), ("webp", "coffee"), ("avif", "cat"), ("png", "coffee")]
)
def test_it_becomes_smaller_and_stays_the_same_picture(
    make_app: MakeApp, photograph: Lay, format: str, name: str, psnr: Callable[..., float]
) -> None:
    photograph(f"{name}.jpg")
    hot = Hot(make_app(IMAGES_RECOMPRESS_AFTER=2), f"{name}.jpg", width=WIDTH, format=format)
    before = hot.file.stat()
    hot.ask(1)
    hot.wait()
    again = hot.get()
    assert len(again.data) < len(hot.first.data)
    assert again.content_type == hot.first.content_type
    assert again.headers["Last-Modified"] == hot.first.headers["Last-Modified"]
    assert hot.file.stat().st_mtime_ns == before.st_mtime_ns
    assert psnr(hot.first.data, again.data) > 30


@pytest.fixture
def psnr() -> Callable[[bytes, bytes], float]:
    import numpy as np

    def measured(one: bytes, other: bytes) -> float:
        first, second = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float) for data in (one, other))
        assert first.shape == second.shape
        return float(10 * np.log10(255**2 / max(1e-9, ((first - second) ** 2).mean())))

    return measured


@pytest.mark.parametrize(
    "keywords",
    [
        {"transform": "EXTENT,200,150,0,0,200,150"},  # by Pillow
        {"width": 300, "max_bytes": 9_000},
        {"width": 300, "trim": 10},
        {"width": 300, "progressive": True},
        {"width": 300, "format": "webp", "lossless": True},
    ],
)
def test_it_is_what_the_url_asks_for_all_the_same(make_app: MakeApp, photograph: Lay, keywords: dict[str, Any]) -> None:
    photograph("coffee.jpg")
    hot = Hot(make_app(IMAGES_RECOMPRESS_AFTER=2), "coffee.jpg", **keywords)
    hot.ask(1)
    hot.wait()
    again = hot.get()
    assert decoded_size(again.data) == decoded_size(hot.first.data)
    assert len(again.data) <= len(hot.first.data) <= keywords.get("max_bytes", len(hot.first.data))


def test_an_animation_keeps_its_frames(make_app: MakeApp, static: Path) -> None:
    frames = [Image.open(PHOTOGRAPHS / name).convert("RGB").resize((120, 90)) for name in ("cat.jpg", "coffee.jpg")]
    frames[0].save(static / "moving.webp", save_all=True, append_images=frames[1:], duration=100)
    hot = Hot(make_app(IMAGES_RECOMPRESS_AFTER=2), "moving.webp", width=100)
    hot.ask(1)
    hot.wait()
    again = hot.get()
    assert len(again.data) < len(hot.first.data)
    with Image.open(io.BytesIO(again.data)) as picture:
        assert picture.n_frames == 2


def test_a_format_that_has_one_effort_is_left_alone(make_app: MakeApp, photograph: Lay) -> None:
    photograph("coffee.jpg")
    app = make_app(IMAGES_RECOMPRESS_AFTER=1)
    hot, marker = Hot(app, "coffee.jpg", width=100, format="gif"), Hot(app, "coffee.jpg", width=100)
    marker.wait()
    assert not hot.is_final()


# Once


def test_what_was_made_again_is_not_after_a_restart(
    make_app: MakeApp, photograph: Lay, caplog: pytest.LogCaptureFixture
) -> None:
    photograph("coffee.jpg")
    caplog.set_level(logging.INFO, logger="flask_images_vips")
    hot = Hot(make_app(IMAGES_RECOMPRESS_AFTER=1), "coffee.jpg", width=WIDTH)
    hot.wait()
    status = hot.file.stat()
    restarted = make_app(IMAGES_RECOMPRESS_AFTER=1)
    Hot(restarted, "coffee.jpg", width=WIDTH).ask(2)
    Hot(restarted, "coffee.jpg", width=WIDTH + 1).wait()
    until(lambda: len(made(caplog)) == 2, "both are logged")
    Hot(restarted, "coffee.jpg", width=WIDTH + 2).wait()
    until(lambda: len(made(caplog)) == 3, "nothing but the third one")
    assert (hot.file.stat().st_ino, hot.file.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)


def made(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("re-encoded ")]


def test_what_would_not_be_smaller_stays_and_is_not_tried_again(make_app: MakeApp, static: Path) -> None:
    Image.new("RGB", (2, 2)).save(static / "black.png")
    hot = Hot(make_app(IMAGES_RECOMPRESS_AFTER=1), "black.png", width=1)
    before = hot.file.stat()
    hot.wait()
    after = hot.file.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    assert hot.get().data == hot.first.data


def test_a_final_entry_stays_final_when_a_server_of_another_user_is_to_read_it(
    make_app: MakeApp, photograph: Lay
) -> None:
    photograph("coffee.jpg")
    hot = Hot(make_app(IMAGES_RECOMPRESS_AFTER=1), "coffee.jpg", width=300)
    hot.wait()
    readable = make_app(IMAGES_RECOMPRESS_AFTER=1, IMAGES_FRONT_DOOR=True)
    readable.test_client().get(hot.url)
    assert stat.S_IMODE(hot.file.stat().st_mode) == 0o444


# A recompressor by itself, whose renders are those of the test.


class Bench(NamedTuple):
    cache: DiskCache
    source: Source

    def rendition(self, width: int) -> Rendition:
        return Rendition(self.source, Options(width=width), JPEG)

    def keep(self, width: int, size: int = 1000) -> Key:
        key = self.rendition(width).key
        self.cache.get_or_create(key, 10**18, lambda: b"x" * size).close()
        return key

    def recompressor(self, render: Callable[[Rendition], bytes], after: int = 1) -> Recompressor:
        return Recompressor(after, self.cache, render)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = str(tmp_path / "kept")
    cache = DiskCache(folder, lock_timeout=5, temp_max_age=60, bound=Bound(folder, 10**9, 0))
    return Bench(cache, Source("a.jpg", str(tmp_path), str(tmp_path / "a.jpg"), 1, 1))


def counted(recompressor: Recompressor, rendition: Rendition) -> Callable[[], None]:
    count = recompressor.counter(rendition)
    assert count is not None
    return count


def test_what_was_evicted_meanwhile_stays_gone(bench: Bench) -> None:
    key = bench.keep(1)
    done = threading.Event()

    def render(rendition: Rendition) -> bytes:
        if rendition.options.width == 1:
            os.unlink(bench.cache.path(key))
        else:
            done.set()
        return b"small"

    recompressor = bench.recompressor(render)
    counted(recompressor, bench.rendition(1))()
    bench.keep(2)
    counted(recompressor, bench.rendition(2))()
    assert done.wait(PATIENCE_SECONDS)
    assert bench.cache.get(key) is None


def test_what_is_evicted_at_the_last_moment_stays_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bench.keep(1)
    fsync = os.fsync

    def evict(descriptor: int) -> None:
        os.unlink(bench.cache.path(key))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", evict)
    assert bench.cache.replace_with_smaller(key, b"small") == 0
    assert bench.cache.get(key) is None


@pytest.mark.parametrize("error", [SourceChanged("a.jpg", "changed"), OSError(5, "broken")])
def test_what_fails_for_a_reason_of_the_moment_leaves_the_entry_as_it_was(bench: Bench, error: Exception) -> None:
    def render(rendition: Rendition) -> bytes:
        if rendition.options.width == 1:
            raise error
        return b"small"

    recompressor, key = bench.recompressor(render), bench.keep(1)
    counted(recompressor, bench.rendition(1))()
    other = bench.keep(2)
    counted(recompressor, bench.rendition(2))()
    until(lambda: bench.cache.is_final(other), "the next one was made")
    assert bench.cache.is_final(key) is False


def test_what_takes_too_long_is_not_tried_again(bench: Bench) -> None:
    def render(rendition: Rendition) -> bytes:
        raise LimitExceeded("render's seconds", 11, 10, set_by="IMAGES_RENDER_TIMEOUT")

    key = bench.keep(1)
    counted(bench.recompressor(render), bench.rendition(1))()
    until(lambda: bench.cache.is_final(key), "it was given up")
    with bench.cache.get(key) or pytest.fail("gone") as entry:
        assert entry.read() == b"x" * 1000


def test_few_wait_and_those_who_find_no_room_may_come_again(bench: Bench) -> None:
    made: list[int | None] = []

    def render(rendition: Rendition) -> bytes:
        made.append(rendition.options.width)
        return b"small"

    keys = {width: bench.keep(width) for width in range(1, 101)}
    recompressor = bench.recompressor(render, after=3)
    counts = {width: counted(recompressor, bench.rendition(width)) for width in keys}
    with locked(bench.cache.background_lock):
        for count in list(counts.values()) * 3:
            count()
        assert made == []
    until(lambda: len(made) >= 32, "those who waited were made")
    time.sleep(0.1)
    assert 32 <= len(made) <= 33  # that of the thread itself too
    for width in {*keys} - {*made}:
        for _ in range(3):
            counts[width]()
        until(lambda width=width: bench.cache.is_final(keys[width]), "it was made")  # type: ignore[misc]
    assert sorted(made, key=str) == sorted(keys, key=str)
    bound = bench.cache.bound
    assert bound is not None
    # The last entry is final a moment before its bytes are counted.
    until(lambda: bound.held() == 100 * len(b"small"), "all are counted")


def test_no_answer_passes_over_the_threshold(bench: Bench) -> None:
    offered = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for width in range(1, 30):
            recompressor = bench.recompressor(lambda rendition, since: b"")
            recompressor._thread.offer = lambda rendition: not offered.append(rendition)  # type: ignore[method-assign]
            recompressor.after = 200
            count = counted(recompressor, bench.rendition(width))
            with ThreadPoolExecutor(4) as pool:
                for _ in range(4):
                    pool.submit(lambda count=count: [count() for _ in range(300)])
    finally:
        sys.setswitchinterval(interval)
    assert {rendition.options.width for rendition in offered} == set(range(1, 30))


# Those who wait for an image come first.


def test_it_is_made_when_a_renderer_is_free_and_waits_in_no_queue(make_app: MakeApp, photograph: Lay) -> None:
    photograph("coffee.jpg")
    app = make_app(IMAGES_RECOMPRESS_AFTER=2, IMAGES_MAX_RENDERS=1)
    hot = Hot(app, "coffee.jpg", width=300, trim=10)
    turns = images_of(app).pipeline.producer.renderers.thread.turns
    with all_renderers_taken(app):
        hot.ask(1)
        for _ in range(100):
            assert len(turns._process.get().queue) <= 1  # of the block itself, in the thread
            time.sleep(0.005)
        assert not hot.is_final()
    hot.wait()


def test_one_at_a_time_is_made_on_a_host(make_app: MakeApp, photograph: Lay) -> None:
    photograph("coffee.jpg")
    app, other = (make_app(IMAGES_RECOMPRESS_AFTER=2, IMAGES_MAX_RENDERS=8) for _ in range(2))
    hot = Hot(app, "coffee.jpg", width=300)
    with turn_of(other):
        hot.ask(1)
        time.sleep(0.5)
        assert not hot.is_final()
    hot.wait()


def test_a_source_that_is_replaced_before_has_only_its_new_version_made(make_app: MakeApp, photograph: Lay) -> None:
    source = photograph("coffee.jpg")
    app = make_app(IMAGES_RECOMPRESS_AFTER=2)
    old = Hot(app, "coffee.jpg", width=300)
    with turn_of(app):
        old.ask(1)
        shutil.copy(PHOTOGRAPHS / "cat.jpg", source)
        new = Hot(app, "coffee.jpg", width=300)
        new.ask(1)
    new.wait()
    assert new.file != old.file
    assert not old.is_final()
    assert old.file.read_bytes() == old.first.data
    assert new.get().data == new.file.read_bytes()


# Over HTTP


def answer_of(app: Flask, url: str, **headers: str) -> TestResponse:
    response = app.test_client().get(url, headers={name.replace("_", "-"): text for name, text in headers.items()})
    with response:
        assert len(response.data) == int(response.headers.get("Content-Length", 0))
        return response


@pytest.mark.parametrize("early", [False, True])
def test_validators_and_ranges_are_right_across_the_change(make_app: MakeApp, photograph: Lay, early: bool) -> None:
    photograph("canyon.jpg")
    app = make_app(IMAGES_RECOMPRESS_AFTER=3, IMAGES_EARLY_HITS=early)
    hot = Hot(app, "canyon.jpg", width=1600)
    other = make_app(IMAGES_RECOMPRESS_AFTER=1000, IMAGES_EARLY_HITS=early)  # another worker, which remembers the URL
    etag, modified = hot.first.headers["ETag"], hot.first.headers["Last-Modified"]
    for app in (hot.app, other):
        assert app.test_client().get(hot.url, headers={"If-None-Match": etag}).status_code == 304
    hot.ask(1)
    hot.wait()
    whole = hot.file.read_bytes()
    for app in (hot.app, other):
        get = partial(answer_of, app, hot.url)
        again = get(If_None_Match=etag)
        new = again.headers["ETag"]
        assert (again.status_code, again.data) == (200, whole)
        assert new != etag
        assert int(new.strip('"').split("-")[1], 16) == len(whole)
        assert get(If_None_Match=new).status_code == 304
        assert get(If_Modified_Since=modified).status_code == 304
        part = get(Range="bytes=100-199", If_Range=new)
        assert (part.status_code, part.data) == (206, whole[100:200])
        assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
        part = get(Range="bytes=100-199")
        assert (part.status_code, part.data, part.headers["ETag"]) == (206, whole[100:200], new)
        for stale in (etag, modified):
            part = get(Range="bytes=100-199", If_Range=stale)
            assert (part.status_code, part.data, part.headers["ETag"]) == (200, whole, new)
        beyond = get(Range=f"bytes={len(hot.first.data) - 1}-")
        assert beyond.status_code == 416
        assert beyond.headers["Content-Range"] == f"bytes */{len(whole)}"


def test_who_reads_the_old_bytes_reads_them_to_the_end(make_app: MakeApp, photograph: Lay) -> None:
    photograph("canyon.jpg")
    app = make_app(IMAGES_RECOMPRESS_AFTER=2)
    hot = Hot(app, "canyon.jpg", width=1600)
    entry = images_of(app).pipeline.cache.at(str(hot.file))
    assert entry is not None
    with entry:
        hot.ask(1)
        hot.wait()
        assert entry.read() == hot.first.data


# Real servers


@pytest.fixture
def folder() -> Iterator[Path]:
    """The root of a `site`."""
    with tempfile.TemporaryDirectory(prefix="images-", ignore_cleanup_errors=True) as name:
        path = Path(name).resolve()
        (path / "static").mkdir()
        for photo in ("canyon.jpg", "coffee.jpg", "earth.jpg"):
            aged(Path(shutil.copy(PHOTOGRAPHS / photo, path / "static")))
        yield path


def told(server: Server, what: str) -> list[str]:
    return [line.message for line in server.logged() if line.message.startswith(what)]


class Readers:
    """Clients that ask for *urls* again and again: what they were answered, whole and in part."""

    def __init__(self, server: Server, urls: list[str]) -> None:
        self.server, self.urls = server, urls
        self.first = {url: server.get(url) for url in urls}
        self.seen = {url: {(answer.body, answer.headers["ETag"])} for url, answer in self.first.items()}

    def read(self, seed: int) -> None:
        """Until there was time to see everything after the last change."""
        chance, answers_since, end = random.Random(seed), 0, time.monotonic() + PATIENCE_SECONDS
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            while answers_since < 100 and time.monotonic() < end:
                url, etag = chance.choice(self.urls), None
                if chance.random() < 0.3:
                    etag = self.first[url].headers["ETag"]
                connection.request("GET", url, headers={"Range": "bytes=50-", "If-Range": etag} if etag else {})
                response = connection.getresponse()
                answer = Answer(response.status, response.headers, response.read())
                assert len(answer.body) == int(answer.headers["Content-Length"])
                if etag and answer.status == 206:  # of the old picture, as long as it was that
                    assert (answer.headers["ETag"], answer.body) == (etag, self.first[url].body[50:])
                else:
                    assert answer.status == 200
                    self.seen[url].add((answer.body, answer.headers["ETag"]))
                answers_since += all(len(answers) > 1 for answers in self.seen.values())


@pytest.mark.parametrize("early", [False, True])
def test_under_load_each_answer_is_the_old_or_the_new_one_whole_under_its_own_etag(
    folder: Path, serve: Callable[..., Server], early: bool
) -> None:
    config: dict[str, Any] = {"IMAGES_RECOMPRESS_AFTER": 20, "IMAGES_EARLY_HITS": early}
    app = site(folder, **config)
    server = serve("--workers=3", "--threads=4", **config)
    # Sent by the server from the open file, and from memory.
    pictures: list[dict[str, Any]] = [{"width": 1600}, {"width": 400, "format": "webp"}]
    sizes = {url_of(app, "earth.jpg", **picture): planned_size(app, "earth.jpg", **picture) for picture in pictures}
    readers = Readers(server, [*sizes])

    with ThreadPoolExecutor(8) as pool:
        for result in [pool.submit(readers.read, seed) for seed in range(8)]:
            result.result()

    for url, size in sizes.items():
        new, old = sorted((len(body), etag) for body, etag in readers.seen[url])
        assert new[0] < old[0]
        assert old[1] == readers.first[url].headers["ETag"]
        for body, etag in readers.seen[url]:
            assert int(etag.strip('"').split("-")[1], 16) == len(body)
            assert decoded_size(body) == size
        assert (len(server.get(url).body) >= _STREAMED_BYTES) == (size[0] == 1600)
    assert len(told(server, "re-encoded ")) == len(sizes)
    assert temporary_files(folder) == set()
    bound = images_of(app).pipeline.cache.bound
    assert bound is not None
    assert bound.held() == sum(path.stat().st_size for path in cache_folder(folder).glob("??/*/*"))
    server.stop()
    assert "Traceback" not in server.own_log.read_text()


def test_workers_that_are_killed_in_the_middle_leave_all_right(folder: Path, serve: Callable[..., Server]) -> None:
    config: dict[str, Any] = {"IMAGES_RECOMPRESS_AFTER": 1, "IMAGES_MAX_RENDERS": 2}
    app = site(folder, **config)
    server = serve("--workers=2", "--threads=4", then=SAY_WHO, **config)
    url = url_of(app, "earth.jpg", **SLOW)
    answer, killed = server.get(url), 0
    entry = entry_of(app, url)
    for _ in range(3):
        until(lambda: is_at_work(app) or is_final(entry), "it is being made")
        if is_final(entry):
            break
        pid = int(answer.headers["X-Process"])
        os.kill(pid, signal.SIGKILL)
        killed += 1
        until(lambda pid=pid: not alive(pid), "the worker is gone")  # type: ignore[misc]
        assert entry.read_bytes() == answer.body
        again = server.get(url)
        assert (again.body, again.headers["ETag"]) == (answer.body, answer.headers["ETag"])
        answer = again
    assert killed
    until(lambda: is_final(entry), "another worker made it")
    small = server.get(url)
    assert len(small.body) < len(answer.body)
    assert decoded_size(small.body) == decoded_size(answer.body)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_that_is_stopped_in_the_middle_ends_well(folder: Path, serve: Callable[..., Server]) -> None:
    config: dict[str, Any] = {"IMAGES_RECOMPRESS_AFTER": 1}
    app = site(folder, **config)
    server = serve("--workers=2", "--threads=4", **config)
    server.get(url_of(app, "earth.jpg", **SLOW))
    until(lambda: is_at_work(app), "it is being made")
    server.stop()
    assert server.process is not None
    assert server.process.returncode == 0
    log = server.own_log.read_text()
    assert "was sent SIG" not in log
    assert "Traceback" not in log
    for path in cached_files(cache_folder(folder)):
        decoded_size(path)


FORKS = """
import os, sys, time
from servers import site
from test_recompression import entry_of, is_final

app = site(sys.argv[1], IMAGES_RECOMPRESS_AFTER=1, IMAGES_ENGINE="pillow")
client = app.test_client()

def make_small(url):
    client.get(url)
    file = entry_of(app, url)
    end = time.monotonic() + 30
    while not is_final(file) and time.monotonic() < end:
        time.sleep(0.01)
    return is_final(file)

first, second = sys.argv[2:]
assert make_small(first)
pid = os.fork()
if not pid:
    os._exit(0 if make_small(second) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_forked_process_has_a_thread_of_its_own(folder: Path) -> None:
    app = site(folder)
    urls = [url_of(app, "coffee.jpg", width=width) for width in (300, 301)]
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, str(folder), *urls]
    subprocess.run(command, env=environment(), check=True, timeout=2 * PATIENCE_SECONDS)


@pytest.mark.parametrize("threads", [False, True])
def test_uwsgi_makes_something_small_only_where_it_runs_threads(folder: Path, threads: bool) -> None:
    config = {"IMAGES_RECOMPRESS_AFTER": 2}
    app, server = site(folder, **config), Server(folder, config, "")
    try:
        server.start_uwsgi(uwsgi(), "--processes=2", *(["--enable-threads"] if threads else []))
        server.wait()
        url = url_of(app, "coffee.jpg", width=300)
        for _ in range(10):
            server.get(url)
        entry = entry_of(app, url)
        if threads:
            until(lambda: is_final(entry), "it was made")
        else:
            assert {message for _, message in server.warnings()} == {
                "IMAGES_RECOMPRESS_AFTER does nothing: uWSGI runs no threads: start it with --enable-threads."
            }
            assert not is_final(entry)
    finally:
        server.stop()


def test_nginx_sends_the_new_bytes_under_their_own_etag() -> None:
    with opened(IMAGES_FRONT_DOOR=True, IMAGES_ACCEL_REDIRECT="/_images/", IMAGES_RECOMPRESS_AFTER=1) as door:
        aged(Path(shutil.copy(PHOTOGRAPHS / "canyon.jpg", door.folder / "static")))
        url = door.url("canyon.jpg", width=800)
        first = door.get_from_app(url)
        entry = entry_of(door.app, url)
        until(lambda: is_final(entry), "it was made")
        small = door.get(url)
        assert not small.from_app
        assert (small.status, small.body) == (200, entry.read_bytes())
        assert len(small.body) < len(first.body)
        assert small.headers["ETag"] == door.get_from_app(url, "HEAD").headers["ETag"] != first.headers["ETag"]
        assert small.headers["Last-Modified"] == first.headers["Last-Modified"]
        assert door.get(url, If_None_Match=first.headers["ETag"]).status == 200
        assert door.get(url, If_None_Match=small.headers["ETag"]).status == 304
        for stale in (first.headers["ETag"], first.headers["Last-Modified"]):
            part = door.get(url, Range="bytes=9-99", If_Range=stale)
            assert (part.status, part.body, part.headers["ETag"]) == (200, small.body, small.headers["ETag"])
        part = door.get(url, Range="bytes=9-99", If_Range=small.headers["ETag"])
        assert (part.status, part.body) == (206, small.body[9:100])


def test_an_answer_does_not_suffer_where_no_thread_can_be_started(
    make_app: MakeApp, photograph: Lay, monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph("canyon.jpg")
    hot = Hot(make_app(IMAGES_RECOMPRESS_AFTER=2), "canyon.jpg", width=300)

    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        hot.ask(3)
    hot.ask(2)
    hot.wait()
