"""More work than a host can do, workers that are forked late or killed, folders that fail: real servers under load."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOGRAPHS, cached_files, sample, share, stopped_renderers, url_of, uwsgi
from flask import Flask
from PIL import Image
from servers import (
    CLIENT_TIMEOUT_SECONDS,
    IN_THREAD,
    NO_THREADS,
    PATIENCE_SECONDS,
    Answer,
    Server,
    all_at_once,
    asked,
    by_few,
    cache_folder,
    decoded_size,
    planned_size,
    site,
    temporary_files,
    unanswered,
    until,
)

from flask_images_vips.cache.disk import DiskCache

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: fork, kill, gunicorn")

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534  # the user without rights, on Linux and others: root may write everywhere

RENDER_AT_IMPORT = """
from conftest import fetch

fetch(app, "small.jpg", width=7, cache=False)
"""
# All that a worker needs, before it gives up the right to read it, or to be forked in no time. No pixel by libvips.
IMPORT_ALL = """
import flask_images_vips.engines.vips.engine
from conftest import fetch

warm = site({folder!r}, IMAGES_ENGINE="pillow", IMAGES_CACHE="another")
fetch(warm, "small.jpg", width=7)
warm.test_client().get("/page")
"x".encode("idna")
"""


def is_busy(answer: Answer) -> bool:
    """Whether this is what a host says that has too much to do: when to ask again, for nobody to keep."""
    return (
        answer.status == 503
        and int(answer.headers["Retry-After"]) >= 1
        and answer.headers["Cache-Control"] == "no-store"
    )


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of 6 million pixels, long enough in the making to be met in the middle, and a small one."""
    folder = tmp_path_factory.mktemp("photographs")
    with Image.open(PHOTOGRAPHS / "canyon.jpg") as picture:
        picture.convert("RGB").resize((3000, 2000)).save(folder / "large.jpg", quality=90)
        picture.convert("RGB").resize((300, 200)).save(folder / "small.jpg", quality=90)
    return folder


