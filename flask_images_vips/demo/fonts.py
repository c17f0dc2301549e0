"""Which font of this machine can the option ``text`` draw with?"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_PLACES = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",  # Debian, Ubuntu
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans-Bold.ttf",  # Fedora
    "/usr/share/fonts/TTF/DejaVuSans-Bold.ttf",  # Arch
    "/usr/share/fonts/dejavu/DejaVuSans-Bold.ttf",  # Alpine
    "/usr/share/fonts/truetype/liberation/LiberationSans-Bold.ttf",
    "/System/Library/Fonts/Supplemental/Arial Bold.ttf",  # macOS
    "/System/Library/Fonts/Supplemental/Arial.ttf",
    "C:/Windows/Fonts/arialbd.ttf",
)
_IN_MATPLOTLIB = "mpl-data/fonts/ttf/DejaVuSans-Bold.ttf"

STYLES = {
    "default": {"of_width": 800, "size": 48, "margin": 40, "shade": "#000000b0"},
    "label": {
        "of_width": 800,
        "size": 26,
        "margin": 28,
        "gravity": "northeast",
        "color": "#222",
        "background": "#ffffffe6",
        "padding": 14,
        "radius": 10,
    },
    "poster": {"of_width": 800, "size": 92, "margin": 40, "gravity": "center", "align": "center", "shade": "#00000080"},
}
"""The styles that the playground offers, as ``IMAGES_TEXT_STYLES``."""


def find_font() -> str | None:
    """Return the path of a font, or None if none of the usual ones is installed."""
    places = [Path(place) for place in _PLACES]
    matplotlib = find_spec("matplotlib")
    if matplotlib is not None and matplotlib.origin is not None:
        places.append(Path(matplotlib.origin).parent / _IN_MATPLOTLIB)
    return next((str(place) for place in places if place.is_file()), None)
