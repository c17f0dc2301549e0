"""A playground: every option on real photographs or your own, with the code for it.

Run it with ``flask --app flask_images_vips.demo run``. By default, SECRET_KEY is random at each start, and everything
that is written goes into a temporary folder. If you run several processes, set FLASK_SECRET_KEY, so that they share one
key. Each process still knows only its own uploads. Any other configuration key can be set in the same way, for example
FLASK_IMAGES_CACHE.
"""

from __future__ import annotations

import secrets

from flask import Flask

from .. import Images
from ..state import images_of
from . import (
    command,
    compression,
    devices,
    engines,
    focal,
    formats,
    gallery,
    missing,
    playground,
    policy,
    sample,
    speed,
)
from .fonts import STYLES, find_font
from .scratch import scratch_folder
from .uploads import Uploads

__all__ = ["app", "create_app"]

PAGES = (
    playground.add_to,
    focal.add_to,
    formats.add_to,
    speed.add_to,
    devices.add_to,
    engines.add_to,
    gallery.add_to,
)
"""What adds a page to the application. Each is called once."""

NAVIGATION = {
    "index": ("/", "Playground"),
    "focal": ("/focal", "Focal point"),
    "formats": ("/formats", "Formats"),
    "speed": ("/speed", "Speed"),
    "devices": ("/devices", "Devices"),
    "engines": ("/engines", "Engines"),
    "gallery": ("/gallery", "Gallery"),
}
"""The endpoints of the pages, with their paths and titles, in the order of the navigation."""


def create_app() -> Flask:
    """Create the playground: a Flask app with the default configuration of the package, and fonts."""
    app = Flask(__name__)
    folder = scratch_folder()
    font = find_font()
    app.config.from_mapping(
        SECRET_KEY=secrets.token_hex(),
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        IMAGES_CACHE=str(folder / "cache"),
        IMAGES_SERVER_TIMING=True,
        IMAGES_EARLY_HITS=True,
    )
    if font is not None:
        app.config.from_mapping(IMAGES_FONTS={"title": font}, IMAGES_TEXT_STYLES=STYLES)
    app.config.from_prefixed_env()
    images = Images()
    Uploads(app, images, folder / "uploads")
    images.init_app(app)
    sample.listen(images_of(app).events)
    policy.add_to(app)
    compression.add_to(app)
    missing.add_to(app)
    app.jinja_env.globals["navigation"] = NAVIGATION
    for add_page in PAGES:
        add_page(app)
    return app


def _render_one() -> None:
    """Render the picture that the playground shows first."""
    with app.test_request_context():
        playground.first_sample().render()


app = create_app()
command.take_over(_render_one)
