"""What can the application configure? Each ``IMAGES_*`` key, declared once: its default and its check.

Keys are read at the first image, not in ``init_app``, so that an application may set them after it. Secret keys
are read at each use. This module does no I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

from ..errors import ConfigError
from ..formats import INPUTS, NEGOTIABLE
from .checks import (
    OUTPUTS,
    Secret,
    copies,
    count,
    count_or_none,
    effort,
    engine,
    fail_on,
    flag,
    front_door,
    headroom,
    input_formats,
    negotiable,
    networks,
    optional_count,
    optional_path,
    optional_text,
    optional_texts,
    output_formats,
    paths,
    pixels,
    ports,
    presets,
    quality,
    schemes,
    seconds,
    secrets,
    share,
    size,
    some_seconds,
    text,
    url_prefix,
    version,
    whole_seconds,
    widths,
)

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")


class Key(NamedTuple):
    """What is declared of one configuration key."""

    name: str
    read: Callable[[str, Any], Any]
    doc: str


def key(default: T, name: str, read: Callable[[str, Any], Any], doc: str) -> T:
    declared: T = field(default=default, metadata={"key": Key(name, read, doc)})
    return declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration of one application, checked."""

    url: str = key("/imgsizer", "IMAGES_URL", url_prefix, "Where image URLs begin. Read in `init_app`.")
    name: str = key("images", "IMAGES_NAME", text, "Endpoint, for `url_for('images', …)`. Read in `init_app`.")
    path: tuple[str, ...] = key(
        ("static",), "IMAGES_PATH", paths, "Folders that hold the sources, absolute or below the app's root path."
    )
    cache: str | None = key(
        None,
        "IMAGES_CACHE",
        optional_path,
        "Folder for renditions. None: `flask-images-<user id>` in the system's folder for temporary files.",
    )
    max_age: int = key(
        3600, "IMAGES_MAX_AGE", whole_seconds, "Seconds that browsers keep an image whose URL has no version."
    )
    secret_key: tuple[Secret, ...] = key(
        (),
        "IMAGES_SECRET_KEY",
        secrets,
        "Signs URLs instead of `SECRET_KEY`. A list: the first signs, all verify. "
        "`SECRET_KEY_FALLBACKS` verify in any case. Read at each use.",
    )
    legacy_signatures: bool = key(
        True,
        "IMAGES_LEGACY_SIGNATURES",
        flag,
        "Accept the two signature forms of older Flask-Images: `b'…'` and hexadecimal SHA-256.",
    )
    engine: str = key(
        "auto",
        "IMAGES_ENGINE",
        engine,
        "`auto` takes libvips, and Pillow for what libvips cannot do; `vips` and `pillow` take only that one, "
        "but for a process that was forked too late for libvips.",
    )
    formats: tuple[str, ...] = key(
        NEGOTIABLE,
        "IMAGES_FORMATS",
        negotiable,
        "What `format='auto'` chooses from, the best first: the first that the browser names in `Accept`.",
    )
    quality: int | dict[str, int] = key(
        75,
        "IMAGES_QUALITY",
        quality,
        "Encoder quality where the URL names none: a number, or numbers by format, such as "
        "`{'jpeg': 75, 'webp': 75, 'avif': 55}`.",
    )
    presets: Mapping[str, Mapping[str, Any]] | None = key(
        None, "IMAGES_PRESETS", presets, "Options by name, such as `{'avatar': {'width': 96, 'height': 96}}`."
    )
    only_presets: bool = key(
        False, "IMAGES_ONLY_PRESETS", flag, "Serve no URL whose options are not those of a preset: it answers 400."
    )
    allowed_widths: tuple[int, ...] = key(
        (),
        "IMAGES_ALLOWED_WIDTHS",
        widths,
        "Widths that are served, beside those of presets; another answers 400. Building a URL takes the next larger "
        "one. None: all.",
    )
    auto_orient: bool = key(True, "IMAGES_AUTO_ORIENT", flag, "Turn pictures upright by their EXIF orientation.")
    version: str = key(
        "mtime",
        "IMAGES_VERSION",
        version,
        "What tells the versions of a source apart: `mtime`, with the size, or `hash`, its bytes, so that a deployment "
        "that copies the same files keeps their URLs and renditions.",
    )
    fallback: str | None = key(
        None,
        "IMAGES_FALLBACK",
        optional_text,
        "Path of the picture that is sent in place of a missing or unreadable one.",
    )
    placeholder_missing: bool = key(
        True,
        "IMAGES_PLACEHOLDER_MISSING",
        flag,
        "In debug mode, draw a missing picture as its path and the size asked for.",
    )
    cache_max_size: int = key(
        10 * 10**9,
        "IMAGES_CACHE_MAX_SIZE",
        size,
        "Bytes that renditions may take, or a text such as `'2GB'`; what was not read lately goes first.",
    )
    cache_min_free: float = key(
        0.05, "IMAGES_CACHE_MIN_FREE", share, "Share of the disk below which renditions are served but not kept."
    )
    copies: str | None = key(
        "tiff",
        "IMAGES_COPIES",
        copies,
        "Reduced copies of large sources, which later renditions are made from: `tiff` is quick, `jpeg` takes a tenth "
        "of the disk, False keeps none.",
    )
    copies_share: float = key(
        0.25, "IMAGES_COPIES_SHARE", share, "Part of `IMAGES_CACHE_MAX_SIZE` that the copies may take."
    )
    effort: str = key(
        "balanced",
        "IMAGES_EFFORT",
        effort,
        "How hard the encoders work: `fast`, `balanced`, or `small`, which takes longer for fewer bytes.",
    )
    recompress_after: int = key(
        0,
        "IMAGES_RECOMPRESS_AFTER",
        count_or_none,
        "Answers with one rendition, in one process, after which it is made again in the background, with the encoders "
        "at `small`, and replaced where that takes fewer bytes. 0: never. What nginx answers by itself is not counted: "
        "with a front door, take 1. Nothing is done where `IMAGES_EFFORT` is `small`, nor with `USE_X_SENDFILE`.",
    )
    headroom: float = key(
        1.8,
        "IMAGES_HEADROOM",
        headroom,
        "Pixels a side that decoding a JPEG, WebP or AVIF leaves, at the least, for each one that is wanted: 1 is "
        "quicker and less sharp.",
    )
    stale_while_revalidate: int = key(
        3600,
        "IMAGES_STALE_WHILE_REVALIDATE",
        whole_seconds,
        "Seconds for which a cache may go on serving an image without a version while it asks for a newer one.",
    )
    base_url: str | None = key(
        None, "IMAGES_BASE_URL", optional_text, "What image URLs begin with, such as `'https://cdn.example.com'`."
    )
    allow_origin: str | None = key(
        None, "IMAGES_ALLOW_ORIGIN", optional_text, "`Access-Control-Allow-Origin` of images, such as `'*'`."
    )
    resource_policy: str | None = key(
        None, "IMAGES_RESOURCE_POLICY", optional_text, "`Cross-Origin-Resource-Policy` of images."
    )
    accel_redirect: str | None = key(
        None,
        "IMAGES_ACCEL_REDIRECT",
        optional_text,
        "Where nginx has an internal location for the cache's folder, such as `'/_images/'`: it then sends the files.",
    )
    front_door: bool | str = key(
        False,
        "IMAGES_FRONT_DOOR",
        front_door,
        "True, or a folder: nginx answers known URLs by itself, from links there. `flask images nginx` says how.",
    )
    early_hits: bool = key(
        False,
        "IMAGES_EARLY_HITS",
        flag,
        "Answer what is cached before Flask begins: cheaper, and unseen by `before_request`, `after_request`, signals "
        "and sessions.",
    )
    max_renders: int | None = key(
        None, "IMAGES_MAX_RENDERS", optional_count, "Renders at once on this host. None: as many as it has processors."
    )
    max_waiting: int = key(
        8,
        "IMAGES_MAX_WAITING",
        count,
        "Renders that may wait for their turn, per process; further ones answer 503. Less than a worker's threads, so "
        "that some are left for what is cached.",
    )
    max_inflight_pixels: int = key(
        100_000_000, "IMAGES_MAX_INFLIGHT_PIXELS", pixels, "Pixels of sources that are rendered at once, per process."
    )
    lock_timeout: float = key(
        15.0,
        "IMAGES_LOCK_TIMEOUT",
        seconds,
        "Seconds to wait for another worker that makes the same rendition, before making it all the same, and for "
        "a turn to render: both together.",
    )
    temp_max_age: float = key(
        3600.0, "IMAGES_TEMP_MAX_AGE", seconds, "Seconds after which a temporary file of a killed worker is swept."
    )
    max_source_pixels: int = key(
        50_000_000,
        "IMAGES_MAX_SOURCE_PIXELS",
        pixels,
        "Largest source, as width × height × frames that are read, from its header. Half of it for a frame that is "
        "decoded as a whole: AVIF, GIF and interlaced PNG, and with Pillow all but JPEG.",
    )
    max_frames: int = key(
        100, "IMAGES_MAX_FRAMES", count, "Most frames of an animation; of one that has more, the first is shown, still."
    )
    max_source_bytes: int = key(100_000_000, "IMAGES_MAX_SOURCE_BYTES", size, "Largest file of a source.")
    input_formats: tuple[str, ...] = key(
        INPUTS, "IMAGES_INPUT_FORMATS", input_formats, "Formats of sources, by their content: some of these."
    )
    output_formats: tuple[str, ...] = key(
        OUTPUTS, "IMAGES_OUTPUT_FORMATS", output_formats, "Formats of renditions: some of these. Others answer 400."
    )
    svg: bool = key(
        False,
        "IMAGES_SVG",
        flag,
        "Take SVG too, up to 1 MB, drawn by libvips, where it brings no pictures and no entities with it. A drawing "
        "may cost seconds that `IMAGES_RENDER_TIMEOUT` does not end: for your own drawings.",
    )
    fail_on: str = key(
        "truncated",
        "IMAGES_FAIL_ON",
        fail_on,
        "What makes a source broken: `none`, `truncated`, `error` or `warning`, as libvips has it; `warning` suits "
        "uploads. Pillow is always strict.",
    )
    render_timeout: float = key(
        10.0,
        "IMAGES_RENDER_TIMEOUT",
        some_seconds,
        "Seconds that a render may take. What runs inside of one call of a decoder (AVIF, and with Pillow WebP and "
        "TIFF) or of Pillow's encoders is bounded by the limits of pixels alone.",
    )
    max_width: int = key(8192, "IMAGES_MAX_WIDTH", pixels, "Widest rendition.")
    max_height: int = key(8192, "IMAGES_MAX_HEIGHT", pixels, "Tallest rendition.")
    max_output_pixels: int = key(
        25_000_000, "IMAGES_MAX_OUTPUT_PIXELS", pixels, "Largest rendition, as width × height × frames."
    )

    remote_hosts: tuple[str, ...] | None = key(
        None,
        "IMAGES_REMOTE_HOSTS",
        optional_texts,
        "Hosts that sources at URLs may come from, such as `['img.example.com', '*.example.org']`; name yours. "
        "None: any public host. An empty list: none.",
    )
    remote_schemes: tuple[str, ...] = key(
        ("http", "https"), "IMAGES_REMOTE_SCHEMES", schemes, "Schemes of remote sources."
    )
    remote_ports: tuple[int, ...] = key((80, 443), "IMAGES_REMOTE_PORTS", ports, "Ports of remote sources.")
    remote_allow_private: tuple[str, ...] = key(
        (),
        "IMAGES_REMOTE_ALLOW_PRIVATE",
        networks,
        "Networks that are not public and that sources may come from all the same, such as `['10.1.0.0/16']`.",
    )
    remote_timeout: float = key(
        10.0, "IMAGES_REMOTE_TIMEOUT", some_seconds, "Seconds that fetching a remote source may take in all."
    )
    remote_connect_timeout: float = key(
        3.0, "IMAGES_REMOTE_CONNECT_TIMEOUT", some_seconds, "Seconds that connecting to its server may take."
    )
    remote_max_redirects: int = key(
        3, "IMAGES_REMOTE_MAX_REDIRECTS", count_or_none, "Redirects that are followed, each checked like the first URL."
    )
    remote_max_bytes: int = key(20_000_000, "IMAGES_REMOTE_MAX_BYTES", size, "Largest remote source.")
    remote_max_age: float = key(
        86_400.0,
        "IMAGES_REMOTE_MAX_AGE",
        seconds,
        "Seconds that a remote source is used before its server is asked again: at most, and where it does not say.",
    )
    remote_error_ttl: float = key(
        60.0, "IMAGES_REMOTE_ERROR_TTL", seconds, "Seconds that a remote source is left alone after it failed."
    )
    remote_cache_share: float = key(
        0.25, "IMAGES_REMOTE_CACHE_SHARE", share, "Part of `IMAGES_CACHE_MAX_SIZE` that remote sources may take."
    )

    def quality_of(self, format: str) -> int:
        """The quality of the format called *format* where none is asked for."""
        return self.quality if isinstance(self.quality, int) else self.quality.get(format, 75)

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Config:
        """Read the keys from an application's configuration. A key that nothing knows is logged, not refused.

        Raises:
            ConfigError: a value that cannot work.
        """
        for name in settings:
            if name.startswith("IMAGES_") and name not in KEYS:
                near = get_close_matches(name, KEYS, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                logger.warning("%s is not a configuration key of flask_images_vips%s", name, hint)
        return cls(**{KEYS[name]: read_key(name, settings) for name in KEYS if name in settings})


_FIELDS = {item.metadata["key"].name: item for item in fields(Config)}
KEYS: dict[str, str] = {item.metadata["key"].name: item.name for item in fields(Config)}


def read_key(name: str, settings: Mapping[str, Any]) -> Any:
    """The checked value of the one key *name*, or its default."""
    declared = _FIELDS[name]
    return declared.metadata["key"].read(name, settings[name]) if name in settings else declared.default


def secret_keys(settings: Mapping[str, Any]) -> tuple[Secret, ...]:
    """The keys of URL signatures: the first signs, all verify.

    Raises:
        ConfigError: there is none.
    """
    own = read_key("IMAGES_SECRET_KEY", settings) or secrets("SECRET_KEY", settings.get("SECRET_KEY"))
    if not own:
        raise ConfigError(
            "No secret key: set app.secret_key (SECRET_KEY) or IMAGES_SECRET_KEY. Image URLs are signed with it."
        )
    return own + secrets("SECRET_KEY_FALLBACKS", settings.get("SECRET_KEY_FALLBACKS"))
