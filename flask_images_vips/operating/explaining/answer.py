"""Tell how the application answers an image URL, as a JSON object: what it asks for, and what each header will be.

Nothing is rendered, fetched or linked, and no callback is asked, unless the caller wants the picture to be rendered.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from ...access import Privacy
from ...cache.entry import Entry
from ...errors import ImagesError
from ...formats import AUTO
from ...options.ineffective import ineffective
from ...options.options import DECLARED, Options
from ...rendering.gain_map import obstacle
from ...rendition import Rendition
from ...serving.headers import VARY, common_headers
from ...serving.hit import Hit, VerifiedUrl, verify
from ...serving.responses import headers_of
from ...serving.views import status_of
from ...shared_decode.copies import takes_copies
from ...sources.object_file import ObjectSource
from ...state import AppImages
from ...urls import quoted, quoted_prefix
from .plan import steps
from .signature import NOT_OPTIONS, Parts, signer_of

_IF_ALLOWED = ", if the authorize callback allows it"


def explain(parts: Parts, images: AppImages, accept: str, *, render: bool = False) -> dict[str, Any]:
    """Return what *images* do with the URL of *parts*, for a client with this Accept header.

    The object has the keys ``url``, ``signature``, ``ref``, ``options`` (by name, as written), ``answer``, ``status``
    and ``headers``, and, as far as the URL is valid, ``version``, ``source``, ``format``, ``plan``, ``key``, ``entry``,
    ``link`` and ``notes``. With *render*, a picture that is not cached is rendered or fetched.
    """
    query = parts.query.decode("utf-8", "replace")
    found: dict[str, Any] = {
        "url": f"{quoted_prefix(images.url)}/{quoted(parts.path)}?{query}",
        "signature": signer_of(parts, images),
        "ref": parts.ref,
        "options": parts.named,
        "notes": [f"{error.name}={error.value!r} has no effect: expected {error.expected}" for error in _odd(parts)],
    }
    try:
        verified = verify(images, parts.path, parts.query, accept)
        found |= {"options": _options(verified.url.options, parts), "version": verified.url.version}
        if not render and _is_unfetched(verified, images):
            return found | {"status": 200, "answer": "its source is fetched first", "headers": []}
        rendition, entry = _rendition(verified, images, render=render)
        hit = verified.renewed(rendition)
        found["notes"] += _without_effect(rendition)
        found |= _described(rendition, images) | _answered(hit, entry or hit.entry(), images)
    except ImagesError as error:
        found |= _refused(error, parts, images)
    return found


def _odd(parts: Parts) -> list[Any]:
    return list(ineffective({name: value for name, value in parts.fields.items() if name not in NOT_OPTIONS}))


def _without_effect(rendition: Rendition) -> list[str]:
    if not rendition.options.keep.gainmap:
        return []
    why = obstacle(rendition.options, rendition.format)
    return [f"a gain map of the source is not kept: {why}"] if why else []


def _options(options: Options, parts: Parts) -> dict[str, str]:
    """Return the options of a valid URL with their values as they are understood, and those that follow from it."""
    written = parts.named
    understood = {name: _text(getattr(options, name)) for name in DECLARED if name in written}
    return written | understood


def _text(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return str(value).lower() if isinstance(value, bool) else getattr(value, "name", None) or str(value)


def _is_unfetched(verified: VerifiedUrl, images: AppImages) -> bool:
    remote = images.pipeline.sources.remote
    return verified.url.remote and remote is not None and remote.kept(verified.url.ref) is None


def _rendition(verified: VerifiedUrl, images: AppImages, *, render: bool) -> tuple[Rendition, Entry | None]:
    pipeline, url = images.pipeline, verified.url
    if render:
        verified.hit()  # refuses what has expired
        return pipeline.entry(url)
    if url.options.expires is not None and time.time() >= url.options.expires:
        verified.hit()  # raises the error
    find = pipeline.sources.here if pipeline.sources.remote is not None else lambda _: pipeline.sources.find(url)
    return pipeline.rendition(url, find(url.ref)), None


def _described(rendition: Rendition, images: AppImages) -> dict[str, Any]:
    """Return what is rendered from what, and under which key it is kept."""
    pipeline, source, options = images.pipeline, rendition.source, rendition.options
    facts = pipeline.facts
    header = facts.header_in_render(source)  # which does not write to the cache: this may be another user
    mark = facts.header_in_render(rendition.watermark) if rendition.watermark is not None else None
    geometry = pipeline.limits.plan(rendition, header, trimmed=facts.trimmed(source, options), mark=mark)
    copies = pipeline.shared.copies if pipeline.shared is not None and takes_copies(options) else None
    return {
        "source": {
            "path": source.url if isinstance(source, ObjectSource) else source.path,
            "width": header.size.width,
            "height": header.size.height,
            "format": header.format,
            "frames": header.frames,
            "alpha": header.alpha,
            "size_bytes": source.size_bytes,
            "modified": datetime.fromtimestamp(source.mtime, UTC).isoformat(),
            "version": rendition.version,
        },
        "format": rendition.format.name,
        "size": list(geometry.final),
        "plan": [*steps(header, options, geometry, rendition.format)],
        "from_copy": copies is not None and copies.has(source, header, geometry.upright),
        "key": "/".join(rendition.key),
    }


def _answered(hit: Hit, entry: Entry | None, images: AppImages) -> dict[str, Any]:
    """Return the status and the headers of the response with *entry*, which is None if it is not rendered yet."""
    described: dict[str, Any] = {"path": hit.path, "cached": entry is not None and entry.path is not None}
    size = None
    if entry is not None:
        with closing(entry):
            described["size_bytes"] = size = entry.size_bytes
            headers = _headers(hit, entry, "public")
            private = _headers(hit, entry, "private")
    else:
        # What only the file can tell is left out.
        nothing = Entry(0, hit.rendition.mtime)
        headers = [pair for pair in _headers(hit, nothing, "public") if pair[0] != "ETag"]
        private = _headers(hit, nothing, "private")
    if size is not None:
        headers.append(("Content-Length", str(size)))
    answer = "200, from the cache" if described["cached"] else "200, once it is rendered"
    if images.authorizer is not None:
        answer += _IF_ALLOWED
    found: dict[str, Any] = {"status": 200, "answer": answer, "headers": headers, "entry": described}
    if images.authorizer is not None:
        found["private_cache_control"] = dict(private)["Cache-Control"]
    if images.front_door is not None:
        link = hit.link
        found["link"] = None if link is None else {"path": link, "exists": os.path.exists(link)}
    return found


def _headers(hit: Hit, entry: Entry, privacy: Privacy) -> list[tuple[str, str]]:
    now = int(time.time())
    environ = {"RAW_URI": quoted_prefix(hit.images.url) + hit.quoted_path}
    return headers_of(hit, entry, privacy, environ, now, settled=hit.freshness.is_settled(now))[0]


def _refused(error: ImagesError, parts: Parts, images: AppImages) -> dict[str, Any]:
    """Return the status and the headers of the response that refuses the URL."""
    status, cache_control, _ = status_of(error)
    headers = [("Cache-Control", cache_control), *common_headers(images.pipeline.config)]
    if parts.fields.get(DECLARED["format"].short, "").lower() == AUTO.name:
        headers.append(VARY)
    return {"status": status, "answer": f"{status}, {error}", "headers": headers}
