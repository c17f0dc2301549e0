"""Keep a log of what hosts tell each other, as a stream of Redis that each host reads from where it has stopped.

Events are numbered without gaps, so a host that reads on notices if some are missing: the log keeps only the newest
ones, and not for longer than a month, because it names pictures. If Redis has lost the log, another one begins, with
another generation.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from ..cache.per_process import Said
from .connection import RedisConnection

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

CHANNEL = "log"
"""The channel that tells of each new event."""

PURGE, PURGE_ALL, FORGET, ALLOW, CLOSE = "purge", "purge-all", "forget", "allow", "close"
_NAMING = frozenset({PURGE, FORGET, ALLOW})
"""The kinds of events that name a picture."""
_KINDS = _NAMING | {PURGE_ALL, CLOSE}

_MOST_EVENTS = 100_000
_LONGEST_SECONDS = 30 * 86_400
_BATCH = 1000  # events that are read at once
_LONGEST_FIELD = 10_000  # characters
_LONGEST_NUMBER = 15  # digits
_FIRST = "0-0"  # before the id of every entry

_Fields = dict[bytes, bytes]
_Answer = tuple[str, int, Sequence[tuple[bytes, _Fields]]]

# KEYS: a hash with the state of the log, the stream, the channel.
# ARGV: the generation of the log if it is new, the age in seconds at which events end; then those of each script.
# Each script begins the log if its state is missing. Events that are there without it would be numbered wrongly.
_BEGIN = """
if redis.call('HSETNX', KEYS[1], 'generation', ARGV[1]) == 1 then redis.call('DEL', KEYS[2]) end
local oldest = string.format('%.0f', (redis.call('TIME')[1] - ARGV[2]) * 1000)
redis.call('XTRIM', KEYS[2], 'MINID', oldest)
"""
_APPEND = f"""{_BEGIN}
local number = redis.call('HINCRBY', KEYS[1], 'number', 1)
local event = {{'number', number, 'kind', ARGV[3], 'ref', ARGV[4], 'by', ARGV[5]}}
redis.call('XADD', KEYS[2], 'MAXLEN', {_MOST_EVENTS}, '*', unpack(event))
redis.call('PUBLISH', KEYS[3], number)
return number
"""
_READ = f"""{_BEGIN}
local state = redis.call('HMGET', KEYS[1], 'generation', 'number')
return {{state[1], tonumber(state[2] or '0'), redis.call('XRANGE', KEYS[2], ARGV[3], '+', 'COUNT', {_BATCH})}}
"""


@dataclass(frozen=True, slots=True)
class Event:
    """What the host *by* has told all others: *kind* is one of the constants of this module, *ref* names a picture."""

    kind: str
    ref: str
    by: str


class Position(NamedTuple):
    """Where a host has stopped reading: after the entry *id* of the stream, and after the event *number*.

    It holds for a log of this *generation*.
    """

    generation: str
    id: str
    number: int


class Batch(NamedTuple):
    """Events in their order. After them, reading goes on at *position*.

    *is_complete* is false if there were others before them, or if that cannot be told. *is_last* is false if more
    events follow. *last* is the number of the newest event in the log, or 0.
    """

    events: Sequence[Event]
    position: Position
    is_complete: bool
    is_last: bool
    last: int


class EventLog:
    """The log of one site. Methods raise `RedisFailed`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = connection.key("log", "state"), connection.key("log"), connection.key(CHANNEL)

    def append(self, event: Event) -> int:
        """Append *event*, and tell all listeners. Returns its number."""
        return self._run(int, _APPEND, event.kind, event.ref, event.by)

    def newest(self) -> int:
        """Return the number of the newest event, or 0."""
        return self._connection.run(lambda client: int(client.hget(self._keys[0], "number") or 0))

    def read(self, position: Position | None) -> Batch:
        """Return the events after *position*, or from the beginning if that is None or of a log that is lost."""
        generation, last, entries = self._answer(position)
        is_lost = position is not None and (generation != position.generation or last < position.number)
        if is_lost:
            generation, last, entries = self._answer(None)
        begin = Position(generation, _FIRST, 0) if position is None or is_lost else position
        numbers = [number for _, fields in entries if (number := _number(fields)) is not None and number <= last]
        is_complete = not is_lost and (numbers[0] if numbers else last + 1) == begin.number + 1
        end = Position(
            generation, entries[-1][0].decode() if entries else begin.id, numbers[-1] if numbers else begin.number
        )
        is_last = len(entries) < _BATCH
        if is_last and not is_complete and not numbers:
            end = end._replace(number=last)
        events = [event for _, fields in entries if (event := _event(fields)) is not None]
        return Batch(events, end, is_complete, is_last, last)

    def _answer(self, position: Position | None) -> _Answer:
        first = "-" if position is None else f"({position.id}"
        return self._run(_answer, _READ, first)

    def _run(self, parse: Callable[[Any], T], script: str, *arguments: str) -> T:
        """Return what *parse* makes of the result of *script*."""
        given = secrets.token_hex(8), _LONGEST_SECONDS, *arguments
        return self._connection.run(lambda client: parse(client.eval(script, len(self._keys), *self._keys, *given)))


def _answer(found: Any) -> _Answer:
    """Parse the answer of `_READ`."""
    generation, last, entries = found
    numbered = [(name, dict(zip(*[iter(fields)] * 2, strict=False))) for name, fields in entries]
    return generation.decode(), int(last), numbered


def _number(fields: _Fields) -> int | None:
    """Return the number of an event. None if it is none."""
    found = fields.get(b"number", b"")
    return int(found) if found.isdigit() and len(found) <= _LONGEST_NUMBER else None


def _event(fields: _Fields) -> Event | None:
    """Return the event that an entry of the stream holds. None if this version knows no such event: this is logged."""
    try:
        kind, ref, by = (fields[name].decode() for name in (b"kind", b"ref", b"by"))
        if kind in _KINDS and bool(ref) == (kind in _NAMING) and max(len(ref), len(by)) <= _LONGEST_FIELD:
            return Event(kind, ref, by)
    except (KeyError, UnicodeDecodeError):
        pass
    if _said.add("event"):
        logger.warning(
            "An event in the log that hosts share in Redis is not understood, and ignored. Is another version of this "
            "package, or another program, writing there? This is logged once."
        )
    return None


_said = Said()
