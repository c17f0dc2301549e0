"""The playground on a port of its own, and a page of a real Chromium that shows it: one of each per module."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import CHROMIUM, INSTALL
from conftest import needs
from flask import Flask
from servers import IN_THREAD
from werkzeug.serving import make_server

from flask_images_vips.demo import create_app

THEMES = ("light", "dark")
WIDTHS = {390: 844, 820: 1180, 1440: 900}
"""The sizes of windows: a phone, a tablet, a desk."""


class Demo:
    """A running playground. *url* is its address, without a slash at the end."""

    def __init__(self, cache: Path) -> None:
        self.app: Flask = create_app()
        self.app.config.update(IMAGES_CACHE=str(cache), **IN_THREAD)
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(autouse=True)
def placeholders_are_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise each test waits at its end for those that its pages have asked for."""
    monkeypatch.setattr("flask_images_vips.late_facts.DELAY_SECONDS", 0)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("cache"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright. It reaches nothing but this machine."""
    sync_api = pytest.importorskip("playwright.sync_api")
    needs("chromium", CHROMIUM, INSTALL)
    nowhere_else = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", nowhere_else]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, demo: Demo) -> Iterator[Any]:
    """A new page, with the playground as its base. Errors of scripts and of the policy fail the test."""
    context = browser.new_context(base_url=demo.url, viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=demo.url)
    opened, faults = context.new_page(), []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda line: faults.append(line.text) if is_fault(line) else None)
    yield opened
    context.close()
    assert not faults


def is_fault(line: Any) -> bool:
    """Whether a line of the console tells of a mistake of a page, not of a status that a test provokes."""
    return line.type in ("error", "warning") and "Failed to load resource" not in line.text


def axe(page: Any) -> list[str]:
    """What axe-core finds wrong with the page: one line for each rule that is violated."""
    core = pytest.importorskip("axe_playwright_python.sync_playwright")
    response = core.Axe().run(page).response
    return [
        f"{each['id']}: {each['help']} ({node['html'][:120]} … {node['any'][:1]})"
        for each in response["violations"]
        for node in each["nodes"][:3]
    ]
