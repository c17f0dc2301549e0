"""Choose the point that a crop is centred on from the faces in a picture. This module does no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_LEAST_SHARE = 0.2  # of the largest face's area: smaller ones are people in the background


class Face(NamedTuple):
    """A box in fractions of the picture's sides, and how sure the detector is, from 0 to 1."""

    left: float
    top: float
    width: float
    height: float
    score: float

    @property
    def area(self) -> float:
        return self.width * self.height


def focus(faces: Sequence[Face]) -> tuple[float, float] | None:
    """Return the point to centre a crop on, as fractions of the picture's sides, or None without faces.

    It is the mean of the middles of the large faces, each weighted by its area.
    """
    largest = max((face.area for face in faces), default=0.0)
    large = [face for face in faces if face.area >= _LEAST_SHARE * largest]
    total = sum(face.area for face in large)
    if not total:
        return None
    across = sum((face.left + face.width / 2) * face.area for face in large) / total
    down = sum((face.top + face.height / 2) * face.area for face in large) / total
    return round(min(max(across, 0), 1), 4), round(min(max(down, 0), 1), 4)
