"""A playground that shows every mode and the basic options on real photographs, and an upload form.

Run it with ``flask --app flask_images_vips.demo run``. By default, SECRET_KEY is random at each start. If you run
several processes, set FLASK_SECRET_KEY, so that they share one key. Any other configuration key can be set in the same
way, for example FLASK_IMAGES_CACHE.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, current_app, render_template, request
from werkzeug.test import TestResponse

from .. import Images, resized_img_size, resized_img_src
from ..errors import InvalidOption
from ..options.options import Options, write_query
from .uploads import Uploads

__all__ = ["app", "create_app"]

# Each file with a description. static/photos/ATTRIBUTION.md lists the authors.
PHOTOS = {
    "coffee.jpg": "A cup of espresso on a wooden table",
    "cat.jpg": "The face of a tabby cat",
    "rocket.jpg": "A rocket on its launch pad at dusk",
    "canyon.jpg": "A boat in a canyon of the Colorado River, 1871",
    "flower.jpg": "The flower head of a wild leek, about 1928",
    "earth.jpg": "The whole Earth as a map, seen by satellites",
    "cup.png": "A cup of espresso, cut out of its background",
}
MODES = {
    "reshape": "fills the box exactly; the shape changes",
    "fit": "the whole photo, inside the box",
    "crop": "fills the box; the rest is cut off",
    "pad": "the whole photo, on a canvas of the box's size",
}
FORMATS = ("jpeg", "webp", "avif", "png", "gif")
TEXT_FIELDS = ("width", "height", "mode", "format", "quality", "background", "sharpen", "transform")
FIRST_TRY = {"width": "480", "height": "320", "mode": "crop", "format": "webp"}
FIELD_LIMIT_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Sample:
    """One call of a helper. The code, the URL and the size are derived from the same options, so they always match."""

    photo: str
    options: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    note: str = ""

    @property
    def path(self) -> str:
        return f"photos/{self.photo}"

    @property
    def call(self) -> str:
        """The template code for the URL of this picture."""
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"resized_img_src({self.path!r}{options})"

    @property
    def url(self) -> str:
        return resized_img_src(self.path, **self.options)

    @property
    def size(self) -> Any:
        """The size of the rendition, or None if an option is invalid."""
        return resized_img_size(self.path, **self.options)

    @property
    def problem(self) -> str:
        """The error message of the first invalid option. Empty if all options are valid."""
        try:
            Options.parse(write_query(self.options))
        except InvalidOption as error:
            return str(error)
        return ""

    def answer(self) -> TestResponse:
        """Request the picture from this app, so that the rendition is cached before the browser requests it."""
        return current_app.test_client(use_cookies=False).get(self.url.removeprefix(request.script_root))


def read_options(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the options in the *fields* of the form. Unknown names and empty fields are omitted."""
    options: dict[str, Any] = {}
    for name in TEXT_FIELDS:
        text = fields.get(name, "").strip()[:FIELD_LIMIT_CHARACTERS]
        if text:
            options[name] = int(text) if text.isascii() and text.isdigit() else text
    if fields.get("enlarge"):
        options["enlarge"] = True
    return options


def effects(photo: str) -> list[Sample]:
    """Return samples of some further options and of EXIF orientation. Some use a picture other than *photo*."""
    box = {"width": 320, "height": 240, "mode": "crop"}
    corners = "QUAD,0,0,12%,0,0,84%,88%,100%,100%,16%"
    green = {"mode": "pad", "format": "jpeg", "background": "#1f5f5b"}
    return [
        Sample(photo, box | {"sharpen": "1.2,180,2"}, "Sharpen", "radius, percent, threshold"),
        Sample(photo, box | {"transform": "EXTENT,0,0,25%,20%,75%,70%"}, "Extent", "one part of the photo"),
        Sample(photo, box | {"transform": corners}, "Quad", "any four corners, stretched to a rectangle"),
        Sample(photo, box | {"format": "jpeg", "quality": 8}, "Quality", "8 of 100, to show what is lost"),
        Sample("cup.png", box | green, "Background", "a transparent PNG as JPEG, on a colour"),
        Sample("flower.jpg", {"height": 240}, "Orientation", "stored on its side with an EXIF tag, served upright"),
    ]


def index() -> str:
    """Render the page: one photo in every mode and format, and the result of the form."""
    photo = request.args.get("photo", "")
    if photo not in PHOTOS:
        photo = next(iter(PHOTOS))
    options = read_options(request.args if request.args.keys() & {*TEXT_FIELDS, "enlarge"} else FIRST_TRY)
    box = {"width": 300, "height": 300}
    extra = {"pad": {"background": "#cfdcd8"}}
    return render_template(
        "index.html",
        photo=photo,
        photos=PHOTOS,
        modes=MODES,
        formats=FORMATS,
        options=options,
        field_limit=FIELD_LIMIT_CHARACTERS,
        original=Sample(photo),
        gallery=[Sample(name, {"width": 240, "height": 240, "mode": "crop"}) for name in PHOTOS],
        mode_samples=[Sample(photo, box | {"mode": m} | extra.get(m, {}), m, note) for m, note in MODES.items()],
        format_samples=[Sample(photo, {"width": 400, "format": name}, name) for name in FORMATS],
        effect_samples=effects(photo),
        tried=Sample(photo, options),
    )


def create_app() -> Flask:
    """Create the playground: a Flask app with the default configuration of the package."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = secrets.token_hex()
    app.config.from_prefixed_env()
    images = Images()
    Uploads(app, images)
    images.init_app(app)
    app.add_url_rule("/", view_func=index)
    return app


app = create_app()
