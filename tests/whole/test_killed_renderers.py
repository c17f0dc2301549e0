"""Renderers and nurseries that are killed under load: no answer is wrong, and none is remembered that should not be."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import PHOTOGRAPHS, share, url_of
from PIL import Image
from pool.shared import processes
from servers import IN_THREAD, PATIENCE_SECONDS, Answer, Server, asked, by_few, decoded_size, planned_size, site

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux"),
    pytest.mark.skipif(bool(IN_THREAD), reason="kills renderers"),
]

KILLS = share(500, 20)
KILLING_SECONDS = 240  # enough for all of them on a busy machine
CLIENTS = 8
NOBODY = 2**22 + 1  # larger than all process IDs


@pytest.fixture
def folder() -> Iterator[Path]:
    """The root of a site with a photograph of 6 million pixels."""
    with tempfile.TemporaryDirectory(prefix="images-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        (folder / "static").mkdir()
        with Image.open(PHOTOGRAPHS / "canyon.jpg") as picture:
            picture.convert("RGB").resize((3000, 2000)).save(folder / "static" / "large.jpg", quality=90)
        (folder / "runtime").mkdir(mode=0o700)
        yield folder


@pytest.fixture
def server(folder: Path, serve: Callable[..., Server]) -> Server:
    variables = {"XDG_RUNTIME_DIR": str(folder / "runtime")}
    return serve("--workers=2", "--threads=4", variables=variables, IMAGES_MAX_RENDERS=2)


def test_renderers_and_nurseries_that_are_killed_cost_no_wrong_answer(folder: Path, server: Server) -> None:
    app = site(folder)
    chance = random.Random("always the same")
    over = threading.Event()
    statuses: Counter[int | str] = Counter()
    wrong: list[object] = []
    numbers = iter(range(100_000))

    def ask() -> None:
        while not over.is_set():
            number = next(numbers)
            keywords = {"width": 300 + number % 700, "height": 200 + number // 700, "mode": "crop"}
            answer = asked(server, url_of(app, "large.jpg", **keywords))
            if not isinstance(answer, Answer):
                statuses[type(answer).__name__] += 1
                continue
            statuses[answer.status] += 1
            # With `no-store`, it is another size, from a busy host.
            if answer.status == 200 and answer.headers["Cache-Control"] != "no-store":
                right = decoded_size(answer.body) == planned_size(app, "large.jpg", **keywords)
                wrong.extend([] if right else [keywords])

    clients = [threading.Thread(target=ask, daemon=True) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    killed: Counter[str] = Counter()
    end = time.monotonic() + KILLING_SECONDS
    kind = "renderer"
    while killed.total() < KILLS and time.monotonic() < end:
        time.sleep(chance.uniform(0, 0.15))
        nursery, *renderers = processes(folder / "runtime") or [NOBODY]
        with suppress(ProcessLookupError, IndexError):  # there may be none yet; on a busy machine, renderers start late
            os.kill(chance.choice([nursery] if kind == "nursery" else renderers), signal.SIGKILL)
            killed[kind] += 1
            kind = "nursery" if killed.total() % 5 == 0 else "renderer"
    over.set()
    for client in clients:
        client.join(PATIENCE_SECONDS)
        assert not client.is_alive()
    print(f"killed: {dict(killed)}; answers: {dict(statuses)}")

    assert killed.total() == KILLS
    assert min(killed["renderer"], killed["nursery"]) >= KILLS / 10
    assert wrong == []
    assert set(statuses) <= {200, 503}
    assert statuses[200] > 10 * statuses[503]
    last = [url_of(app, "large.jpg", width=width) for width in range(100, 140)]
    assert {answer.status for answer in by_few(server, last, clients=4) if isinstance(answer, Answer)} == {200}
    # Nobody was blamed for it.
    assert [line.message for line in server.logged() if "decoder crashed" in line.message] == []
