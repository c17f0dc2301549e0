"""Bound how many renders run at the same time on all hosts, by leases in Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import WaitedTooLong
from .leases import Leases, Scripts

_NAME = "slots"  # names of locks are digits

# KEYS: a sorted set of the tokens of the renders by the end of their leases, and whether somebody waits for a slot.
# ARGV[5]: how many slots there are.
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_ADD = """
redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""
_SCRIPTS = Scripts(
    take=f"""
{_NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[5]) then
  {_ADD}
  return 0
end
redis.call('SET', KEYS[2], 1, 'PX', 2 * ARGV[1])
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(first[2] - now, 1)
""",
    renew=_NOW + _ADD,
    release="""
if redis.call('ZREM', KEYS[1], ARGV[2]) == 1 and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
""",
)


class Slots:
    """Lets at most *count* renders run at the same time on all hosts. One waits for at most *timeout* seconds.

    If Redis is away, nothing is bounded.
    """

    def __init__(self, leases: Leases, count: int, timeout: float) -> None:
        self._leases = leases
        self._count = count
        self._timeout = timeout

    @contextmanager
    def take(self, since: float) -> Iterator[None]:
        """Hold a slot for the block. The timeout counts from the monotonic time *since*.

        Raises:
            WaitedTooLong: If no slot becomes free in time.
        """
        lease = self._leases.lease(_NAME, _SCRIPTS, [_NAME, f"{_NAME}:awaited"], self._count)
        try:
            held = self._leases.take(lease, since + self._timeout)
        except WaitedTooLong:
            raise WaitedTooLong(
                f"waited {self._timeout:g} s (IMAGES_LOCK_TIMEOUT) for one of {self._count} renders on all hosts "
                "(IMAGES_MAX_RENDERS_IN_ALL)"
            ) from None
        try:
            yield
        finally:
            if held:
                self._leases.release(lease)