@pytest.fixture
def folder(photographs: Path) -> Iterator[Path]:
    """The root of a `site`. Another user may come in, as a worker that has given up root's rights."""
    with tempfile.TemporaryDirectory(prefix="images-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        shutil.copytree(photographs, folder / "static")
        (folder / "static").chmod(0o755)
        (folder / "cache").mkdir()
        yield folder


# Too much at once.


@pytest.mark.parametrize("pictures", sample([10, 20], 2))
def test_fifty_cold_requests_for_each_picture_render_it_once(
    folder: Path, serve: Callable[..., Server], pictures: int
) -> None:
    app = site(folder)
    server = serve("--workers=4", "--threads=16", IMAGES_LOCK_TIMEOUT=PATIENCE_SECONDS)
    names = [f"{number}.jpg" for number in range(pictures)]
    for name in names:
        shutil.copy2(folder / "static" / "large.jpg", folder / "static" / name)
    urls = {url_of(app, name, width=1100): planned_size(app, name, width=1100) for name in names}
    asked_for = [url for _ in range(50) for url in urls]

    answers = all_at_once(server, asked_for)

    assert unanswered(answers) == []
    assert Counter(answer.status for answer in answers) == {200: len(asked_for)}
    for url, size in urls.items():
        bodies = {answer.body for answer, of in zip(answers, asked_for, strict=True) if of == url}
        assert [decoded_size(body) for body in bodies] == [size]
    assert len(server.rendered()) == pictures
    assert len(cached_files(cache_folder(folder))) == pictures
    assert temporary_files(folder) == set()


@pytest.mark.parametrize("threads", [2, 64])
def test_sixty_new_pictures_at_once_are_all_shown(folder: Path, serve: Callable[..., Server], threads: int) -> None:
    app = site(folder)
    server = serve("--workers=2", f"--threads={threads}", IMAGES_LOCK_TIMEOUT=PATIENCE_SECONDS)
    wanted = [{"width": 300 + number} for number in range(60)]
    answers = all_at_once(server, [url_of(app, "large.jpg", **each) for each in wanted])
    assert unanswered(answers) == []
    for each, answer in zip(wanted, answers, strict=True):
        assert picture_of(answer) == planned_size(app, "large.jpg", **each)
        assert answer.headers["Cache-Control"] != "no-store"
    said = Counter(line.process for line in server.logged() if line.message.startswith(f"{NO_THREADS}({threads})"))
    assert {*said.values()} <= {1}
    assert bool(said) is (threads == 2)


# Renditions of as many shapes, or of one: nothing like a new one is kept, or much.
@pytest.mark.parametrize("kind", sample(["crops", "widths"], 2))
def test_five_hundred_different_cold_requests_are_answered_or_asked_to_come_again(
    folder: Path, serve: Callable[..., Server], kind: str
) -> None:
    app = site(folder)
    server = serve("--workers=4", "--threads=16", IMAGES_LOCK_TIMEOUT=0.5)
    warm = url_of(app, "small.jpg", width=100)
    body = server.get(warm).body
    wanted: list[dict[str, Any]] = [
        {"width": 1000, "height": 500 + number, "mode": "crop"} if kind == "crops" else {"width": 700 + number}
        for number in range(500)
    ]

    with Visitors(server, warm, clients=1) as quiet:
        quiet.over.wait(1)
    with Visitors(server, warm, clients=2) as meanwhile:
        answers = all_at_once(server, [url_of(app, "large.jpg", **each) for each in wanted])

    assert unanswered(answers) == []
    assert [answer.status for answer in answers if answer.status != 200 and not is_busy(answer)] == []
    turned_away = [answer for answer in answers if answer.headers["Cache-Control"] == "no-store"]
    assert 0 < len(turned_away) < 500  # or it was not too much, and this test saw nothing
    for each, answer in zip(wanted, answers, strict=True):
        if answer.status == 200 and answer not in turned_away:
            assert decoded_size(answer.body) == planned_size(app, "large.jpg", **each)
    hits = [*quiet.answers, *meanwhile.answers]
    assert unanswered(hits) == []
    assert {(answer.status, answer.body) for answer in hits} == {(200, body)}
    assert meanwhile.answers
    render = [float(line.rpartition(", ")[2].removesuffix(" ms")) for line in server.rendered()[1:]]
    print(
        f"{sum(answer.status == 503 for answer in answers)} of 500 were answered 503, {len(render)} rendered; hits: "
        f"p95 {p95(quiet.seconds):.0f} ms when quiet, {p95(meanwhile.seconds):.0f} ms of {len(meanwhile.seconds)} "
        f"under load, where the slowest took {1000 * max(meanwhile.seconds):.0f} ms; "
        f"a render with its wait: median {statistics.median(render):.0f} ms"
    )


class Visitors:
    """Clients that ask for the same URL again and again, as long as the block lasts."""

    def __init__(self, server: Server, url: str, clients: int) -> None:
        self.answers: list[Answer | BaseException] = []
        self.seconds: list[float] = []
        self.over = threading.Event()
        arguments = (server, url)
        self._threads = [threading.Thread(target=self._visit, args=arguments, daemon=True) for _ in range(clients)]

    def _visit(self, server: Server, url: str) -> None:
        while not self.over.wait(0.01):
            begin = time.monotonic()
            self.answers.append(asked(server, url))
            self.seconds.append(time.monotonic() - begin)

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)


def p95(seconds: list[float]) -> float:
    return 1000 * sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]


with_renderers = pytest.mark.skipif(bool(IN_THREAD), reason="stops renderers, so that the host is busy")


@pytest.fixture
def busy(folder: Path, serve: Callable[..., Server]) -> Server:
    """A server that cannot wait for long, and will be too busy with `stopped_renderers`."""
    return serve("--workers=1", "--threads=8", IMAGES_MAX_RENDERS=2, IMAGES_LOCK_TIMEOUT=0.6)


def picture_of(answer: Answer) -> tuple[int, int]:
    assert answer.status == 200, answer.body
    return decoded_size(answer.body)


