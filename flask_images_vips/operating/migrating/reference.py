"""Compute the URLs and sizes of Flask-Images 3.0.2, independently of the rest of this package.

Flask-Images itself cannot be imported beside this package, because it needs an older itsdangerous. Tests hold this
module to what Flask-Images has answered to about 700 calls. This module does no I/O.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

_SHORT = {
    "background": "b",
    "cache": "c",
    "enlarge": "e",
    "format": "f",
    "height": "h",
    "mode": "m",
    "quality": "q",
    "transform": "x",
    "url": "u",
    "version": "v",
    "width": "w",
    "sharpen": "usm",
}
_TRANSFORM = re.compile(r"[,;:_ ]")
_SALT = b"itsdangerous.Signer"  # the default of itsdangerous, which Flask-Images did not change


def url(prefix: str, ref: str, keywords: Mapping[str, Any], mtime: int | None, secret: str | bytes) -> str:
    """Return the URL of the local source *ref* below *prefix*.

    *mtime* is the modification time of the file in seconds since 1970, or None if it is missing. The signature is
    within ``b'…'``, as on Python 3.
    """
    query = {}
    for name, value in keywords.items():
        if value is None or name.startswith("_") or name in ("external", "scheme"):
            continue
        if name == "enlarge":
            if value:
                query["e"] = "1"
        elif name == "cache":
            if not value:
                query["c"] = ""
        elif name == "transform":
            query["x"] = "_".join(map(str, _parts(value))).replace("%", "p")
        else:
            query[_SHORT.get(name, name)] = str(value)
    if mtime is not None:
        query["v"] = version(mtime)
    path, text = ref.strip("/"), urlencode(sorted(query.items()))
    quoted = quote(path, safe="/$-_.+!*'(),")
    return f"{prefix}/{quoted}?{text}&s=b'{signature(f'{path}?{text}', secret)}'"


def signature(text: str, secret: str | bytes) -> str:
    """Return the signature of *text*, the path and the query of a URL."""
    key = secret.encode() if isinstance(secret, str) else secret
    derived = hashlib.sha1(_SALT + b"signer" + key).digest()  # noqa: S324 (that is the algorithm)
    return urlsafe_b64encode(hmac.new(derived, text.encode(), hashlib.sha1).digest()).decode().rstrip("=")


def version(mtime: int) -> str:
    """Return the parameter ``v`` of a file that was modified *mtime* seconds after the beginning of 1970."""
    return urlsafe_b64encode(mtime.to_bytes(4, "big")).decode().rstrip("=").lstrip("A")


def size(image: tuple[int, int], keywords: Mapping[str, Any]) -> tuple[int, int]:
    """Return the (width, height) in pixels of the picture that the URL with *keywords* showed.

    *image* is the size of the file as it is stored, because Flask-Images ignored the EXIF orientation. A side of 0,
    which Flask-Images failed on, is 1.
    """
    if keywords.get("transform"):
        image = _transformed(image, _parts(keywords["transform"]))
    wide, high = image
    width, height = (int(keywords.get(name) or 0) for name in ("width", "height"))
    enlarge, mode = bool(keywords.get("enlarge")), keywords.get("mode") or "reshape"
    if not width and not height:
        return _at_least_1(wide, high)
    if not width or not height:
        if not enlarge:
            width, height = min(width, wide), min(height, high)
        return _at_least_1(width or wide * height // high, height or high * width // wide)
    if mode == "reshape":
        return (width, height) if enlarge else (min(width, wide), min(height, high))
    if mode == "pad":
        return width, height
    by_width, by_height = (width, high * width // wide), (wide * height // high, height)
    scaled = (max if mode == "crop" else min)(by_width, by_height)
    if not enlarge:
        scaled = min(scaled[0], wide), min(scaled[1], high)
    return _at_least_1(min(width, scaled[0]), min(height, scaled[1]))


def _at_least_1(width: int, height: int) -> tuple[int, int]:
    return max(1, width), max(1, height)


def _parts(transform: str | Sequence[Any]) -> list[Any]:
    return _TRANSFORM.split(transform) if isinstance(transform, str) else list(transform)


def _transformed(image: tuple[int, int], parts: Sequence[Any]) -> tuple[int, int]:
    """Return the size after a transform, whose second and third part are its size. 0 stands for that of the picture."""
    sides = []
    for own, part in zip(image, parts[1:3], strict=False):
        text = str(part)
        share = text.endswith(("%", "p"))
        sides.append(int(own * float(text[:-1]) / 100) if share else int(float(text)) or own)
    return sides[0], sides[1]
