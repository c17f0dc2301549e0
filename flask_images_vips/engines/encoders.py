"""Map ``IMAGES_EFFORT`` to encoder settings. Each engine states its balanced settings itself. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# By engine, effort and format: the settings that differ from the balanced ones, as libvips and Pillow name them.
_CHANGES: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "vips": {
        "balanced": {},
        "fast": {
            "jpeg": {"optimize_coding": False},
            "png": {"compression": 2},
            "webp": {"effort": 0},
            "avif": {"effort": 0},
            "gif": {"effort": 1},
        },
        "small": {
            "jpeg": {"interlace": True, "quant_table": 3},
            "png": {"compression": 9, "filter": "all"},
            "webp": {"effort": 4},
            "avif": {"effort": 3},
        },
    },
    "pillow": {
        "balanced": {},
        "fast": {
            "jpeg": {"optimize": False},
            "png": {"compress_level": 2},
            "webp": {"method": 0},
            "avif": {"speed": 9},
        },
        "small": {
            "jpeg": {"progressive": True},
            "png": {"compress_level": 9},
            "webp": {"method": 4},
            "avif": {"speed": 6},
        },
    },
}


def settings_of(engine: str, effort: str, balanced: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The settings of each format at *effort*. *balanced* holds the engine's own, by format."""
    changes = _CHANGES[engine][effort]
    return {name: {**own, **changes.get(name, {})} for name, own in balanced.items()}


def formats_changed_by(effort: str) -> frozenset[str]:
    """The formats that at least one engine encodes differently at *effort* than at the balanced effort."""
    return frozenset(name for changes in _CHANGES.values() for name in changes[effort])