@with_renderers
def test_a_busy_host_answers_with_the_next_smaller_rendition_that_it_has(folder: Path, busy: Server) -> None:
    app = site(folder)
    for width in (200, 500, 800):
        assert picture_of(busy.get(url_of(app, "large.jpg", width=width)))[0] == width
    expected = {201: 200, 499: 200, 600: 500, 900: 800}
    with stopped_renderers():
        assert is_busy(busy.get(url_of(app, "large.jpg", width=100)))
        for width, nearest in expected.items():
            answer = busy.get(url_of(app, "large.jpg", width=width))
            assert picture_of(answer)[0] == nearest
            assert answer.headers["Cache-Control"] == "no-store"
        assert picture_of(busy.get(url_of(app, "large.jpg", width=500)))[0] == 500
    for width in expected:  # nothing was kept under the name of what it was not
        answer = busy.get(url_of(app, "large.jpg", width=width))
        assert picture_of(answer)[0] == width
        assert answer.headers["Cache-Control"] != "no-store"


@with_renderers
def test_a_request_that_waits_for_another_has_its_own_time(folder: Path, serve: Callable[..., Server]) -> None:
    app = site(folder)
    server = serve("--workers=1", "--threads=8", IMAGES_MAX_RENDERS=1, IMAGES_LOCK_TIMEOUT=8)
    url = url_of(app, "large.jpg", width=300)
    with ThreadPoolExecutor(2) as client:
        with stopped_renderers():
            first = client.submit(server.get, url)
            until(lambda: temporary_files(folder), "the first request is about to wait for a renderer")
            time.sleep(5)  # which the second request has left when the first one gives up
            second = client.submit(server.get, url)
            assert is_busy(first.result(PATIENCE_SECONDS))
            assert not second.done()
        assert picture_of(second.result(PATIENCE_SECONDS))[0] == 300


@with_renderers
def test_another_quality_will_do_for_a_busy_host(folder: Path, busy: Server) -> None:
    app = site(folder)
    kept = busy.get(url_of(app, "large.jpg", width=300, quality=90))
    with stopped_renderers():
        answer = busy.get(url_of(app, "large.jpg", width=300, quality=40))
        assert (answer.status, answer.body) == (200, kept.body)
        assert answer.headers["Cache-Control"] == "no-store"
    assert busy.get(url_of(app, "large.jpg", width=300, quality=40)).body != kept.body


@with_renderers
def test_a_crop_of_the_same_shape_will_do_for_a_busy_host(folder: Path, busy: Server) -> None:
    app = site(folder)
    busy.get(url_of(app, "large.jpg", width=200, height=150, mode="crop"))
    with stopped_renderers():
        answer = busy.get(url_of(app, "large.jpg", width=400, height=300, mode="crop"))
        assert picture_of(answer) == (200, 150)


@with_renderers
def test_a_busy_host_answers_a_picture_that_it_has_nothing_like_with_503(folder: Path, busy: Server) -> None:
    app = site(folder)
    assert busy.get(url_of(app, "large.jpg", width=400)).status == 200
    assert busy.get(url_of(app, "large.jpg", width=400, height=300, mode="crop")).status == 200
    others: list[dict[str, Any]] = [
        {"width": 300, "height": 300, "mode": "crop"},
        {"width": 300, "height": 400, "mode": "crop"},
        {"width": 400, "height": 300, "mode": "pad"},
        {"width": 400, "height": 300, "mode": "reshape"},
        {"width": 300, "format": "png"},
        {"width": 300, "format": "webp"},
        {"width": 300, "sharpen": "1,50,3"},
        {"width": 300, "background": "red"},
        {"width": 3200, "enlarge": True},
    ]
    with stopped_renderers():
        for keywords in others:
            assert is_busy(busy.get(url_of(app, "large.jpg", **keywords))), keywords
        assert is_busy(busy.get(url_of(app, "small.jpg", width=200)))
    for keywords in others:
        answer = busy.get(url_of(app, "large.jpg", **keywords))
        assert picture_of(answer) == planned_size(app, "large.jpg", **keywords)


@with_renderers
def test_a_busy_host_answers_nothing_made_of_an_older_source(folder: Path, busy: Server) -> None:
    app = site(folder)
    assert busy.get(url_of(app, "large.jpg", width=400)).status == 200
    shutil.copyfile(folder / "static" / "small.jpg", folder / "static" / "large.jpg")
    with stopped_renderers():
        assert is_busy(busy.get(url_of(app, "large.jpg", width=500)))


