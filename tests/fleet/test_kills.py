"""A host that is killed, or comes too late, harms nobody: another one finishes its work, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cache.shared import PATIENCE_SECONDS, together, until
from conftest import Start, sample, url_of
from real_servers import RedisServer, StoreServer
from servers import decoded_size, site

from flask_images_vips.fleet import fleet
from flask_images_vips.fleet.leases import Leases
from flask_images_vips.fleet.locks import RedisLocks
from flask_images_vips.fleet.shared_cache import ObjectCache
from flask_images_vips.pool.client import Pool
from fleet.conftest import Log

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")


def before(owner: type, name: str, happen: Callable[[], None]) -> None:
    """Let *happen* be called before the method *name*."""
    method = getattr(owner, name)

    def first(*arguments: Any, **keywords: Any) -> Any:
        happen()
        return method(*arguments, **keywords)

    setattr(owner, name, first)


def after(owner: type, name: str, happen: Callable[[], None]) -> None:
    """Let *happen* be called after the method *name*."""
    method = getattr(owner, name)

    def last(*arguments: Any, **keywords: Any) -> Any:
        result = method(*arguments, **keywords)
        happen()
        return result

    setattr(owner, name, last)


def while_held(happen: Callable[[], None]) -> None:
    """Let *happen* be called when a lock is held, before anything is done with it."""
    hold = RedisLocks.hold

    @contextmanager
    def held(*arguments: Any, **keywords: Any) -> Iterator[bool]:
        with hold(*arguments, **keywords) as has:
            happen()
            yield has

    RedisLocks.hold = held  # type: ignore[method-assign]


STAGES: dict[str, Callable[[Callable[[], None]], None]] = {
    "before the lock": lambda happen: before(RedisLocks, "hold", happen),
    "holding it": while_held,
    "rendering": lambda happen: before(Pool, "_finish", happen),  # a renderer has begun
    "before it is stored for all": lambda happen: before(ObjectCache, "offer", happen),
    "before it is stored here": lambda happen: after(ObjectCache, "offer", happen),
    "before the release": lambda happen: before(Leases, "release", happen),
}
STORED = ("before it is stored here", "before the release")
"""The stages at which the image is there for all hosts."""


leases_of_a_second = partial(Leases, seconds=1)


def ask(folder: str, config: str, url: str, stage: str, begun: str, end: str) -> None:
    """Ask for *url* on a host whose disk is *folder*. At *stage*, send the signal *end* to this process."""
    fleet.Leases = leases_of_a_second  # type: ignore[assignment,misc]
    app = site(folder, **json.loads(config))

    def happen() -> None:
        Path(begun).touch()
        time.sleep(0.5)  # until another host waits
        os.kill(os.getpid(), signal.Signals[end])

    STAGES[stage](happen)
    if end == "SIGSTOP":
        spoil_what_is_stored()
    answer = app.test_client().get(url)
    print(json.dumps([answer.status_code, answer.data.endswith(b"late")]))


def spoil_what_is_stored() -> None:
    """Let this process store other bytes than all others, so that it is seen if it overwrites theirs."""
    offer = ObjectCache.offer
    ObjectCache.offer = lambda self, key, data: offer(self, key, data + b"late")  # type: ignore[method-assign]


class Neighbour:
    """The other host, in this process. All hosts have the same *config*."""

    def __init__(self, folder: Path, store: StoreServer, url: str, redis: RedisServer) -> None:
        (folder / "pictures").mkdir()
        self.config = {
            "IMAGES_PATH": [str(folder / "pictures")],
            "IMAGES_CACHE": url,
            "IMAGES_CACHE_LOCAL": "cache",
            "IMAGES_STORE_OPTIONS": store.options,
            "IMAGES_REDIS": redis.url,
        }
        self.app = site(folder, **self.config)

    def get(self, url: str) -> bytes:
        answer = self.app.test_client().get(url)
        assert answer.status_code == 200
        return answer.data


@pytest.fixture
def neighbour(
    tmp_path: Path, store_server: StoreServer, store_url: str, redis_server: RedisServer, monkeypatch: Any
) -> Neighbour:
    monkeypatch.setattr(fleet, "Leases", leases_of_a_second)
    return Neighbour(tmp_path, store_server, store_url, redis_server)


def rendered(log: Log) -> list[str]:
    return [line for line in log.of("INFO") if line.startswith("rendered")]


def test_another_host_finishes_what_a_killed_one_has_begun(
    neighbour: Neighbour, draw: Any, elsewhere: Start, tmp_path: Path, log: Log
) -> None:
    urls, victims = [], []
    for number, stage in enumerate(STAGES):
        draw(tmp_path / "pictures" / f"{number}.png", (64, 48))
        urls.append(url_of(neighbour.app, f"{number}.png", width=32))
        folder = tmp_path / f"host-{number}"
        folder.mkdir()
        arguments = json.dumps(neighbour.config), urls[number], stage, tmp_path / f"begun-{number}", "SIGKILL"
        victims.append(elsewhere(ask, folder, *arguments))

    def work(number: int) -> bytes:
        until((tmp_path / f"begun-{number}").exists, "it has come so far")
        return neighbour.get(urls[number])

    answers = together(len(STAGES), work)
    assert [victim.wait(PATIENCE_SECONDS) for victim in victims] == [-signal.SIGKILL] * len(STAGES)
    assert [decoded_size(answer) for answer in answers] == [(32, 24)] * len(STAGES)
    expected = [f"{number}.png" for number, stage in enumerate(STAGES) if stage not in STORED]
    assert sorted(line.split()[1].strip("'") for line in rendered(log)) == expected
    assert log.of("WARNING") == []


@pytest.mark.parametrize("stage", sample(["holding it", "rendering", "before it is stored for all"], 3))
def test_a_host_that_is_too_late_overwrites_nothing(
    neighbour: Neighbour, draw: Any, elsewhere: Start, tmp_path: Path, log: Log, stage: str
) -> None:
    draw(tmp_path / "pictures" / "a.png", (64, 48))
    url = url_of(neighbour.app, "a.png", width=32)
    for name in ("late", "third"):
        (tmp_path / name).mkdir()
    arguments = json.dumps(neighbour.config), url, stage, tmp_path / "begun", "SIGSTOP"
    late = elsewhere(ask, tmp_path / "late", *arguments)
    until((tmp_path / "begun").exists, "it has come so far")
    answer = neighbour.get(url)
    until(lambda: os.waitid(os.P_PID, late.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT), "it is stopped")
    late.send_signal(signal.SIGCONT)
    printed, complaints = late.communicate(timeout=PATIENCE_SECONDS)
    assert json.loads(printed) == [200, False], complaints
    third = site(tmp_path / "third", **neighbour.config)
    assert third.test_client().get(url).data == answer
    assert len(rendered(log)) == 1
    assert log.of("WARNING") == []
