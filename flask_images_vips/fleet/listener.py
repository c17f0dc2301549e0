"""Hear what other hosts publish, in one thread per process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..cache.per_process import PerProcess, ProcessThread
from .connection import AWAY_SECONDS, RedisConnection

logger = logging.getLogger("flask_images_vips")

Hear = Callable[[bytes], None]

_POLL_SECONDS = 1.0  # a connection on which nothing is heard is looked at so often
_PING_SECONDS = 5  # and asked so often whether it still exists
_SILENCE_SECONDS = 12  # if nothing at all is heard for so long, it does not


class Listener:
    """Calls functions with the messages of channels, while `start` has been called in this process.

    Register the functions before that, with `hear`. They run in the thread of the listener, so they must be quick, and
    the errors that they raise are logged. Messages may be lost while Redis is away. The functions of `on_connect` are
    called each time a connection is made, when no further message can be missed.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._channels: dict[str, Hear] = {}
        self._on_connect: list[Callable[[], None]] = []
        self._running: PerProcess[_Running] = PerProcess(_Running)
        self._thread = ProcessThread("flask-images-vips-listener", self._listen)

    def hear(self, channel: str, function: Hear) -> None:
        """Call *function* with each message that is published to *channel*, a name without the prefix."""
        self._channels[self._connection.key(channel)] = function

    def on_connect(self, function: Callable[[], None]) -> None:
        """Call *function* after each connection."""
        self._on_connect.append(function)

    def start(self) -> None:
        """Start listening in this process. Later calls do nothing, unless no thread could be started."""
        self._thread.start()

    def stop(self) -> None:
        """End listening in this process, within about a second."""
        self._running.get().is_over.set()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called in this process."""
        return self._running.get().is_over.is_set()

    @property
    def is_connected(self) -> bool:
        """Whether messages are heard now."""
        return self._running.get().connected.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until messages are heard, for at most *seconds*. Returns whether they are."""
        return self._running.get().connected.wait(seconds)

    def _listen(self) -> None:
        mine = self._running.get()
        while not mine.is_over.is_set():
            begin = time.monotonic()
            try:
                self._listen_once(mine)
            except Exception as error:  # whatever redis-py raises if the connection ends
                was_connected = mine.connected.is_set()
                mine.connected.clear()
                # A connection that was idle may be closed at any time.
                is_short = not was_connected or time.monotonic() - begin < AWAY_SECONDS
                if is_short and not mine.is_over.is_set():
                    self._connection.note_failure(error)
                    mine.is_over.wait(AWAY_SECONDS)
        mine.connected.clear()

    def _listen_once(self, mine: _Running) -> None:
        client, channels = self._connection.subscriber(), list(self._channels)
        with client, client.pubsub() as messages:
            messages.subscribe(*channels)
            heard = pinged = time.monotonic()
            while not mine.is_over.is_set():
                message = messages.get_message(timeout=_POLL_SECONDS)
                now = time.monotonic()
                if message is not None:
                    heard = now
                    self._handle(message, mine, is_last=message["channel"] == channels[-1].encode())
                elif now - heard > _SILENCE_SECONDS:
                    raise TimeoutError(f"no answer within {_SILENCE_SECONDS} s")
                if now - pinged > _PING_SECONDS:
                    pinged = now
                    messages.ping()

    def _handle(self, message: dict[str, Any], mine: _Running, *, is_last: bool) -> None:
        """Handle one *message*. *is_last* is whether it is about the channel that was subscribed to last."""
        if message["type"] == "subscribe" and is_last:
            self._connection.note_success()
            mine.connected.set()
            for function in self._on_connect:
                _guarded(function)
        elif message["type"] == "message":
            _guarded(partial(self._channels[message["channel"].decode()], message["data"]))


class _Running:
    """The listener of one process."""

    def __init__(self) -> None:
        self.connected = threading.Event()
        self.is_over = threading.Event()


def _guarded(function: Callable[[], None]) -> None:
    try:
        function()
    except Exception:
        logger.exception("A message of another host could not be handled.")
