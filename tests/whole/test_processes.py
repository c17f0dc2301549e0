"""Many processes and one cache: a real gunicorn under load, and processes that are killed in the middle of the work."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOGRAPHS, cached_files, share, url_of
from flask import Flask
from PIL import Image
from servers import (
    CLIENT_TIMEOUT_SECONDS,
    PATIENCE_SECONDS,
    Answer,
    Server,
    all_at_once,
    cache_folder,
    decoded_size,
    environment,
    planned_size,
    site,
    temporary_files,
)

from flask_images_vips.cache.disk import DiskCache

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: fork, kill, gunicorn")

LOCKS: dict[str, Any] = {"IMAGES_LOCK_TIMEOUT": 120}  # one that stays behind holds up longer than any client waits
SAY_WHO = """
import os


@app.after_request
def say_who(response):
    response.headers["X-Process"] = str(os.getpid())
    return response
"""


def process_of(answer: Answer) -> int:
    return int(answer.headers["X-Process"])


@pytest.fixture(scope="module")
def large_photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of 6 million pixels: long enough in the making to be met in the middle."""
    path = tmp_path_factory.mktemp("large") / "large.jpg"
    with Image.open(PHOTOGRAPHS / "canyon.jpg") as picture:
        picture.convert("RGB").resize((3000, 2000)).save(path, quality=90)
    return path


@pytest.fixture
def folder(tmp_path: Path, large_photograph: Path) -> Path:
    """The root of a `site`."""
    (tmp_path / "static").mkdir()
    shutil.copy2(large_photograph, tmp_path / "static")
    return tmp_path


def test_fifty_cold_requests_for_each_of_ten_pictures_render_ten_times(
    folder: Path, serve: Callable[..., Server]
) -> None:
    app = site(folder, **LOCKS)
    server = serve("--workers=4", "--threads=16", then=SAY_WHO, **LOCKS)
    widths = range(1100, 1200, 10)
    urls = {url_of(app, "large.jpg", width=width): planned_size(app, "large.jpg", width=width) for width in widths}
    asked = [url for _ in range(50) for url in urls]
    awake: set[int] = set()
    for _ in range(1000):  # on a busy machine the first worker would do it all before the others have started
        awake |= {process_of(server.get("/"))}
        if len(awake) > 1:
            break
        time.sleep(0.01)

    answers = all_at_once(server, asked)

    assert [answer for answer in answers if not isinstance(answer, Answer)] == []
    assert [answer.status for answer in answers] == [200] * 500
    bodies = {url: {answer.body for answer, of in zip(answers, asked, strict=True) if of == url} for url in urls}
    for url, different in bodies.items():
        assert len(different) == 1
        assert decoded_size(different.pop()) == urls[url]
    assert len({process_of(answer) for answer in answers}) > 1  # or one worker did it all, and this test saw nothing
    assert len(server.rendered()) == 10
    assert len(cached_files(cache_folder(folder))) == 10
    assert temporary_files(folder) == set()
    assert "Traceback" not in server.own_log.read_text()


def test_a_worker_that_is_killed_under_load_holds_up_no_later_request(
    folder: Path, serve: Callable[..., Server]
) -> None:
    app = site(folder, **LOCKS)
    server = serve("--workers=2", "--threads=4", then=SAY_WHO, **LOCKS)
    killed_in_the_middle = 0
    for number in range(10):
        widths = range(1000 + 8 * number, 1008 + 8 * number)
        urls = {url_of(app, "large.jpg", width=width): planned_size(app, "large.jpg", width=width) for width in widths}
        before = temporary_files(folder)
        victim = process_of(server.get("/"))
        load = threading.Thread(target=all_at_once, args=(server, list(urls)), daemon=True)
        load.start()
        while load.is_alive() and temporary_files(folder) <= before:
            time.sleep(0.001)
        os.kill(victim, signal.SIGKILL)
        wait_until_gone(victim)

        for url, size in urls.items():
            answer = server.get(url)
            assert answer.status == 200
            assert decoded_size(answer.body) == size
        load.join(PATIENCE_SECONDS)
        assert not load.is_alive()
        killed_in_the_middle += not temporary_files(folder) <= before
    print(f"{killed_in_the_middle} of 10 workers were killed in the middle of a render")
    assert server.process is not None
    assert server.process.poll() is None
    for path in cached_files(cache_folder(folder)):
        decoded_size(path)


