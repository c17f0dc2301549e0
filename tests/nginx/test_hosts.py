"""A picture is taken down on one of two hosts, each with an nginx in front that serves images by itself."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator

import pytest
from real_servers import RedisServer, StoreServer
from servers import until
from test_forgetting import traces

from flask_images_vips.rendition import source_folder
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore
from nginx.test_nginx import Door, lay, opened

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: gunicorn, links, modes")

LAID = 1_700_000_000


@pytest.fixture
def hosts(redis_server: RedisServer, store_server: StoreServer, store_url: str) -> Iterator[tuple[Door, Door]]:
    """Two hosts with the same pictures, which share a store and Redis."""
    with contextlib.ExitStack() as stack:
        config = {
            "IMAGES_FRONT_DOOR": True,
            "IMAGES_CACHE": store_url,
            "IMAGES_CACHE_LOCAL": "cache",
            "IMAGES_STORE_OPTIONS": store_server.options,
            "IMAGES_REDIS": redis_server.url,
        }
        first, second = (stack.enter_context(opened(**config)) for _ in range(2))
        for door in (first, second):
            for name in ("secret.png", "late.png", "later.png", "kept.png"):
                os.utime(lay(door.folder, name), (LAID, LAID))
        yield first, second


def forget(door: Door, name: str) -> dict[str, list[str]]:
    (receipt,) = json.loads(door.flask("forget", "--json", name))
    found: dict[str, list[str]] = receipt
    return found


def test_forget_reaches_all_hosts_the_store_and_the_front_doors(
    hosts: tuple[Door, Door], store_server: StoreServer, store_url: str
) -> None:
    first, second = hosts
    # Only the first one builds URLs: an application that does so in this process is a process of its host.
    urls = {name: first.url(name, width=20) for name in ("secret.png", "late.png", "later.png", "kept.png")}
    for url in urls.values():
        assert [door.get(url).status for door in hosts] == [200, 200]
        assert [(door.get(url).status, door.get(url).from_app) for door in hosts] == [(200, False)] * 2

    receipt = forget(first, "secret.png")
    assert receipt["objects"]
    assert len(receipt["hosts"] + receipt["pending"]) == 1
    until(lambda: [door.get(urls["secret.png"]).status for door in hosts] == [410, 410], "nobody gets it")
    assert [traces(door.folder / "cache", "secret.png") for door in hosts] == [[], []]
    store = ObjectStore(parse_location(store_url), store_server.options, timeout=5)
    assert not [each.path for each in store.list() if source_folder("secret.png") in each.path]
    assert [door.get(urls["kept.png"]).from_app for door in hosts] == [False, False]

    # A host whose application was stopped meanwhile catches up at its first page.
    second.stop_application()
    receipt = forget(first, "late.png")
    assert (len(receipt["hosts"]), len(receipt["pending"])) == (0, 1)
    assert not second.get(urls["late.png"]).from_app  # nginx knows nothing of it
    second.start_application()
    assert second.get_from_app("/").status == 200
    answer = second.get(urls["late.png"])
    assert (answer.status, answer.from_app) == (410, True)

    # A command lets it catch up before the application starts, which nginx may not ask.
    second.stop_application()
    forget(first, "later.png")
    assert not second.get(urls["later.png"]).from_app
    assert second.flask("sync") == "This host is up to date.\n"
    second.start_application()
    answer = second.get(urls["later.png"])
    assert (answer.status, answer.from_app) == (410, True)
    assert not second.get(urls["kept.png"]).from_app
