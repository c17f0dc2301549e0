"""How hard do the encoders work? What each effort changes of an engine's own settings, which are the balanced ones.

This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# By engine, effort and format: what is otherwise than balanced, in the words of libvips and of Pillow.
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
    """The settings of each format at *effort*, where *balanced* are those of *engine* itself."""
    changes = _CHANGES[engine][effort]
    return {name: {**own, **changes.get(name, {})} for name, own in balanced.items()}


def formats_changed_by(effort: str) -> frozenset[str]:
    """The formats that any engine encodes otherwise at *effort* than when balanced."""
    return frozenset(name for changes in _CHANGES.values() for name in changes[effort])
