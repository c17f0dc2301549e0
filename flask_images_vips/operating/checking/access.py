"""Check whether pictures that a callback protects are public by another way."""

from __future__ import annotations

from collections.abc import Iterator

from ...exposure import served_folders
from .finding import Finding, error, ok
from .site import Site


def originals(site: Site) -> Iterator[Finding]:
    """Find folders that Flask itself serves although a callback protects the pictures in them."""
    if site.images.authorizer is None:
        return
    found = [*served_folders(site.app, site.pipeline)]
    for sentence in found:
        yield error("private-images", sentence, "Move the files out of the folder that Flask serves.")
    if not found:
        yield ok("private-images", f"{site.images.authorizer.name} decides, and Flask serves no source by itself")
