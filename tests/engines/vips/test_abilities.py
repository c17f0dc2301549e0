"""What libvips lacks is found by asking it, and is told apart from a broken file."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pyvips
from conftest import ROOT, fetch, gradient, url_of
from flask import Flask

from flask_images_vips.config.keys import Config
from flask_images_vips.engines import choice
from flask_images_vips.engines.choice import Engines, check_engine
from flask_images_vips.engines.vips import abilities, installed
from flask_images_vips.engines.vips.installed import LIBRARY
from flask_images_vips.errors import ConfigError

MakeApp = Callable[..., Flask]

INSTALL = "Install it with: pip install --upgrade pyvips pyvips-binary"
REINSTALL = "pip install --force-reinstall --no-deps pyvips-binary"
USE_WHEEL = f"To use the libvips of pyvips-binary instead, run: {REINSTALL}"
UPGRADE = "Install a newer libvips with: pip install --upgrade pyvips-binary"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what was found and logged, before and after each test."""
    monkeypatch.setattr(abilities, "_unwritable", set())
    for module in (abilities, choice):
        module._said.get().clear()
    abilities.can_write.cache_clear()
    abilities.has_operation.cache_clear()
    yield
    abilities.can_write.cache_clear()
    abilities.has_operation.cache_clear()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_description_is_json_and_names_formats() -> None:
    found = abilities.describe()
    assert json.loads(json.dumps(found)) == found
    assert found["libvips"] == ".".join(map(str, (pyvips.version(0), pyvips.version(1), pyvips.version(2))))
    assert found["mode"] == ("API" if pyvips.API_mode else "ABI")
    assert {"jpeg", "png", "webp", "gif"} <= {*found["reads"]} & {*found["writes"]}
    assert {"jpeg", "png", "webp", "avif"} <= {*found["pillow_writes"]}
    assert Path(found["path"]).is_file()


def test_an_option_has_the_name_of_the_installed_version() -> None:
    assert abilities.option("thumbnail_image", "output_profile", "export_profile") is not None
    assert abilities.option("thumbnail_image", "no_such_option") is None
    assert abilities.option("no_such_operation", "Q") is None


def test_mozjpeg_is_there_if_its_options_change_the_file(photographs: Path) -> None:
    picture = pyvips.Image.new_from_file(str(photographs / "cat.png"))
    plain, optimized = (picture.jpegsave_buffer(trellis_quant=wanted) for wanted in (False, True))
    assert abilities.has_mozjpeg() == (plain != optimized)


def test_functions_that_an_old_binding_lacks_are_called_in_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    abilities.library().vips_concurrency_set(2)

    class Old:
        def __getattr__(self, name: str) -> Any:
            if name.endswith("_set"):
                raise AttributeError(f"cffi library '_libvips' has no function named {name!r}")
            return getattr(library, name)

    library = pyvips.vips_lib
    monkeypatch.setattr(pyvips, "vips_lib", Old())
    abilities.set_up()
    assert abilities.library().vips_concurrency_get() == 1


@pytest.mark.parametrize(
    ("error", "is_lack"),
    [
        (pyvips.Error("jpegsave_target does not support optional argument keep", "detail"), True),
        (pyvips.Error("no such operation uhdrload", "detail"), True),
        (pyvips.Error("thumbnail_image needs 2 arguments, but 3 given", "detail"), True),
        (AttributeError("cffi library '_libvips' has no function named 'vips_concurrency_set'"), True),
        (pyvips.Error("unable to call jpegload", "no such operation, says the file"), False),
        (AttributeError("'NoneType' object has no attribute 'size'"), False),
        (TypeError("unsupported operand"), False),
    ],
)
def test_a_lack_is_told_apart_from_other_errors(error: Exception, is_lack: bool) -> None:
    assert (abilities.lack(error) is not None) is is_lack


