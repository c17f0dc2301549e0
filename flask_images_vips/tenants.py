"""Tell which tenant of a site an image is for, and how much it may render: by the application's callbacks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from werkzeug.exceptions import HTTPException

from .errors import ConfigError

logger = logging.getLogger("flask_images_vips")

_MOST_LOGGED = 200  # characters
_LIMIT = 1e15

TenantCallback = Callable[[str], str | int | Coroutine[Any, Any, str | int | None] | None]
"""The type of the callback that `TenantMethods.tenant` registers: a function or a coroutine function."""

EnsureSync = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Turns a coroutine function into a function, as `Flask.ensure_sync` does."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit: *renders* images at once, and after that one more each time *seconds* / *renders* have passed.

    Raises:
        ValueError: If *renders* is less than 1, *seconds* is not more than 0, or a number is 1e15 or more.
    """

    renders: int
    seconds: float

    def __post_init__(self) -> None:
        if not (1 <= self.renders < _LIMIT and 0 < self.seconds < _LIMIT):
            raise ValueError(f"{self}: expected at least 1 render and more than 0 seconds, both below 1e15")


QuotaCallback = Callable[[str], Quota | Coroutine[Any, Any, Quota | None] | None]
"""The type of the callback that `TenantMethods.quota` registers: a function or a coroutine function."""

T = TypeVar("T", bound=TenantCallback)
Q = TypeVar("Q", bound=QuotaCallback)


class Tenants:
    """The callbacks of one `Images` object. They are called during requests."""

    def __init__(self) -> None:
        self.find: TenantCallback | None = None
        self.find_quota: QuotaCallback | None = None

    def tenant_of(self, ref: str, ensure_sync: EnsureSync) -> str | None:
        """Return the tenant that the image of the source *ref* is for. None if it is for none of them.

        If the callback fails, the error is logged, and the image is for none. An HTTP error is the answer.
        """
        if self.find is None:
            return None
        with _logged("tenant", ref):
            found = ensure_sync(self.find)(ref)
            return None if found is None else str(found)
        return None

    def quota_of(self, ref: str, ensure_sync: EnsureSync) -> tuple[str, Quota] | None:
        """Return the tenant that the image of the source *ref* is for, and its quota. None if it has none.

        If a callback fails, the error is logged, and there is no limit. An HTTP error is the answer.

        Raises:
            ConfigError: If the callback returns something else.
        """
        if self.find_quota is None or (tenant := self.tenant_of(ref, ensure_sync)) is None:
            return None
        quota: object = None
        with _logged("quota", tenant):
            quota = ensure_sync(self.find_quota)(tenant)
        if quota is None:
            return None
        if not isinstance(quota, Quota):
            expected = "Expected Quota(renders=…, seconds=…), or None for no limit."
            raise ConfigError(f"The quota callback returned {quota!r} for the tenant {tenant!r}. {expected}")
        return tenant, quota


@contextmanager
def _logged(name: str, argument: str) -> Iterator[None]:
    """Log errors of the block, which calls the callback called *name*: a fault of it must not take images down."""
    try:
        yield
    except HTTPException:
        raise
    except Exception:
        shown = argument[:_MOST_LOGGED]
        logger.exception("The %s callback failed for %r. The image is rendered without a limit.", name, shown)


class TenantMethods:
    """The decorators of `Images` that register the callbacks of tenants."""

    def __init__(self) -> None:
        self.tenants = Tenants()

    def tenant(self, callback: T) -> T:
        """Decorate a function that returns the tenant that an image is for, such as a customer of the site.

        ``callback(ref)`` receives the path or the URL of the source, and returns the tenant's name or number, or None.
        It is called during the request, but only if the image is not cached. Metrics then tell the renders and the CPU
        time of each tenant, and `quota` can limit them.

        Raises:
            ConfigError: If a callback is already registered.
        """
        if self.tenants.find is not None:
            raise ConfigError("A tenant callback is already registered. Register only one.")
        self.tenants.find = callback
        return callback

    def quota(self, callback: Q) -> Q:
        """Decorate a function that limits how many images are rendered for one tenant.

        ``callback(tenant)`` receives what the callback of `tenant` has returned, and returns a `Quota`, or None for no
        limit. It is called during the request, but only if the image is not cached: cached images are always served.
        A tenant that has used up its quota gets the nearest smaller size from the cache, or status 429 with
        ``Retry-After``. All processes of a host count together.

        Raises:
            ConfigError: If a callback is already registered, or no callback for `tenant` is.
        """
        if self.tenants.find_quota is not None:
            raise ConfigError("A quota callback is already registered. Register only one.")
        if self.tenants.find is None:
            raise ConfigError("A quota needs to know the tenant of an image. Register a callback with tenant first.")
        self.tenants.find_quota = callback
        return callback
