"""What the libraries of this process can do, as a renderer answers it."""

from __future__ import annotations

import json
import sys
from typing import Any

import PIL
import pytest

from flask_images_vips.engines import abilities
from flask_images_vips.engines.abilities import abilities_of
from flask_images_vips.engines.encoder_settings import settings_of
from flask_images_vips.engines.vips import abilities as vips
from flask_images_vips.engines.vips.installed import REINSTALL
from flask_images_vips.formats import ALL_INPUTS


@pytest.mark.parametrize(
    ("engine", "described"), [("auto", ["vips", "pillow"]), ("vips", ["vips", "pillow"]), ("pillow", ["pillow"])]
)
def test_the_libraries_of_the_configured_engines_are_described(engine: str, described: list[str]) -> None:
    assert list(abilities_of(engine)["libraries"]) == described


def test_the_answer_is_json() -> None:
    found = abilities_of("auto")
    assert json.loads(json.dumps(found)) == found


def test_each_library_is_named_with_its_version_and_its_formats() -> None:
    libraries = abilities_of("auto")["libraries"]
    assert libraries["vips"]["version"] == vips.version_name()
    assert libraries["pillow"]["version"] == PIL.__version__
    for engine, library in libraries.items():
        assert {*library["outputs"]} <= {*settings_of(engine)}
        assert {*library["inputs"]} <= {*ALL_INPUTS, "svg"}
        assert {"jpeg", "png", "gif", "webp"} <= {*library["outputs"]} & {*library["inputs"]}


def refused() -> dict[str, Any]:
    raise OSError("libvips.so.42: cannot open shared object file")


def test_a_library_that_cannot_be_used_has_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vips, "describe", refused)
    assert abilities_of("auto")["libraries"]["vips"] == {
        "name": "libvips",
        "problem": "libvips cannot be loaded (libvips.so.42: cannot open shared object file)",
    }
    monkeypatch.setattr(vips, "problem", lambda: "libvips 8.1.0 is older than 8.14")
    assert abilities_of("vips")["libraries"]["vips"]["problem"] == "libvips 8.1.0 is older than 8.14"


@pytest.mark.parametrize("overwritten", [False, True])
def test_another_libvips_than_that_of_the_wheel_is_noted(overwritten: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vips, "is_overwritten", lambda: overwritten)
    assert (REINSTALL in abilities_of("auto")["libraries"]["vips"]["warning"]) is overwritten


@pytest.mark.parametrize("version", [None, "1.9.0"])
def test_the_quicker_decoder_is_noted(version: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    package = vips._package
    monkeypatch.setattr(vips, "_package", lambda name: version if name == "simplejpeg" else package(name))
    note = abilities_of("auto")["libraries"]["vips"]["note"]
    assert ("simplejpeg 1.9.0 is installed" in note) is (version is not None)


@pytest.mark.parametrize("engine", ["auto", "vips"])
def test_in_a_late_fork_only_pillow_is_described(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "forked_after_pixels", lambda: True)
    assert list(abilities_of(engine)["libraries"]) == ["pillow"]


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_a_format_whose_encoder_fails_is_not_listed(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = sys.modules[f"flask_images_vips.engines.{engine}.abilities"]
    can_write = module.can_write
    monkeypatch.setattr(module, "can_write", lambda format: format != "avif" and can_write(format))
    outputs = abilities_of(engine)["libraries"][engine]["outputs"]
    assert "avif" not in outputs
    assert "webp" in outputs
