"""Renders that take too long are ended by one thread, whatever their limits, also in a fork."""

from __future__ import annotations

import _thread
import gc
import importlib.util
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pyvips
from conftest import needs
from servers import environment

from engines.test_engine import render
from flask_images_vips.cache.per_process import PerProcess
from flask_images_vips.engines.vips.deadline import Deadline, _Watcher
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.errors import Busy, LimitExceeded

PATIENCE_SECONDS = 30


def until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A picture that takes far longer than a few milliseconds."""
    noise = pyvips.Image.gaussnoise(3000, 2000).cast("uchar")
    noise.bandjoin([noise, noise]).pngsave(str(tmp_path / "slow.png"), compression=1)
    return tmp_path / "slow.png"


def test_a_short_limit_ends_a_render_while_longer_ones_are_waited_for(slow: Path) -> None:
    with Deadline(600), Deadline(300):
        with Deadline(0) as first:
            assert until(lambda: first.over)  # from here on it is those above that are waited for
        with pytest.raises(LimitExceeded, match="IMAGES_RENDER_TIMEOUT"):
            render(VipsEngine(timeout=0.005), slow, width=100)
        assert render(VipsEngine(timeout=300), slow, width=100)


def test_deadlines_end_each_at_its_own_time() -> None:
    with Deadline(600) as last, Deadline(0.05) as second, Deadline(0.01) as first:
        assert until(lambda: second.over)
        assert first.over
        assert not last.over
        with Deadline(0.01) as later:
            assert until(lambda: later.over)
        assert not last.over


def test_what_is_watched_after_the_end_is_killed_too() -> None:
    with Deadline(0) as deadline:
        assert until(lambda: deadline.over)
        with pytest.raises(pyvips.Error, match="killed"):
            deadline.watch(pyvips.Image.gaussnoise(100, 100)).avg()


def test_all_deadlines_share_one_thread_and_leave_nothing() -> None:
    def watched(number: int) -> weakref.ref[Deadline]:
        with Deadline(60) as deadline:
            return weakref.ref(deadline)

    with Deadline(60):
        before = _thread._count()
        with ThreadPoolExecutor(8) as pool:
            deadlines = list(pool.map(watched, range(500)))
        assert _thread._count() == before
    gc.collect()
    assert [deadline() for deadline in deadlines if deadline()] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_a_watcher_of_its_own() -> None:
    code = """
import os, time
from flask_images_vips.cache.per_process import PerProcess
from flask_images_vips.engines.vips.deadline import Deadline, _Watcher
with Deadline(600):
    child = os.fork()
    with Deadline(0.01) as deadline:
        end = time.monotonic() + 30
        while not deadline.over and time.monotonic() < end:
            time.sleep(0.005)
    if not child:
        os._exit(not deadline.over)
    assert deadline.over
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=2 * PATIENCE_SECONDS)


def test_no_render_goes_without_a_deadline_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.engines.vips.deadline._watchers", PerProcess(_Watcher))
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", no_thread)
        with (
            pytest.raises(
                Busy, match="cannot start the thread that enforces the render timeout: can't start new thread"
            ),
            Deadline(600),
        ):
            pytest.fail("it has no deadline")
    with Deadline(0.01) as later:
        assert until(lambda: later.over)


def no_thread(function: object, arguments: object) -> None:
    raise RuntimeError("can't start new thread")


def test_the_limit_holds_under_gevent_whose_threads_wait_for_libvips(slow: Path) -> None:
    needs("gevent", importlib.util.find_spec("gevent"), "pip install gevent")
    code = """
import sys
from gevent import monkey
monkey.patch_all()
from pathlib import Path
from engines.test_engine import render
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.errors import LimitExceeded
try:
    render(VipsEngine(timeout=0.005), Path(sys.argv[1]), width=100)
except LimitExceeded:
    print("in time")
"""
    command = [sys.executable, "-W", "ignore", "-c", code, str(slow)]
    run = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, timeout=2 * PATIENCE_SECONDS
    )
    assert run.stdout == "in time\n", run.stderr
