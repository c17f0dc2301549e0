"""Generate a configuration of nginx that fits the configuration of an application."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..config.keys import Config
from ..formats import FORMATS, Format, accept_pattern, by_name
from ..urls import quoted_prefix
from .front_door import nginx_map

_HTTP = """\
# Printed by `flask images nginx`. Put the maps and the upstream into http{{}}, and the locations into your server{{}}.
{maps}
upstream images_app {{
    server {upstream};
    keepalive 16;
}}

server {{
    listen {listen};
{locations}}}
"""

_REST = """
    location / {{
{proxy}
    }}
"""

_PROXY = """\
        proxy_pass http://images_app;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;"""

_DOOR_MAPS = """
# Maps a signed, versioned URL in its canonical spelling to the name of its link. The segments of the path are joined
# with `@`, which no segment can contain, so the only `/` in the result is the one after $shard.
map $request_uri $images_name {{
    default -;
{name}
}}
# The next five maps compute the suffix of the link: from f=, from Accept if f=auto, or from the path without f=. As the
# suffix is known, nginx looks for one file only. This map computes the suffix from the path.
map $uri $images_own {{
    default .jpg;
{own}
}}
# The first of the application's formats that Accept lists, unless its weight is 0.
map $http_accept $images_accepted {{
    default $images_own;
{accepted}}}
map $http_accept $images_accepted_animated {{
    default $images_own;
{accepted_animated}}}
# If the format of the path can be animated, only formats that can be animated are negotiated.
map $images_own $images_negotiated {{
    default $images_accepted;
{animated}
}}
map $arg_f $images_suffix {{
    default -;
    "" $images_own;
    auto $images_negotiated;
{asked}
}}
map $arg_f $images_vary {{
    default "";
    auto Accept;
}}
# Links are only for GET and HEAD without these headers. nginx would make its 416 responses cacheable for a year, and
# evaluates If-Unmodified-Since although there is an If-Match.
map $request_method$http_range$http_if_match$http_if_unmodified_since $images_plain {{
    default .app;
    GET "";
    HEAD "";
}}
"""

_DOOR = """
    location ^~ {prefix} {{
        root "{folder}";
        types {{
{types}
        }}
        default_type application/octet-stream;
        try_files /$images_name$images_suffix$images_plain @images_app;
        error_page 403 404 = @images_app;  # nginx may not read the file, or it was evicted between stat and open
        log_not_found off;
        if_modified_since before;  # the application compares it in the same way
{headers}
        add_header Vary $images_vary;  # nginx omits the header if the value is empty
    }}

    location @images_app {{
{proxy}
    }}
"""

_ACCEL = """
    location {location}/ {{
        internal;
        alias "{cache}/";
        error_page 403 404 = @images_again;  # the file was evicted, or nginx may not read it
        # The application has evaluated the conditions of the request. Its ETag and its date are sent.
        etag off;
        if_modified_since off;
        add_header ETag $upstream_http_etag;
        add_header Last-Modified $upstream_http_last_modified;
{headers}
        add_header Vary $upstream_http_vary;
    }}

    location @images_again {{
        if ($request_uri !~ "^{prefix}/") {{
            return 404;  # a request from outside
        }}
{proxy}
        proxy_set_header X-Images-Here 1;  # the application must send the file itself
    }}
"""


def nginx_configuration(
    config: Config, cache: str, front: str | None, headers: list[tuple[str, str]], upstream: str, listen: str
) -> str:
    """Return a configuration with which nginx sends images, and passes other requests to the application.

    *cache* is the folder of the cache. *front* is the folder of the front door (see `front_door`), or None if that is
    turned off. nginx adds *headers* to the images. *upstream* is the address of the application, and *listen* is the
    address of nginx.
    """
    maps = locations = ""
    if front is not None:
        preferred = [by_name(name) for name in config.formats]
        maps = _DOOR_MAPS.format(
            name=nginx_map(quoted_prefix(config.url)),
            own=_own_suffixes(),
            accepted=_accepted_suffixes(preferred),
            accepted_animated=_accepted_suffixes([format for format in preferred if format.animated]),
            animated="\n".join(
                f"    {format.suffix} $images_accepted_animated;" for format in FORMATS if format.animated
            ),
            asked=_asked_suffixes(),
        )
        locations += _DOOR.format(
            prefix=f'"{config.url}/"' if " " in config.url else f"{config.url}/",
            folder=front,
            types="\n".join(f"            {format.media_type} {format.suffix[1:]};" for format in FORMATS),
            headers=_header_lines(headers),
            proxy=_PROXY,
        )
    if config.accel_redirect is not None:
        locations += _ACCEL.format(
            location=config.accel_redirect.rstrip("/"),
            cache=cache,
            prefix=re.escape(quoted_prefix(config.url)),
            # With an X-Accel-Redirect, nginx takes Cache-Control from the application's response, but none of these
            # other headers.
            headers=_header_lines([header for header in headers if header[0] != "Cache-Control"]),
            proxy=_PROXY.replace("http://images_app;", "http://images_app$request_uri;"),
        )
    if front is None or config.url:  # without a prefix, the location of the front door is already `/`
        locations += _REST.format(proxy=_PROXY)
    return _HTTP.format(maps=maps, upstream=upstream, listen=listen, locations=locations)


def _header_lines(headers: list[tuple[str, str]]) -> str:
    return "\n".join(f'        add_header {name} "{value}";' for name, value in headers)


def _own_suffixes() -> str:
    formats = [format for format in FORMATS if format.by_extension and format.suffix != ".jpg"]
    return "\n".join(f'    "~*\\.{format.name}$" {format.suffix};' for format in formats)


def _accepted_suffixes(formats: Sequence[Format]) -> str:
    return "".join(f'    "~*{accept_pattern(format)}" {format.suffix};\n' for format in formats)


def _asked_suffixes() -> str:
    names = [(name, format.suffix) for format in FORMATS for name in (format.name, *format.aliases)]
    return "\n".join(f"    {name} {suffix};" for name, suffix in names)
