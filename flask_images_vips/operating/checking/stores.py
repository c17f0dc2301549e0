"""Check the object stores of ``IMAGES_PATH``: whether they answer, and allow what the site needs."""

from __future__ import annotations

from collections.abc import Iterator

from ...stores.store import ObjectStore, StoreFailed, StoreRefused
from .finding import Finding, error, ok, warning
from .site import Site

_NO_BUCKET = "404"


def originals(site: Site) -> Iterator[Finding]:
    """Find stores that cannot be reached, listed or read."""
    for sources in site.pipeline.sources.local.stores:
        yield _finding(sources.store)


def _finding(store: ObjectStore) -> Finding:
    place = str(store.location)
    try:
        first = next(store.list(), None)
        if first is None:
            return ok("source-store", f"{place} has no objects yet")
        store.get(first.path, most_bytes=1)
        return ok("source-store", place)
    except StoreRefused as problem:
        if problem.status == _NO_BUCKET:
            return error("source-store", str(problem), f"Create the bucket of {place}, or correct IMAGES_PATH.")
        return warning(
            "source-store",
            f"{problem}. Pictures that may not be read answer 503. So do missing ones, because some stores answer 403 "
            "to them if the bucket may not be listed.",
            "Allow the site to read and list the objects, such as s3:GetObject and s3:ListBucket. If it should be "
            "allowed already, check the credentials, the region and the clock.",
        )
    except StoreFailed as problem:
        return error(
            "source-store",
            f"{problem}. Its pictures answer 503 unless they are cached.",
            "Correct the endpoint and the region in IMAGES_STORE_OPTIONS, or let this host reach the store.",
        )
