"""Put the gain map of an Ultra HDR source behind a rendition, cut and scaled like the picture itself."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..engines.colour import is_srgb
from ..formats import JPEG, Format
from ..geometry import ORIENTATIONS, Geometry, Size, Turn
from ..headers.read import read_header
from ..options.options import DEFAULTS, Options
from ..options.values import Mode

if TYPE_CHECKING:
    from ..headers.gain_map import GainMap

# Options that put something into the picture that the map knows nothing about, or that change its brightness.
CHANGING = (
    *("transform", "watermark", "text", "padding", "border", "radius"),
    *("grayscale", "brightness", "contrast", "saturation", "blur"),
)

Join = Callable[[bytes], bytes]


def obstacle(options: Options, format: Format) -> str | None:
    """Return why a rendition with *options* cannot have a gain map, or None if it can."""
    if format is not JPEG:
        return f"gain maps are written into JPEG only, not {format.name}"
    settled = options.settled()
    changing = [name for name in CHANGING if getattr(settled, name) != DEFAULTS[name]]
    if changing:
        return f"the map does not fit a picture with {changing[0]}"
    return None


class GainMaps:
    """Writes the gain map of one source into renditions of it.

    *size* is the size of the source when it is upright, and *upright* is the turn that makes it so.
    """

    def __init__(self, descriptor: int, size: Size, *, auto_orient: bool) -> None:
        self._descriptor = descriptor
        self._size = size
        self._auto_orient = auto_orient

    def joining(self, options: Options, format: Format, geometry: Geometry) -> tuple[Join | None, str]:
        """Return a function that puts the map behind the file of the picture, and why there is none.

        Both are empty if the source has no map.
        """
        from ..headers.gain_map import find_gain_map  # noqa: PLC0415  (imports Expat, which few renders need)

        found = find_gain_map(self._descriptor)
        if found is None:
            return None, ""
        why = obstacle(options, format)
        if why is None and options.mode is Mode.PAD and geometry.canvas != geometry.scaled:
            why = "the map does not fit a picture on a background"
        if why is not None:
            return None, why
        return self._joining(found, options, geometry)

    def _joining(self, found: GainMap, options: Options, geometry: Geometry) -> tuple[Join | None, str]:
        from ..engines.pillow.gain_map import UnusableMap, profile_of_jpeg, rendered_map  # noqa: PLC0415
        from .ultra_hdr import joined  # noqa: PLC0415

        profile = profile_of_jpeg(self._descriptor) if found.data.uses_base and not options.keep.icc else None
        try:
            made = rendered_map(
                found.read(self._descriptor),
                self._size,
                geometry,
                self._upright(),
                needs_grey=profile is not None and not is_srgb(profile),
                keeps_profile=not found.data.uses_base,
            )
        except UnusableMap as error:
            return None, str(error)

        def join(picture: bytes) -> bytes:
            try:
                return joined(picture, made, found.data)
            except struct.error:  # a segment of the picture has no room for what must be added to it
                return picture

        return join, ""

    def _upright(self) -> Turn:
        if not self._auto_orient:
            return Turn()
        header = read_header(self._descriptor, "", auto_orient=False)
        return Turn() if header is None else ORIENTATIONS[header.orientation]
