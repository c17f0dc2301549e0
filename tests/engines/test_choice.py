"""The choice of an engine: by configuration, by what it can do, by what is installed, and in a late fork."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, fetch, gradient, url_of
from flask import Flask
from PIL import Image
from servers import OVERWRITTEN

from engines.test_engine import EVERY_FORMAT, psnr
from flask_images_vips.config.keys import Config
from flask_images_vips.engines import choice
from flask_images_vips.engines.choice import Engines
from flask_images_vips.engines.engine import DecodesOnce, Engine
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.errors import ConfigError, InvalidOption, UnreadableSource, UnsupportedSource
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options

MakeApp = Callable[..., Flask]

PNG, TIFF = by_name("png"), by_name("tiff")
TRANSFORM = Options.parse({"x": "EXTENT,0,0,10%,10%,90%,90%"})
SMART = Options.parse({"g": "attention", "m": "crop", "w": "9", "h": "9"})


def engines_of(**config: Any) -> Engines:
    return Engines(Config.read(config))


def names(engines: Iterable[Engine]) -> list[str]:
    return [engine.name for engine in engines]


@pytest.mark.parametrize(
    ("setting", "expected"), [("auto", ["vips", "pillow"]), ("vips", ["vips"]), ("pillow", ["pillow"])]
)
def test_the_configuration_names_the_engines(setting: str, expected: list[str]) -> None:
    engines = engines_of(IMAGES_ENGINE=setting)
    assert names(engines) == expected


def test_what_one_engine_cannot_do_goes_to_the_other() -> None:
    engines = engines_of()
    assert names(engines.able(Options(), PNG)) == ["vips", "pillow"]
    assert names(engines.able(TRANSFORM, PNG)) == names(engines.able(Options(), TIFF)) == ["pillow"]
    assert names(engines.able(SMART, PNG)) == ["vips"]


@pytest.mark.parametrize(
    ("setting", "options", "format", "message"),
    [
        ("vips", TRANSFORM, PNG, r"^transform='EXTENT.*': expected no transform \(libvips does not support it\)$"),
        ("vips", Options(), TIFF, r"^format='tiff': expected one of jpeg, png, webp, avif, jxl, gif \(libvips\)$"),
        ("pillow", SMART, PNG, r"^gravity='attention': expected a fixed gravity \(Pillow has no smart gravity\)$"),
        ("auto", SMART, TIFF, r"^format='tiff': expected one of .* \(libvips\) or a fixed gravity \(Pillow .*\)$"),
    ],
)
def test_a_refusal_says_what_the_engines_cannot_do(setting: str, options: Options, format: Any, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        list(engines_of(IMAGES_ENGINE=setting).able(options, format))


def test_only_libvips_makes_several_from_one_decode() -> None:
    assert isinstance(VipsEngine(), DecodesOnce)
    assert not isinstance(PillowEngine(), DecodesOnce)
    best = engines_of().decoding_once(Options(), PNG)
    assert best is not None
    assert best.name == "vips"
    assert engines_of().decoding_once(TRANSFORM, PNG) is None
    assert engines_of(IMAGES_ENGINE="pillow").decoding_once(Options(), PNG) is None


def test_the_first_engine_that_can_load_the_source_does_the_work() -> None:
    engines = engines_of()

    def asked(*unable: str, among: Sequence[Engine] | None = None) -> list[str]:
        """The engines that are asked in turn, where some are *unable* to load the source."""
        seen = []

        def work(engine: Engine) -> str:
            seen.append(engine.name)
            if engine.name in unable:
                raise UnsupportedSource("a.jpg", engine.name)
            return engine.name

        assert engines.first(work, among) == seen[-1]
        return seen

    assert asked() == ["vips"]
    assert asked("vips") == ["vips", "pillow"]
    with pytest.raises(UnsupportedSource, match="vips"):  # the reason of the first one
        asked("vips", "pillow")
    with pytest.raises(UnsupportedSource, match="vips"):
        asked("vips", among=[next(iter(engines))])


def test_a_broken_source_goes_to_no_other_engine() -> None:
    asked = []

    def work(engine: Engine) -> None:
        asked.append(engine.name)
        raise UnreadableSource("a.jpg", "broken")

    with pytest.raises(UnreadableSource, match="broken"):
        engines_of().first(work)
    assert asked == ["vips"]


def test_engines_are_made_once_and_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = PillowEngine.__init__

    def slow(self: PillowEngine, **keywords: Any) -> None:
        made.append(threading.get_ident())
        time.sleep(0.05)
        make(self, **keywords)

    monkeypatch.setattr(PillowEngine, "__init__", slow)
    engines = engines_of(IMAGES_ENGINE="pillow")
    assert made == []
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: next(iter(engines)), range(8)))
    assert len(made) == 1
    assert len({id(engine) for engine in found}) == 1


def test_the_second_engine_is_made_only_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PillowEngine, "__init__", lambda *_, **__: pytest.fail("it is not needed"))
    engines = engines_of()
    assert engines.first(lambda engine: engine.name, engines.able(Options(), PNG)) == "vips"


# What is installed


def test_making_engines_imports_none() -> None:
    code = """
