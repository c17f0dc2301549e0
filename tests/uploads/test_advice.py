"""A site that refuses uploads which it could accept is told once what to install or set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient
from flask import Flask
from headers.containers import saved

from flask_images_vips.cache.per_process import Said
from flask_images_vips.engines import heic, jxl
from flask_images_vips.errors import UploadRefused
from flask_images_vips.uploads import advice
from uploads.conftest import Door

JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(500)
BMP = saved(gradient((64, 48)), "BMP")


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "_said", Said())


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = "HEIC needs pillow-heif, which is not installed. pip install 'flask-images-vips[heic]'"
    monkeypatch.setattr(heic, "problem", lambda: missing)
    monkeypatch.setattr(jxl, "is_installed", lambda: False)


def a_heic() -> bytes:
    data: bytes = pytest.importorskip("headers.heics").of_kind("one")
    return data


def refused(door: Door, data: bytes, caplog: Any, **rules: Any) -> list[str]:
    """The warnings that the refusal of *data* logs."""
    caplog.clear()
    with pytest.raises(UploadRefused):
        door.accept(data, **rules)
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.usefixtures("without_extras")
@pytest.mark.parametrize(
    ("config", "data", "expected"),
    [
        ({}, b"", "it is a HEIC image. To accept such uploads: HEIC needs pillow-heif, which is not installed. pip"),
        ({}, JXL, "it is a JXL image. To accept such uploads: run pip install 'flask-images-vips[jxl]'."),
        ({"IMAGES_ENGINE": "vips"}, JXL, "[jxl]' and set IMAGES_ENGINE to 'auto', because only Pillow reads them."),
        ({"IMAGES_INPUT_FORMATS": ["jpeg"]}, BMP, "it is a BMP image. To accept such uploads: add 'bmp' to IMAGES_INP"),
    ],
)
def test_the_warning_says_what_to_do_and_comes_once(
    make_app: Callable[..., Flask], static: Path, caplog: Any, config: dict[str, Any], data: bytes, expected: str
) -> None:
    door = Door(make_app(IMAGES_UPLOADS="static/uploads", **config), static / "uploads")
    data = data or a_heic()
    (warning,) = refused(door, data, caplog)
    assert expected in warning
    assert refused(door, data, caplog) == []


@pytest.mark.usefixtures("without_extras")
def test_what_the_form_itself_excludes_and_what_is_no_picture_needs_no_advice(door: Door, caplog: Any) -> None:
    assert refused(door, JXL, caplog, formats=["jpeg", "png"]) == []
    assert refused(door, b"%PDF-1.7" + bytes(100), caplog) == []
    assert refused(door, BMP, caplog, formats=["jpeg"]) == []
