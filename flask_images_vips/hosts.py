"""Build what the hosts of one site share: Redis, the cache in an object store, and the tombstones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from .cache.tombstones import Tombstones
from .config.keys import Config
from .originals import store_at

if TYPE_CHECKING:
    from .cache.shared_tombstones import Place
    from .fleet.fleet import Fleet
    from .fleet.shared_cache import ObjectCache
    from .fleet.slots import Slots
    from .stores.store import ObjectStore

FORGOTTEN = "forgotten"
"""The name of the tombstones, in the cache of a host and where hosts share them."""


class Joined(NamedTuple):
    """What a host shares with others. *fleet* is None without ``IMAGES_REDIS``, and *cache* without a store for it."""

    tombstones: Tombstones
    fleet: Fleet | None = None
    cache: ObjectCache | None = None

    @property
    def slots(self) -> Slots | None:
        """What bounds the renders on all hosts, or None if nothing does."""
        return self.fleet.slots if self.fleet is not None else None


def join(config: Config, tombstones_folder: str, on_fetch: Callable[[str, int], object]) -> Joined:
    """Return what the hosts of a site share. *on_fetch* is that of `ObjectCache`.

    Raises:
        ConfigError: If it is certain that Redis or the object store cannot be used.
    """
    optional = config.tombstones is None
    if config.redis is None and config.cache_store is None:
        return Joined(Tombstones(tombstones_folder, optional=optional))
    # Only sites of several hosts need these.
    from .cache.shared_tombstones import SharedTombstones  # noqa: PLC0415
    from .fleet.fleet import make_fleet  # noqa: PLC0415
    from .fleet.shared_cache import ObjectCache  # noqa: PLC0415

    fleet = make_fleet(config) if config.redis is not None else None
    store = store_at(config.cache_store, config) if config.cache_store is not None else None
    tombstones = SharedTombstones(tombstones_folder, _place(fleet, store), optional=optional)
    if store is None:
        return Joined(tombstones, fleet)
    locks = fleet.locks if fleet is not None else None
    return Joined(tombstones, fleet, ObjectCache(store, locks, tombstones.__contains__, on_fetch))


def _place(fleet: Fleet | None, store: ObjectStore | None) -> Place:
    """Return where hosts share their tombstones: in *store*, or else in Redis."""
    from .fleet.places import RedisPlace, StorePlace  # noqa: PLC0415

    if store is not None:
        return StorePlace(store, FORGOTTEN)
    assert fleet is not None
    return RedisPlace(fleet.connection, FORGOTTEN)