import sys
from flask_images_vips.config.keys import Config
from flask_images_vips.engines.choice import Engines
Engines(Config.read({}))
assert not {"PIL", "pyvips"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("error", [ImportError("no pyvips"), OSError("no libvips")])
def test_libvips_alone_without_pyvips_is_an_error_each_time(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, *rest: Any) -> None:
            if name == "pyvips":
                raise error

    monkeypatch.delitem(sys.modules, "pyvips")
    for module in ("engine", "load"):
        monkeypatch.delitem(sys.modules, f"flask_images_vips.engines.vips.{module}")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    engines = engines_of(IMAGES_ENGINE="vips")
    for _ in range(2):
        with pytest.raises(ConfigError, match=rf"IMAGES_ENGINE = 'vips'.*{error}.*pip install --upgrade pyvips pyvips"):
            list(engines)
    assert names(engines_of()) == ["pillow"]


@pytest.mark.parametrize("setting", ["auto", "vips", "pillow"])
@pytest.mark.parametrize("format", EVERY_FORMAT)
def test_a_format_is_written_by_an_engine_that_can(
    setting: str, format: str, make_app: MakeApp, draw: Callable[..., Path]
) -> None:
    draw("a.png", (64, 48))
    app = make_app(IMAGES_ENGINE=setting)
    if setting == "vips" and format in ("tiff", "bmp", "ico"):
        assert app.test_client().get(url_of(app, "a.png", format=format)).status_code == 400
        return
    made = fetch(app, "a.png", width=32, format=format)
    assert made.format == format.upper()
    assert made.size == (32, 24)
    least = 30 if format in ("jpeg", "webp", "avif", "jxl", "gif") else 37
    assert psnr(made, gradient((64, 48)).resize((32, 24), Image.Resampling.LANCZOS)) >= least


def test_without_pyvips_everything_is_rendered_by_pillow_and_one_line_says_so(
    make_app: MakeApp, draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pyvips", None)
    monkeypatch.setattr(choice._said, "_by_pid", {})  # an earlier test may have logged the same line
    for module in ("engine", "load"):
        monkeypatch.delitem(sys.modules, f"flask_images_vips.engines.vips.{module}", raising=False)
    draw("a.png", (64, 48))
    app = make_app(IMAGES_MAX_RENDERS=0)  # renderers import their own modules
    with caplog.at_level(logging.INFO, "flask_images_vips"):
        for width in (8, 16, 32):
            for format in ("jpeg", "png", "webp", "avif", "tiff"):
                made = fetch(app, "a.png", width=width, format=format)
                assert (made.format, made.size) == (format.upper(), (width, width * 3 // 4))
    records = [record for record in caplog.records if record.name.startswith("flask_images_vips")]
    assert [record.levelname for record in records if "pyvips" in record.getMessage()] == ["WARNING"]
    assert sum("by pillow" in record.getMessage() for record in records) == 15


def test_where_libvips_is_missing_a_crop_by_a_look_is_refused(make_app: MakeApp, static: Path) -> None:
    gradient((61, 43)).save(static / "a.png")
    app = make_app(IMAGES_ENGINE="pillow", DEBUG=True)
    response = app.test_client().get(url_of(app, "a.png", mode="crop", width=9, height=9, gravity="attention"))
    assert (response.status_code, "gravity='attention'" in response.text) == (400, True)


# After a fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("setting", ["auto", "vips"])
def test_a_process_that_is_forked_after_pixels_has_pillow_alone(setting: str) -> None:
    code = f"""
import logging, os, sys
from flask_images_vips.config.keys import Config
from flask_images_vips.engines.choice import Engines
from flask_images_vips.engines.vips.fork_safety import forked_after_pixels, note_pixels
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")

def forked(check):
    child = os.fork()
    if not child:
        try:
            check()
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

engines, jpeg = Engines(Config.read({{"IMAGES_ENGINE": {setting!r}}})), by_name("jpeg")

def before():
    assert next(iter(engines)).name == "vips"

def after():
    for _ in range(3):
        assert [engine.name for engine in engines] == ["pillow"]
        assert [engine.name for engine in engines.able(Options(), by_name("tiff"))] == ["pillow"]
        assert engines.decoding_once(Options(), jpeg) is None

assert next(iter(engines)).name == "vips"
forked(before)
note_pixels()
assert next(iter(engines)).name == "vips" and engines.decoding_once(Options(), jpeg) is next(iter(engines))
forked(after)
assert not forked_after_pixels()
"""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    (line,) = [line for line in run.stdout.splitlines() if OVERWRITTEN not in line]
    assert line.startswith("WARNING This process was forked after libvips had rendered images in its parent")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "JPEG, PNG, GIF, WEBP, AVIF, TIFF, BMP, ICO"),
        ({"IMAGES_ENGINE": "pillow"}, "JPEG, PNG, GIF, WEBP, AVIF, TIFF, BMP, ICO"),
        ({"IMAGES_ENGINE": "vips"}, "JPEG, PNG, GIF, WEBP, AVIF, TIFF"),
        ({"IMAGES_INPUT_FORMATS": ["bmp", "jpeg"]}, "BMP, JPEG"),
        ({"IMAGES_SVG": True, "IMAGES_INPUT_FORMATS": ["jpeg", "ico"]}, "JPEG, ICO, SVG"),
    ],
)
def test_a_refusal_names_all_formats_that_the_engines_read_together(
    config: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with (tmp_path / "a.jpg").open("rb") as file, pytest.raises(UnsupportedSource) as caught:
        engines_of(**config).first(lambda engine: engine.header(file.fileno(), "a.jpg"))
    assert caught.value.reason == f"the file is empty; expected {expected} (IMAGES_INPUT_FORMATS)"
