"""Tell all hosts of a site what to remove, and carry out on this host what others tell.

Each host reads the log from where it has stopped: when an event is published, when Redis is back, every now and then,
and before it serves its first image. One process of the host after the other does so, and the first of them carries the
events out. A host that cannot tell what it has missed starts anew, without anything that is cached.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ..cache.per_process import PerProcess, ProcessThread, Said
from ..errors import shown
from ..system_errors import cause
from . import connection
from .connection import RedisConnection, RedisFailed
from .host_files import HostFiles
from .listener import Listener
from .log import ALLOW, CHANNEL, FORGET, Batch, Event, EventLog, Position
from .roster import Host, Roster, Told

logger = logging.getLogger("flask_images_vips")

_ROUND_SECONDS = 30.0  # how often the log is read although nothing was heard
_CONFIRM_SECONDS = 1.0
_random = random.SystemRandom()  # the application may have seeded the one of the module
_LASTING = frozenset({FORGET, ALLOW})
"""The kinds of events that matter to an empty cache, too."""
_MOST_MISSED = 5_000  # events; to carry out more would keep visitors waiting longer than an empty cache does


class Remover(Protocol):
    """Removes what this host has cached."""

    def carry_out(self, event: Event) -> None:
        """Do on this host what *event* tells.

        Raises:
            OSError: If what must not be shown could still be shown. It is tried again.
        """
        ...

    def start_anew(self) -> None:
        """Remove everything that is cached on this host, and `learn` what was forgotten.

        Raises:
            OSError: If that is not possible. It is tried again.
        """
        ...

    def learn(self) -> None:
        """Learn what was forgotten from where all hosts share their tombstones, if that is possible now."""
        ...

    def share(self, event: Event) -> None:
        """Share the tombstone of *event*, which this host could not tell before, or share it no longer."""
        ...

    def drop_memory(self) -> None:
        """Drop what this process remembers of files that another process may have removed."""
        ...


@dataclass(frozen=True, slots=True)
class About:
    """What this host tells of itself: see `Host`."""

    version: str
    workers: int
    settings: dict[str, str]


class Messages:
    """The messages of one application, through *redis*. *folder* is that of its files on this host.

    *remover* does what the messages tell, and *about* describes the host. *follows* is false if no threads run in this
    process. It then hears nothing, and reads the log only at its start.
    """

    def __init__(
        self,
        redis: RedisConnection,
        listener: Listener,
        folder: str,
        remover: Remover,
        about: Callable[[], About],
        *,
        follows: bool,
    ) -> None:
        self.log = EventLog(redis)
        self.roster = Roster(redis)
        self.files = HostFiles(folder)
        self._listener = listener
        self._remover = remover
        self.about = about
        self._follows = follows
        self._woken = PerProcess(threading.Event)
        self._thread = ProcessThread("flask-images-vips-messages", self._run)
        listener.hear(CHANNEL, lambda number: self._wake())
        listener.on_connect(self._wake)

    def open(self) -> None:
        """Catch up with what this host has missed, and follow the log from now on. Call this before serving images."""
        try:
            self.catch_up()
            self._warn_of_differences()
        except RedisFailed:  # this is logged already
            self._remover.learn()
            self._wake()  # try again soon
        except OSError as error:
            logger.error(
                "What other hosts have removed cannot be removed here: %s. Purge everything on this host.", cause(error)
            )
        self._follow()

    def tell(self, kind: str, ref: str = "", *, wait: bool = False) -> Told:
        """Tell all hosts what was done here. With *wait*, wait a moment until they have done it, too.

        If Redis is away, the event is kept, and told when it is back. Nothing is raised.
        """
        me = self.files.known_host()
        event = Event(kind, ref, me)
        if not self.files.has_kept():  # events must be told in their order
            with suppress(RedisFailed):
                number = self.log.append(event)
                return self.roster.confirmed(number, _CONFIRM_SECONDS, me) if wait else Told()
        try:
            self.files.keep(event)
            self._wake()
        except OSError as error:
            logger.error(
                "Other hosts cannot be told to %s %s: %s. Do the same on each.", kind, shown(ref), cause(error)
            )
        return Told(is_told=False)

    def catch_up(self) -> None:
        """Carry out what this host has missed. Then tell what other hosts could not be told before.

        Raises:
            RedisFailed: If Redis is away.
            OSError: If something cannot be done.
        """
        with self.files.turn():
            me = self.files.host()
            position = self._caught_up(me)
            about = self.about()
            self.roster.note(Host(me, position.number, time.time(), about.version, about.workers, about.settings))
            while kept := self.files.kept():
                for event in kept:
                    self._remover.share(event)
                    self.log.append(event)
                self.files.drop_kept()
        self._remover.drop_memory()

    def _caught_up(self, me: str) -> Position:
        """Carry out the events after the position of this host, except its own. Returns its new position."""
        position, starts_anew = self.files.position(), False
        while True:
            batch = self.log.read(position)
            if not starts_anew and not _can_follow(position, batch):
                starts_anew = True
                self._remover.start_anew()
            elif position is None:  # the log may be younger than what was forgotten
                self._remover.learn()
            for event in batch.events:
                if event.by != me and (not starts_anew or event.kind in _LASTING):
                    self._remover.carry_out(event)
            position = batch.position
            self.files.set_position(position)
            if batch.is_last:
                return position

    def _wake(self) -> None:
        self._woken.get().set()

    def _follow(self) -> None:
        """Let a thread of this process follow the log, if threads run in it."""
        if self._follows:
            self._listener.start()
            self._thread.start()

    def _run(self) -> None:
        woken, has_failed = self._woken.get(), False
        while not self._listener.is_stopped:
            pause = connection.AWAY_SECONDS if has_failed else _ROUND_SECONDS * _random.uniform(1, 1.5)
            is_woken = woken.wait(pause)
            woken.clear()
            if self._listener.is_stopped:
                return
            if is_woken or has_failed or self.files.position_age() > _ROUND_SECONDS:
                has_failed = not self._has_caught_up()

    def _has_caught_up(self) -> bool:
        """Catch up, and return whether that was possible."""
        try:
            self.catch_up()
            return True
        except RedisFailed:  # this is logged already
            pass
        except OSError as error:
            if _said.add("failed"):
                logger.error(
                    "What other hosts have removed cannot be removed here: %s. It is tried again. This is logged once.",
                    cause(error),
                )
        except Exception:
            logger.exception("A message of another host could not be carried out.")
        return False

    def _warn_of_differences(self) -> None:
        """Name the hosts whose configuration differs from that of this one, once per process."""
        settings = self.about().settings
        differing = {
            host.name: keys for host in self.roster.hosts() if host.is_present and (keys := host.differing(settings))
        }
        if differing and _said.add("differing"):
            told = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in differing.items())
            logger.warning(
                "Other hosts have another configuration, so they make other images or URLs (%s). Ignore this while a "
                "new version is being deployed. This is logged once.",
                told,
            )


def _can_follow(position: Position | None, batch: Batch) -> bool:
    """Return whether a host at *position* knows all that it has missed, of which *batch* is the beginning.

    A host that never read the log may have something in its cache from before it had Redis.
    """
    if position is None:
        return batch.last == 0
    return batch.is_complete and batch.last - position.number <= _MOST_MISSED


_said = Said()
