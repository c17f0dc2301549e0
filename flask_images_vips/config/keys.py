"""Declare each ``IMAGES_*`` configuration key, once: its default, its check and its documentation.

Keys are read at the first image rather than in ``init_app``, so that an application can set them afterwards. Secret
keys are read at each use. This module does no I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

from ..errors import ConfigError, did_you_mean
from ..formats import INPUTS, NEGOTIABLE, OUTPUTS
from . import checks
from .checks import Secret

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")


class Key(NamedTuple):
    """The declaration of one configuration key."""

    name: str
    read: Callable[[str, Any], Any]
    doc: str


def key(default: T, name: str, read: Callable[[str, Any], Any], doc: str) -> T:
    declared: T = field(default=default, metadata={"key": Key(name, read, doc)})
    return declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The checked configuration of one application."""

    url: str = key(
        "/imgsizer", "IMAGES_URL", checks.url_prefix, "Path that all image URLs begin with. Read in `init_app`."
    )
    name: str = key(
        "images", "IMAGES_NAME", checks.text, "Endpoint of images, for `url_for('images', …)`. Read in `init_app`."
    )
    path: tuple[str, ...] = key(
        ("static",),
        "IMAGES_PATH",
        checks.paths,
        "Folders with the sources, absolute or relative to the application's root path.",
    )
    cache: str | None = key(
        None,
        "IMAGES_CACHE",
        checks.optional_path,
        "Folder for renditions. None: `flask-images-<user id>` in the system's temporary folder.",
    )
    max_age: int = key(
        3600,
        "IMAGES_MAX_AGE",
        checks.whole_seconds,
        "Seconds that browsers may keep an image whose URL has no version.",
    )
    secret_key: tuple[Secret, ...] = key(
        (),
        "IMAGES_SECRET_KEY",
        checks.secrets,
        "Signs URLs, in place of `SECRET_KEY`. In a list, the first key signs and all verify. "
        "`SECRET_KEY_FALLBACKS` always verify too. Read at each use.",
    )
    legacy_signatures: bool = key(
        True,
        "IMAGES_LEGACY_SIGNATURES",
        checks.flag,
        "Accept the two signature forms of older Flask-Images: `b'…'` and hexadecimal SHA-256.",
    )
    engine: str = key(
        "auto",
        "IMAGES_ENGINE",
        checks.one_of("auto", "vips", "pillow"),
        "`auto` uses libvips, and Pillow for what libvips cannot do. `vips` and `pillow` use that one only. A process "
        "that was forked too late for libvips always uses Pillow.",
    )
    formats: tuple[str, ...] = key(
        NEGOTIABLE,
        "IMAGES_FORMATS",
        checks.negotiable,
        "Formats for `format='auto'`, the best first. The first one that the browser names in `Accept` is used.",
    )
    quality: int | dict[str, int] = key(
        75,
        "IMAGES_QUALITY",
        checks.quality,
        "Encoder quality if the URL names none: a number, or numbers by format, such as "
        "`{'jpeg': 75, 'webp': 75, 'avif': 55}`.",
    )
    presets: Mapping[str, Mapping[str, Any]] | None = key(
        None,
        "IMAGES_PRESETS",
        checks.presets,
        "Options by name, such as `{'avatar': {'width': 96, 'height': 96}}`.",
    )
    only_presets: bool = key(
        False,
        "IMAGES_ONLY_PRESETS",
        checks.flag,
        "Serve only URLs with the options of a preset. Others answer 400.",
    )
    allowed_widths: tuple[int, ...] = key(
        (),
        "IMAGES_ALLOWED_WIDTHS",
        checks.widths,
        "Widths that are served, besides those of presets. Others answer 400. Building a URL takes the next larger "
        "width. None: all widths.",
    )
    auto_orient: bool = key(True, "IMAGES_AUTO_ORIENT", checks.flag, "Turn pictures upright by their EXIF orientation.")
    version: str = key(
        "mtime",
        "IMAGES_VERSION",
        checks.one_of("mtime", "hash"),
        "How to tell versions of a source apart. `mtime` compares modification time and size. `hash` compares the "
        "bytes, so that a deployment that copies unchanged files keeps their URLs and renditions.",
    )
    fallback: str | None = key(
        None,
        "IMAGES_FALLBACK",
        checks.optional_text,
        "Path of the picture that replaces a missing or unreadable one.",
    )
    placeholder_missing: bool = key(
        True,
        "IMAGES_PLACEHOLDER_MISSING",
        checks.flag,
        "In debug mode, replace a missing picture with a drawing of its path and requested size.",
    )
    cache_max_size: int = key(
        10 * 10**9,
        "IMAGES_CACHE_MAX_SIZE",
        checks.size,
        "Largest size of all renditions: bytes, or a string such as `'2GB'`. The least recently read are deleted "
        "first.",
    )
    cache_min_free: float = key(
        0.05,
        "IMAGES_CACHE_MIN_FREE",
        checks.share,
        "Share of the disk that must stay free. Below it, renditions are served but not stored.",
    )
    copies: str | None = key(
        "tiff",
        "IMAGES_COPIES",
        checks.copies,
        "Store reduced copies of large sources and make later renditions from them. `tiff` is fast, `jpeg` takes a "
        "tenth of the disk space, False stores none.",
    )
    copies_share: float = key(
        0.25, "IMAGES_COPIES_SHARE", checks.share, "Share of `IMAGES_CACHE_MAX_SIZE` that copies may take."
    )
    effort: str = key(
        "balanced",
        "IMAGES_EFFORT",
        checks.one_of("fast", "balanced", "small"),
        "How hard the encoders work: `fast`, `balanced` or `small`, which takes longest and makes the smallest files.",
    )
    recompress_after: int = key(
        0,
        "IMAGES_RECOMPRESS_AFTER",
        checks.count_from_zero,
        "Encode a rendition again in the background, with effort `small`, after one process has sent it this many "
        "times. It is replaced if that saves bytes. 0: never. Responses that nginx sends by itself are not counted: "
        "with a front door, set 1. Has no effect with `IMAGES_EFFORT = 'small'` or `USE_X_SENDFILE`.",
    )
    headroom: float = key(
        1.8,
        "IMAGES_HEADROOM",
        checks.headroom,
        "Source pixels per output pixel, per side, that shrinking while decoding must keep, for JPEG, WebP and AVIF. 1 "
        "is faster and less sharp.",
    )
    stale_while_revalidate: int = key(
        3600,
        "IMAGES_STALE_WHILE_REVALIDATE",
        checks.whole_seconds,
        "Seconds that caches may go on sending an expired image without a version while they ask for a newer one.",
    )
    base_url: str | None = key(
        None,
        "IMAGES_BASE_URL",
        checks.optional_text,
        "Put before the path of all image URLs, such as `'https://cdn.example.com'`.",
    )
    allow_origin: str | None = key(
        None,
        "IMAGES_ALLOW_ORIGIN",
        checks.optional_text,
        "`Access-Control-Allow-Origin` of images, such as `'*'`.",
    )
    resource_policy: str | None = key(
        None, "IMAGES_RESOURCE_POLICY", checks.optional_text, "`Cross-Origin-Resource-Policy` of images."
    )
    accel_redirect: str | None = key(
        None,
        "IMAGES_ACCEL_REDIRECT",
        checks.optional_text,
        "Internal location of nginx for the cache's folder, such as `'/_images/'`. nginx then sends the files.",
    )
    front_door: bool | str = key(
        False,
        "IMAGES_FRONT_DOOR",
        checks.front_door,
        "True, or a folder. nginx then answers known URLs by itself, from links in that folder. `flask images nginx` "
        "prints its configuration.",
    )
    early_hits: bool = key(
        False,
        "IMAGES_EARLY_HITS",
        checks.flag,
        "Answer cached images before Flask handles the request. This is cheaper, but `before_request`, "
        "`after_request`, signals and sessions do not see them.",
    )
    early_hints: bool = key(
        False,
        "IMAGES_EARLY_HINTS",
        checks.flag,
        "Let `resized_img_hint` also send its link at once, in a 103 response, if the server can (gunicorn 25 or "
        "newer). Set it only if every proxy in front of the server knows 103: nginx 1.22 takes it for the page.",
    )
    max_renders: int | None = key(
        None,
        "IMAGES_MAX_RENDERS",
        checks.optional_count,
        "Renders at the same time on this host. None: one per processor.",
    )
    max_waiting: int = key(
        8,
        "IMAGES_MAX_WAITING",
        checks.count,
        "Renders that may wait for their turn, per process. Others answer 503. Set it below the number of a worker's "
        "threads, so that some stay free for cached images.",
    )
    max_inflight_pixels: int = key(
        100_000_000,
        "IMAGES_MAX_INFLIGHT_PIXELS",
        checks.count,
        "Pixels of all sources that one process renders at the same time.",
    )
    lock_timeout: float = key(
        15.0,
        "IMAGES_LOCK_TIMEOUT",
        checks.seconds,
        "Seconds that a request may wait, in all, for another worker that renders the same image and for a free render "
        "slot. After that it renders by itself if a slot is free, and answers 503 otherwise.",
    )
    temp_max_age: float = key(
        3600.0,
        "IMAGES_TEMP_MAX_AGE",
        checks.seconds,
        "Seconds after which a temporary file that a killed worker left is deleted.",
    )
    max_source_pixels: int = key(
        50_000_000,
        "IMAGES_MAX_SOURCE_PIXELS",
        checks.count,
        "Largest source, as width × height × frames to read. The limit is halved for a frame that must be decoded as a "
        "whole: in AVIF, GIF and interlaced PNG, and with Pillow in all formats but JPEG.",
    )
    max_frames: int = key(
        100,
        "IMAGES_MAX_FRAMES",
        checks.count,
        "Most frames of an animation. One with more becomes a still image of its first frame.",
    )
    max_source_bytes: int = key(100_000_000, "IMAGES_MAX_SOURCE_BYTES", checks.size, "Largest file size of a source.")
    input_formats: tuple[str, ...] = key(
        INPUTS,
        "IMAGES_INPUT_FORMATS",
        checks.some_formats(INPUTS),
        "Allowed formats of sources, by their content: some of these.",
    )
    output_formats: tuple[str, ...] = key(
        OUTPUTS,
        "IMAGES_OUTPUT_FORMATS",
        checks.some_formats(OUTPUTS),
        "Allowed formats of renditions: some of these. Others answer 400.",
    )
    svg: bool = key(
        False,
        "IMAGES_SVG",
        checks.flag,
        "Accept SVG up to 1 MB too, without embedded pictures and entities. Needs libvips. Only for drawings that you "
        "trust: one may take seconds that `IMAGES_RENDER_TIMEOUT` does not limit.",
    )
    fail_on: str = key(
        "truncated",
        "IMAGES_FAIL_ON",
        checks.one_of("none", "truncated", "error", "warning"),
        "What makes libvips refuse a source as broken, from lenient to strict: `none`, `truncated`, `error` or "
        "`warning`. `warning` suits uploads. Pillow is always strict.",
    )
    render_timeout: float = key(
        10.0,
        "IMAGES_RENDER_TIMEOUT",
        checks.some_seconds,
        "Seconds that a render may take. One call of a decoder (AVIF, and with Pillow WebP and TIFF) or of Pillow's "
        "encoders cannot be interrupted. Only the pixel limits bound it.",
    )
    max_width: int = key(8192, "IMAGES_MAX_WIDTH", checks.count, "Largest width of a rendition.")
    max_height: int = key(8192, "IMAGES_MAX_HEIGHT", checks.count, "Largest height of a rendition.")
    max_output_pixels: int = key(
        25_000_000, "IMAGES_MAX_OUTPUT_PIXELS", checks.count, "Largest rendition, as width × height × frames."
    )

    remote_hosts: tuple[str, ...] | None = key(
        None,
        "IMAGES_REMOTE_HOSTS",
        checks.optional_texts,
        "Hosts that remote sources may come from, such as `['img.example.com', '*.example.org']`. Name yours. "
        "None: any public host. An empty list: no host.",
    )
    remote_schemes: tuple[str, ...] = key(
        ("http", "https"), "IMAGES_REMOTE_SCHEMES", checks.schemes, "Allowed schemes of remote sources."
    )
    remote_ports: tuple[int, ...] = key(
        (80, 443), "IMAGES_REMOTE_PORTS", checks.ports, "Allowed ports of remote sources."
    )
    remote_allow_private: tuple[str, ...] = key(
        (),
        "IMAGES_REMOTE_ALLOW_PRIVATE",
        checks.networks,
        "Private networks that remote sources may come from, such as `['10.1.0.0/16']`.",
    )
    remote_timeout: float = key(
        10.0, "IMAGES_REMOTE_TIMEOUT", checks.some_seconds, "Seconds that fetching a remote source may take in all."
    )
    remote_connect_timeout: float = key(
        3.0,
        "IMAGES_REMOTE_CONNECT_TIMEOUT",
        checks.some_seconds,
        "Seconds that connecting to the server of a remote source may take.",
    )
    remote_max_redirects: int = key(
        3,
        "IMAGES_REMOTE_MAX_REDIRECTS",
        checks.count_from_zero,
        "Most redirects to follow. Each is checked like the first URL.",
    )
    remote_max_bytes: int = key(
        20_000_000, "IMAGES_REMOTE_MAX_BYTES", checks.size, "Largest file size of a remote source."
    )
    remote_max_age: float = key(
        86_400.0,
        "IMAGES_REMOTE_MAX_AGE",
        checks.seconds,
        "Seconds to use a remote source before asking its server again. The server may name a shorter time.",
    )
    remote_error_ttl: float = key(
        60.0, "IMAGES_REMOTE_ERROR_TTL", checks.seconds, "Seconds before a remote source that failed is tried again."
    )
    remote_cache_share: float = key(
        0.25,
        "IMAGES_REMOTE_CACHE_SHARE",
        checks.share,
        "Share of `IMAGES_CACHE_MAX_SIZE` that remote sources may take.",
    )

    def quality_of(self, format: str) -> int:
        """Return the quality of *format*, by its name, if the URL names none."""
        return self.quality if isinstance(self.quality, int) else self.quality.get(format, 75)

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Config:
        """Read the keys from the configuration of an application. An unknown key is logged and ignored.

        Raises:
            ConfigError: If a value cannot work.
        """
        for name in settings:
            if name.startswith("IMAGES_") and name not in KEYS:
                hint = did_you_mean(name, KEYS)
                logger.warning("%s is not a configuration key of flask_images_vips%s", name, hint)
        return cls(**{KEYS[name]: read_key(name, settings) for name in KEYS if name in settings})


_FIELDS = {item.metadata["key"].name: item for item in fields(Config)}
KEYS: dict[str, str] = {name: item.name for name, item in _FIELDS.items()}


def read_key(name: str, settings: Mapping[str, Any]) -> Any:
    """Return the checked value of the key *name*, or its default.

    Raises:
        ConfigError: If the value cannot work.
    """
    declared = _FIELDS[name]
    return declared.metadata["key"].read(name, settings[name]) if name in settings else declared.default


def secret_keys(settings: Mapping[str, Any]) -> tuple[Secret, ...]:
    """Return the keys of URL signatures. The first one signs, all verify.

    Raises:
        ConfigError: If there is none.
    """
    own = read_key("IMAGES_SECRET_KEY", settings) or checks.secrets("SECRET_KEY", settings.get("SECRET_KEY"))
    if not own:
        raise ConfigError(
            "No secret key: set app.secret_key (SECRET_KEY) or IMAGES_SECRET_KEY. Image URLs are signed with it."
        )
    return own + checks.secrets("SECRET_KEY_FALLBACKS", settings.get("SECRET_KEY_FALLBACKS"))
