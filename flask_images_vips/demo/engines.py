"""What does libvips make of the same options as Pillow, and how long does each take?"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from flask import Flask, Response, abort, make_response, render_template, request

from .. import Images
from ..errors import ImagesError
from ..formats import Format, by_name
from ..pool.resources import processors
from ..state import images_of
from .choice import chosen, largest, own
from .measured import Cost, render
from .photos import PHOTOS, Photo
from .sample import ENGINES, Sample, sentence
from .scratch import scratch_folder

FORMATS = ("jpeg", "webp", "avif", "png")
RUNS = 5
"""How many times each engine renders a picture, after a first time that does not count."""

_SECONDS = 5.0  # for all runs together; a large photograph gets fewer of them
_MOST_KEPT = 24  # pictures in memory
_MOST_HIGH = 416  # pixels of the page; a higher picture is shown smaller
_SHARED_KEYS = ("IMAGES_PATH", "IMAGES_MAX_RENDERS", "IMAGES_RENDER_MEMORY", "IMAGES_MAX_SOURCE_PIXELS")


class Treatment(NamedTuple):
    """What to do with a photograph."""

    title: str
    options: dict[str, Any]


TREATMENTS = {
    "reduce": Treatment("Reduce to 800 pixels", {"width": 800}),
    "thumbnail": Treatment("Crop to a square thumbnail", {"width": 320, "height": 320, "mode": "crop"}),
    "sharpen": Treatment("Reduce and sharpen", {"width": 800, "sharpen": "1,120,2"}),
    "blur": Treatment("Reduce and blur", {"width": 800, "blur": 6}),
    "colours": Treatment("Reduce, with other colours", {"width": 800, "saturation": 1.6, "contrast": 1.15}),
    "grey": Treatment("Reduce, in grey", {"width": 800, "grayscale": True}),
    "rotate": Treatment("Turn, reduce and round", {"width": 640, "rotate": 90, "radius": 40, "background": "white"}),
    "watermark": Treatment("Reduce, with a watermark", {"width": 800, "watermark": "photos/cup.png,se,24,0.9,0.2"}),
}


class Only(NamedTuple):
    """Something that one engine alone can do. *calls* are arguments of a helper that show it."""

    engine: str
    what: str
    why: str
    calls: Sequence[dict[str, Any]] = ()


ONLY = (
    Only(
        "vips",
        "Crops that look for the subject",
        "gravity='attention' and gravity='entropy' analyse the pixels.",
        [{"width": 64, "height": 64, "mode": "crop", "gravity": each} for each in ("attention", "entropy")],
    ),
    Only(
        "vips",
        "AVIF with 10 and 12 bits",
        "depth=10 makes smoother gradients.",
        [{"width": 64, "format": "avif", "depth": each} for each in (10, 12)],
    ),
    Only("vips", "Several sizes from one decode", "A srcset, and the reduced copies of a large photograph."),
    Only("vips", "Interlaced PNG", "progressive=True has no effect on a PNG that Pillow writes."),
    Only("vips", "AVIF without any loss", "lossless=True of Pillow is off by a few levels in AVIF."),
    Only("vips", "SVG as pixels", "With IMAGES_SVG, it draws SVG files."),
    Only(
        "pillow",
        "The transforms of PIL",
        "transform='QUAD,…' stretches any four corners to a rectangle.",
        [{"width": 64, "transform": "EXTENT,0,0,10%,10%,90%,90%"}],
    ),
    Only(
        "pillow",
        "TIFF, BMP and ICO",
        "format='tiff', 'bmp' and 'ico' write these.",
        [{"width": 64, "format": each} for each in ("tiff", "bmp", "ico")],
    ),
    Only("pillow", "Sources in BMP, ICO, PPM, TGA, PCX and JPEG 2000", "libvips reads none of them."),
)
"""What only one engine can do. By default, IMAGES_ENGINE is auto: libvips first, and Pillow for what only it can do."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one engine has made, and the *costs* of each run. *picture* is the address of the file."""

    engine: str
    title: str
    picture: str
    costs: Sequence[Cost]

    @property
    def ms(self) -> float:
        return statistics.median(cost.ms for cost in self.costs)

    @property
    def cpu_ms(self) -> float:
        return statistics.median(cost.cpu_ms for cost in self.costs)

    @property
    def size_bytes(self) -> int:
        return self.costs[-1].size_bytes