@with_renderers
def test_a_nearest_rendition_gets_no_link_at_the_front_door(folder: Path, serve: Callable[..., Server]) -> None:
    config = {"IMAGES_MAX_RENDERS": 1, "IMAGES_LOCK_TIMEOUT": 0.6, "IMAGES_FRONT_DOOR": True}
    os.utime(folder / "static" / "large.jpg", (1_600_000_000, 1_600_000_000))
    app = site(folder, **config)
    server = serve("--workers=1", "--threads=8", **config)
    front = cache_folder(folder) / "front"

    def links() -> int:
        return sum(path.is_symlink() for path in front.glob("??/*"))

    assert picture_of(server.get(url_of(app, "large.jpg", width=400)))[0] == 400
    assert links() == 1
    with stopped_renderers():
        assert picture_of(server.get(url_of(app, "large.jpg", width=500)))[0] == 400
        assert links() == 1
    assert picture_of(server.get(url_of(app, "large.jpg", width=500)))[0] == 500
    assert links() == 2


@with_renderers
def test_a_source_that_goes_while_its_request_waits_is_not_found(folder: Path, serve: Callable[..., Server]) -> None:
    app = site(folder)
    server = serve("--workers=1", "--threads=8", IMAGES_MAX_RENDERS=1, IMAGES_LOCK_TIMEOUT=1)
    assert server.get(url_of(app, "small.jpg", width=100)).status == 200
    with stopped_renderers(), ThreadPoolExecutor(1) as client:
        answer = client.submit(server.get, url_of(app, "small.jpg", width=50, height=50, mode="crop"))
        until(lambda: temporary_files(folder), "the request waits for a renderer")
        (folder / "static" / "small.jpg").unlink()
        assert answer.result(PATIENCE_SECONDS).status in (404, 503)


# Forked after the parent has rendered.


