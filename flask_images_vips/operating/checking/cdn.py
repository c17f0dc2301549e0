"""Check CDNs and other caches in front of the site (``IMAGES_CDN``)."""

from __future__ import annotations

from collections.abc import Iterator

from ...cdn.backend import CdnFailed
from .finding import Finding, error, ok, warning
from .site import Site


def in_front(site: Site) -> Iterator[Finding]:
    """Ask each cache in front whether it can be purged, and find tags that nobody purges."""
    config = site.config
    if config.cache_tags and not config.cdn:
        yield warning(
            "cdn",
            f"Images have tags for {' and '.join(config.cache_tags)}, but IMAGES_CDN is not set: a forget ends here.",
            "Set IMAGES_CDN, or purge there by yourself. See docs/deploying/cdn.md.",
        )
    for cache in config.cdn:
        try:
            cache.check()
        except CdnFailed as problem:
            yield error("cdn", f"{cache.kind} cannot be purged: {problem}", cache.cure)
        else:
            yield ok("cdn", f"{cache.kind} can be purged")
