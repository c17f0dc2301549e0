"""Make obstore's object for a store from ``IMAGES_STORE_OPTIONS``. Nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..errors import ConfigError
from .failures import panics_as_errors, reason
from .location import Location
from .options import divided

_CONNECT_SECONDS = 2.0


def module_for(location: Location) -> Any:
    """Return the module obstore. It is imported at its first use.

    Raises:
        ConfigError: If it is missing.
    """
    try:
        import obstore  # noqa: PLC0415
        import obstore.store  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            f"{location} is in an object store, which needs the package obstore: pip install 'flask-images-vips[s3]'."
        ) from None
    return obstore


def connect(location: Location, options: Mapping[str, Any], timeout: float) -> Any:
    """Return obstore's object for *location*. A request takes at most *timeout* seconds.

    Raises:
        ConfigError: If obstore is missing or *options* are invalid.
    """
    module = module_for(location)
    timeouts = {"timeout": f"{timeout}s", "connect_timeout": f"{min(timeout, _CONNECT_SECONDS)}s"}
    # A request that is sent again may take another timeout.
    retry = {"max_retries": 1, "retry_timeout": timedelta(seconds=timeout)}
    try:
        own, of_connections = divided(options)
        with panics_as_errors():
            return module.store.from_url(
                str(location), config=own or None, client_options=of_connections | timeouts, retry_config=retry
            )
    except (module.exceptions.BaseError, OSError, TypeError, ValueError) as error:
        raise ConfigError(f"IMAGES_STORE_OPTIONS of {location}: {reason(error)}") from None
