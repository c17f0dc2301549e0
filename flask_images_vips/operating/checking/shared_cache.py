"""Check the object store of ``IMAGES_CACHE``: store a small object there, and remove it again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

from ...fleet.shared_cache import ObjectCache
from ...stores.failures import lacks_credentials
from ...stores.location import Location
from ...stores.store import ObjectStore, StoreFailed, StoreRefused
from .finding import Finding, error, ok, warning
from .site import Site
from .stores import NO_BUCKET, no_credentials

_FOLDER = "probes"
_LONGEST_SECONDS = 0.5  # of one request
_MOST_APART_SECONDS = 300.0
_METADATA = {"digest": "probe"}


def store(site: Site) -> Iterator[Finding]:
    """Find a store that cannot be used, or that does not keep its promises."""
    shared = site.cache.shared
    if not isinstance(shared, ObjectCache):
        return
    place, path = shared.store.location, f"{_FOLDER}/{secrets.token_hex(8)}"
    try:
        yield from _probe(shared.store, path)
    except StoreFailed as problem:
        yield _told(place, problem)


def _told(place: Location, problem: StoreFailed) -> Finding:
    if lacks_credentials(str(problem)):
        return no_credentials("cache-store", problem)
    if isinstance(problem, StoreRefused):
        return error(
            "cache-store",
            f"{problem}. Each host renders for itself.",
            f"Create the bucket of {place}, or correct IMAGES_CACHE."
            if problem.status == NO_BUCKET
            else "Check IMAGES_STORE_OPTIONS and the credentials in the environment. They must be allowed to read, "
            "write, list and delete objects there (s3:GetObject, s3:PutObject, s3:ListBucket, s3:DeleteObject).",
        )
    return error(
        "cache-store",
        f"The store cannot be used: {problem}. Each host renders for itself.",
        "Check the endpoint and the region in IMAGES_STORE_OPTIONS, and whether this host reaches it.",
    )


def _probe(store: ObjectStore, path: str) -> Iterator[Finding]:
    begin = time.monotonic()
    created = store.create(path, b"first", media_type="text/plain", metadata=_METADATA)
    seconds = time.monotonic() - begin
    try:
        again = store.create(path, b"second", metadata=_METADATA)
        found = store.get(path)
        listed = any(each.path == path for each in store.list(_FOLDER))
    finally:
        store.delete([path])
    if not created or again or found is None or found.data != b"first":
        yield error(
            "cache-store",
            f"{store.location} does not honour conditional writes: it overwrites an object that must only be created. "
            "A host that is late may replace an image that others serve.",
            "Use a store that honours If-None-Match, such as Amazon S3, Google Cloud Storage, Azure or SeaweedFS.",
        )
        return
    if found.metadata.get("digest") != _METADATA["digest"] or not listed:
        yield error(
            "cache-store",
            f"{store.location} does not {'list its objects' if not listed else 'keep the metadata of objects'}, so "
            "what hosts store there is never used or never removed.",
            "Use another store.",
        )
        return
    yield from _odd(store, seconds, found.stated.mtime_ns / 1e9 - time.time()) or [
        ok(
            "cache-store",
            f"{store.location} stores, creates only once, lists and deletes; {1000 * seconds:.0f} ms a request",
        )
    ]


def _odd(store: ObjectStore, seconds: float, ahead_seconds: float) -> list[Finding]:
    found = []
    if abs(ahead_seconds) > _MOST_APART_SECONDS:
        found.append(
            warning(
                "cache-store",
                f"The clocks of {store.location} and of this host differ by {abs(ahead_seconds):,.0f} seconds.",
                "Let this host set its clock from the network (NTP): stores refuse requests that are signed too early "
                "or too late.",
            )
        )
    if seconds > _LONGEST_SECONDS:
        found.append(
            warning(
                "cache-store",
                f"{store.location} took {1000 * seconds:.0f} ms to store a few bytes. Each new image takes longer.",
                "Use a bucket in the region of this host.",
            )
        )
    return found
