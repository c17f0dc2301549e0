"""Ask the site itself for a picture, and find out what a server in front of it, such as nginx or a CDN, changes."""

from __future__ import annotations

import http.client
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ...errors import ImagesError
from ...nginx.front_door import FrontDoor
from ...nginx.trial import trial_link
from ...serving.headers import IMMUTABLE, SETTLED_SECONDS
from ...serving.hit import Hit, verify
from .client import Answer, ask
from .finding import Finding, error, ok, warning
from .site import Site
from .sources import pictures

_LONGEST_LOCATION = 300  # characters
_WIDTH = 64  # pixels of the picture that is asked for
_BROWSER = "image/avif,image/webp,image/*,*/*;q=0.8"
_OLD_BROWSER = "image/png,image/*;q=0.8"
_FIRST_WITH_HINTS = 1, 29  # of nginx
_SERVER = re.compile(r"nginx/(\d{1,4})\.(\d{1,4})")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A picture that was asked for: its path and query, and the answer."""

    url: str
    answer: Answer


def front(site: Site) -> Iterator[Finding]:
    """Ask the site for a picture, and look at the answer, as far as it is asked at all."""
    if site.url is None:
        yield ok("site", "not asked for a picture: pass --url")
        return
    try:
        asked = _asked(site, site.url)
        if isinstance(asked, Finding):
            yield asked
            return
        yield from _answer(site, asked)
    except (OSError, http.client.HTTPException) as problem:
        yield error("site", f"{site.url} does not answer: {problem}", "Start the site, or correct --url.")


def _asked(site: Site, base: str) -> _Asked | Finding:
    """Ask the site at *base* for a picture, or tell why that is not possible."""
    ref = site.picture or next(_old_pictures(site), None)
    if site.picture is not None:
        try:
            site.pipeline.sources.here(site.picture)
        except ImagesError as problem:
            return error("site", str(problem), "Correct --picture: expected a path in IMAGES_PATH.")
    if ref is None:
        return ok(
            "site",
            "not asked for a picture: no folder of IMAGES_PATH has one that is older than two seconds. Name one by "
            "--picture",
        )
    url = _path_of(site.url_of(ref, width=_WIDTH))
    answer = ask(base, url)
    if site.config.accel_redirect is not None or site.app.config["USE_X_SENDFILE"]:
        answer = ask(base, url)  # the first answer came from memory, if the picture was rendered for it
    if answer.status == 200:
        return _Asked(url, answer)
    if answer.status == 403 and site.images.authorizer is not None:
        return ok("site", f"refuses {ref!r} to visitors that are not logged in: pass --picture with a public one")
    causes = {
        404: "It signs with another SECRET_KEY, has other folders or another IMAGES_URL than this command, or "
        "another server answers there.",
        502: "The server in front does not reach the application.",
        504: "The server in front does not wait for the application.",
    }
    cure = causes.get(answer.status, "Look into the log of the site.")
    if "location" in answer.headers:
        cure = f"It redirects to {answer.headers['location'][:_LONGEST_LOCATION]}: pass the URL of where it answers."
    return error("site", f"{base} answers {answer.status} to {url}", cure)


def _answer(site: Site, asked: _Asked) -> Iterator[Finding]:
    answer, config = asked.answer, site.config
    if "x-accel-redirect" in answer.headers or "x-sendfile" in answer.headers:
        key = "IMAGES_ACCEL_REDIRECT" if "x-accel-redirect" in answer.headers else "USE_X_SENDFILE"
        yield error(
            "site",
            f"The answer has no picture, but a header that a server in front should replace by it: {key} is set, and "
            f"no such server is at {site.url}.",
            f"Put nginx in front (flask images nginx prints its configuration), or remove {key}.",
        )
        return
    if not answer.headers.get("content-type", "").startswith("image/") or not answer.body:
        kind = answer.headers.get("content-type", "nothing")
        yield error("site", f"answers {kind} of {len(answer.body)} bytes", "Look at what is in front of it.")
        return
    yield ok("site", f"{site.url} answers {answer.headers['content-type']} of {len(answer.body):,} bytes")
    yield from _headers(site, answer)
    if config.formats and site.pipeline.formats.negotiable:
        yield from _negotiation(site)
    if config.early_hints:
        yield from _hints(answer)
    door = site.images.front_door
    if door is not None:
        yield from _door(site, asked, door)


def _headers(site: Site, answer: Answer) -> Iterator[Finding]:
    """Find headers that were changed on the way."""
    found, headers = [], answer.headers
    lifetime = headers.get("cache-control", "")
    if lifetime != IMMUTABLE and site.images.authorizer is None:
        found.append(
            warning(
                "headers",
                f"Cache-Control arrives as {lifetime!r}, instead of {IMMUTABLE!r}.",
                "Let no hook and no server in front change it. If the server does not tell how a path was written "
                "(RAW_URI or REQUEST_URI), use another one.",
            )
        )
    if "set-cookie" in headers:
        found.append(
            error(
                "headers",
                "An image arrives with a cookie, which a cache in front may send to other visitors.",
                "Let the server in front set no cookies on images.",
            )
        )
    if "content-encoding" in headers:
        found.append(
            warning(
                "headers",
                f"Images arrive compressed once more ({headers['content-encoding']}), which makes them no smaller.",
                "Let the server in front compress text only.",
            )
        )
    if "etag" not in headers:
        found.append(
            warning("headers", "The ETag was removed on the way, so images are sent again.", "Let it through.")
        )
    yield from found or [ok("headers", "arrive as they were sent")]


def _negotiation(site: Site) -> Iterator[Finding]:
    """Find a cache in front that sends a picture in the format of the last visitor."""
    assert site.url is not None
    ref = site.picture or next(_old_pictures(site))
    url = _path_of(site.url_of(ref, width=_WIDTH, format="auto"))
    kinds = [ask(site.url, url, Accept=accept).headers.get("content-type") for accept in (_BROWSER, _OLD_BROWSER)]
    if kinds[1] in {f"image/{name}" for name in site.config.formats} and not ref.endswith(site.config.formats):
        yield error(
            "vary",
            f"With format='auto', a browser that reads neither {' nor '.join(site.config.formats)} gets {kinds[1]}: a "
            "cache in front ignores Vary: Accept.",
            "Let it vary its cache by Accept, or let it not cache these URLs.",
        )
    else:
        yield ok("vary", f"format='auto' sends {kinds[0]} or {kinds[1]}")


def _hints(answer: Answer) -> Iterator[Finding]:
    server = _SERVER.search(answer.headers.get("server", ""))
    if server is not None and (int(server[1]), int(server[2])) < _FIRST_WITH_HINTS:
        yield error(
            "early-hints",
            f"IMAGES_EARLY_HINTS is set, but {server[0]} takes a 103 response for the final one: pages do not arrive.",
            "Remove IMAGES_EARLY_HINTS, or use nginx 1.29 or newer.",
        )


def _door(site: Site, asked: _Asked, door: FrontDoor) -> Iterator[Finding]:
    """Find out whether nginx finds the links that the application makes."""
    assert site.url is not None
    if not door.is_in_force:
        yield error(
            "front-door",
            f"The site answers, but makes no links for this configuration in {door.folder}: its workers have another "
            "one, or other secret keys.",
            "Restart the site. Run this command with the environment of the site.",
        )
        return
    hit = _hit_of(site, asked.url)
    if hit is None or hit.link is None or not os.path.lexists(hit.link):
        yield warning(
            "front-door",
            f"No link was made for {asked.url} in {door.folder}.",
            "If another host has answered, pass the address of this host's own nginx as --url. Otherwise, let the user "
            "of the site write there. A path with more than six folders, or a long one, has no link.",
        )
        return
    canonical = hit.url.canonical
    assert canonical is not None
    with trial_link(door, canonical, hit.rendition.format.suffix, hit.link) as trial:
        prefix = asked.url.partition(canonical)[0]
        status = ask(site.url, prefix + trial).status
    if status == 200:
        yield ok("front-door", f"nginx sends images through the links in {door.folder}")
        return
    yield error(
        "front-door",
        f"The server at {site.url} does not look for links in {door.folder}, so every image costs a request to the "
        f"application (a link that only nginx follows got {status}).",
        "Print its configuration again (flask images nginx), reload nginx, and let its user enter the folder.",
    )


def _hit_of(site: Site, url: str) -> Hit | None:
    """Return the hit of the application's own *url*, whose source is a file."""
    path, _, query = url.partition("?")
    with suppress(ImagesError):
        own = unquote(path).partition(f"{site.images.url}/")[2]
        return verify(site.images, own, query.encode(), "").hit()
    return None


def _old_pictures(site: Site) -> Iterator[str]:
    """Yield paths in ``IMAGES_PATH`` of pictures whose version identifies them."""
    for root, path in pictures(site.pipeline.sources.local.roots):
        with suppress(OSError, ValueError, ImagesError):
            status = os.stat(path)
            small = 0 < status.st_size <= site.config.max_source_bytes
            if small and time.time() - status.st_mtime > SETTLED_SECONDS + 1:
                ref = os.path.relpath(path, root).replace(os.sep, "/")
                if site.pipeline.facts.stated_header(site.pipeline.sources.here(ref)) is not None:
                    yield ref


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"
