"""Put the plan of a migration together: the edits, what differs, and the proof that the rest stays."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask

from ..state import EXTENSION, AppImages
from .code import Edits, find_edits
from .differences import CHANGE, DIFFERS, Difference, of_configuration, of_pictures, of_templates
from .pictures import Picture, pictures
from .proof import Proof, Prover, sample, sets_of_options
from .templates import Templates

_MARKUP = "IMAGES_MARKUP"  # in the text of what that key mends

T = TypeVar("T")
Progress = Callable[[Iterable[T], str, int | None], Iterable[T]]
"""Shows the progress through the items, which it returns: their number may not be known."""

_SWITCH = Difference(
    DIFFERS,
    "Workers of Flask-Images refuse the URLs that this package signs. Switch all workers at once.",
    ["deployment"],
)


@dataclass(slots=True)
class Plan:
    """What to do and to know before a site moves. *templates* is the number of templates that were read."""

    edits: Edits
    differences: list[Difference] = field(default_factory=list)
    proof: Proof = field(default_factory=Proof)
    templates: int = 0

    @property
    def is_safe(self) -> bool:
        """Whether nothing breaks if only the diff is applied."""
        return self.proof.holds and not any(each.level == CHANGE for each in self.differences)


def make_plan(app: Flask, folder: Path, progress: Progress[Any], *, most: int, rendered: int) -> Plan:
    """Return the plan for *app*, whose code is in *folder*. At most *most* pictures are read, and *rendered* rendered.

    Nothing is written, except to a temporary cache. Read the configuration for the first time here: the site's own
    cache may belong to another user.
    """
    images: AppImages = app.extensions[EXTENSION]
    settings = dict(app.config)
    plan = Plan(edits_of(folder))
    # Not a request context: within one, the links of the front door would become those of this configuration.
    with tempfile.TemporaryDirectory(prefix="flask-images-migrate-") as cache, app.app_context():
        app.config["IMAGES_CACHE"] = cache
        try:
            _compare(plan, images, settings, progress, most, rendered)
        finally:
            app.config["IMAGES_CACHE"] = settings.get("IMAGES_CACHE")
    plan.differences = [_relative(each, folder) for each in plan.differences]
    return plan


def edits_of(folder: Path) -> Edits:
    """Return the edits in *folder*. Their notes have paths relative to it."""
    edits = find_edits(folder)
    edits.notes = [(os.path.relpath(where, folder), note) for where, note in edits.notes]
    return edits


def _compare(
    plan: Plan, images: AppImages, settings: dict[str, Any], progress: Progress[Any], most: int, rendered: int
) -> None:
    templates = Templates(images.app, images.name)
    calls = list(templates.calls())
    plan.templates = templates.count
    found = list(progress(pictures(images.pipeline, images.app.root_path, most), "Reading pictures", None))
    plan.differences = [
        *(Difference(CHANGE, note, [where]) for where, note in plan.edits.notes),
        *(Difference(CHANGE, "This template cannot be read.", [each]) for each in templates.unreadable),
        *of_configuration(settings, images),
        *of_templates(calls, images),
        *of_pictures(found),
        _SWITCH,
    ]
    if not images.pipeline.config.markup:
        plan.differences = [each for each in plan.differences if _MARKUP not in each.text]
    options, own = sets_of_options(calls)
    prover = Prover(images, options, own)
    plan.proof = prover.proof
    for picture in progress(found, "Comparing", len(found)):
        prover.compare(picture)
    chosen: list[Picture] = list(sample(found, rendered))
    for number, picture in enumerate(progress(chosen, "Rendering", len(chosen))):
        prover.render(picture, number)


def _relative(difference: Difference, folder: Path) -> Difference:
    places = [os.path.relpath(place, folder) if os.path.isabs(place) else place for place in difference.places]
    return difference._replace(places=places)
