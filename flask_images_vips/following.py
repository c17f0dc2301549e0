"""Do on this host what other hosts of the site have done: see `fleet.messages`."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .background_thread import threads_run
from .config.keys import Config
from .errors import Busy, NotForgotten, shown
from .fleet.fleet import Fleet
from .fleet.host_files import FOLDER
from .fleet.log import ALLOW, CLOSE, FORGET, PURGE, PURGE_ALL, Event
from .fleet.messages import About, Messages
from .forgetting import forget_here
from .hashing import digest
from .in_front import CachesInFront
from .installed import own_version
from .nginx.stamp import digests_of
from .parts import Parts
from .purging import purge_all_here, purge_here
from .rendition import source_folder
from .state import images_of
from .system_errors import cause, start
from .urls import checked_path
from .workers import key_fingerprint, running_workers

if TYPE_CHECKING:
    from flask import Flask

logger = logging.getLogger("flask_images_vips")

_DIGEST_BYTES = 4


def messages_of(app: Flask, parts: Parts, fleet: Fleet) -> Messages:
    """Return the messages that *app* exchanges with the other hosts of *fleet*."""
    config, cache = parts.pipeline.config, parts.pipeline.cache

    def about() -> About:
        settings = {**digests_of(config), "SECRET_KEY": key_fingerprint(app), **_folders(app, config)}
        return About(own_version(), len(running_workers(app, cache)), settings)

    folder = os.path.join(cache.folder, FOLDER)

    def purge_in_front(ref: str, *, soft: bool) -> None:
        images = images_of(app)
        if config.cdn:
            images.instance(CachesInFront).purge_again([ref], soft=soft and images.authorizer is None)

    follower = Follower(parts, purge_in_front)
    return Messages(fleet.connection, fleet.listener, folder, follower, about, follows=threads_run())


def _folders(app: Flask, config: Config) -> dict[str, str]:
    """Return a digest of the folders of originals, by their key, if hosts find each other's renditions only if they
    have the same ones.
    """
    if config.cache_store is None or config.version == "hash" or not config.folders:
        return {}
    folders = [os.path.realpath(os.path.join(app.root_path, folder)) for folder in config.folders]
    return {"IMAGES_PATH": digest(repr(folders), _DIGEST_BYTES)}


@dataclass(frozen=True, slots=True)
class Follower:
    """Removes what *parts* have on this host: a `fleet.messages.Remover`.

    *purge_in_front* purges the caches in front a moment later.
    """

    parts: Parts
    purge_in_front: Callable[..., None]

    def carry_out(self, event: Event) -> None:
        try:
            ref = checked_path(event.ref) if event.ref else ""
        except ValueError:
            logger.warning(
                "Another host has told this one to %s %s, which is not the path of a picture. This is ignored.",
                *(event.kind, shown(event.ref)),
            )
            return
        if event.kind == FORGET:
            self._forget(ref)
            return
        try:
            self._remove(event.kind, ref)
        except OSError as error:
            logger.error(
                "Another host has told this one to %s %s, which is not possible: %s. Mend that, and run "
                "the command again.",
                *(event.kind, shown(ref), cause(error)),
            )

    def _forget(self, ref: str) -> None:
        try:
            forget_here(self.parts, ref)
        except NotForgotten as error:
            logger.error("%s", error)

    def _remove(self, kind: str, ref: str) -> None:
        if kind == PURGE:
            purge_here(self.parts, ref)
        elif kind == PURGE_ALL:
            purge_all_here(self.parts)
        elif kind == CLOSE:
            self.parts.links.empty()
        elif kind == ALLOW:
            self.parts.tombstones.remove(source_folder(ref))

    def start_anew(self) -> None:
        self.parts.links.empty()
        aside = [folder for cache in self.parts.pipeline.caches for folder in cache.set_aside()]
        self.drop_memory()
        self.learn()
        if aside:
            logger.warning(
                "The log of what other hosts have purged or forgotten does not reach back to when this host last read "
                "it, so its cache is emptied."
            )
            _delete(aside)

    def learn(self) -> None:
        self.parts.learn()

    def share(self, event: Event) -> None:
        folder, tombstones = source_folder(event.ref), self.parts.tombstones
        with suppress(OSError):  # `forget` has told of it already
            if event.kind == FORGET:
                tombstones.share(folder)
            elif event.kind == ALLOW:
                tombstones.unshare(folder)
        if event.kind in (FORGET, PURGE):  # hosts that did not know may have filled them again
            self.purge_in_front(event.ref, soft=event.kind == PURGE)

    def drop_memory(self) -> None:
        self.parts.pipeline.drop_memory()


def _delete(folders: Sequence[str]) -> None:
    """Delete *folders* in the background, if possible: a full disk takes minutes, and visitors wait."""

    def delete() -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    if threads_run():
        with suppress(Busy):
            start(threading.Thread(target=delete, name="flask-images-vips-emptying", daemon=True))
            return
    delete()
