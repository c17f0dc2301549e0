"""Check whether images can be signed (``IMAGES_C2PA``)."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ...errors import Busy
from ...formats import PNG
from .finding import Finding, error, ok, warning
from .site import Site

# A PNG of one black pixel.
_PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
_SOON = timedelta(days=30)
_CORRECT = "Correct the files that IMAGES_C2PA names."


def signatures(site: Site) -> Iterator[Finding]:
    """Sign a picture, and find a certificate that expires."""
    signer = site.pipeline.producer.signer
    if signer is None:
        return
    try:
        expires = signer.expires
    except ValueError as problem:
        yield error("signatures", f"The certificate of IMAGES_C2PA cannot be read: {problem}", _CORRECT)
        return
    left = expires - datetime.now(UTC)
    cure = "Renew the certificate chain that IMAGES_C2PA names."
    if left < timedelta(0):
        yield error("signatures", f"A certificate of IMAGES_C2PA has expired on {expires:%Y-%m-%d}", cure)
        return
    try:
        signer.sign(_PIXEL, PNG, io.BytesIO(), "a picture of this check")
    except Busy as problem:
        yield error("signatures", f"No image can be signed: {problem}", _CORRECT)
    else:
        if left < _SOON:
            yield warning("signatures", f"A certificate of IMAGES_C2PA expires on {expires:%Y-%m-%d}", cure)
        else:
            yield ok("signatures", f"images can be signed until {expires:%Y-%m-%d}")
