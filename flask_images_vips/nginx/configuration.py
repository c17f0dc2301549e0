"""Generate a configuration of nginx that fits the configuration of an application."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..cache_tags import EVERY, headers_with, nginx_maps
from ..config.keys import Config
from ..formats import FORMATS, JXL, STORED, SVG, Format, accept_pattern, by_name, prefers_jxl_to_avif
from ..hashing import digest
from ..urls import quoted_prefix
from .front_door import nginx_map

_NAME_BYTES = 3
# A pattern that every host matches. It precedes a default server, such as Debian's, but not a server that names a host.
_ANY_NAME = "~."

_HTTP = """\
# Printed by `flask images nginx`. Include this file in http{{}}: files in conf.d usually are. If the site already has a
# server{{}}, leave out this one, and put its locations for images into yours.
{maps}
{upstreams}
server {{
{listen}
    server_name {server_name};
    server_tokens off;
    client_max_body_size {most_bytes};  # as MAX_CONTENT_LENGTH of the application; 0: no limit
{locations}}}
"""

_UPSTREAM = """\
upstream {name} {{
    server {address};
    keepalive 16;
}}
"""

_PASSED = """
    location {location} {{
{proxy}
    }}
"""

_PROXY = """\
        proxy_pass http://{upstream}{path};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto {scheme};"""

_DOOR_MAPS = """
# Maps a signed, versioned URL in its canonical spelling to the name of its link. The segments of the path are joined
# with `@`, which no segment can contain, so the only `/` in the result is the one after $shard.
map $request_uri ${name}_name {{
    default -;
{link}
}}
# The next five maps compute the suffix of the link: from f=, from Accept if f=auto, or from the path without f=. As the
# suffix is known, nginx looks for one file only. This map computes the suffix from the path.
map $uri ${name}_own {{
    default .jpg;
{own}
}}
# The first of the application's formats that Accept lists, unless its weight is 0.
map $http_accept ${name}_accepted {{
    default ${name}_own;
{accepted}}}
map $http_accept ${name}_accepted_animated {{
    default ${name}_own;
{accepted_animated}}}
# If the format of the path can be animated, only formats that can be animated are negotiated.
map ${name}_own ${name}_negotiated {{
    default ${name}_accepted;
{animated}
}}
map $arg_f ${name}_suffix {{
    default -;
    "" ${name}_own;
    auto ${name}_negotiated;
{asked}
}}
map $arg_f ${name}_vary {{
    default "";
    auto Accept;
}}
# Links are only for GET and HEAD without these headers. nginx would make its 416 responses cacheable for a year, and
# evaluates If-Unmodified-Since although there is an If-Match.
map $request_method$http_range$http_if_match$http_if_unmodified_since ${name}_plain {{
    default .app;
    GET "";
    HEAD "";
}}
"""

_OTHERWISE_MAPS = """
# There is a link to a JPEG XL only if that is smaller than the AVIF. This is the suffix of what is sent otherwise.
map $http_accept ${name}_accepted_otherwise {{
    default ${name}_own;
{accepted}}}
map $arg_f${name}_suffix ${name}_otherwise {{
    default -;
    auto.jxl ${name}_accepted_otherwise;
}}
"""

_DOOR = """
    location ^~ {prefix} {{
        root "{folder}";
        types {{
{types}
        }}
        default_type application/octet-stream;
        try_files /${name}_name${name}_suffix${name}_plain{otherwise} @{name}_app;
        error_page 403 404 = @{name}_app;  # nginx may not read the file, or it was evicted between stat and open
        open_file_cache off;  # a link that was removed must not be followed
        log_not_found off;
        if_modified_since before;  # the application compares it in the same way
{headers}
        add_header Vary ${name}_vary;  # nginx omits the header if the value is empty
    }}

    location @{name}_app {{
{proxy}
    }}
"""

