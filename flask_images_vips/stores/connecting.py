"""Make obstore's object for a store from ``IMAGES_STORE_OPTIONS``. Nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..errors import ConfigError
from .failures import reason
from .location import Location

_CONNECT_SECONDS = 2.0
_OF_CONNECTIONS = frozenset(
    {
        "allow_http",
        "allow_invalid_certificates",
        "proxy_ca_certificate",
        "proxy_excludes",
        "proxy_url",
        "root_certificate",
        "user_agent",
    }
)
"""The options that obstore takes apart from those of a store, and panics if they are among them."""


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
    own = {name: value for name, value in options.items() if name not in _OF_CONNECTIONS}
    client = {
        "allow_http": str(options.get("endpoint", "")).startswith("http://"),
        **{name: value for name, value in options.items() if name in _OF_CONNECTIONS},
        "timeout": f"{timeout}s",
        "connect_timeout": f"{min(timeout, _CONNECT_SECONDS)}s",
    }
    # A request that is sent again may take another timeout.
    retry = {"max_retries": 1, "retry_timeout": timedelta(seconds=timeout)}
    module = module_for(location)
    try:
        return module.store.from_url(str(location), config=own or None, client_options=client, retry_config=retry)
    except (module.exceptions.BaseError, TypeError, ValueError) as error:
        raise ConfigError(f"IMAGES_STORE_OPTIONS of {location}: {reason(error)}") from None
    except BaseException as error:
        if not _is_panic(error):
            raise
        names = ", ".join(sorted(own))
        raise ConfigError(
            f"IMAGES_STORE_OPTIONS of {location}: obstore does not take all of these as options of a store: {names}. "
            "IMAGES_STORE_TIMEOUT limits the time of a request."
        ) from None


def _is_panic(error: BaseException) -> bool:
    """Return whether *error* tells of a fault in obstore. Its class cannot be imported, and is no `Exception`."""
    return type(error).__name__ == "PanicException"
