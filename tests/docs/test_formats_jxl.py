"""The section about JPEG XL: its code runs, and what it says of the configuration holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT, gradient, url_of
from flask import Flask
from headers.test_jxl import needs_codec

from flask_images_vips import Images
from flask_images_vips.config.keys import Config
from flask_images_vips.engines import jxl
from flask_images_vips.engines.encoder_settings import settings_of

PAGE = (ROOT / "docs" / "guides" / "formats.md").read_text("utf-8")
SECTION = PAGE[PAGE.index("## JPEG XL") :]


@needs_codec
def test_with_the_configuration_of_the_page_a_jpeg_xl_is_a_source(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    app = Flask("site", root_path=str(tmp_path))
    app.config.update(SECRET_KEY="s", IMAGES_PATH=["."], IMAGES_CACHE=str(tmp_path / "cache"))
    exec(code, {"app": app})
    Images(app)
    image = gradient((64, 48))
    made = jxl.encoded(image.mode, image.size, image.tobytes(), {"lossless": True, "effort": 1})
    (tmp_path / "a.jxl").write_bytes(made)
    answer = app.test_client().get(url_of(app, "a.jxl", width=32, format="jpeg"))
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")


def test_the_page_names_the_extra_and_the_licence() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["jxl"][0].startswith("pillow-jxl-plugin>=")
    assert jxl.INSTALL in SECTION
    assert "GPL-3.0-or-later" in SECTION


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_the_page_states_the_defaults(engine: str) -> None:
    assert f"`IMAGES_FORMATS = {[*Config().formats]}`".replace('"', "'") in SECTION
    assert f"effort {settings_of(engine)['jxl']['effort']}," in SECTION