_ACCEL = """
    location ^~ {location}/ {{
        internal;
        alias "{cache}/";
        error_page 403 404 = @{name}_again;  # the file was evicted, or nginx may not read it
        # The application has evaluated the conditions of the request. Its ETag and its date are sent.
        etag off;
        if_modified_since off;
        add_header ETag $upstream_http_etag;
        add_header Last-Modified $upstream_http_last_modified;
{headers}
        add_header Vary $upstream_http_vary;{more}
    }}

    location @{name}_again {{
        if ($request_uri !~ "^{prefix}/") {{
            return 404;  # a request from outside
        }}
{proxy}
        proxy_set_header X-Images-Here 1;  # the application must send the file itself
    }}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """What nginx must know of a site besides its images.

    *upstream* is the address of the application. *listen* are the addresses or ports of nginx, and *names* are the
    hosts of the site; an empty tuple stands for all hosts that no other server of nginx names. A request may have
    *most_bytes*, or any number if that is 0. *images_upstream* is the address of another server with the same
    application, which gets the requests for images, so that no page waits for a thread that renders. *scheme* is the
    value of X-Forwarded-Proto: a variable of nginx, or a word.
    """

    upstream: str
    listen: tuple[str, ...] = ("80",)
    names: tuple[str, ...] = ()
    most_bytes: int = 0
    images_upstream: str | None = None
    scheme: str = "$scheme"


def nginx_configuration(
    config: Config, cache: str, front: str | None, headers: list[tuple[str, str]], server: Server
) -> str:
    """Return a configuration with which nginx sends images, and passes other requests to the application.

    *cache* is the folder of the cache. *front* is the folder of the front door (see `front_door`), or None if that is
    turned off. nginx adds *headers* to the images. All names in it begin with a name that is made of the upstream and
    the prefix of image URLs, so that several applications can share one nginx.
    """
    name = f"images_{digest(f'{server.upstream} {config.url}', _NAME_BYTES)}"
    pages = images = f"{name}_app"
    upstreams = {pages: server.upstream}
    if server.images_upstream is not None:
        images = f"{name}_images"
        upstreams[images] = server.images_upstream
    to_pages, to_images = (_proxy(upstream, server) for upstream in (pages, images))
    maps = locations = ""
    if front is not None:
        maps = _maps(config, name)
        locations += _DOOR.format(
            name=name,
            prefix=_image_prefix(config),
            folder=front,
            types="\n".join(f"            {format.media_type} {format.suffix[1:]};" for format in _sent(config)),
            headers=_header_lines([*headers, *headers_with(config, [EVERY, f"${name}_tag"])]),
            otherwise=f" /${name}_name${name}_otherwise${name}_plain" if prefers_jxl_to_avif(config.formats) else "",
            proxy=to_images,
        )
    elif server.images_upstream is not None:
        locations += _PASSED.format(location=f"^~ {_image_prefix(config)}", proxy=to_images)
    if config.accel_redirect is not None:
        locations += _accel(config, name, cache, headers, _proxy(images, server, "$request_uri"))
    if server.images_upstream is not None and config.health is not None:
        locations += _PASSED.format(location=f'= "{config.health}"', proxy=to_images)
    if front is None or config.url:  # without a prefix, the location of the front door is already `/`
        locations += _PASSED.format(location="/", proxy=to_pages)
    return _HTTP.format(
        maps=maps,
        upstreams="\n".join(_UPSTREAM.format(name=name, address=address) for name, address in upstreams.items()),
        listen="\n".join(f"    listen {address};" for address in server.listen),
        server_name=" ".join(server.names) or _ANY_NAME,
        most_bytes=server.most_bytes,
        locations=locations,
    )


def _image_prefix(config: Config) -> str:
    return f'"{config.url}/"' if " " in config.url else f"{config.url}/"


def _proxy(upstream: str, server: Server, path: str = "") -> str:
    return _PROXY.format(upstream=upstream, path=path, scheme=server.scheme)


def _accel(config: Config, name: str, cache: str, headers: list[tuple[str, str]], proxy: str) -> str:
    """Return the locations of the files that the application hands over to nginx."""
    assert config.accel_redirect is not None
    passed_on = [header for header, _ in headers_with(config, [])] + (["Server-Timing"] if config.server_timing else [])
    return _ACCEL.format(
        name=name,
        location=config.accel_redirect.rstrip("/"),
        cache=cache,
        prefix=re.escape(quoted_prefix(config.url)),
        # With an X-Accel-Redirect, nginx takes Cache-Control from the application's response, but none of these other
        # headers.
        headers=_header_lines([header for header in headers if header[0] != "Cache-Control"]),
        more="".join(map(_from_app, passed_on)),
        proxy=proxy,
    )


def _maps(config: Config, name: str) -> str:
    preferred = [by_name(format) for format in config.formats]
    animated = [format for format in FORMATS if format.animated]
    maps = _DOOR_MAPS.format(
        name=name,
        link=nginx_map(quoted_prefix(config.url), name),
        own=_own_suffixes(config),
        accepted=_accepted_suffixes(preferred),
        accepted_animated=_accepted_suffixes([format for format in preferred if format.animated]),
        animated="\n".join(f"    {format.suffix} ${name}_accepted_animated;" for format in animated) + _kept(config),
        asked=_asked_suffixes(),
    )
    if prefers_jxl_to_avif(config.formats):
        others = [format for format in preferred if format is not JXL]
        maps += _OTHERWISE_MAPS.format(name=name, accepted=_accepted_suffixes(others))
    return maps + nginx_maps(re.escape(quoted_prefix(config.url)), name) if config.cache_tags else maps


def _header_lines(headers: list[tuple[str, str]]) -> str:
    return "\n".join(f'        add_header {name} "{value}";' for name, value in headers)


def _from_app(header: str) -> str:
    """Return the line that adds the *header* of the application's response."""
    return f"""
        add_header {header} $upstream_http_{header.lower().replace("-", "_")};"""


def _sent(config: Config) -> Sequence[Format]:
    """Return the formats that nginx may send."""
    return STORED if config.svg == "pass" else FORMATS


def _kept(config: Config) -> str:
    """Return the line for the format that no other is negotiated for."""
    return f"\n    {SVG.suffix} {SVG.suffix};" if config.svg == "pass" else ""


def _own_suffixes(config: Config) -> str:
    formats = [format for format in _sent(config) if (format.by_extension or format is SVG) and format.suffix != ".jpg"]
    return "\n".join(f'    "~*\\.{format.name}$" {format.suffix};' for format in formats)


def _accepted_suffixes(formats: Sequence[Format]) -> str:
    return "".join(f'    "~*{accept_pattern(format)}" {format.suffix};\n' for format in formats)


def _asked_suffixes() -> str:
    names = [(name, format.suffix) for format in FORMATS for name in (format.name, *format.aliases)]
    return "\n".join(f"    {name} {suffix};" for name, suffix in names)
