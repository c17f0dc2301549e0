"""Hear what other hosts publish, in one thread per process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from ..cache.per_process import PerProcess
from .connection import AWAY_SECONDS, RedisConnection

logger = logging.getLogger("flask_images_vips")

Hear = Callable[[bytes], None]

_POLL_SECONDS = 1.0  # a connection on which nothing is heard is looked at so often
_PING_SECONDS = 5  # and asked so often whether it still exists


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

    def hear(self, channel: str, function: Hear) -> None:
        """Call *function* with each message that is published to *channel*, a name without the prefix."""
        self._channels[self._connection.key(channel)] = function

    def on_connect(self, function: Callable[[], None]) -> None:
        """Call *function* after each connection."""
        self._on_connect.append(function)

    def start(self) -> None:
        """Start listening in this process. Later calls do nothing."""
        mine = self._running.get()
        if mine.thread is None:
            with mine.lock:
                if mine.thread is None:
                    mine.thread = threading.Thread(target=self._listen, args=[mine], daemon=True)
                    mine.thread.name = "flask-images-vips-listener"
                    mine.thread.start()

    @property
    def is_connected(self) -> bool:
        """Whether messages are heard now."""
        return self._running.get().connected.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until messages are heard, for at most *seconds*. Returns whether they are."""
        return self._running.get().connected.wait(seconds)

    def _listen(self, mine: _Running) -> None:
        while True:
            try:
                self._listen_once(mine)
            except Exception as error:  # whatever redis-py raises if the connection ends
                self._connection.note_failure(error)
            mine.connected.clear()
            time.sleep(AWAY_SECONDS)

    def _listen_once(self, mine: _Running) -> None:
        client = self._connection.subscriber()
        with client, client.pubsub(ignore_subscribe_messages=False) as messages:
            messages.subscribe(*self._channels)
            pinged = time.monotonic()
            left = len(self._channels)
            while True:
                message = messages.get_message(timeout=_POLL_SECONDS)
                if message is not None and message["type"] == "subscribe":
                    left -= 1
                    if left == 0:
                        mine.connected.set()
                        for function in self._on_connect:
                            _guarded(function)
                elif message is not None and message["type"] == "message":
                    function_of = self._channels.get(message["channel"].decode())
                    if function_of is not None:
                        _guarded(partial(function_of, message["data"]))
                if time.monotonic() - pinged > _PING_SECONDS:
                    pinged = time.monotonic()
                    messages.ping()


class _Running:
    """The listener of one process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.connected = threading.Event()


def _guarded(function: Callable[[], None]) -> None:
    try:
        function()
    except Exception:
        logger.exception("A message of another host could not be handled.")
