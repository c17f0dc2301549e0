"""Tell apart the configurations under which an application would send different responses."""

from __future__ import annotations

from dataclasses import fields

from ..config.keys import KEYS, Config
from ..formats import FORMATS, STORED
from ..hashing import digest
from ..rendition import REVISION

WITHOUT_EFFECT = frozenset(
    {
        "by_visitor",
        "cache_max_size",
        "cache_min_free",
        "cdn",
        "copies_share",
        "dpr_quality",
        "early_hints",
        "early_hits",
        "fonts",
        "health",
        "lock_timeout",
        "max_renders",
        "metrics",
        "opentelemetry",
        "page_report",
        "record",
        "redis",
        "redis_prefix",
        "redis_timeout",
        "render_memory",
        "shared_max_age",
        "stale_if_error",
        "stale_while_revalidate",
        "store_cache_share",
        "store_timeout",
        "target_score",
        "temp_max_age",
        "text_styles",
    }
)
"""The fields of `Config` that never change the response to a URL that has a link. All others do, also new ones."""

_OF_HOST = frozenset(
    {"accel_redirect", "cache", "cache_local", "front_door", "path", "secret_key", "store_options", "tombstones"}
)
"""The fields of `Config` that each host may set for itself. The secret key is compared in another way."""

_DIGEST_BYTES = 16
_SHORT_BYTES = 4


def stamp_of(config: Config, *others: object) -> str:
    """Return a digest that changes whenever a setting does that decides about responses: 32 hexadecimal digits.

    *others* are what decides besides *config*, such as secret keys. Each must have the same ``repr`` in every process.
    """
    settings = {field.name: getattr(config, field.name) for field in fields(config) if field.name not in WITHOUT_EFFECT}
    formats = STORED if config.svg == "pass" else FORMATS
    revisions = REVISION, [(format.name, format.revision) for format in formats]
    return digest(repr((revisions, settings, others)), _DIGEST_BYTES)


def digests_of(config: Config) -> dict[str, str]:
    """Return a short digest of each setting that decides about images and their URLs, by its key.

    Hosts of one site should have the same ones.
    """
    left_out = WITHOUT_EFFECT | _OF_HOST
    return {
        key: digest(repr(getattr(config, field)), _SHORT_BYTES) for key, field in KEYS.items() if field not in left_out
    }
