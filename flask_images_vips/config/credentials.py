"""Read ``IMAGES_C2PA``: the certificate and the key to sign renditions with. This module does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import ConfigError, did_you_mean
from .checks import wrong

_ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
_EXAMPLE = "{'cert': 'c2pa/chain.pem', 'key': 'c2pa/key.pem'}"


class Credentials(NamedTuple):
    """The paths of a certificate chain and of its private key, both in PEM, and the algorithm of signatures."""

    cert: str
    key: str
    alg: str = _ALGORITHMS[0]


def credentials(name: str, value: Any) -> Credentials | None:
    """Accept None, or a dictionary with ``cert``, ``key`` and perhaps ``alg``."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise wrong(name, value, f"a dictionary such as {_EXAMPLE}, or None")
    for each in value:
        if each not in Credentials._fields:
            raise ConfigError(f"{name} has no {each!r}: expected {_EXAMPLE}{did_you_mean(each, Credentials._fields)}.")
    for each in ("cert", "key"):
        path = value.get(each)
        if not isinstance(path, str) or not path:
            raise ConfigError(f"{name}: {each!r} is {path!r}. Expected the path of a file in PEM.")
    made = Credentials(**value)
    if made.alg not in _ALGORITHMS:
        raise ConfigError(f"{name}: 'alg' is {made.alg!r}. Expected one of {', '.join(_ALGORITHMS)}.")
    return made
