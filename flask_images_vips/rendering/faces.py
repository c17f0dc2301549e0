"""Crop to the faces in a picture: find them in a small rendition, and centre the crop on their point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..engines.engine import Engine, Header
from ..faces.detector import SIDE, find, lacking
from ..faces.focus import focus as focus_among
from ..formats import PNG, Format
from ..options.options import Options
from ..options.values import Focal, Gravity, Mode
from ..rendition import Rendition
from ..sources.source import Source
from .limits import Limits


def focus_of(
    engine: Engine, limits: Limits, descriptor: int, source: Source, header_by: Callable[[Engine], Header]
) -> Sequence[float]:
    """Return the point of the faces in the *source* that is open at *descriptor*, or nothing if there are none.

    *engine* renders a small picture of it. None are found in labelled boxes, or without the packages for faces.
    """
    if engine.name == "boxes" or lacking() is not None:
        return []
    small = Rendition(source, Options(width=SIDE, height=SIDE, mode=Mode.FIT), PNG)
    geometry = limits.plan(small, header_by(engine), trimmed=None, mark=None)
    return list(focus_among(find(engine.render(descriptor, small, geometry))) or ())


def focused(options: Options, focus: Sequence[float], engine: Engine, format: Format) -> Options:
    """Return *options* with the point *focus* of the faces instead of the gravity ``face``.

    Without faces, the gravity is ``attention`` if *engine* can find that, and otherwise ``center``.
    """
    if focus:
        return replace(options, focal=Focal(*focus), gravity=Gravity.CENTER)
    attentive = replace(options, gravity=Gravity.ATTENTION)
    return attentive if engine.refusal(attentive, format) is None else replace(options, gravity=Gravity.CENTER)
