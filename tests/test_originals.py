"""A site whose originals are in an object store: pages ask it little, and requests are answered whatever it does."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOGRAPHS, fetch, gradient, url_of
from flask import Flask
from real_servers import StoreServer, until
from servers import IN_THREAD
from store_stub import Answer, Stub

from flask_images_vips import Images, resized_img_tag
from flask_images_vips.errors import ConfigError, NotForgotten
from flask_images_vips.stores import store as store_module
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore

COUNT = 40


@pytest.fixture
def site(make_app: Callable[..., Flask], stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Flask]:
    """A function that makes an application with the folder ``static`` before the store, as after a restart.

    Nothing is asked in the background, which would come between the requests of a test.
    """
    monkeypatch.setattr("flask_images_vips.originals.threads_run", lambda: False)

    def make(**config: Any) -> Flask:
        places = ["static", "s3://bucket/pre"]
        return make_app(**{"IMAGES_PATH": places, "IMAGES_STORE_OPTIONS": stub.options, **config})

    return make


def drawn(size: tuple[int, int] = (64, 48), format: str = "JPEG", **save: Any) -> bytes:
    file = io.BytesIO()
    gradient(size).save(file, format, **save)
    return file.getvalue()


def page(app: Flask, names: list[str], **keywords: Any) -> list[str]:
    """The tags of a page that shows pictures of these names."""
    with app.test_request_context():
        return [str(resized_img_tag(name, width=40, **keywords)) for name in names]


def status(app: Flask, url: str) -> int:
    return app.test_client().get(url).status_code


def test_a_page_asks_once_for_each_new_picture_and_never_for_known_ones(
    site: Callable[..., Flask], stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"photos/{number}.jpg" for number in range(COUNT)]
    photographs = sorted(PHOTOGRAPHS.glob("*.jpg"))
    for number, name in enumerate(names):
        stub.put(f"pre/{name}", photographs[number % len(photographs)].read_bytes())
    app = site()
    tags = page(app, names)
    assert len(stub.asked) == COUNT
    assert all('width="40"' in tag and 'height="' in tag and "?v=" in tag for tag in tags)
    for again in (app, site(), site(IMAGES_STORE_MAX_AGE=0)):
        assert page(again, names) == tags
    assert len(stub.asked) == COUNT
    assert not caplog.messages


def test_a_file_of_a_folder_before_the_store_asks_nothing(
    site: Callable[..., Flask], stub: Stub, draw: Callable[..., Path]
) -> None:
    draw("a.jpg")
    app = site()
    assert page(app, ["a.jpg"])
    assert fetch(app, "a.jpg", width=20).width == 20
    assert not stub.asked


def test_a_picture_is_rendered_and_then_asks_nothing(site: Callable[..., Flask], stub: Stub) -> None:
    stub.put("pre/a.jpg", (PHOTOGRAPHS / "coffee.jpg").read_bytes())
    app = site()
    for width in (40, 30, 40):
        assert fetch(app, "a.jpg", width=width).width == width
    assert [each.range for each in stub.asked] == ["bytes=0-65535", "bytes=0-8388607"]


def test_a_changed_object_gets_another_url_and_other_pixels(site: Callable[..., Flask], stub: Stub) -> None:
    stub.put("pre/a.jpg", drawn((64, 48)))
    app = site(IMAGES_STORE_MAX_AGE=0)
    first = url_of(app, "a.jpg", width=20)
    assert fetch(app, "a.jpg", width=20).size == (20, 15)
    stub.put("pre/a.jpg", drawn((64, 64)))
    assert fetch(app, "a.jpg", width=20).size == (20, 20)
    assert url_of(app, "a.jpg", width=20) != first


def test_a_page_learns_of_a_change_in_the_background(
    site: Callable[..., Flask], stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_images_vips.originals.threads_run", lambda: True)
    stub.put("pre/a.jpg", drawn((64, 48)))
    app = site(IMAGES_STORE_MAX_AGE=0)
    (first,) = page(app, ["a.jpg"])
    stub.put("pre/a.jpg", drawn((64, 64)))
    until(lambda: page(app, ["a.jpg"]) != [first])
    assert 'height="40"' in page(app, ["a.jpg"])[0]


def with_large_profile(jpeg: bytes) -> bytes:
    return jpeg[:2] + 2 * (b"\xff\xe2\xf0\x00" + bytes(0xF000 - 2)) + jpeg[2:]


@pytest.mark.parametrize(
    ("data", "requests"),
    [(drawn((300, 300), "TIFF"), 1), (with_large_profile(drawn()), 2)],
    ids=["a TIFF with its tags in the beginning", "a JPEG with a large profile"],
)
def test_the_whole_file_is_fetched_if_its_beginning_does_not_tell_its_size(
    site: Callable[..., Flask], stub: Stub, data: bytes, requests: int
) -> None:
    stub.put("pre/a.tif", data)
    app = site()
    for _ in range(2):
        assert 'width="40"' in page(app, ["a.tif"])[0]
        assert 'height="' in page(app, ["a.tif"])[0]
    assert len(stub.asked) == requests


@pytest.mark.parametrize(
    "data", [b"", b"no image" * 20_000, drawn((400, 400), quality=95)[:70_000], b"\xff\xd8\xff\xd9"]
)
def test_what_is_no_image_is_refused_and_remembered(site: Callable[..., Flask], stub: Stub, data: bytes) -> None:
    stub.put("pre/a.jpg", data[: len(data) - 3])
    app = site()
    url = url_of(app, "a.jpg", width=20)
    assert status(app, url) == 422
    count = len(stub.asked)
    page(app, ["a.jpg"])
    assert status(app, url) == 422
    assert len(stub.asked) == count


def test_an_object_above_the_limit_is_refused_without_being_fetched(site: Callable[..., Flask], stub: Stub) -> None:
    stub.put("pre/a.jpg", (PHOTOGRAPHS / "coffee.jpg").read_bytes())
    app = site(IMAGES_MAX_SOURCE_BYTES=100_000)
    assert status(app, url_of(app, "a.jpg", width=20)) == 422
    assert len(stub.asked) == 1


def test_while_the_store_is_away_known_pictures_go_on_and_new_ones_come_later(
    site: Callable[..., Flask], stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cached", "fetched", "seen", "new"):
        stub.put(f"pre/{name}.jpg", (PHOTOGRAPHS / "coffee.jpg").read_bytes())
    app = site(IMAGES_STORE_MAX_AGE=0)
    fetch(app, "cached.jpg", width=20)
    fetch(app, "fetched.jpg", width=30)
    page(app, ["seen.jpg"])
    stub.tamper = lambda asked, answer: Answer(500, {})
    statuses = {
        name: status(app, url_of(app, f"{name}.jpg", width=20)) for name in ("cached", "fetched", "seen", "new")
    }
    assert statuses == {"cached": 200, "fetched": 200, "seen": 503, "new": 503}
    answer = app.test_client().get(url_of(app, "new.jpg", width=20))
    assert answer.headers["Retry-After"]
    assert answer.headers["Cache-Control"] == "no-store"
    stub.tamper = lambda asked, answer: answer
    monkeypatch.setattr(store_module, "AWAY_SECONDS", 0)
    for store in app.extensions["flask_images_vips"].pipeline.sources.local.stores:
        store.store._breaker.away_until = 0
    assert {status(app, url_of(app, f"{name}.jpg", width=20)) for name in statuses} == {200}


def test_an_object_that_changes_during_the_request_is_rendered_as_it_is_then(
    site: Callable[..., Flask], stub: Stub
) -> None:
    stub.put("pre/a.jpg", (PHOTOGRAPHS / "coffee.jpg").read_bytes())

    def tamper(asked: object, answer: Answer) -> Answer:
        stub.tamper = lambda asked, answer: answer
        stub.put("pre/a.jpg", (PHOTOGRAPHS / "flower.jpg").read_bytes())
        return answer

    stub.tamper = tamper
    app = site()
    width, height = fetch(app, "a.jpg", width=64).size
    assert height > width  # as in the second picture


def test_a_watermark_comes_from_the_store_too(
    site: Callable[..., Flask], stub: Stub, draw: Callable[..., Path]
) -> None:
    draw("a.jpg")
    stub.put("pre/logo.png", drawn((16, 16), "PNG"))
    app = site()
    url = url_of(app, "a.jpg", width=40, watermark="logo.png")
    assert status(app, url) == 200
    count = len(stub.asked)
    assert status(app, url) == 200
    assert len(stub.asked) == count


def test_versions_by_content_work_beside_a_store(
    site: Callable[..., Flask], stub: Stub, draw: Callable[..., Path]
) -> None:
    draw("a.jpg")
    stub.put("pre/b.jpg", drawn())
    app = site(IMAGES_VERSION="hash")
    for name in ("a.jpg", "b.jpg"):
        assert "?v=" in url_of(app, name, width=20)
        assert fetch(app, name, width=20).width == 20


def test_information_and_placeholders_come_from_the_object(site: Callable[..., Flask], stub: Stub) -> None:
    stub.put("pre/a.jpg", drawn((64, 48)))
    app = site()
    with app.app_context():
        info = app.extensions["images"].info("a.jpg")
    assert (info.width, info.height, info.size_bytes) == (64, 48, len(stub.objects["pre/a.jpg"][0]))


def test_a_purge_asks_the_store_again(site: Callable[..., Flask], stub: Stub) -> None:
    stub.put("pre/a.jpg", drawn((64, 48)))
    app = site()
    assert fetch(app, "a.jpg", width=20).size == (20, 15)
    stub.put("pre/a.jpg", drawn((64, 64)))
    assert fetch(app, "a.jpg", width=20).size == (20, 15)  # for IMAGES_STORE_MAX_AGE
    with app.app_context():
        assert app.extensions["images"].purge("a.jpg") > 0
    assert fetch(app, "a.jpg", width=20).size == (20, 20)


def test_a_forgotten_object_is_gone_from_the_host_and_from_the_store(
    site: Callable[..., Flask], stub: Stub, tmp_path: Path
) -> None:
    stub.put("pre/a.jpg", drawn())
    app = site()
    url = url_of(app, "a.jpg", width=20)
    assert status(app, url) == 200
    images = app.extensions["images"]
    with app.app_context():
        assert images.forget("a.jpg").fetched == 1
        assert status(app, url) == 410
        assert not [*(tmp_path / "cache").rglob("original-*"), *(tmp_path / "cache").rglob("object-*")]
        assert "pre/a.jpg" in stub.objects
        assert images.forget("a.jpg", source=True).original == "s3://bucket/pre/a.jpg"
        assert not stub.objects
        assert images.forget("a.jpg", source=True).original is None
        stub.tamper = lambda asked, answer: Answer(403, {})
        with pytest.raises(NotForgotten, match="the original cannot be removed"):
            images.forget("b.jpg", source=True)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["purge", "photos/*.jpg"], "2 pictures that match"),
        (["purge", "none.jpg"], "relative to IMAGES_PATH"),
        (["prune", "--source", "photos/*"], "removed"),
        (["warm", "--folder", "photos", "--preset", "small"], "2 images in the folder photos"),
        (["stats"], "store sources"),
    ],
)
def test_commands_know_the_pictures_of_a_store(
    site: Callable[..., Flask], stub: Stub, command: list[str], said: str
) -> None:
    app = site(IMAGES_PRESETS={"small": {"width": 20}})
    for name in ("photos/a.jpg", "photos/b.jpg", "other/c.jpg"):
        stub.put(f"pre/{name}", drawn())
        fetch(app, name, width=30)
    assert said in app.test_cli_runner().invoke(args=["images", *command]).output


def test_links_of_nginx_go_when_the_object_changes_or_goes(
    site: Callable[..., Flask], stub: Stub, tmp_path: Path
) -> None:
    def links() -> list[Path]:
        return [path for path in (tmp_path / "door").rglob("*s=*") if path.exists()]

    stub.objects["pre/a.jpg"] = drawn(), 1_700_000_000
    app = site(IMAGES_FRONT_DOOR="door", IMAGES_STORE_MAX_AGE=0)
    assert status(app, url_of(app, "a.jpg", width=20)) == 200
    assert len(links()) == 1
    stub.objects["pre/a.jpg"] = drawn((64, 64)), 1_700_000_001
    fetch(app, "a.jpg", width=30)
    assert not links()
    fetch(app, "a.jpg", width=30)
    assert len(links()) == 1
    del stub.objects["pre/a.jpg"]
    assert status(app, url_of(app, "a.jpg", width=30)) == 404
    assert not links()


def test_a_slow_store_delays_only_those_who_need_it(site: Callable[..., Flask], stub: Stub) -> None:
    stub.put("pre/a.jpg", drawn())
    app = site(IMAGES_STORE_MAX_AGE=0)
    url = url_of(app, "a.jpg", width=20)
    assert status(app, url) == 200
    stub.passes.clear()
    statuses: list[int] = []
    waiting = threading.Thread(target=lambda: statuses.append(status(app, url)))
    count = len(stub.asked)
    waiting.start()
    until(lambda: len(stub.asked) > count)
    assert status(app, url) == 200  # while the other one asks the store
    stub.passes.set()
    waiting.join(60)
    assert statuses == [200]


def test_options_that_cannot_work_are_an_error_of_the_configuration(site: Callable[..., Flask]) -> None:
    app = site(IMAGES_STORE_OPTIONS={"endpont": "http://127.0.0.1:1"})
    with pytest.raises(ConfigError, match="endpont"):
        url_of(app, "a.jpg", width=20)


def test_without_its_package_a_store_says_what_to_install(
    site: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(ConfigError, match=r"pip install 'flask-images-vips\[s3\]'"):
        url_of(site(), "a.jpg", width=20)


def test_stores_of_one_bucket_have_options_of_their_own(
    make_app: Callable[..., Flask], stub: Stub, tmp_path: Path
) -> None:
    stub.put("pre/a.jpg", drawn())
    options: Mapping[str, Any] = {"endpoint": "http://127.0.0.1:1", "s3://bucket": stub.options}
    app = make_app(IMAGES_PATH="s3://bucket/pre", IMAGES_STORE_OPTIONS=options)
    assert fetch(app, "a.jpg", width=20).width == 20
    assert app.extensions["images"].find_img("a.jpg").startswith(str(tmp_path / "cache"))


def test_a_store_that_stalls_is_waited_for_once(site: Callable[..., Flask], stub: Stub) -> None:
    for name in ("cached", "new", "other"):
        stub.put(f"pre/{name}.jpg", drawn())
    app = site(IMAGES_STORE_MAX_AGE=0, IMAGES_STORE_TIMEOUT=1)
    assert status(app, url_of(app, "cached.jpg", width=20)) == 200
    count = len(stub.asked)
    stub.passes.clear()
    statuses = [status(app, url_of(app, f"{name}.jpg", width=20)) for name in ("new", "cached", "other")]
    assert statuses == [503, 200, 503]
    assert len(stub.asked) <= count + 2


def host(folder: Path, store_server: StoreServer, store_url: str) -> Flask:
    """A host that has only its cache in *folder*: originals and renditions are in the store."""
    app = Flask("site", root_path=str(folder.parent))
    app.secret_key = "a secret"
    app.config.update(
        IMAGES_PATH=f"{store_url}/originals",
        IMAGES_CACHE=f"{store_url}/renditions",
        IMAGES_CACHE_LOCAL=str(folder),
        IMAGES_STORE_OPTIONS=store_server.options,
        **IN_THREAD,
    )
    Images(app)
    return app


def test_another_host_sends_what_the_first_has_rendered_and_fetches_no_original(
    tmp_path: Path, store_server: StoreServer, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = ObjectStore(parse_location(store_url), store_server.options, timeout=5)
    store.put("originals/a.jpg", (PHOTOGRAPHS / "coffee.jpg").read_bytes())
    caplog.set_level(logging.INFO)
    answers = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        app = host(folder, store_server, store_url)
        url = url_of(app, "a.jpg", width=40)
        answer = app.test_client().get(url)
        answers.append((url, answer.status_code, answer.headers["ETag"], answer.data))
    assert answers[0] == answers[1]
    assert len([message for message in caplog.messages if message.startswith("rendered")]) == 1
    assert [path.parts[len(tmp_path.parts)] for path in tmp_path.rglob("original-*")] == ["one"]


def test_a_host_that_starts_again_keeps_no_object_that_was_forgotten_on_another_one(
    tmp_path: Path, store_server: StoreServer, store_url: str
) -> None:
    store = ObjectStore(parse_location(store_url), store_server.options, timeout=5)
    for name in ("a.jpg", "b.jpg"):
        store.put(f"originals/{name}", drawn())
    first, second = (host(tmp_path / name, store_server, store_url) for name in ("one", "two"))
    assert [status(second, url_of(second, name, width=20)) for name in ("a.jpg", "b.jpg")] == [200, 200]
    assert len([*(tmp_path / "two").rglob("original-*")]) == 2
    first.extensions["images"].forget("a.jpg")
    again = host(tmp_path / "two", store_server, store_url)
    assert [status(again, url_of(again, "b.jpg", width=width)) for width in (20, 10)] == [200, 200]
    assert len([*(tmp_path / "two").rglob("original-*")]) == 1
