"""A site of 20 templates, two blueprints and 40 pictures, to find image calls in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from servers import IN_THREAD

from flask_images_vips import Images, resized_img_src

SITE = Path(__file__).parent / "site"
PICTURES = [f"p{number:03}.jpg" for number in range(1, 41)]


def create_site(folder: Path, **config: Any) -> Flask:
    """The site, whose pictures and cache are in *folder*."""
    app = Flask("site", root_path=str(SITE))
    app.config.update(
        SECRET_KEY="a secret",
        IMAGES_PATH=[str(folder / "static")],
        IMAGES_CACHE=str(folder / "cache"),
        IMAGES_PRESETS={"card": {"width": 200, "height": 150, "mode": "crop"}},
        SALE_PICTURE="p023.jpg",
    )
    app.config.update(config)
    app.config.update(IN_THREAD)
    Images(app)
    app.jinja_env.filters["thumb"] = resized_img_src
    for name in ("shop", "blog"):
        app.register_blueprint(Blueprint(name, "site", template_folder=str(SITE / name / "templates")))
    return app


@pytest.fixture
def make_site(tmp_path: Path, draw: Any) -> Callable[..., Flask]:
    """A function that creates the site. Its keywords are the configuration."""
    first = draw(PICTURES[0], (1000, 800))
    for name in PICTURES[1:]:
        shutil.copy2(first, first.with_name(name))

    def make(**config: Any) -> Flask:
        return create_site(tmp_path, **config)

    return make