@pytest.mark.parametrize("engine", ["auto", "vips"])
def test_pillow_renders_what_libvips_lacks_an_option_for(
    engine: str,
    make_app: MakeApp,
    draw: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    draw("a.png")

    def refuse(*_: object, **__: object) -> None:
        raise pyvips.Error("thumbnail_image does not support optional argument size", "detail")

    monkeypatch.setattr(pyvips.Image, "thumbnail_image", refuse, raising=False)
    app = make_app(IMAGES_ENGINE=engine, IMAGES_MAX_RENDERS=0)
    for width in (8, 16, 32):
        assert fetch(app, "a.png", width=width).size == (width, width * 3 // 4)
    (line,) = warnings(caplog)
    assert "lacks something (thumbnail_image does not support optional argument size)" in line


@pytest.mark.parametrize("engine", ["auto", "vips"])
def test_pillow_writes_avif_if_libvips_has_no_encoder_for_it(
    engine: str,
    make_app: MakeApp,
    draw: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    draw("a.png")
    write, tried = pyvips.Image.write_to_buffer, []

    def refuse(self: pyvips.Image, suffix: str, **options: Any) -> bytes:
        if suffix == ".avif":
            tried.append(suffix)
            raise pyvips.Error("unable to call heifsave_target", "heifsave: Unsupported compression")
        made: bytes = write(self, suffix, **options)
        return made

    monkeypatch.setattr(pyvips.Image, "write_to_buffer", refuse)
    app = make_app(IMAGES_ENGINE=engine, IMAGES_MAX_RENDERS=0)
    for width in (8, 16, 32):
        assert fetch(app, "a.png", width=width, format="avif").format == "AVIF"
    assert len(tried) == 1  # the picture of one pixel
    (line,) = warnings(caplog)
    assert "lacks something (an encoder for avif)" in line
    assert app.test_client().get(url_of(app, "a.png", format="tiff")).status_code == (400 if engine == "vips" else 200)


@pytest.mark.parametrize(
    "message", ["Memory allocation error", "glib: Error creating thread: Resource temporarily unavailable"]
)
def test_a_lack_of_memory_does_not_count_as_a_missing_encoder(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise pyvips.Error("unable to call heifsave_target", message)

    monkeypatch.setattr(pyvips.Image, "write_to_buffer", refuse)
    assert abilities.can_write("avif")
    assert not abilities.is_unwritable("avif")


def test_a_broken_picture_stays_unreadable(make_app: MakeApp, static: Path, caplog: pytest.LogCaptureFixture) -> None:
    gradient((64, 48)).save(static / "a.png")
    (static / "a.png").write_bytes((static / "a.png").read_bytes()[:-400])
    app = make_app(IMAGES_MAX_RENDERS=0)
    assert app.test_client().get(url_of(app, "a.png", width=20)).status_code == 422
    assert not any("lacks" in line for line in warnings(caplog))


# Installations that are wrong as a whole


def test_a_libvips_that_is_too_old_is_replaced_by_pillow(
    make_app: MakeApp,
    draw: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(abilities, "version", lambda: (8, 12, 1))
    draw("a.png")
    app = make_app(IMAGES_MAX_RENDERS=0)
    for width in (8, 16):
        assert fetch(app, "a.png", width=width).size[0] == width
    (line,) = warnings(caplog)
    assert line.startswith("libvips 8.12.1 (")
    assert "is older than 8.14, so images are rendered by Pillow" in line
    assert "pip install" in line
    with pytest.raises(ConfigError, match=r"IMAGES_ENGINE = 'vips', but libvips 8\.12\.1 .*pip install"):
        list(Engines(Config(engine="vips")))


def test_another_libvips_than_that_of_the_wheel_is_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(abilities, "is_overwritten", lambda: True)
    monkeypatch.setattr(logging.getLogger("flask_images_vips"), "filters", [])  # that of the tests hides this line
    for _ in range(2):
        assert [engine.name for engine in Engines(Config())] == ["vips", "pillow"]
    (line,) = warnings(caplog)
    assert line.startswith(f"pyvips-binary is installed, but libvips {abilities.version_name()} (")
    assert line.endswith(REINSTALL)


@pytest.mark.parametrize(("file", "expected"), [("/usr/lib/libvips.so.42", True), ("/a/pyvips_binary.libs/x", False)])
def test_the_wheel_is_overwritten_if_another_file_answers(
    file: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyvips").mkdir()
    (tmp_path / "pyvips_binary-8.18.0.dist-info").mkdir()
    monkeypatch.setattr(pyvips, "__file__", str(tmp_path / "pyvips" / "__init__.py"))
    monkeypatch.setattr(abilities, "path", lambda: file)
    assert abilities.is_overwritten.__wrapped__() is expected


BINARY, BOTH = "_libvips.so", ("pyvips", "_libvips")


@pytest.mark.parametrize(
    ("modules", "libraries", "message"),
    [
        ([], {}, "pyvips is not installed"),
        (["pyvips"], {}, f"libvips cannot be loaded ({LIBRARY}: cannot open shared object file)"),
        (["pyvips"], {LIBRARY: (8, 13, 3)}, "libvips 8.13.3 is older than 8.14"),
        (["pyvips"], {LIBRARY: (8, 14, 0)}, None),
        (BOTH, {BINARY: (8, 18, 7)}, None),
        (BOTH, {BINARY: (8, 12, 2), LIBRARY: (8, 18, 7)}, "libvips 8.12.2 is older than 8.14"),
        (BOTH, {LIBRARY: (8, 14, 0)}, None),
        (BOTH, {}, f"libvips cannot be loaded ({BINARY}: cannot open shared object file)"),
        (BOTH, {BINARY: ()}, None),
    ],
)
def test_an_application_that_wants_only_libvips_does_not_start_without(
    modules: Sequence[str],
    libraries: dict[str, tuple[int, ...]],
    message: str | None,
    make_app: MakeApp,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if BINARY in libraries:
        (tmp_path / "pyvips_binary.libs").mkdir()
    files = {"pyvips": str(tmp_path / "pyvips" / "__init__.py"), "_libvips": BINARY}

    class Library:
        def __init__(self, file: str) -> None:
            if file not in libraries:
                raise OSError(f"{file}: cannot open shared object file")
            self.version = libraries[file]

        def __getattr__(self, name: str) -> Callable[[int], int]:
            assert name == "vips_version"
            if not self.version:
                raise AttributeError(f"undefined symbol: {name}")
            return self.version.__getitem__

    monkeypatch.setattr(installed, "_file_of", lambda module: files[module] if module in modules else None)
    monkeypatch.setattr(installed.ctypes, "CDLL", Library)
    make_app(IMAGES_ENGINE="auto")
    if message is None:
        check_engine("vips")
    else:
        with pytest.raises(ConfigError) as caught:
            make_app(IMAGES_ENGINE="vips")
        cure = INSTALL if "older" not in message else USE_WHEEL if BINARY in libraries else UPGRADE
        assert str(caught.value) == f"IMAGES_ENGINE = 'vips', but {message}. {cure}"


def test_the_check_loads_neither_pyvips_nor_pillow() -> None:
    code = """
import sys
from flask_images_vips.engines.choice import check_engine
check_engine("vips")
assert not {"PIL", "pyvips", "_libvips"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("file", "expected"),
    [("/a/pyvips_binary.libs/x", []), (None, []), ("/usr/lib/libvips.so.42", ["libheif 1.23.4", "libwebp 1.5.0"])],
)
def test_the_libraries_that_libvips_uses_are_named_if_it_brings_none(
    file: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> object:
        return types.SimpleNamespace(heif_get_version=Version(b"1.23.4"), WebPGetDecoderVersion=Version(0x010500))

    monkeypatch.setattr(abilities, "path", lambda: file)
    monkeypatch.setattr(abilities.ctypes, "CDLL", load)
    assert abilities.parts() == expected


def test_a_library_that_is_missing_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "path", lambda: "/usr/lib/libvips.so.42")
    monkeypatch.setattr(abilities, "_PARTS", {"linux": ("libnone.so.1", "libnone.so.2")})
    assert abilities.parts() == []


class Version:
    """A function of a library, which returns *version*."""

    def __init__(self, version: object) -> None:
        self.version = version
        self.restype: object = None

    def __call__(self) -> object:
        return self.version
