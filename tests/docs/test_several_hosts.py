"""The page about several hosts: its configuration is valid, and its rights for Redis suffice."""

from __future__ import annotations

import re
from typing import Any

import pytest
import redis
from cache.shared import PATIENCE_SECONDS
from conftest import ROOT
from flask import Flask
from fleet.shared import LocksOfFleet
from real_servers import RedisServer

from docs.blocks import runs
from flask_images_vips.config.keys import Config, odd_keys
from flask_images_vips.fleet.connection import AWAY_SECONDS
from flask_images_vips.fleet.leases import LEASE_SECONDS
from flask_images_vips.sources import objects
from flask_images_vips.stores import store

PAGE = (ROOT / "docs" / "deploying" / "several-hosts.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@runs("docs/deploying/several-hosts.md", "python")
def test_each_configuration_is_valid() -> None:
    app = Flask("site")
    for block in blocks("python"):
        exec(block, {"app": app})
    assert list(odd_keys(app.config)) == []
    assert Config.read(app.config).redis is not None


def test_the_times_are_those_of_the_code() -> None:
    assert (LEASE_SECONDS, AWAY_SECONDS) == (5, 2)
    assert (store.AWAY_SECONDS, objects._MOST_MISSING_SECONDS) == (5, 10)


def test_the_sizes_of_reads_are_those_of_the_code() -> None:
    assert (objects._BEGINNING_BYTES, store._PART_BYTES) == (64 * 1024, 8 * 1024**2)


@runs("docs/deploying/several-hosts.md", "~images:*")
def test_the_rights_that_are_named_suffice(redis_server: RedisServer) -> None:
    (rights,) = [block for block in blocks("text") if block.startswith("~images")]
    client: Any = redis.Redis(port=redis_server.port)
    client.execute_command("ACL", "SETUSER", "site", "on", ">secret", *rights.split())
    url = redis_server.url.replace("//", "//site:secret@")
    first, second = (LocksOfFleet(url, PATIENCE_SECONDS) for _ in range(2))
    second.listener.start()
    assert second.listener.wait(PATIENCE_SECONDS)
    with first.hold("c0ffee") as held:
        assert held
    stream = first.connection.key("log")
    assert first.connection.run(lambda own: own.xadd(stream, {"kind": "purge"}, maxlen=10))
    assert first.connection.run(lambda own: own.info("memory"))
    with pytest.raises(redis.exceptions.NoPermissionError):
        redis.Redis.from_url(url).set("of another site", 1)
