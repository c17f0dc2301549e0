"""What can a visitor try with one click?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "Avatar": {"width": 240, "height": 240, "mode": "crop", "radius": "max", "format": "webp", "focal": None},
    "Hero 16:9": {"width": 1280, "aspect": "16:9", "mode": "crop", "format": "avif", "quality": 60, "focal": None},
    "Card": {"width": 480, "aspect": "4:3", "mode": "crop", "format": "webp", "sharpen": "0.6,80,2", "focal": None},
    "Under 20 kB": {"width": 720, "format": "webp", "max_bytes": 20_000},
    "Blur-up": {"width": 480, "blur": 14, "format": "webp", "quality": 30},
    "Grayscale poster": {
        "width": 720, "grayscale": True, "contrast": 1.35, "format": "webp", "text": "Good morning!",
        "text_style": "poster",
    },
    "Social card": {
        "width": 1200, "height": 630, "mode": "crop", "enlarge": True, "focal": None, "format": "jpeg",
        "text": "Images, resized on the fly",
    },
    "Postcard": {
        "width": 560, "padding": 22, "background": "#fbf8f1", "border": (1, "#b9b2a3"), "radius": 10, "format": "webp",
    },
    "On a canvas": {"width": 560, "height": 560, "mode": "pad", "background": "#dfe7e3", "format": "jpeg"},
    "Watermark": {"width": 720, "watermark": "photos/cup.png,se,20,0.85,0.2", "format": "webp"},
}  # fmt: skip
"""The options of each preset. A ``focal`` of None stands for the focal point of the photograph."""

FIRST_TRY = {"width": 960, "height": 540, "mode": "crop", "format": "webp"}
"""What is shown at first."""


def presets(focal: tuple[float, float], *, can_letter: bool) -> dict[str, Mapping[str, Any]]:
    """Return the presets for a photograph whose subject is at *focal*, without texts if there is no font."""
    return {
        name: {option: focal if option == "focal" and value is None else value for option, value in options.items()}
        for name, options in PRESETS.items()
        if can_letter or "text" not in options
    }
