"""Know the hosts of a site: each tells the others in Redis what it is like, and what it has carried out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import NamedTuple

from .connection import RedisConnection, RedisFailed

PRESENT_SECONDS = 90.0
"""A host that has said nothing for so long is away."""

_KNOWN_SECONDS = 7 * 86_400  # after this time, it is not expected back
_POLL_SECONDS = 0.02
_MOST_HOSTS = 10_000
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Host:
    """What a host tells of itself.

    *number* is that of the last event that it has carried out, and *seen* when it said so, in seconds since 1970.
    *version* is that of this package. *settings* has a digest of each value of the configuration that should be the
    same on all hosts, by its key.
    """

    name: str
    number: int
    seen: float
    version: str
    workers: int
    settings: Mapping[str, str]

    @property
    def is_present(self) -> bool:
        """Whether this host runs, as far as can be told."""
        return time.time() - self.seen < PRESENT_SECONDS

    def differing(self, settings: Mapping[str, str]) -> list[str]:
        """Return the keys whose values on this host are not those of *settings*."""
        mine = self.settings
        return sorted(key for key in mine.keys() & settings.keys() if mine[key] != settings[key])


class Told(NamedTuple):
    """Who has carried out an event: the names of *hosts* that have, and of those that will when they are *pending*.

    *is_told* is false if Redis was away. The event is told when it is back.
    """

    hosts: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    is_told: bool = True


class Roster:
    """The hosts of one site. Methods raise `RedisFailed`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._key = connection.key("hosts")

    def note(self, host: Host) -> None:
        """Tell the others of *host*."""
        self._connection.run(lambda client: client.hset(self._key, host.name, json.dumps(asdict(host))))

    def hosts(self) -> list[Host]:
        """Return all hosts that were seen within a week, in the order of their names. Those before are forgotten."""
        found = self._connection.run(lambda client: list(client.hgetall(self._key).items()))
        read = {name: _host(data) for name, data in found[:_MOST_HOSTS]}
        known = {name: host for name, host in read.items() if host and time.time() - host.seen < _KNOWN_SECONDS}
        gone = read.keys() - known.keys()
        if gone:
            self._connection.run(lambda client: client.hdel(self._key, *gone))
        return sorted(known.values(), key=lambda host: host.name)

    def confirmed(self, number: int, patience_seconds: float, but: str) -> Told:
        """Return which hosts, *but* one, have carried out the event *number*.

        Those that are present are waited for, for at most *patience_seconds*. Raises nothing: if Redis fails now, all
        are pending.
        """
        end, others = time.monotonic() + patience_seconds, []
        with suppress(RedisFailed):
            while True:
                others = [host for host in self.hosts() if host.name != but]
                if all(host.number >= number for host in others if host.is_present) or time.monotonic() > end:
                    break
                time.sleep(_POLL_SECONDS)
        done = tuple(host.name for host in others if host.number >= number)
        return Told(done, tuple(host.name for host in others if host.number < number))


def _host(data: bytes) -> Host | None:
    """Return the host that *data* describes. None if it is not from this package."""
    with suppress(ValueError, TypeError, AttributeError, KeyError, RecursionError):
        found = json.loads(data)
        settings = {str(key): str(value) for key, value in found["settings"].items()}
        return Host(
            str(found["name"])[:_LONGEST_NAME],
            int(found["number"]),
            float(found["seen"]),
            str(found["version"])[:_LONGEST_NAME],
            int(found["workers"]),
            settings,
        )
    return None
