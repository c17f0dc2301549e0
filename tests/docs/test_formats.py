"""The page about formats that need another package: its code runs, and its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT, fetch
from flask import Flask
from headers.heics import of_kind, turned

from flask_images_vips import Images
from flask_images_vips.config.keys import Config
from flask_images_vips.engines import heic
from flask_images_vips.operating.checking.libraries import _MENDED

PAGE = (ROOT / "docs" / "guides" / "formats.md").read_text("utf-8")
HEIC = PAGE[PAGE.index("## HEIC") : PAGE.index("## JPEG XL")]


def test_with_the_configuration_of_the_page_a_heic_is_shown(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", HEIC, re.DOTALL)
    app = Flask("site", root_path=str(tmp_path))
    app.secret_key = "a secret"
    app.config["IMAGES_CACHE"] = str(tmp_path / "cache")
    exec(code, {"app": app})
    Images(app)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.heic").write_bytes(turned(6))
    (tmp_path / "static" / "b.heif").write_bytes(of_kind("grid"))
    assert fetch(app, "a.heic", width=80).size == (80, 128)
    assert fetch(app, "b.heif", width=80).format == "JPEG"


def test_its_numbers_are_those_of_the_code() -> None:
    stated = {int(number) for number in re.findall(r"(\d+)\s+million", HEIC)}
    assert Config().max_source_pixels // 2 == 25_000_000
    assert {25, 24, 48} <= stated
    assert f"below {'.'.join(map(str, heic._LEAST))}" in HEIC
    assert f"older than {'.'.join(map(str, _MENDED['libheif'][0]))}" in HEIC


def test_the_extra_of_the_page_requires_the_least_version() -> None:
    extras = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'heic = ["pillow-heif>={".".join(map(str, heic._LEAST))}"]' in extras
    assert "flask-images-vips[heic]" in HEIC


def test_the_licences_of_the_wheel_are_those_that_it_names() -> None:
    from importlib.metadata import files

    own = [file for file in files("pillow-heif") or [] if file.name == "LICENSES_bundled.txt"]
    if not own:
        pytest.skip("this pillow-heif is not a wheel of PyPI")
    text = own[0].read_text()
    assert re.search(r"Name: x265\nLicense: GPLv2", text)
    assert "GPL-2.0" in HEIC
    assert "x265" in HEIC
