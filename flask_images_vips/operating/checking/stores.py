"""Check the object stores of ``IMAGES_PATH``: whether they answer, and allow what the site needs."""

from __future__ import annotations

from collections.abc import Iterator

from ...stores.failures import lacks_credentials
from ...stores.store import ObjectStore, StoreFailed, StoreRefused
from .finding import Finding, error, ok, warning
from .site import Site

NO_BUCKET = "404"
"""The status of a request for a bucket that does not exist."""


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
    except StoreFailed as problem:
        return _told(place, problem)


def no_credentials(name: str, problem: StoreFailed) -> Finding:
    """Return what to say if credentials are missing, so that the cloud was asked for the role of this machine."""
    return error(
        name,
        f"There are no credentials, and no role of this machine was found: {problem}",
        "Set them in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.",
    )


def _told(place: str, problem: StoreFailed) -> Finding:
    if lacks_credentials(str(problem)):
        return no_credentials("source-store", problem)
    if isinstance(problem, StoreRefused):
        if problem.status == NO_BUCKET:
            return error("source-store", str(problem), f"Create the bucket of {place}, or correct IMAGES_PATH.")
        return warning(
            "source-store",
            f"{problem}. Pictures that may not be read answer 503. So do missing ones, because some stores answer 403 "
            "to them if the bucket may not be listed.",
            "Allow the site to read and list the objects, such as s3:GetObject and s3:ListBucket. If it should be "
            "allowed already, check the credentials, the region and the clock.",
        )
    return error(
        "source-store",
        f"{problem}. Its pictures answer 503 unless they are cached.",
        "Correct the endpoint and the region in IMAGES_STORE_OPTIONS, or let this host reach the store.",
    )
