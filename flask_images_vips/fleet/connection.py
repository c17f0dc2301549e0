"""Send commands to Redis or Valkey, and tell whether it answers.

Nothing depends on Redis: if it fails, each host goes on by itself. It then counts as away for a while, so that nobody
waits for it again and again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ..breaker import Breaker
from ..cache.per_process import PerProcess
from ..errors import ConfigError, without_secrets

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

AWAY_SECONDS = 2.0
"""How long Redis is not asked again after a failure."""

_NONSENSE = AttributeError, LookupError, RecursionError, TypeError, ValueError
"""What redis-py, and commands, raise if an answer is of another kind than that of Redis."""


class RedisFailed(Exception):
    """Redis did not answer, or refused a command."""


class RedisConnection:
    """The Redis server at *url*, as used by one application. All its keys and channels begin with *prefix*.

    A command takes at most *timeout* seconds. Nothing is sent before the first command, and each process has
    connections of its own.
    """

    def __init__(self, url: str, prefix: str, *, timeout: float) -> None:
        self.url = url
        self.prefix = prefix
        self.timeout = timeout
        self._clients: PerProcess[_Client] = PerProcess(_Client)
        self._on_failure: list[Callable[[], None]] = []

    def check(self) -> None:
        """Check what can be checked without a request.

        Raises:
            ConfigError: If redis-py is missing, or the URL is invalid.
        """
        self._made_client()

    def on_failure(self, function: Callable[[], None]) -> None:
        """Call *function* whenever Redis fails, in the thread that notices it."""
        self._on_failure.append(function)

    def key(self, *parts: str) -> str:
        """Return the name of a key or channel."""
        return ":".join((self.prefix, *parts))

    def run(self, command: Callable[[Any], T]) -> T:
        """Return the result of *command*, a function of a client of redis-py. It should parse the answer, too.

        Raises:
            RedisFailed: If Redis cannot be asked. The first failure is logged, and so is its return.
            ConfigError: If redis-py is missing, or the URL is invalid.
        """
        mine = self._clients.get()
        if mine.breaker.is_away:
            raise RedisFailed(f"Redis has failed within the last {AWAY_SECONDS:g} s")
        module, client = self._module(), self._client(mine)
        try:
            result = command(client)
        except (module.RedisError, OSError) as error:
            self.note_failure(error)
            raise RedisFailed(str(error)) from None
        except _NONSENSE as error:
            strange = ValueError(f"it sends no answers of Redis ({type(error).__name__}: {error})")
            self.note_failure(strange)
            raise RedisFailed(str(strange)) from None
        self.note_success()
        return result

    def note_success(self) -> None:
        """Count Redis as back, if it was away."""
        breaker = self._clients.get().breaker
        if breaker.has_failed and breaker.note_answer():
            logger.info("Redis at %s answers again.", without_secrets(self.url))

    def note_failure(self, error: Exception) -> None:
        """Count Redis as away for `AWAY_SECONDS`, because of *error*."""
        if self._clients.get().breaker.note_failure(AWAY_SECONDS):
            logger.warning(
                "Redis at %s cannot be used: %s. Until it can, hosts work by themselves, so several may render the "
                "same image, and a purge reaches only its own host at once. This is logged once.",
                without_secrets(self.url),
                (str(error) or type(error).__name__).rstrip("."),
            )
        for function in self._on_failure:
            function()

    @property
    def is_away(self) -> bool:
        """Whether the last command failed, and the next one is not sent yet."""
        return self._clients.get().breaker.is_away

    def subscriber(self) -> Any:
        """Return a new connection for messages: a client of redis-py. Waiting for a message has a timeout of its own.

        Raises:
            ConfigError: If redis-py is missing, or the URL is invalid.
        """
        return self._made_client()

    def _client(self, mine: _Client) -> Any:
        if mine.client is None:
            with mine.lock:
                if mine.client is None:
                    mine.client = self._made_client()
        return mine.client

    def _made_client(self) -> Any:
        module = self._module()
        url = "redis" + self.url.removeprefix("valkey") if self.url.startswith("valkey") else self.url
        try:
            # A command that is sent again may have been carried out twice.
            retry = module.retry.Retry(module.backoff.NoBackoff(), 0)
            return module.Redis.from_url(
                url, socket_timeout=self.timeout, socket_connect_timeout=self.timeout, retry=retry
            )
        except ValueError as error:
            if "@" in self.url:  # the error may quote a part of a password that is not quoted
                raise ConfigError(
                    "IMAGES_REDIS is not a valid URL. Expected redis://user:password@host:6379/0, with the special "
                    "characters of the password quoted, such as / as %2F and # as %23."
                ) from None
            raise ConfigError(f"IMAGES_REDIS = {without_secrets(self.url)!r}: {error}") from None

    def _module(self) -> Any:
        """Return redis-py, which is imported at its first use."""
        try:
            import redis  # noqa: PLC0415
            import redis.backoff  # noqa: PLC0415
            import redis.retry  # noqa: PLC0415
        except ImportError:
            raise ConfigError("IMAGES_REDIS needs the package redis: pip install 'flask-images-vips[redis]'.") from None
        return redis


class _Client:
    """What one process knows of a Redis server."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.client: Any = None
        self.breaker = Breaker()
