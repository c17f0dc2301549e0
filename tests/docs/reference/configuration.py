"""The configuration keys, in groups: what each does, its default and what it accepts."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from flask_images_vips.config.keys import KEYS, Config, Key, read_key
from flask_images_vips.errors import ConfigError

from .markup import sentence, table

PAGE = "reference/configuration.md"

GROUPS: dict[str, tuple[str, str]] = {
    "URLs and signatures": (
        "Where images are, and who may ask for them.",
        "URL NAME BASE_URL SECRET_KEY LEGACY_SIGNATURES VERSION",
    ),
    "Sources": (
        "Where the pictures come from, and what they may be. See also [Remote sources](#remote-sources) and [Object "
        "stores](#object-stores).",
        "PATH FOLLOW_LINKS INPUT_FORMATS SVG FAIL_ON AUTO_ORIENT FALLBACK UPLOADS TOMBSTONES",
    ),
    "Limits": (
        "What is too large. A picture beyond a limit answers 422, but an animation becomes a still image first.",
        "MAX_SOURCE_PIXELS MAX_SOURCE_BYTES MAX_FRAMES MAX_WIDTH MAX_HEIGHT MAX_OUTPUT_PIXELS",
    ),
    "Which images are served": (
        "Without these keys, a template may ask for every size and option. Visitors can ask only for what you have "
        "signed.",
        "PRESETS ONLY_PRESETS ALLOWED_WIDTHS OUTPUT_FORMATS",
    ),
    "Formats and quality": (
        "How the files look, and how large they are. See [Quality](../guides/quality.md).",
        "FORMATS QUALITY TARGET_SCORE DPR_QUALITY BY_VISITOR EFFORT RECOMPRESS_AFTER HEADROOM C2PA",
    ),
    "Text": ("What the option [`text`](options.md#text) is drawn with.", "FONTS TEXT_STYLES"),
    "Pages": ("What the helpers write.", "MARKUP EARLY_HINTS PLACEHOLDER_MISSING PAGE_REPORT"),
    "Rendering": (
        "Who renders, and for how long. See [Tuning](../deploying/tuning.md).",
        "ENGINE MAX_RENDERS RENDER_MEMORY RENDER_TIMEOUT LOCK_TIMEOUT",
    ),
    "The cache": (
        "Where renditions are kept, and how many.",
        "CACHE CACHE_LOCAL CACHE_MAX_SIZE CACHE_MIN_FREE COPIES COPIES_SHARE TEMP_MAX_AGE RECORD",
    ),
    "HTTP headers": (
        "What browsers and caches may do with an image.",
        "MAX_AGE SHARED_MAX_AGE STALE_WHILE_REVALIDATE STALE_IF_ERROR ALLOW_ORIGIN RESOURCE_POLICY",
    ),
    "nginx and CDN": (
        "What is in front of the application. See [nginx](../deploying/nginx.md) and [CDN](../deploying/cdn.md).",
        "ACCEL_REDIRECT FRONT_DOOR EARLY_HITS CACHE_TAGS CDN",
    ),
    "Monitoring": (
        "What the site tells of itself. See [Monitoring](../operating/monitoring.md).",
        "HEALTH METRICS OPENTELEMETRY SERVER_TIMING",
    ),
    "Remote sources": (
        "Pictures at URLs. See [Remote sources](../guides/remote-sources.md).",
        "REMOTE_HOSTS REMOTE_SCHEMES REMOTE_PORTS REMOTE_ALLOW_PRIVATE REMOTE_TIMEOUT REMOTE_CONNECT_TIMEOUT "
        "REMOTE_MAX_REDIRECTS REMOTE_MAX_BYTES REMOTE_MAX_AGE REMOTE_ERROR_TTL REMOTE_CACHE_SHARE",
    ),
    "Object stores": (
        "Pictures and renditions in S3, Google Cloud Storage or Azure. They need the extra `s3`.",
        "STORE_OPTIONS STORE_TIMEOUT STORE_MAX_AGE STORE_CACHE_SHARE",
    ),
    "Several hosts": (
        "What the hosts of one site share. See [Several hosts](../deploying/several-hosts.md).",
        "REDIS REDIS_PREFIX REDIS_TIMEOUT MAX_RENDERS_IN_ALL",
    ),
}
"""The sections of the page: a sentence, and keys without their prefix. Each key is in one of them."""

_PREFIX = "IMAGES_"
_DECLARED: dict[str, tuple[Key, Any]] = {
    item.metadata["key"].name: (item.metadata["key"], item.default) for item in fields(Config)
}


def text() -> str:
    names = [name for _, keys in GROUPS.values() for name in keys_of(keys)]
    assert sorted(names) == sorted(KEYS), "add the key to a group in tests/docs/reference/configuration.py"
    parts = []
    for title, (about, keys) in GROUPS.items():
        parts += [f"## {title}", about, *(entry(name) for name in keys_of(keys))]
    return "\n\n".join(parts)


def keys_of(names: str) -> list[str]:
    return [_PREFIX + name for name in names.split()]


def overview() -> str:
    """The groups with a link to each key, to find one at a glance."""
    rows = [
        [
            f"[{title}](#{re.sub(' ', '-', title.lower())})",
            ", ".join(f"[`{key}`](#{key.lower()})" for key in keys_of(keys)),
        ]
        for title, (_, keys) in GROUPS.items()
    ]
    return table(["group", "keys"], rows)


def entry(name: str) -> str:
    key, default = _DECLARED[name]
    facts = f"- Default: `{shown(default)}`\n- Accepts: {accepted(name)}"
    return f"### `{name}`\n\n{sentence(key.doc, PAGE)}\n\n{facts}"


def shown(default: object) -> str:
    if isinstance(default, int) and not isinstance(default, bool) and default >= 10_000:
        return f"{default:_}"
    return repr(list(default) if default and isinstance(default, tuple) else None if default == () else default)


class _Odd:
    """No key accepts this."""


def accepted(name: str) -> str:
    """What the error says that was expected. The check of the key writes that sentence."""
    said = [expected(name, value) for value in (_Odd(), ["?"], 0, 1)]
    first = said[0]
    assert first, name
    if first == "a list of strings" and said[1]:
        first = said[1]
    if said[2] == "more than 0 seconds":
        first = "more than 0 seconds, or a timedelta"
    if said[3] and said[3].startswith("None, or at least"):
        first = f"{first}; {said[3].removeprefix('None, or ')}"
    if "None" not in first and accepts_none(name):
        first = f"{first}, or None"
    return re.sub(r"'[^']*'|\[[^]]*\]|\{.*\}|\b(?:None|True|False|IMAGES_\w+)\b", r"`\g<0>`", first)


def expected(name: str, value: object) -> str:
    try:
        read_key(name, {name: value})
    except ConfigError as error:
        return error.faults[0].partition(": expected ")[2].partition(" ('?'")[0].rstrip(".")
    except TypeError:
        return ""
    return ""


def accepts_none(name: str) -> bool:
    try:
        read_key(name, {name: None})
    except ConfigError:
        return False
    return True
