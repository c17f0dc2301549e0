"""Define what is known of an upload that was accepted.

This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

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


@dataclass(frozen=True)
class StoredImage:
    """A picture of the application's own records, such as the value of an `ImageColumn`: an upload, and words about it.

    *focal_point* is (x, y) as fractions of width and height, or None. *alt* describes the picture for those who do not
    see it. *placeholder* is its ThumbHash, and *color* its mean colour as ``#rrggbb``. To change one of them, use
    `dataclasses.replace`. It can be used in place of its path.
    """

    path: str
    size: Size
    format: str = ""
    alpha: bool = False
    placeholder: str | None = None
    color: str | None = None
    focal_point: tuple[float, float] | None = None
    alt: str = ""

    def __fspath__(self) -> str:
        return self.path

    @property
    def options(self) -> dict[str, Any]:
        """The options of a rendition that crops it: ``focal``, if there is a focal point."""
        return {} if self.focal_point is None else {"focal": self.focal_point}

    @classmethod
    def of(cls, accepted: Accepted, alt: str = "") -> StoredImage:
        """Return the picture of an upload that was just accepted."""
        facts = accepted.facts
        return cls(
            accepted.path,
            accepted.size,
            accepted.format,
            facts.alpha,
            facts.placeholder,
            facts.placeholders.get("color"),
            facts.focal_point,
            alt,
        )

    def to_json(self) -> dict[str, Any]:
        """Return this as an object for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> StoredImage:
        """Read what `to_json` wrote. What is missing gets its default, and what is not known is ignored.

        Raises:
            KeyError, TypeError, ValueError: If it is something else.
        """
        known = {name: value for name, value in found.items() if name in cls.__dataclass_fields__}
        known["size"] = Size(*found["size"])
        if found.get("focal_point") is not None:
            x, y = found["focal_point"]
            known["focal_point"] = float(x), float(y)
        return cls(**known)
