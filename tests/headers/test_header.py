"""A file's header says what an engine's header says."""

from __future__ import annotations

from dataclasses import fields

from flask_images_vips.engines.engine import Header
from flask_images_vips.headers.header import FileHeader


def test_it_has_every_field_of_an_engines_header() -> None:
    assert {field.name for field in fields(FileHeader)} == {field.name for field in fields(Header)} | {"orientation"}
