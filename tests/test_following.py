"""What is removed on one host is removed on all: two applications with separate caches share one Redis."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from conftest import cached_files, url_of
from flask import Flask
from fleet.shared import leave
from PIL import Image
from real_servers import RedisServer, StoreServer
from servers import until
from test_forgetting import aged, traces

from flask_images_vips import Images
from flask_images_vips.cache.per_process import Said
from flask_images_vips.fleet.connection import RedisFailed
from flask_images_vips.fleet.log import FORGET
from flask_images_vips.fleet.messages import Messages
from flask_images_vips.rendition import source_folder
from flask_images_vips.state import images_of
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: redis-server")

Join = Callable[..., Flask]


def patient(monkeypatch: pytest.MonkeyPatch, seconds: float = 30) -> None:
    """Let `forget` wait for other hosts as long as a busy machine may need."""
    monkeypatch.setattr("flask_images_vips.fleet.messages._CONFIRM_SECONDS", seconds)


@pytest.fixture
def join(
    make_app: Callable[..., Flask], redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Join]:
    """A function that starts a host with a cache of its own. One that does not *follow* is soon away again."""
    patient(monkeypatch)
    apps: list[Flask] = []

    def start(name: str, *, follows: bool = True, **config: Any) -> Flask:
        app = make_app(**{"IMAGES_CACHE": str(tmp_path / name), "IMAGES_REDIS": redis_server.url, **config})
        with monkeypatch.context() as patch:
            patch.setattr("flask_images_vips.following.threads_run", lambda: follows)
            with app.test_request_context():
                assert images_of(app).pipeline
        apps.append(app)
        return app

    yield start
    for app in apps:
        fleet = images_of(app).fleet
        assert fleet is not None
        leave(fleet.connection, fleet.listener)


def images(app: Flask) -> Images:
    found: Images = app.extensions["images"]
    return found


def status(app: Flask, url: str) -> int:
    return app.test_client().get(url).status_code


def kept(folder: Path, *refs: str) -> list[Path]:
    """The files that the host with *folder* has of *refs*."""
    return [path for path in calmly(lambda: cached_files(folder)) if path.parent.name in map(source_folder, refs)]


def links(folder: Path) -> list[Path]:
    """The links of nginx on the host with *folder*."""
    return calmly(lambda: list(folder.glob("flask-images-vips/front/??/*")))


def calmly(find: Callable[[], list[Path]]) -> list[Path]:
    """The result of *find*, while a host may be removing files."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            return find()


def names(store: ObjectStore) -> list[str]:
    """The paths of the renditions in *store*."""
    return [each.path for each in store.list() if not each.path.startswith("forgotten/")]


def serve(app: Flask, name: str = "secret.png") -> str:
    """Let *app* serve a rendition. Returns its URL."""
    url = url_of(app, name, width=10)
    assert status(app, url) == 200
    return url


def test_forget_reaches_the_other_host_within_a_second(join: Join, draw: Any, tmp_path: Path) -> None:
    draw("secret.png")
    first, second = join("first"), join("second")
    url = serve(first)
    assert serve(second) == url
    assert kept(tmp_path / "second", "secret.png")
    receipt = images(first).forget("secret.png")
    assert (len(receipt.hosts), receipt.pending, receipt.told) == (1, (), True)
    assert [status(app, url) for app in (first, second)] == [410, 410]
    assert traces(tmp_path / "second", "secret.png") == []
    assert images(second).allow("secret.png")
    until(lambda: status(first, url) == 200, "the picture is allowed on the other host")


def test_purge_reaches_the_other_host(join: Join, draw: Any, tmp_path: Path) -> None:
    draw("secret.png")
    draw("other.png")
    first, second = join("first"), join("second")
    serve(first)
    serve(second)
    serve(second, "other.png")
    images(first).purge("secret.png")
    until(lambda: not kept(tmp_path / "second", "secret.png"), "the other host has purged")
    assert kept(tmp_path / "second", "other.png")
    assert first.test_cli_runner().invoke(args=["images", "purge", "--all"]).exit_code == 0
    until(lambda: not kept(tmp_path / "second", "other.png"), "the other host has purged everything")