class EnginesPage:
    """The page of *app*. Each engine has an application of its own, with a cache of its own.

    IMAGES_ENGINE applies to a whole application, so this is how one page can show both.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._inner: dict[str, Flask] = {}
        self._pictures: dict[str, tuple[bytes, str]] = {}

    def page(self) -> str:
        """Show the page, or only the results, if its script asks for them."""
        photo = chosen(largest())
        name = request.args.get("treatment", "")
        name = name if name in TREATMENTS else next(iter(TREATMENTS))
        format = request.args.get("format", "")
        format = format if format in FORMATS else FORMATS[0]
        options = {**TREATMENTS[name].options, "format": format}
        results, problem = None, ""
        if "measure" in request.args:
            try:
                results = self._results(photo, options)
            except ImagesError as error:
                problem = sentence(error)
        return render_template(
            "engines_result.html" if "fragment" in request.args else "engines.html",
            title="Engines",
            photos=PHOTOS,
            own=own(),
            photo=photo,
            treatments=TREATMENTS,
            treatment=name,
            formats=FORMATS,
            format=format,
            sample=Sample(photo.file, options),
            results=results,
            problem=problem,
            most_high=_MOST_HIGH,
            runs=RUNS,
            engines=ENGINES,
            only=ONLY,
            processors=processors(),
            versions=self._versions(),
        )

    def picture(self, name: str) -> Response:
        """Send a picture that was made for the page lately."""
        kept = self._pictures.get(name)
        if kept is None:
            abort(404)
        response = make_response(kept[0])
        response.mimetype = kept[1]
        response.headers["Cache-Control"] = "private, max-age=600"
        return response

    def _results(self, photo: Photo, options: Mapping[str, Any]) -> list[Result]:
        """Let both engines render, in turns, so that whatever else this machine does disturbs both.

        Raises:
            ImagesError: As `Images.render`.
        """
        uncached = {**options, "cache": False}
        with self._lock:
            files = {engine: self._render(engine, photo, uncached)[0] for engine in ENGINES}
            costs: dict[str, list[Cost]] = {engine: [] for engine in ENGINES}
            end = time.monotonic() + _SECONDS
            for _ in range(RUNS):
                for engine, each in costs.items():
                    _, cost = self._render(engine, photo, uncached)
                    if cost is not None:
                        each.append(cost)
                if time.monotonic() > end:
                    break
        format = by_name(options["format"])
        return [
            Result(engine, title, self._keep(files[engine], format), costs[engine]) for engine, title in ENGINES.items()
        ]

    def _render(self, engine: str, photo: Photo, options: Mapping[str, Any]) -> tuple[bytes, Cost | None]:
        app = self._inner.get(engine)
        if app is None:
            app = self._inner[engine] = self._create(engine)
        images: Images = app.extensions["images"]
        with app.app_context():
            return render(images, photo.path, options)

    def _create(self, engine: str) -> Flask:
        """Create the application of *engine*. It answers no requests."""
        app = Flask(self._app.import_name)
        app.config.update({key: self._app.config[key] for key in _SHARED_KEYS if key in self._app.config})
        app.config.update(
            SECRET_KEY=self._app.config["SECRET_KEY"],
            IMAGES_ENGINE=engine,
            IMAGES_CACHE=str(scratch_folder()),
            IMAGES_COPIES=False,
            IMAGES_RECORD=False,
        )
        Images(app)
        return app

    def _keep(self, data: bytes, format: Format) -> str:
        """Keep a picture in memory, and return the name of its address."""
        name = f"{blake2b(data, digest_size=12).hexdigest()}{format.suffix}"
        self._pictures.pop(name, None)
        self._pictures[name] = data, format.media_type
        for old in [*self._pictures][:-_MOST_KEPT]:
            self._pictures.pop(old, None)
        return name

    def _versions(self) -> list[str]:
        libraries = images_of(self._app).pipeline.abilities.known() or {}
        return [str(library) for library in libraries.values() if not library.problem]


def add_to(app: Flask) -> None:
    """Add the page to *app*."""
    page = EnginesPage(app)
    app.add_url_rule("/engines", "engines", page.page)
    app.add_url_rule("/engines/<name>", "engines_picture", page.picture)
