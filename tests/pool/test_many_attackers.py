"""Hundreds of small files that state much cost no more than the limits of a render, with both engines.

A long run asks for all of them, and looks at the clock: `IMAGES_RENDER_TIMEOUT` is a promise.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import IN_THREAD, LONG, sample, url_of
from flask import Flask

from flask_images_vips import resized_img_size, resized_img_tag
from flask_images_vips.pool.client import Pool
from pool import many_pngs, many_streams, many_tiffs

pytestmark = [
    pytest.mark.usefixtures("runtime"),
    pytest.mark.skipif(bool(IN_THREAD), reason="there is no pool"),
]

ATTACKERS = {**many_tiffs.ATTACKERS, **many_pngs.ATTACKERS, **many_streams.ATTACKERS}
SECONDS, MEMORY, MOST = 1, 500_000_000, 1_000_000_000


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that each renderer has held so far."""
    found: list[int] = []
    run = Pool.run

    def recorded(self: Pool, *arguments: Any, **keywords: Any) -> Any:
        done = run(self, *arguments, **keywords)
        found.append(done.peak_bytes)
        return done

    monkeypatch.setattr(Pool, "run", recorded)
    return found


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_no_file_costs_more_than_its_limits_and_a_failure_is_remembered(
    make_app: Callable[..., Flask], static: Path, engine: str, peaks: list[int], caplog: Any
) -> None:
    app = make_app(
        IMAGES_ENGINE=engine,
        IMAGES_RENDER_TIMEOUT=SECONDS,
        IMAGES_RENDER_MEMORY=MEMORY,
        IMAGES_MAX_RENDERS=1,
        IMAGES_MAX_SOURCE_BYTES=200_000_000,
        IMAGES_SVG=engine == "vips",
    )
    client = app.test_client()
    slow, statuses = [], []
    assert len(ATTACKERS) > 200
    for name in sample(sorted(ATTACKERS), 30):
        path = static / name
        path.write_bytes(ATTACKERS[name]())
        url = url_of(app, name, width=100, height=100, format="jpeg")
        caplog.clear()
        begin = time.monotonic()
        status = client.get(url).status_code
        seconds = time.monotonic() - begin
        assert status in (200, 422), name
        ended = re.findall(r"A renderer ended while it rendered .* (\d+) MB", caplog.text)
        begin = time.monotonic()
        with app.test_request_context():
            assert resized_img_tag(name, width=100)
            resized_img_size(name, width=100)
        assert client.get(url).status_code == status
        again = time.monotonic() - begin
        assert len(re.findall("A renderer ended", caplog.text)) == len(ended), f"{name} is tried again"
        megabytes = max([*map(int, ended), *(peak // 1_000_000 for peak in peaks)], default=0)
        assert megabytes < MOST / 1_000_000, name
        statuses.append(status)
        if seconds > SECONDS + 0.5 or again > 0.5:
            slow.append((name, status, round(seconds, 2), round(again, 2)))
        path.unlink()
        peaks.clear()
    print(f"{engine}: {len(statuses)} files, {statuses.count(200)} shown, slow: {slow}")
    assert not LONG or not slow