def mixed(app: Flask, requests: int) -> dict[str, tuple[int, int]]:
    """So many URLs of small renditions, all different, and the size of each."""
    modes = itertools.cycle(["fit", "crop", "pad", "reshape"])
    wanted = [
        {"width": 20 + number % 90, "height": 20 + number // 90, "mode": next(modes)} for number in range(requests)
    ]
    return {url_of(app, "small.jpg", **each): planned_size(app, "small.jpg", **each) for each in wanted}


def check_late_forks(server: Server, app: Flask) -> None:
    """Up to a thousand requests, nine of ten of them cold: none hangs, and each worker says once what is wrong."""
    urls = mixed(app, share(900, 4))
    asked_for = [*urls, *itertools.islice(urls, len(urls) // 9)]
    random.Random("always the same").shuffle(asked_for)

    answers = by_few(server, asked_for, clients=8)

    assert unanswered(answers) == []
    assert Counter(answer.status for answer in answers) == {200: len(asked_for)}
    for url, answer in zip(asked_for, answers, strict=True):
        assert decoded_size(answer.body) == urls[url]
    lines = server.logged()
    by_pillow = {line.process for line in lines if " by pillow: " in line.message}
    by_vips = {line.process for line in lines if " by vips: " in line.message}
    warned = Counter(line.process for line in lines if "preload" in line.message)
    assert len(by_pillow | by_vips) > 2  # or one worker did it all
    assert warned == dict.fromkeys(by_pillow, 1)
    assert len(by_vips) == 1 if IN_THREAD else not by_pillow  # in the thread, by libvips in the parent alone


def test_workers_of_gunicorn_that_are_forked_after_a_render_do_not_hang(
    folder: Path, serve: Callable[..., Server]
) -> None:
    server = serve("--preload", "--workers=3", "--threads=4", then=RENDER_AT_IMPORT)
    check_late_forks(server, site(folder))


def test_workers_of_uwsgi_that_are_forked_after_a_render_do_not_hang(folder: Path) -> None:
    server = Server(folder, {}, RENDER_AT_IMPORT)
    try:
        server.start_uwsgi(uwsgi(), "--processes=3")
        server.wait()
        check_late_forks(server, site(folder))
    finally:
        server.stop()


def test_a_late_fork_that_is_to_use_libvips_alone_renders_by_pillow_all_the_same(
    folder: Path, serve: Callable[..., Server]
) -> None:
    app = site(folder)
    server = serve("--preload", "--workers=2", "--threads=4", then=RENDER_AT_IMPORT, IMAGES_ENGINE="vips")
    answers = by_few(server, [url_of(app, "small.jpg", width=width) for width in range(20, 60)], clients=8)
    assert unanswered(answers) == []
    assert Counter(answer.status for answer in answers) == {200: 40}
    warned = Counter(line.process for line in server.logged() if "preload" in line.message)
    assert {*warned.values()} == ({1} if IN_THREAD else set())


# Folders that fail.


def unprivileged(*options: str) -> list[str]:
    """Options of a gunicorn whose workers may not write everywhere, as root may, although they can import all.

    They render by themselves: they may not be able to start another Python.
    """
    return ["--preload", *([f"--user={NOBODY}", f"--group={NOBODY}"] if IS_ROOT else []), *options]


def check_degraded(server: Server, app: Flask, *, warned: bool = True) -> None:
    """Whatever fails, each picture is right, and each process says it once, in one line."""
    urls = {url_of(app, "small.jpg", width=width): width for width in range(20, 60)}
    asked_for = [*urls] * 3
    answers = by_few(server, asked_for, clients=6)
    assert unanswered(answers) == []
    assert Counter(answer.status for answer in answers) == {200: len(asked_for)}
    for url, answer in zip(asked_for, answers, strict=True):
        assert decoded_size(answer.body)[0] == urls[url]
    warnings = server.warnings()
    assert [kind for kind, times in warnings.items() if times > 1] == []
    assert max(Counter(process for process, _ in warnings).values(), default=0) <= 1
    assert bool(warnings) == warned


@pytest.fixture
def restored(folder: Path) -> Iterator[Callable[[Path], None]]:
    """Takes the right to write from a folder, and gives it back after the test."""
    locked: list[Path] = []

    def lock(path: Path) -> None:
        locked.append(path)
        path.chmod(0o555)

    yield lock
    for path in locked:
        path.chmod(0o755)


def test_a_cache_folder_that_cannot_be_written_costs_only_the_cache(
    folder: Path, serve: Callable[..., Server], restored: Callable[[Path], None]
) -> None:
    restored(folder / "cache")
    server = serve(*unprivileged("--workers=2", "--threads=4"), then=IMPORT_ALL, IMAGES_MAX_RENDERS=0)
    check_degraded(server, site(folder))
    assert list((folder / "cache").iterdir()) == []


def test_a_cache_that_became_read_only_is_still_read(
    folder: Path, serve: Callable[..., Server], restored: Callable[[Path], None]
) -> None:
    app = site(folder)
    if IS_ROOT:
        os.chown(folder / "cache", NOBODY, NOBODY)
    server = serve(*unprivileged("--workers=2", "--threads=4"), then=IMPORT_ALL, IMAGES_MAX_RENDERS=0)
    kept = url_of(app, "small.jpg", width=100)
    assert server.get(kept).status == 200
    for path in (cache_folder(folder), *(path for path in cache_folder(folder).rglob("*") if path.is_dir())):
        restored(path)
        if IS_ROOT:
            os.chown(path, 0, 0)
    check_degraded(server, app)
    for _ in range(10):
        assert server.get(kept).status == 200
    assert sum(" 100×" in line for line in server.rendered()) == 1
    assert len(cached_files(cache_folder(folder))) == 1


def strangers_folder(folder: Path) -> Path:
    """The default cache's folder, made by somebody else before: not ours, or open to others."""
    user = NOBODY if IS_ROOT else os.geteuid()
    strange = folder / "temporary" / f"flask-images-{user}"
    strange.mkdir(parents=True)
    strange.parent.chmod(0o755)
    strange.chmod(0o777)
    return strange


def test_a_default_folder_of_somebody_else_is_not_used(folder: Path, serve: Callable[..., Server]) -> None:
    strange = strangers_folder(folder)
    variables = {"TMPDIR": str(strange.parent)}
    server = serve(
        *unprivileged("--workers=2", "--threads=4"),
        then=IMPORT_ALL,
        IMAGES_MAX_RENDERS=0,
        variables=variables,
        IMAGES_CACHE=None,
    )
    check_degraded(server, site(folder))
    assert cached_files(strange) == []
    assert list(strange.iterdir()) == []


def test_a_cache_that_is_deleted_again_and_again_is_made_again(folder: Path, serve: Callable[..., Server]) -> None:
    app = site(folder)
    server = serve("--workers=2", "--threads=4")
    over = threading.Event()

    def delete() -> None:
        while not over.wait(0.05):
            shutil.rmtree(folder / "cache", ignore_errors=True)

    deleting = threading.Thread(target=delete, daemon=True)
    deleting.start()
    try:
        urls = {url_of(app, "small.jpg", width=20 + number % 250): 20 + number % 250 for number in range(share(500, 3))}
        asked_for = [*urls] * 2
        answers = by_few(server, asked_for, clients=6)
    finally:
        over.set()
        deleting.join(PATIENCE_SECONDS)
    assert unanswered(answers) == []
    assert Counter(answer.status for answer in answers) == {200: len(asked_for)}
    for url, answer in zip(asked_for, answers, strict=True):
        assert decoded_size(answer.body)[0] == urls[url]
    assert [kind for kind, times in server.warnings().items() if times > 1] == []

    assert by_few(server, list(urls), clients=6)
    assert {decoded_size(path)[0] for path in cached_files(cache_folder(folder))} == set(urls.values())


@contextlib.contextmanager
def tiny_disk(path: Path, options: str) -> Iterator[None]:
    """A file system of its own at *path*."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    if not (
        IS_ROOT and shutil.which("mount") and subprocess.run(command, capture_output=True, check=False).returncode == 0
    ):
        pytest.skip("mounting a small file system takes root, and is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


# With half the disk kept free, two workers that write at once cannot fill it.
@pytest.mark.parametrize("free", sample([0, 0.5], 2))
def test_a_full_disk_costs_only_the_cache(folder: Path, serve: Callable[..., Server], free: float) -> None:
    with tiny_disk(folder / "cache", "size=160k" if free else "size=64k"):
        server = serve("--workers=2", "--threads=4", IMAGES_CACHE_MIN_FREE=free)
        app = site(folder)
        large = [url_of(app, "large.jpg", width=width) for width in range(600, 612)]  # the first is too large already
        assert {answer.status for answer in by_few(server, large, clients=4) if isinstance(answer, Answer)} == {200}
        check_degraded(server, app, warned=not free)
        kept = [decoded_size(path) for path in cached_files(cache_folder(folder)) if path.parent.name != "locks"]
        assert kept  # the disk took some
        assert temporary_files(folder) == set()
        server.stop()


def test_locks_that_cannot_be_taken_cost_at_most_a_second_render(folder: Path, serve: Callable[..., Server]) -> None:
    cache_folder(folder).mkdir(parents=True)
    (cache_folder(folder) / "locks").write_text("not a folder")
    server = serve("--workers=2", "--threads=4")
    check_degraded(server, site(folder))
    assert sorted(decoded_size(path)[0] for path in cached_files(cache_folder(folder)) if path.name != "locks") == list(
        range(20, 60)
    )


# Killed workers.

KILLS = share(200, 8)
KILLING_SECONDS = 240  # enough for all of them on a busy machine, where it takes a second to start a worker


def children_of(server: Server) -> list[int]:
    assert server.process is not None
    tasks = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(pid) for pid in tasks.read_text().split()]


def open_temporary_files(pid: int) -> set[str]:
    """The names of the cache's temporary files that a process is at."""
    names = set()
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                names.add(os.path.basename(os.readlink(f"/proc/{pid}/fd/{descriptor}")))
    return {name for name in names if name.startswith(".tmp-")}


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill_in_the_middle(folder: Path, victims: list[int]) -> tuple[bool, bool]:
    """Kill one of *victims*, if there is one that renders; whether one was, and whether it left something behind."""
    for pid in victims:
        before = open_temporary_files(pid) & temporary_files(folder)
        if before:
            os.kill(pid, signal.SIGKILL)
            end = time.monotonic() + PATIENCE_SECONDS
            while not is_dead(pid) and time.monotonic() < end:
                time.sleep(0.001)
            return True, bool(before & temporary_files(folder))
    return False, False


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, to see who is in the middle of a render")
def test_killed_workers_leave_no_broken_entry_and_no_stuck_key(folder: Path, serve: Callable[..., Server]) -> None:
    app = site(folder)
    chance = random.Random("always the same")
    # Forked from a parent that has imported everything and rendered nothing: a new worker is there at once.
    server = serve(
        "--preload",
        "--workers=4",
        "--threads=4",
        then=IMPORT_ALL,
        IMAGES_LOCK_TIMEOUT=10
        * CLIENT_TIMEOUT_SECONDS,  # a lock that stays behind holds up longer than any client waits
    )
    wanted = [{"width": 400 + number % 500, "height": 300 + number // 500} for number in range(20_000)]
    next_wanted, asked_for = iter(wanted), []
    over = threading.Event()
    statuses: Counter[int | str] = Counter()

    def ask() -> None:
        while not over.is_set():
            keywords = {**next(next_wanted), "mode": "crop"}
            asked_for.append(keywords)
            answer = asked(server, url_of(app, "large.jpg", **keywords))
            if isinstance(answer, Answer):
                statuses[answer.status] += 1
                if answer.status == 200:
                    assert decoded_size(answer.body) == planned_size(app, "large.jpg", **keywords)
            else:
                statuses[type(answer).__name__] += 1

    clients = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
    for client in clients:
        client.start()
    kills = in_the_middle = 0
    end = time.monotonic() + KILLING_SECONDS
    while kills < KILLS and time.monotonic() < end:
        workers = children_of(server)
        chance.shuffle(workers)
        killed, left = kill_in_the_middle(folder, workers)
        kills += killed
        in_the_middle += left
        time.sleep(chance.uniform(0, 0.2))
    over.set()
    for client in clients:
        client.join(PATIENCE_SECONDS)
        assert not client.is_alive()
    print(f"{kills} workers were killed, {in_the_middle} of them in the middle of the work; answers: {dict(statuses)}")

    assert in_the_middle >= KILLS / 3
    assert kills == KILLS
    assert statuses[200]
    assert set(statuses) <= {200, 503, *(name for name in statuses if isinstance(name, str))}
    assert statuses["TimeoutError"] == 0
    last = asked_for[-200:]
    urls = [url_of(app, "large.jpg", **keywords) for keywords in last]
    answers = by_few(server, urls, clients=4)
    assert unanswered(answers) == []
    for keywords, answer in zip(last, answers, strict=True):
        assert picture_of(answer) == planned_size(app, "large.jpg", **keywords)
    sizes = {planned_size(app, "large.jpg", **keywords) for keywords in asked_for}
    entries = cached_files(cache_folder(folder))
    assert {decoded_size(path) for path in entries} <= sizes

    assert len(temporary_files(folder)) >= in_the_middle
    sweeping = DiskCache(str(cache_folder(folder)), lock_timeout=1, temp_max_age=0)
    sweeping.get_or_create(("00" * 20, "00" * 20), 0, lambda: b"one write").close()
    assert temporary_files(folder) == set()


# Sessions.


def test_a_permanent_session_of_the_site_does_not_travel_with_images(
    folder: Path, serve: Callable[..., Server]
) -> None:
    app = site(folder)
    server = serve("--workers=1", "--threads=2", SESSION_REFRESH_EACH_REQUEST=True)
    page = server.get("/page")
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    for _ in range(2):  # cold, and warm
        image = server.get(url_of(app, "small.jpg", width=30), Cookie=cookie)
        assert image.status == 200
        assert "Set-Cookie" not in image.headers
        assert "Cookie" not in image.headers.get("Vary", "")
    again = server.get("/page", Cookie=cookie)
    assert "Set-Cookie" in again.headers
    assert again.headers["Vary"] == "Cookie"
