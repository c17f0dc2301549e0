"""The engine by libvips, besides the contract of all engines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import pyvips
from conftest import ROOT, gradient

from engines.test_engine import render
from flask_images_vips.engines.engine import Header
from flask_images_vips.engines.vips import abilities
from flask_images_vips.engines.vips import fork_safety as forks
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.geometry import Size


def header(path: Path) -> Header:
    with path.open("rb") as file:
        return VipsEngine().header(file.fileno(), path.name)


def test_the_header_tells_what_is_decoded_as_a_whole(tmp_path: Path) -> None:
    pyvips.Image.black(40, 30).pngsave(str(tmp_path / "interlaced.png"), interlace=True)
    for name in ("a.jpg", "a.png", "a.webp", "a.gif", "a.avif", "a.tif"):
        gradient((40, 30)).save(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir() if header(path).whole} == {"interlaced.png", "a.gif", "a.avif"}
    assert header(tmp_path / "a.jpg") == Header(Size(40, 30), "jpeg")


def test_pixels_are_noted_and_headers_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "_noted", False)
    gradient((40, 30)).save(tmp_path / "a.png")
    assert header(tmp_path / "a.png").size == (40, 30)
    assert not forks._noted
    render(VipsEngine(), tmp_path / "a.png", width=10)
    assert forks._noted


def test_libvips_uses_one_thread() -> None:
    VipsEngine()
    assert abilities.library().vips_concurrency_get() == 1  # the binding of pyvips before 3.2 lacks it


def test_what_libvips_reads_as_it_starts_is_set_before_pyvips_is_imported() -> None:
    code = """
import os, sys
import flask_images_vips.engines.vips
assert "pyvips" not in sys.modules
assert "VIPS_UNLIMITED" not in os.environ and os.environ["VIPS_WARNING"] == "0"
"""
    environment = {name: value for name, value in os.environ.items() if name != "VIPS_WARNING"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**environment, "VIPS_UNLIMITED": "1"}, check=True)
