"""Hostile files end with the renderer that decodes them: within the deadline and the memory, and are remembered."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import IN_THREAD, url_of
from flask import Flask

from flask_images_vips import resized_img_tag
from pool.attackers import ATTACKERS

pytestmark = [
    pytest.mark.usefixtures("runtime"),
    pytest.mark.skipif(bool(IN_THREAD), reason="the thread that renders would hang"),
]

MEMORY = 500_000_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return {name: make() for name, make in ATTACKERS.items()}


@pytest.mark.parametrize("engine", ["vips", "pillow", "auto"])
@pytest.mark.parametrize("name", ATTACKERS)
def test_a_hostile_file_costs_no_more_than_its_limits(
    make_app: Callable[..., Flask], static: Path, files: dict[str, bytes], name: str, engine: str, caplog: Any
) -> None:
    (static / name).write_bytes(files[name])
    app = make_app(IMAGES_ENGINE=engine, IMAGES_RENDER_TIMEOUT=1, IMAGES_RENDER_MEMORY=MEMORY, IMAGES_MAX_RENDERS=1)
    client = app.test_client()
    url = url_of(app, name, width=100, format="jpeg", max_bytes=100)
    response = client.get(url)
    assert response.status_code in (200, 422)
    ended = re.findall(r"A renderer ended while it rendered .* (\d+\.\d+) s of (\d+\.\d+) s, (\d+) MB", caplog.text)
    for seconds, limit, megabytes in ended:
        assert float(seconds) < float(limit) + 0.5
        assert int(megabytes) < MEMORY / 1_000_000 + 100
    assert sum(float(seconds) for seconds, _, _ in ended) < 1.5
    if response.status_code == 422:
        with app.test_request_context():
            assert resized_img_tag(name, width=100)
        begin = time.monotonic()
        assert client.get(url).status_code == 422
        with app.test_request_context():
            assert resized_img_tag(name, width=100)
        assert time.monotonic() - begin < 0.5


def test_another_picture_is_rendered_right_after_a_hostile_one(
    make_app: Callable[..., Flask], static: Path, files: dict[str, bytes], draw: Any
) -> None:
    (static / "scans.jpg").write_bytes(files["scans.jpg"])
    draw("a.png")
    app = make_app(IMAGES_ENGINE="pillow", IMAGES_RENDER_TIMEOUT=0.5, IMAGES_MAX_RENDERS=1)
    assert app.test_client().get(url_of(app, "scans.jpg", width=50)).status_code == 422
    assert app.test_client().get(url_of(app, "a.png", width=50)).status_code == 200
