"""The extension object, on one application and on several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Flask

from flask_images_vips import Images
from flask_images_vips.errors import ConfigError


def test_one_object_serves_several_applications(tmp_path: Path, draw: Any) -> None:
    draw("a.png")
    images = Images()
    for name in ("one", "two"):
        app = Flask(name, root_path=str(tmp_path))
        app.config.update(SECRET_KEY=name, IMAGES_CACHE=str(tmp_path / "cache"))
        images.init_app(app)
        assert app.extensions["images"] is images
        assert app.test_client().get(url_of(app, "a.png", width=9)).status_code == 200


def test_a_second_init_app_is_refused_with_the_reason(app: Flask) -> None:
    with pytest.raises(ConfigError, match="Create only one"):
        Images(app)


def test_without_an_application_the_error_says_so() -> None:
    with pytest.raises(RuntimeError, match="No current application"):
        _ = Images().pipeline