def wait_until_gone(pid: int) -> None:
    """Until gunicorn has noticed: up to then a killed process may still hold a connection."""
    end = time.monotonic() + PATIENCE_SECONDS
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(0.002)
        pytest.fail("a killed worker is still there")


# Processes killed in the middle. The parent forks and renders nothing itself: a render before a fork hangs the child.

ROUNDS = share(200, 8)
UNDISTURBED = (590, 591, 592)  # the widths of what is rendered before, to see how long it takes
FIRST_WIDTH = 600
ANSWERED = 0


def fork_to_get(app: Flask, url: str) -> int:
    """The process id of a child that gets *url*, and ends with status 0 where the answer was 200 and whole."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        response = app.test_client().get(url)
        decoded_size(response.data)
        status = ANSWERED if response.status_code == 200 else 2
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def end_of(pid: int) -> int | str:
    """How a child ended, which is killed where it does not end for as long as a client would wait."""
    end = time.monotonic() + CLIENT_TIMEOUT_SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hung"


def kill_many(folder: str, rounds: str, seed: str) -> None:
    """Kill as many children in the middle of a render, and get the same picture after each."""
    importlib.import_module("flask_images_vips.engines.vips.engine")  # before the forks: a round costs no imports
    chance = random.Random(seed)
    app = site(folder, **LOCKS)
    seconds: list[float] = []

    def undisturbed(url: str) -> int | str:
        begin = time.monotonic()
        end = end_of(fork_to_get(app, url))
        seconds.append(time.monotonic() - begin)
        return end

    ends = [undisturbed(url_of(app, "large.jpg", width=width)) for width in UNDISTURBED]
    killed, killed_in_the_middle, after = 0, 0, []
    for number in range(int(rounds)):
        url = url_of(app, "large.jpg", width=FIRST_WIDTH + number)
        before = temporary_files(folder)
        lately = min(seconds[-3:])  # how long a render takes, with what else the machine does
        pid = fork_to_get(app, url)
        ended = status = 0
        if number % 4:  # three of four are killed soon after they have begun to render, the rest at any moment
            while not ended and temporary_files(folder) <= before:
                time.sleep(0.0005)
                ended, status = os.waitpid(pid, os.WNOHANG)
            time.sleep(chance.uniform(0, lately / 3))
        else:
            time.sleep(chance.uniform(0, lately * 1.5))
        if not ended:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        killed += os.WIFSIGNALED(status)
        killed_in_the_middle += not temporary_files(folder) <= before
        after.append(undisturbed(url))
    print(json.dumps([ends, killed, killed_in_the_middle, after]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process fork once it has loaded such libraries")
def test_a_killed_process_leaves_no_half_entry_and_no_lock_behind(folder: Path) -> None:
    call = "import sys; from whole.test_processes import kill_many; kill_many(*sys.argv[1:])"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", call, folder, str(ROUNDS), "always the same"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            printed, _ = process.communicate(timeout=3 * PATIENCE_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0
    undisturbed, killed, killed_in_the_middle, after = json.loads(printed)
    print(f"{killed} of {ROUNDS} were killed, {killed_in_the_middle} in the middle of a render")

    assert undisturbed == [ANSWERED] * len(UNDISTURBED)
    assert killed_in_the_middle >= ROUNDS / 3
    assert after == [ANSWERED] * ROUNDS

    app = site(folder, **LOCKS)
    planned = [
        planned_size(app, "large.jpg", width=width)
        for width in (*UNDISTURBED, *range(FIRST_WIDTH, FIRST_WIDTH + ROUNDS))
    ]
    assert sorted(decoded_size(path) for path in cached_files(cache_folder(folder))) == sorted(planned)

    assert len(temporary_files(folder)) == killed_in_the_middle
    sweeping = DiskCache(str(cache_folder(folder)), lock_timeout=1, temp_max_age=0)
    sweeping.get_or_create(("00" * 20, "00" * 20), 0, lambda: b"one write").close()
    assert temporary_files(folder) == set()
