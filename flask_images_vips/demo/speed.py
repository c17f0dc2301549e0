"""How long does the first request for a picture take, and how long do all others take?"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log10
from typing import Any

from flask import Flask, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from .. import resized_img_size
from ..errors import ImagesError
from .choice import chosen, largest, named, own
from .measured import Timing
from .measured import request as request_image
from .missing import GONE
from .photos import PHOTOS, Photo
from .sample import Sample, sentence

AGAIN = 20
"""How many times the first picture is asked for again."""
OTHERS = 3
"""How many other sizes are asked for afterwards."""
PHASES = {
    "lookup": ("Look up", "the signature of the URL is checked, and the cache is asked"),
    "wait": ("Wait", "until no other request makes this picture, and a renderer is free"),
    "encode": ("Pixels", "the photograph is decoded, scaled and encoded, as one stream"),
    "handover": ("Hand over", "the file goes to the renderer and comes back"),
    "store": ("Store", "the picture is written to the cache"),
}
"""The parts of a request that the page shows, each with its name and what happens in it."""

_FIRST_WIDTHS = (640, 810)  # both are made from the smaller reduced copy later
_OTHER_WIDTHS = (240, 620)
_LEAST_MS, _MOST_MS = 0.01, 1000.0
_TICKS = ((0.01, "0.01"), (0.1, "0.1"), (1, "1 ms"), (10, "10"), (100, "100"), (1000, "1 s"))
_UNTIMED = "Nothing can be measured, because IMAGES_SERVER_TIMING is not set."
_REFUSED = "The picture was refused with status {}."


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured: the *first* request, the same one *again*, and the first requests for *others* in size.

    *again* and *others* are milliseconds.
    """

    width: int
    url: str
    first: Timing
    again: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)


def parts_of(phases: Mapping[str, float]) -> dict[str, float]:
    """Return the milliseconds of each of `PHASES`, from the phases of ``Server-Timing``."""
    encode = phases.get("encode", 0.0)
    return {
        "lookup": phases.get("lookup", 0.0),
        "wait": phases.get("lock", 0.0) + phases.get("queue", 0.0),
        "encode": encode,
        "handover": max(0.0, phases.get("render", 0.0) - encode),
        "store": phases.get("store", 0.0),
    }


def place(ms: float) -> float:
    """Return where *ms* is on the logarithmic scale, in percent."""
    bounded = min(max(ms, _LEAST_MS), _MOST_MS)
    return round(100 * (log10(bounded) - log10(_LEAST_MS)) / (log10(_MOST_MS) - log10(_LEAST_MS)), 2)


def page() -> ResponseReturnValue:
    """Show the page. Its button starts a run; with a script, the browser itself sends the requests and times them."""
    photo = chosen(largest())
    run, problem = None, ""
    if request.method == "POST":
        try:
            run = _run(photo)
        except (ImagesError, OSError) as error:
            problem = _problem(error)
        if run is not None and not run.again:
            problem, run = _UNTIMED if run.first.status == 200 else _REFUSED.format(run.first.status), None
    return render_template(
        "speed.html",
        title="Speed",
        photos=PHOTOS,
        own=own(),
        photo=photo,
        size=resized_img_size(photo.path),
        run=run,
        parts=parts_of(run.first.phases) if run is not None else {},
        medians=[statistics.median(each) for each in (run.again, run.others)] if run is not None else [0, 0],
        problem=problem,
        again=AGAIN,
        others=OTHERS,
        phases=PHASES,
        place=place,
        scale=(_LEAST_MS, _MOST_MS),
        ticks=_TICKS,
    )


def start() -> ResponseReturnValue:
    """Forget everything about a photograph, and return the addresses of renditions that nobody has asked for."""
    photo = named()
    if photo is None:
        return jsonify(problem=GONE)
    try:
        widths = _begin(photo)
    except (ImagesError, OSError) as error:
        return jsonify(problem=_problem(error))
    first, *others = ({"url": Sample(photo.file, _options(width)).url, "width": width} for width in widths)
    size = resized_img_size(photo.path)
    return jsonify(problem="", first=first, others=others, width=size and size.width, height=size and size.height)


def _begin(photo: Photo) -> list[int]:
    """Remove all that is cached of *photo*, and return the widths of a run, the first one first.

    Raises:
        ImagesError, OSError: As `Images.purge`.
    """
    current_app.extensions["images"].purge(photo.path)
    draw = random.SystemRandom()
    return [draw.randint(*_FIRST_WIDTHS), *sorted(draw.sample(range(*_OTHER_WIDTHS), OTHERS), reverse=True)]


def _run(photo: Photo) -> Run:
    """Do within this process what the script of the page does from the browser.

    Raises:
        ImagesError, OSError: As `_begin`.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    widths = _begin(photo)
    url, *others = [Sample(photo.file, _options(width)).url.removeprefix(request.script_root) for width in widths]
    first = request_image(app, url)
    if first.status != 200 or not first.ms:
        return Run(widths[0], url, first)
    again = [request_image(app, url).ms for _ in range(AGAIN)]
    first_of_others = [request_image(app, each).ms for each in others]
    return Run(widths[0], request.script_root + url, first, again, first_of_others)


def _problem(error: ImagesError | OSError) -> str:
    return sentence(error) if isinstance(error, ImagesError) else "The cache cannot be changed."


def _options(width: int) -> dict[str, Any]:
    return {"width": width, "format": "webp"}


def add_to(app: Flask) -> None:
    """Add the page to *app*."""
    app.add_url_rule("/speed", "speed", page, methods=["GET", "POST"])
    app.add_url_rule("/speed.json", "speed_json", start, methods=["POST"])
