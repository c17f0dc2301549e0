"""Lock out other hosts by leases in Redis, so that one host does a piece of work while the others wait for it.

A lock only saves work: a host that holds it for too long, or that loses it, does no harm. What it makes must be stored
only if it is not there already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import WaitedTooLong
from .leases import Leases, Scripts

logger = logging.getLogger("flask_images_vips")

# KEYS: the lock, a hash of the token of its holder, and whether somebody waits for it.
_SCRIPTS = Scripts(
    take="""
if redis.call('HSETNX', KEYS[1], 'holder', ARGV[2]) == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return 0
end
redis.call('HSET', KEYS[1], 'awaited', 1)
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return tonumber(ARGV[1])
end
return math.max(left, 1)
""",
    renew="""
if redis.call('HSETNX', KEYS[1], 'holder', ARGV[2]) == 1 then
  redis.call('HSET', KEYS[1], 'awaited', 1)
end
if redis.call('HGET', KEYS[1], 'holder') == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
""",
    release="""
if redis.call('HGET', KEYS[1], 'holder') == ARGV[2] then
  local awaited = redis.call('HEXISTS', KEYS[1], 'awaited')
  redis.call('DEL', KEYS[1])
  if awaited == 1 then
    redis.call('PUBLISH', ARGV[3], ARGV[4])
  end
end
""",
)


class RedisLocks:
    """Named locks for all hosts of a site: see `HostLocks`."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    @contextmanager
    def hold(self, name: str, *, since: float, timeout: float, needless: Callable[[], bool]) -> Iterator[bool]:
        """Hold the lock *name* for the block. Yields whether it is held: see `HostLocks.hold`."""
        lease = self._leases.lease(name, _SCRIPTS, [f"lock:{name}"])
        try:
            held = self._leases.take(lease, since + timeout, needless)
        except WaitedTooLong:
            logger.warning(
                "Waited %s s for the lock %s, whose holder on another host may hang. Continuing without the lock.",
                *(timeout, name),
            )
            held = False
        try:
            yield held
        finally:
            if held:
                self._leases.release(lease)
