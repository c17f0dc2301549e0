"""Make the cache tags of images. By a tag, a cache in front of the site purges all images of one source at once.

The tag of a source is ``image:`` and its path, as image URLs have it, so nginx can write it too. A path that some
cache would refuse as a tag is replaced by its digest. All images have the tag ``image``. Cloudflare and CloudFront
ignore the case of tags: there, a purge of ``Cat.jpg`` also reaches ``cat.jpg``, which costs a render at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote_plus

from .cdn.tag_headers import TAG_HEADERS
from .config.keys import Config
from .hashing import digest
from .sources.spelling import plain_ref
from .urls import ImageUrl, quoted

EVERY = "image"
"""The tag of all images."""

_DIGEST_BYTES = 16
# Commas and spaces separate tags. CloudFront takes 256 characters, Cloudflare and Fastly 1,024.
_PLAIN = re.compile(r"[A-Za-z0-9_%$.+!'()~/-]{1,200}", re.ASCII)
_SOURCE_URL = re.compile(r"(?:^|&)u=([^&]*)")


def tag_of(ref: str) -> str:
    """Return the tag of the source *ref*, a normalised path or a URL. All spellings of a URL have the same tag."""
    plain = plain_ref(ref)
    text = quote_plus(plain) if "://" in plain else quoted(plain)
    return f"{EVERY}:{text if _PLAIN.fullmatch(text) else digest(plain, _DIGEST_BYTES)}"


def tag_headers(config: Config, refs: Iterable[str]) -> list[tuple[str, str]]:
    """Return the headers with the tags of an image that shows the sources *refs*, if *config* asks for tags."""
    if not config.cache_tags:
        return []
    return headers_with(config, [EVERY, *map(tag_of, refs)])


def headers_with(config: Config, tags: Sequence[str]) -> list[tuple[str, str]]:
    """Return the headers with *tags* for all kinds of caches in ``IMAGES_CACHE_TAGS``."""
    return [header.of(tags) for header in dict.fromkeys(TAG_HEADERS[kind] for kind in config.cache_tags)]


def can_nginx_tag(url: ImageUrl, config: Config) -> bool:
    """Return whether nginx, which knows nothing but the URL, can write the tags of *url*, see `nginx_maps`."""
    if not config.cache_tags:
        return True
    path, _, query = (url.canonical or "").partition("?")
    source_url = _SOURCE_URL.search(query)
    return [f"{EVERY}:{source_url[1] if source_url else path}"] == [tag_of(ref) for ref in url.refs]


def nginx_maps(prefix: str, name: str) -> str:
    """Return the ``map`` blocks by which nginx finds the tag of a source in a URL, as `can_nginx_tag` expects it.

    *prefix* is a regular expression for the prefix of all image URLs. The variables begin with *name*.
    """
    return f"""
# The cache tag of the source: its URL in u=, or its path.
map $request_uri ${name}_path_tag {{
    default "";
    "~^{prefix}/(?<{name}_path>[^?]+)" "{EVERY}:${name}_path";
}}
map $arg_u ${name}_tag {{
    default "{EVERY}:$arg_u";
    "" ${name}_path_tag;
}}
"""
