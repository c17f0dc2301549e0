"""Define what is known of an upload that was accepted.

This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..geometry import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a page needs to know of a picture.

    *alpha* is true if it may have transparent pixels. *frames* is more than 1 for an animation. *placeholders* are by
    kind, as in `resized_img_placeholder`. *focal_point* is (x, y) as fractions of width and height, or None.
    *size_bytes* is the size of the stored file. *encoded* is false if its pixels are those of the uploaded file, byte
    for byte.
    """

    alpha: bool
    frames: int
    placeholders: Mapping[str, str]
    focal_point: tuple[float, float] | None
    size_bytes: int
    encoded: bool

    @property
    def placeholder(self) -> str | None:
        """The ThumbHash of the picture, or None."""
        return self.placeholders.get("thumbhash")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stored upload. *path* is its path in ``IMAGES_PATH``, *size* is (width, height) in pixels, upright.

    It can be used in place of its path: ``resized_img_tag(accepted, width=300)``.
    """

    path: str
    size: Size
    format: str
    facts: Facts = field(compare=False)

    def __fspath__(self) -> str:
        return self.path
