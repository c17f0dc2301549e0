"""Check the Redis or Valkey server that joins the hosts of a site."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from ...errors import without_secrets
from ...fleet.connection import RedisConnection, RedisFailed
from ...fleet.listener import Listener
from .finding import Finding, error, ok, warning
from .site import Site

_OLDEST = 6, 2  # it can trim streams by age
_PINGS = 5
_SLOW_SECONDS = 0.02
_CHANNEL = "check"
_CURES = {
    "invalid username-password": "Correct the user name and the password in IMAGES_REDIS.",
    "authenticat": "Put the password into IMAGES_REDIS: redis://:password@host:6379/0.",
    "command not allowed": "Give Redis more memory (maxmemory).",
    "read only": "IMAGES_REDIS names a replica: name the primary.",
    "misconf": "Redis cannot save to its disk, so it refuses to write: free space there, or see its log.",
    "no permissions": "Give this user of Redis the rights '~PREFIX:* &PREFIX:* +@all -@admin -@dangerous +info'.",
    "loading": "Redis is starting: run this command again in a moment.",
}


def redis_server(site: Site) -> Iterator[Finding]:
    """Check that Redis answers, that it keeps data, and that it passes messages on."""
    fleet = site.images.fleet
    if fleet is None:
        return
    try:
        yield from _answers(fleet.connection)
        yield from _keeps(fleet.connection)
        yield _passes_on(fleet.connection)
    except RedisFailed as failure:
        yield _failed(fleet.connection, str(failure))


def _failed(connection: RedisConnection, problem: str) -> Finding:
    cure = next((cure for words, cure in _CURES.items() if words in problem.lower()), "")
    cure = cure.replace("PREFIX", connection.prefix) or "Start it, or correct IMAGES_REDIS."
    where = without_secrets(connection.url)
    return error("redis", f"{where} cannot be used, so this host works by itself: {problem}", cure)


def _answers(connection: RedisConnection) -> Iterator[Finding]:
    """Find a server that is too old, or too far away. Measure the time of a command."""
    info = connection.run(lambda client: client.info("server"))
    name, version = info.get("server_name", "redis"), str(info["redis_version"])
    times = []
    for _ in range(_PINGS):
        begin = time.monotonic()
        connection.run(lambda client: client.ping())
        times.append(time.monotonic() - begin)
    seconds = median(times)
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        yield error("redis", f"The server is version {version}.", f"Install Redis {oldest} or newer, or Valkey.")
    elif seconds > _SLOW_SECONDS:
        yield warning(
            "redis",
            f"A command takes {1000 * seconds:.0f} ms. Each image that is not in the cache waits for two of them.",
            "Use a Redis server in the network of the hosts.",
        )
    else:
        yield ok("redis", f"{name} {info.get('valkey_version', version)} answers within {1000 * seconds:.1f} ms")


def _keeps(connection: RedisConnection) -> Iterator[Finding]:
    """Find a server that cannot be written to, or that may evict the log of purges."""
    key = connection.key(_CHANNEL, secrets.token_hex(4))
    connection.run(lambda client: client.eval("redis.call('SET', KEYS[1], 1, 'PX', 1000)", 1, key))
    memory: dict[str, Any] = connection.run(lambda client: client.info("memory"))
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if memory.get("maxmemory") and policy.startswith("allkeys"):
        yield warning(
            "redis-memory",
            f"The maxmemory-policy is {policy}: if the memory is full, Redis removes the log through which a purge "
            "reaches hosts that were away. They then empty their caches.",
            "Set maxmemory-policy to noeviction, or use a Redis server for images alone.",
        )
    else:
        yield ok("redis-memory", f"no data is evicted ({policy})")


def _passes_on(connection: RedisConnection) -> Finding:
    """Send a message, and wait for it."""
    heard, listener = threading.Event(), Listener(connection)
    listener.hear(_CHANNEL, lambda _: heard.set())
    listener.start()
    try:
        if listener.wait(2 * connection.timeout):
            connection.run(lambda client: client.publish(connection.key(_CHANNEL), "1"))
            if heard.wait(connection.timeout):
                return ok("redis-messages", "a message arrives")
    finally:
        listener.stop()
    return warning(
        "redis-messages",
        "Messages do not arrive, so hosts ask again and again while they wait for each other.",
        f"Allow PUBLISH and SUBSCRIBE for this user of Redis (ACL: '+@pubsub &{connection.prefix}:*').",
    )
