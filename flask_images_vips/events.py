"""The events of an application's images, and the functions that are called with them.

Metrics, records and signals are such functions. The code that serves and renders images does not know them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .options.scalars import Arm
from .phases import Phase
from .rendition import Rendition

if TYPE_CHECKING:
    from flask import Response

    from .errors import ImagesError
    from .serving.hit import Hit
    from .urls import ImageUrl

logger = logging.getLogger("flask_images_vips")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendition that has been rendered, and its cost.

    *engine* is the name of the engine, *size_bytes* the size of the file. *seconds* is the whole time, *waited_seconds*
    the part of it that passed until a renderer was free, and *cpu_seconds* the time that processors worked. *visitor*
    is false for work in the background. *phases* are those of the request or the background work so far. If one
    render makes several renditions, only the first has them.
    """

    rendition: Rendition
    engine: str
    size_bytes: int
    seconds: float
    waited_seconds: float
    cpu_seconds: float
    visitor: bool
    phases: Sequence[Phase] = ()


class Events:
    """The functions to call at each event of one application's images. Append yours when the application starts.

    They run within the request or the render, so they must be quick. Their errors are logged and have no effect.

    - *rendered* functions get a `Rendered`.
    - *fetched* functions get the name of the format and the size of a rendition that another host has made.
    - *served* functions get the hit, the response, and whether the rendition was cached.
    - *visited* functions get the arm of each page whose images a comparison counts.
    - *failed* functions get the path of the URL, the verified URL or None, the status, and the error.

    Set *timed* if *served* and *failed* functions need `phases.current`. Otherwise it is None in them.
    """

    def __init__(self) -> None:
        self.timed = False
        self.rendered: list[Callable[[Rendered], object]] = []
        self.fetched: list[Callable[[str, int], object]] = []
        self.served: list[Callable[[Hit, Response, bool], object]] = []
        self.visited: list[Callable[[Arm], object]] = []
        self.failed: list[Callable[[str, ImageUrl | None, int, ImagesError], object]] = []


def tell(functions: Sequence[Callable[..., object]], *event: Any) -> None:
    """Call *functions* with the *event*. Their errors are logged."""
    for function in functions:
        try:
            function(*event)
        except Exception:
            logger.exception("%r failed. The image is not affected.", function)