def test_a_host_that_was_away_catches_up_before_it_serves(
    join: Join, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient(monkeypatch, 0.1)
    for name in ("secret.png", "purged.png", "other.png", "allowed.png"):
        draw(name)
    first, second = join("first"), join("second", follows=False)
    urls = {name: serve(second, name) for name in ("secret.png", "purged.png", "other.png", "allowed.png")}
    receipt = images(first).forget("secret.png")
    assert (receipt.hosts, len(receipt.pending)) == ((), 1)
    images(first).purge("purged.png")
    images(first).forget("allowed.png")
    images(first).allow("allowed.png")
    again = join("second")
    assert not kept(tmp_path / "second", "secret.png", "purged.png", "allowed.png")
    assert kept(tmp_path / "second", "other.png")
    assert {name: status(again, url) for name, url in urls.items()} == {
        "secret.png": 410,
        "purged.png": 200,
        "other.png": 200,
        "allowed.png": 200,
    }


def test_a_new_host_learns_what_was_forgotten(join: Join, draw: Any) -> None:
    draw("secret.png")
    first = join("first")
    url = serve(first)
    images(first).forget("secret.png")
    assert status(join("second"), url) == 410


def test_a_host_that_cannot_tell_what_it_missed_starts_anew(
    join: Join, draw: Any, tmp_path: Path, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    draw("a.png")
    serve(join("first", follows=False), "a.png")
    redis_server.stop()
    redis_server.start()
    again = join("first")
    assert "its cache is emptied" in caplog.text
    until(lambda: not list((tmp_path / "first").rglob("*.png")), "nothing is left")
    serve(again, "a.png")
    join("first")
    assert kept(tmp_path / "first", "a.png")


def test_hosts_that_have_forgotten_something_can_start_anew(
    join: Join, draw: Any, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("secret.png", "other.png"):
        draw(name)
    first, second = join("first"), join("second")
    url = serve(first)
    images(first).forget("secret.png")
    redis_server.stop()
    redis_server.start()
    for app in (second, first):
        messages = images_of(app).parts.messages
        assert messages is not None
        until(lambda messages=messages: is_caught_up(messages), "it has caught up with the new log")
    assert [status(app, url) for app in (first, second, join("third"))] == [410] * 3
    assert "cannot be" not in "".join(line for line in caplog.messages if "Redis" not in line)


def is_caught_up(messages: Messages) -> bool:
    with contextlib.suppress(RedisFailed):
        messages.catch_up()
        return True
    return False


def test_what_could_not_be_told_is_told_when_redis_is_back(join: Join, draw: Any, redis_server: RedisServer) -> None:
    draw("secret.png")
    first, second = join("first"), join("second")
    url = serve(first)
    serve(second)
    redis_server.stop()
    receipt = images(first).forget("secret.png")
    assert (receipt.hosts, receipt.pending, receipt.told) == ((), (), False)
    assert [status(app, url) for app in (first, second)] == [410, 200]
    redis_server.start()
    until(lambda: status(second, url) == 410, "the other host is told")


def test_caches_in_front_are_purged_again_when_the_other_hosts_are_told_late(
    join: Join, draw: Any, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged: list[str] = []
    monkeypatch.setattr("flask_images_vips.in_front.AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(
        "flask_images_vips.cdn.servers.Varnish.purge", lambda cache, wanted, soft: purged.extend(wanted.tags)
    )
    draw("secret.png")
    front = {"IMAGES_CDN": {"cdn": "varnish", "urls": ["http://127.0.0.1:9/"]}, "IMAGES_CACHE_TAGS": "varnish"}
    first, second = join("first", **front), join("second", **front)
    url = serve(second)
    redis_server.stop()
    assert not images(first).forget("secret.png").told
    until(lambda: len(purged) == 2, "it is purged twice")
    assert status(second, url) == 200  # which fills the cache in front again
    redis_server.start()
    until(lambda: status(second, url) == 410, "the other host is told")
    until(lambda: len(purged) > 2, "it is purged again")


def test_forget_empties_the_store_and_a_host_without_redis_learns_it_from_there(
    join: Join, draw: Any, tmp_path: Path, redis_server: RedisServer, store_server: StoreServer, store_url: str
) -> None:
    draw("secret.png")
    draw("other.png")

    def start(name: str) -> Flask:
        config = {"IMAGES_CACHE_LOCAL": str(tmp_path / name), "IMAGES_STORE_OPTIONS": store_server.options}
        return join(name, IMAGES_CACHE=store_url, **config)

    first, second = start("first"), start("second")
    url = serve(first)
    serve(first, "other.png")
    serve(second)
    store = ObjectStore(parse_location(store_url), store_server.options, timeout=5)
    assert [path for path in names(store) if source_folder("secret.png") in path]
    receipt = images(second).forget("secret.png")
    assert (receipt.objects, len(receipt.hosts)) == (1, 1)
    assert [status(app, url) for app in (first, second)] == [410, 410]
    assert not [path for path in names(store) if source_folder("secret.png") in path]
    assert [path for path in names(store) if source_folder("other.png") in path]

    redis_server.stop()
    third = start("third")
    assert status(third, url) == 410
    assert status(third, url_of(third, "other.png", width=10)) == 200


def test_purge_empties_the_store(
    join: Join, draw: Any, tmp_path: Path, store_server: StoreServer, store_url: str
) -> None:
    draw("a.png")
    draw("b.png")
    config = {"IMAGES_CACHE_LOCAL": str(tmp_path / "first"), "IMAGES_STORE_OPTIONS": store_server.options}
    first = join("first", IMAGES_CACHE=store_url, **config)
    serve(first, "a.png")
    serve(first, "b.png")
    store = ObjectStore(parse_location(store_url), store_server.options, timeout=5)
    assert images(first).purge("a.png") == 2
    assert {Path(path).parent.name for path in names(store)} == {source_folder("b.png")}
    output = first.test_cli_runner().invoke(args=["images", "purge", "--all"]).output
    assert "2 files removed from " in output
    assert store_url in output
    assert not names(store)


def test_without_redis_a_host_learns_at_its_start_what_was_forgotten(
    make_app: Callable[..., Flask], draw: Any, tmp_path: Path, store_server: StoreServer, store_url: str
) -> None:
    for name in ("secret.png", "other.png"):
        aged(draw(name))

    def start(name: str) -> Flask:
        local = {"IMAGES_CACHE_LOCAL": str(tmp_path / name), "IMAGES_STORE_OPTIONS": store_server.options}
        return make_app(IMAGES_CACHE=store_url, IMAGES_FRONT_DOOR=True, **local)

    first, second = start("first"), start("second")
    url = serve(second)
    marked = url_of(second, "other.png", width=10, watermark="secret.png")
    assert status(second, marked) == 200
    assert len(links(tmp_path / "second")) == 2
    images(first).forget("secret.png")
    again = start("second")
    assert status(again, url_of(again, "other.png", width=20)) == 200
    assert not kept(tmp_path / "second", "secret.png")
    assert len(links(tmp_path / "second")) == 1
    assert [status(again, url), status(again, marked)] == [410, 410]


def test_what_a_host_stores_before_it_learns_is_removed_from_the_store(
    make_app: Callable[..., Flask], draw: Any, tmp_path: Path, store_server: StoreServer, store_url: str
) -> None:
    draw("secret.png")

    def start(name: str) -> Flask:
        local = {"IMAGES_CACHE_LOCAL": str(tmp_path / name), "IMAGES_STORE_OPTIONS": store_server.options}
        return make_app(IMAGES_CACHE=store_url, **local)

    first, second = start("first"), start("second")
    url = serve(second)
    images(first).forget("secret.png")
    store = ObjectStore(parse_location(store_url), store_server.options, timeout=5)
    assert not names(store)
    assert status(second, url_of(second, "secret.png", width=20)) == 200
    assert names(store)
    images_of(second).parts.learn()
    assert status(second, url) == 410
    assert not names(store)


def test_without_redis_a_running_host_learns_every_minute_what_was_forgotten(
    make_app: Callable[..., Flask],
    draw: Any,
    tmp_path: Path,
    store_server: StoreServer,
    store_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flask_images_vips.learning.ROUND_SECONDS", 0.2)
    draw("secret.png")

    def start(name: str) -> Flask:
        local = {"IMAGES_CACHE_LOCAL": str(tmp_path / name), "IMAGES_STORE_OPTIONS": store_server.options}
        return make_app(IMAGES_CACHE=store_url, **local)

    first, second = start("first"), start("second")
    url = serve(second)
    assert status(first, url) == 200
    images(first).forget("secret.png")
    until(lambda: status(second, url) == 410, "the other host has learnt it")
    assert not kept(tmp_path / "second", "secret.png")
    assert images(first).allow("secret.png")
    until(lambda: status(second, url) == 200, "the other host has learnt that it is allowed")


def test_a_purge_shows_a_replaced_object_on_the_other_host_and_forget_removes_its_file(
    join: Join, tmp_path: Path, store_server: StoreServer, store_url: str
) -> None:
    store = ObjectStore(parse_location(store_url), store_server.options, timeout=5)

    def put(color: str) -> None:
        data = BytesIO()
        Image.new("RGB", (64, 48), color).save(data, "PNG")
        store.put("a.png", data.getvalue())

    put("red")
    config = {"IMAGES_PATH": [store_url], "IMAGES_STORE_OPTIONS": store_server.options, "IMAGES_STORE_MAX_AGE": 3600}
    first, second = join("first", **config), join("second", **config)
    url = serve(first, "a.png")
    assert serve(second, "a.png") == url
    # As if the disk had been full: only the memory of this process knows the object.
    (record,) = (tmp_path / "second").rglob("object-*.txt")
    record.unlink()
    (objects,) = images_of(second).pipeline.sources.local.stores
    objects._remembered["a.png"] = objects._remembered["a.png"]._replace(stamp=None)
    put("blue")
    images(first).purge("a.png")
    until(lambda: url_of(second, "a.png", width=10) != url, "the other host shows the new object")
    assert serve(second, "a.png") == url_of(first, "a.png", width=10)
    files = tmp_path / "second/flask-images-vips/objects"
    assert list(files.glob("??/*/original-*"))
    tombstones = images_of(second).parts.tombstones
    tombstones.add(source_folder("a.png"))
    images_of(second).pipeline.erase_barred()
    assert not list(files.glob("??/*/original-*"))


def test_new_secret_keys_close_the_front_doors_of_all_hosts(join: Join, draw: Any, tmp_path: Path) -> None:
    aged(draw("a.png"))
    first, second = join("first", IMAGES_FRONT_DOOR=True), join("second", IMAGES_FRONT_DOOR=True)
    serve(first, "a.png")
    serve(second, "a.png")
    assert links(tmp_path / "second")
    first.config["SECRET_KEY"] = "another secret"
    serve(first, "a.png")
    until(lambda: not links(tmp_path / "second"), "the links with the former signature are gone")


def test_the_links_of_one_host_alone_can_be_removed(join: Join, draw: Any, tmp_path: Path) -> None:
    aged(draw("a.png"))
    first, second = join("first", IMAGES_FRONT_DOOR=True), join("second", IMAGES_FRONT_DOOR=True)
    serve(first, "a.png")
    serve(second, "a.png")
    run = first.test_cli_runner().invoke
    assert run(args=["images", "purge", "--front", "--here"]).exit_code == 0
    assert run(args=["images", "purge", "--all", "--here"]).exit_code == 2
    images(first).forget("other.png")  # which the other host has done when this ends
    assert (len(links(tmp_path / "first")), len(links(tmp_path / "second"))) == (0, 1)
    assert run(args=["images", "purge", "--front"]).exit_code == 0
    until(lambda: not links(tmp_path / "second"), "the links of the other host are gone")


def test_a_forked_process_follows_the_log_by_itself(join: Join, draw: Any) -> None:
    first = join("first")
    draw("a.png")
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            assert "flask-images-vips-messages" not in {thread.name for thread in threading.enumerate()}
            with first.test_request_context():
                assert images_of(first).pipeline
            assert "flask-images-vips-messages" in {thread.name for thread in threading.enumerate()}
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_junk_in_the_log_is_ignored(
    join: Join,
    draw: Any,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flask_images_vips.fleet.log._said", Said())  # another test may have logged it
    draw("secret.png")
    first, second = join("first"), join("second")
    url = serve(second)
    messages = images_of(first).parts.messages
    assert messages is not None
    for ref in ("../secret.png", "gopher://host/a", "", "x" * 20_000):
        messages.tell(FORGET, ref)
    messages.tell("explode", "secret.png")
    receipt = images(first).forget("other.png")
    assert len(receipt.hosts) == 1
    assert status(second, url) == 200
    said = [record.getMessage() for record in caplog.records if record.name == "flask_images_vips"]
    assert len([line for line in said if "is not the path of a picture" in line]) == 2
    assert len([line for line in said if "is not understood" in line]) == 1


def test_a_host_with_another_configuration_is_named(
    join: Join, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_images_vips.fleet.messages._said", Said())
    join("first", IMAGES_QUALITY=80, IMAGES_MAX_RENDERS=1)
    assert "another configuration" not in caplog.text
    join("second", IMAGES_QUALITY=81, IMAGES_MAX_RENDERS=2)
    assert ": IMAGES_QUALITY). Ignore this" in caplog.text
