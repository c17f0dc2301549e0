"""The checks find what keeps hosts from working together through a real Redis server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import redis
from real_servers import Proxy, RedisServer

from flask_images_vips.operating.checking import redis_server as module
from flask_images_vips.operating.checking.finding import Level
from operating.checking.ground import Ground, bad


class Fault(NamedTuple):
    """What is done to a server, and how the finding about it begins: its level and its name, and what its cure says."""

    do: Callable[[Any], object]
    level: Level
    name: str
    cure: str


def acl(*rules: str) -> Callable[[Any], object]:
    return lambda client: client.execute_command("ACL", "SETUSER", "default", *rules)


FAULTS = {
    "it does not run": Fault(lambda client: client.shutdown(nosave=True), Level.ERROR, "redis", "Start it"),
    "it needs a password": Fault(acl("resetpass", ">secret"), Level.ERROR, "redis", "Put the password"),
    "its memory is full": Fault(lambda client: client.config_set("maxmemory", 1), Level.ERROR, "redis", "maxmemory"),
    "it is a replica": Fault(lambda client: client.replicaof("127.0.0.1", 1), Level.ERROR, "redis", "the primary"),
    "scripts are not allowed": Fault(acl("-@scripting"), Level.ERROR, "redis", "'~images:* &images:*"),
    "messages are not allowed": Fault(acl("-@pubsub"), Level.WARNING, "redis-messages", "'+@pubsub &images:*'"),
    "it evicts": Fault(
        lambda client: (client.config_set("maxmemory", "1gb"), client.config_set("maxmemory-policy", "allkeys-lru")),
        Level.WARNING,
        "redis-memory",
        "noeviction",
    ),
}


@pytest.fixture
def site(ground: Ground, redis_server: RedisServer) -> Ground:
    ground.libraries()
    ground.config["IMAGES_REDIS"] = redis_server.url
    return ground


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_redis_is_found_with_its_cure(site: Ground, redis_server: RedisServer, fault: Fault) -> None:
    fault.do(redis.Redis(port=redis_server.port))
    (finding,) = [finding for finding in bad(site.examine()) if finding.name.startswith("redis")]
    assert (finding.level, finding.name) == (fault.level, fault.name)
    assert fault.cure in finding.cure


def test_a_wrong_password_is_found_and_not_shown(site: Ground, redis_server: RedisServer) -> None:
    acl("resetpass", ">secret")(redis.Redis(port=redis_server.port))
    site.config["IMAGES_REDIS"] = redis_server.url.replace("//", "//:mistaken@")
    (finding,) = bad(site.examine())
    assert "Correct the user name and the password" in finding.cure
    assert "mistaken" not in finding.message


def test_a_server_that_is_far_away_or_too_old_is_found(
    site: Ground, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(redis_server.port)
    site.config |= {"IMAGES_REDIS": f"redis://127.0.0.1:{proxy.port}/0", "IMAGES_REDIS_TIMEOUT": 5}
    proxy.delay_seconds = 0.02
    (finding,) = bad(site.examine())
    assert (finding.level, finding.name) == (Level.WARNING, "redis")
    proxy.delay_seconds = 0
    monkeypatch.setattr(module, "_OLDEST", (99, 0))
    (finding,) = bad(site.examine())
    assert (finding.level, finding.name) == (Level.ERROR, "redis")
    assert "99.0 or newer" in finding.cure
    proxy.close()


def test_nothing_is_found_if_redis_works(site: Ground) -> None:
    found = site.examine()
    assert bad(found) == []
    names = [finding.name for finding in found if finding.name.startswith("redis")]
    assert names == ["redis", "redis-memory", "redis-messages"]
