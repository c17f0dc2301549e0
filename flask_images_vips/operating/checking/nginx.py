"""Check the files of nginx: whether it may enter the cache, and whether its configuration is the one of today."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from glob import glob

from ...nginx.configuration import Server
from ..nginx_site import printed
from .finding import Finding, error, ok, warning
from .site import Site
from .users import closed_folder

_USUAL_FILES = ("/etc/nginx/conf.d/*.conf", "/etc/nginx/sites-enabled/*", "/etc/nginx/http.d/*.conf")
_MARK = "# Printed by `flask images nginx`."
_UPSTREAM = re.compile(r"^ {0,8}server ([^\s;]{1,200});$", re.MULTILINE)
_IMAGES_UPSTREAM = re.compile(r"^upstream images_[0-9a-f]{6}_images \{\n {0,8}server ([^\s;]{1,200});$", re.MULTILINE)
# What the administrator of nginx chooses, not the application.
_OWN_LINES = (
    "listen ",
    "server_name ",
    "client_max_body_size ",
    "server_tokens ",
    "keepalive ",
    "#",
    "proxy_set_header X-Forwarded-Proto ",
)
_MAX_BYTES = 1_000_000


def reach(site: Site) -> Iterator[Finding]:
    """Find folders above the cache that nginx, which is another user, cannot enter."""
    door = site.images.front_door
    if door is None and site.config.accel_redirect is None:
        return
    # The cache opens its own folders once nginx must read something in them.
    folders = [os.path.dirname(site.cache.folder)]
    if site.config.cache_folder is None:  # that folder is one of its own, too
        folders = [os.path.dirname(folders[0])]
    if door is not None and site.config.front_door is not True:
        folders.append(os.path.dirname(door.folder))
    for folder in folders:
        closed = closed_folder(folder)
        if closed is not None:
            yield error(
                "nginx-access",
                f"Other users cannot enter {closed}, so nginx cannot read the images in {folder}.",
                f"Run: chmod o+x {closed}. Or set IMAGES_CACHE to a folder elsewhere, such as /var/cache/mysite.",
            )
            return
    yield ok("nginx-access", f"other users can enter {' and '.join(folders)}")


def file(site: Site) -> Iterator[Finding]:
    """Find a configuration of nginx that was printed for another configuration of the application."""
    if site.images.front_door is None and site.config.accel_redirect is None:
        return
    found = False
    for path in site.nginx or [path for pattern in _USUAL_FILES for path in sorted(glob(pattern))]:
        try:
            with open(path, encoding="utf-8", errors="replace") as opened:
                text = opened.read(_MAX_BYTES)
        except OSError as problem:
            if site.nginx:
                yield error("nginx-file", f"{path} cannot be read ({problem.strerror}).", "Correct --nginx.")
            continue
        if site.nginx or (_MARK in text and _is_of(site, text)):
            found = True
            yield _compared(site, path, text)
    if not found and not site.nginx:
        yield ok("nginx-file", "none found on this host: pass --nginx with the path of the printed file")


def _is_of(site: Site, text: str) -> bool:
    """Return whether the configuration *text* is for this application, rather than for another one of this host."""
    door = site.images.front_door
    return site.cache.folder in text or (door is not None and door.folder in text)


def _compared(site: Site, path: str, text: str) -> Finding:
    upstream, images = _UPSTREAM.search(text), _IMAGES_UPSTREAM.search(text)
    present = {line.strip() for line in text.splitlines()}
    wanted = printed(
        site.images, Server(upstream[1] if upstream else "", images_upstream=images[1] if images else None)
    )
    lines = (line.strip() for line in wanted.splitlines())
    missing = [line for line in lines if line and line not in present and not line.startswith(_OWN_LINES)]
    if not missing:
        return ok("nginx-file", f"{path} fits the configuration of the application")
    more = f" --images-upstream {images[1]}" if images else ""
    return warning(
        "nginx-file",
        f"{path} lacks {len(missing)} lines that `flask images nginx` prints now, such as: {missing[0]}",
        f"Print it again: flask images nginx --upstream {upstream[1] if upstream else 'ADDRESS'}{more} > {path}",
    )
