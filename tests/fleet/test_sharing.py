"""Hosts of a site that share what is rendered, in one process: each application here stands for a host."""

from __future__ import annotations

import io
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from conftest import cached_files, fetch, share, url_of
from flask import Flask
from PIL import Image
from real_servers import Proxy, RedisServer, StoreServer, store_options

from flask_images_vips import resized_img_placeholder, resized_img_src, resized_img_srcset, resized_img_tag
from flask_images_vips.fleet.shared_cache import ObjectCache
from flask_images_vips.options.options import Options
from flask_images_vips.shared_decode import prices
from flask_images_vips.state import images_of
from flask_images_vips.stores.store import ObjectStore
from fleet.shared import LocksOfFleet

MakeHost = Callable[..., Flask]
WIDTHS = (200, 320, 480)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """A function that returns how many renders there were since its last call. A set counts as one."""
    caplog.set_level("INFO", "flask_images_vips")

    def count() -> int:
        found = sum(record.getMessage().startswith("rendered ") for record in caplog.records)
        caplog.clear()
        return found

    return count


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The requests to the store, by the method of `ObjectStore`, without those for tombstones at the start."""
    counter: Counter[str] = Counter()
    for name in ("get", "create", "put", "list", "head", "delete", "download"):
        method = getattr(ObjectStore, name)

        def counted(*arguments: Any, _name: str = name, _method: Any = method, **keywords: Any) -> Any:
            counter[_name] += "forgotten" not in arguments[1]
            return _method(*arguments, **keywords)

        monkeypatch.setattr(ObjectStore, name, counted)
    return counter


@pytest.fixture
def proxy(store_server: StoreServer) -> Iterator[Proxy]:
    made = Proxy(store_server.port)
    yield made
    made.close()


def cache_of(app: Flask) -> ObjectCache:
    shared = images_of(app).pipeline.cache.shared
    assert isinstance(shared, ObjectCache)
    return shared


def objects(app: Flask) -> list[str]:
    return [kept.path for kept in cache_of(app).kept()]


def test_a_new_host_renders_nothing_of_what_another_has_made(
    make_host: MakeHost, draw: Any, rendered: Callable[[], int], requests: Counter[str]
) -> None:
    draw("a.png", (300, 200))
    first, second = make_host("first"), make_host("second")
    number = share(1000, 20)
    urls = [url_of(first, "a.png", width=1 + index % 250, quality=1 + index // 250) for index in range(number)]
    sent = [first.test_client().get(url).data for url in urls]
    assert rendered() == number
    assert +requests == {"get": number, "create": number}
    requests.clear()
    assert [second.test_client().get(url).data for url in urls] == sent
    assert rendered() == 0
    assert +requests == {"get": number}
    requests.clear()
    assert [second.test_client().get(url).data for url in urls] == sent
    assert not requests.total()


def test_many_requests_at_once_are_one_request_to_the_store(
    make_host: MakeHost, draw: Any, rendered: Callable[[], int], requests: Counter[str]
) -> None:
    draw("a.png")
    first, second = make_host("first"), make_host("second")
    url = url_of(first, "a.png", width=20)
    sent = first.test_client().get(url).data
    requests.clear()
    barrier, found = threading.Barrier(20), list[bytes]()

    def ask() -> None:
        barrier.wait(60)
        found.append(second.test_client().get(url).data)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [sent] * 20
    assert +requests == {"get": 1}


@pytest.mark.parametrize("announced", [False, True], ids=["copies", "set"])
def test_hosts_that_are_asked_at_the_same_time_decode_a_large_source_once(
    make_host: MakeHost,
    draw: Any,
    rendered: Callable[[], int],
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    announced: bool,
) -> None:
    pytest.importorskip("pyvips")
    monkeypatch.setattr(prices, "_EXPECTED", 100)
    draw("large.png" if not announced else "large.jpg", (2900, 1500))
    name = "large.jpg" if announced else "large.png"
    apps = [make_host(host) for host in ("first", "second")]
    for app in apps:
        cache_of(app)._locks = LocksOfFleet(redis_server.url, 60)._locks
    for app in apps if announced else ():
        with app.test_request_context():
            resized_img_srcset(name, widths=WIDTHS)
    widths = WIDTHS if announced else WIDTHS[:1]
    asked = [partial(fetch, app, name, width=width) for app in apps for width in widths for _ in range(3)]
    barrier, found = threading.Barrier(len(asked)), Counter[int]()

    def ask(work: Callable[[], Image.Image]) -> None:
        barrier.wait(60)
        found[work().width] += 1

    threads = [threading.Thread(target=ask, args=(work,)) for work in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == dict.fromkeys(widths, 6)
    assert rendered() == 1


def test_a_page_asks_the_store_for_nothing(make_host: MakeHost, draw: Any, requests: Counter[str]) -> None:
    draw("a.png", (300, 200))
    app = make_host("first")
    with app.test_request_context():
        resized_img_tag("a.png", width=100, layout="constrained", placeholder="color")
        resized_img_src("a.png", width=100, trim=10)
    assert not requests.total()


def test_a_set_is_made_by_one_host_and_a_large_source_decoded_once(
    make_host: MakeHost, draw: Any, rendered: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyvips")
    monkeypatch.setattr(prices, "_EXPECTED", 100)
    draw("large.jpg", (2900, 1500))
    first, second = make_host("first"), make_host("second")
    for app in (first, second):
        with app.test_request_context():
            resized_img_srcset("large.jpg", widths=WIDTHS)
    fetch(first, "large.jpg", width=WIDTHS[0])
    assert len(objects(first)) == len(WIDTHS)
    for width in WIDTHS:
        assert fetch(second, "large.jpg", width=width).width == width
    assert rendered() == 1
    fetch(first, "large.jpg", width=700)  # with a copy
    assert fetch(second, "large.jpg", width=700).width == 700
    assert rendered() == 1


def test_a_placeholder_and_a_trim_are_found_by_one_host(
    make_host: MakeHost, draw: Any, requests: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    first, second = make_host("first"), make_host("second")
    boxes = []
    for app in (first, second):
        pipeline = images_of(app).pipeline
        source, trim = pipeline.sources.local.find("a.png"), replace(Options(), trim=10)
        with app.app_context():
            boxes.append((resized_img_placeholder("a.png", "color"), pipeline.facts.trimmed(source, trim)))
        monkeypatch.setattr("flask_images_vips.facts.Facts._read_trim_box", None)
        monkeypatch.setattr("flask_images_vips.pipeline.Pipeline._made_of", None)
    assert boxes[0] == boxes[1]


def test_a_hit_does_the_same_work_with_a_store_as_without(make_host: MakeHost, make_app: Any, draw: Any) -> None:
    draw("a.png")
    calls = []
    for app in (make_app(), make_host("first")):
        work = partial(app.test_client().get, url_of(app, "a.png", width=20))
        for _ in range(3):
            assert work().status_code == 200
        calls.append(calls_of(work))
    assert calls[0] == calls[1]


def calls_of(work: Callable[[], object]) -> Counter[tuple[str, str]]:
    """How often each function of this package is called during *work*."""
    counter: Counter[tuple[str, str]] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "flask_images_vips" in frame.f_code.co_filename:
            counter[Path(frame.f_code.co_filename).name, frame.f_code.co_qualname] += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counter


# A store that fails


def away(proxy: Proxy) -> None:
    proxy.refuses = True
    proxy.cut()


def slow(proxy: Proxy) -> None:
    proxy.delay_seconds = 0.05


def stalled(proxy: Proxy) -> None:
    proxy.passes.clear()


@pytest.mark.parametrize("fail", [away, slow, stalled], ids=lambda fail: fail.__name__)
def test_every_request_is_answered_while_the_store_fails(
    make_host: MakeHost, draw: Any, proxy: Proxy, fail: Callable[[Proxy], None], caplog: pytest.LogCaptureFixture
) -> None:
    draw("a.png")
    app = make_host("first", IMAGES_STORE_OPTIONS=store_options(proxy.port), IMAGES_STORE_TIMEOUT=0.5)
    assert fetch(app, "a.png", width=10).width == 10
    fail(proxy)
    for width in range(20, 26):
        assert fetch(app, "a.png", width=width).width == width
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) <= 1


class Liar(BaseHTTPRequestHandler):
    """A store that answers every request in the same wrong way: see `LIES`."""

    protocol_version = "HTTP/1.1"
    lie = ""

    def _answer(self, status: int, body: bytes = b"", length: int | None = None) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.send_header("ETag", '"always the same"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")
        self.close_connection = length is not None

    def do_GET(self) -> None:
        answers: dict[str, tuple[Any, ...]] = {
            "errs": (500,),
            "lies": (200, b"\xff\xd8 not what was stored"),
            "cuts off": (200, b"\xff\xd8", 1000),
            "is full": (404,),
            "forgets": (404,),
        }
        self._answer(*answers[self.lie])

    def do_PUT(self) -> None:
        self._answer({"errs": 500, "lies": 412, "cuts off": 412, "is full": 507, "forgets": 200}[self.lie])

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("lie", ["errs", "lies", "cuts off", "is full", "forgets"])
def test_nothing_of_a_store_that_lies_is_sent(make_host: MakeHost, draw: Any, lie: str, tmp_path: Path) -> None:
    draw("a.png")
    handler = type("Handler", (Liar,), {"lie": lie})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            app = make_host("first", IMAGES_STORE_OPTIONS=store_options(server.server_port), IMAGES_STORE_TIMEOUT=2)
            for width in range(20, 23):
                assert fetch(app, "a.png", width=width).width == width
        finally:
            server.shutdown()
            thread.join(60)
    files = cached_files(tmp_path / "first")
    assert sorted(Image.open(io.BytesIO(path.read_bytes())).width for path in files) == [20, 21, 22]
