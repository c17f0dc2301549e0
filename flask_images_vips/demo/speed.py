"""How long does the first request for a picture take, and how long do all others take?"""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass, field
from math import log10
from typing import Any

from flask import Flask, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from .. import resized_img_size
from ..errors import ImagesError
from .photos import PHOTOS, Photo
from .sample import Rendering, Sample, sentence

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
_LEAST_MS, _MOST_MS = 0.01, 10_000.0


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured: the *first* request, the same one *again*, and the first requests for *others* in size."""

    photo: Photo
    width: int
    first: Rendering
    again: list[float] = field(default_factory=list)
    others: list[tuple[int, Rendering]] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.again) if self.again else 0.0

    @property
    def median_of_others(self) -> float:
        return statistics.median(each.ms for _, each in self.others) if self.others else 0.0


def parts_of(phases: dict[str, float]) -> dict[str, float]:
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
    photo = PHOTOS.get(request.values.get("photo", "")) or _largest()
    run, problem = None, ""
    if request.method == "POST":
        try:
            run = _run(photo)
        except (ImagesError, OSError) as error:
            problem = sentence(error) if isinstance(error, ImagesError) else "The cache cannot be changed."
        if run is not None and (run.first.problem or not run.first.ms):
            problem, run = run.first.problem or _UNTIMED, None
    return render_template(
        "speed.html",
        title="Speed",
        photos=PHOTOS,
        photo=photo,
        size=resized_img_size(photo.path),
        run=run,
        parts=parts_of(run.first.phases) if run is not None else {},
        problem=problem,
        again=AGAIN,
        phases=PHASES,
        place=place,
        scale=(_LEAST_MS, _MOST_MS),
    )


_UNTIMED = "Nothing can be measured, because IMAGES_SERVER_TIMING is not set."


def start() -> ResponseReturnValue:
    """Forget everything about a photograph, and return the addresses of renditions that nobody has asked for."""
    photo = PHOTOS.get(request.values.get("photo", ""))
    if photo is None:
        return jsonify(problem="There is no such photograph.")
    try:
        widths = _begin(photo)
    except (ImagesError, OSError) as error:
        return jsonify(problem=sentence(error) if isinstance(error, ImagesError) else "The cache cannot be changed.")
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
    width, *widths = _begin(photo)
    sample = Sample(photo.file, _options(width))
    first = sample.render()
    if first.problem or not first.ms:
        return Run(photo, width, first)
    again = [sample.render().ms for _ in range(AGAIN)]
    return Run(photo, width, first, again, [(each, Sample(photo.file, _options(each)).render()) for each in widths])


def _options(width: int) -> dict[str, Any]:
    return {"width": width, "format": "webp"}


def _largest() -> Photo:
    """Return the photograph with the most pixels."""

    def pixels(photo: Photo) -> int:
        size = resized_img_size(photo.path)
        return size.width * size.height if size else 0

    return max(PHOTOS.values(), key=pixels)


def add_to(app: Flask) -> None:
    """Add the page to *app*."""
    app.add_url_rule("/speed", "speed", page, methods=["GET", "POST"])
    app.add_url_rule("/speed.json", "speed_json", start, methods=["POST"])
