"""Wrong installations of the image libraries: each is named in one line with its cure, and pictures are shown."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from conftest import gradient, needs
from servers import OVERWRITTEN

from flask_images_vips.engines.vips.abilities import cure, is_overwritten
from flask_images_vips.installed import _FOLDERS as FOLDERS
from whole.installations import LIBVIPS, PYVIPS, Outcome, altered, installed, run, stand_in

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-ins are made for Linux")

WHEEL = Path(sysconfig.get_path("platlib"), "pyvips_binary.libs")
SLOWER = "so images are rendered by Pillow, which is slower and needs more memory. "
IN_SYSTEM = any(Path(folder, "libvips.so.42").exists() for folder in FOLDERS)
NOT_LOADED = "libvips.so.42: " + ("file too short" if IN_SYSTEM else "cannot open shared object file: No such file")
INSTALL = "Install it with: pip install --upgrade pyvips pyvips-binary"
TOO_OLD = "version = lambda part: (8, 12, 2)[part]"
# pyvips-binary 8.15 to 8.17, whose module is older than pyvips.
PINNED = """
class _Lib:
    def __getattr__(self, name, lib=vips_lib):
        if name in ("vips_concurrency_set", "vips_cache_set_max"):
            raise AttributeError(f"cffi library '_libvips' has no function, constant or global variable named {name!r}")
        return getattr(lib, name)

vips_lib = _Lib()
"""
NO_AV1 = """
_write = Image.write_to_buffer

def _refuse(self, suffix, **options):
    if "avif" in suffix:
        raise Error("unable to call heifsave_target", "heifsave: Unsupported compression\\n")
    return _write(self, suffix, **options)

Image.write_to_buffer = _refuse
"""
NO_WEBP = """
from PIL import features as _features
_check = _features.check
_features.check = lambda name: name != "webp" and _check(name)

import PIL.WebPImagePlugin as _plugin
_plugin.SUPPORTED = False
from PIL import Image as _image

_image.init()
_image.SAVE.pop("WEBP", None)
_image.SAVE_ALL.pop("WEBP", None)
"""
FORKED = """
import os
from flask_images_vips import Images
import pyvips
pyvips.Image.black(64, 64).invert().copy_memory()
child = os.fork()
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


class Case(NamedTuple):
    """An installation in a folder, and what is said about it.

    *says* are parts of the one line, or None if there is nothing to say. *alone* are parts of the error if only libvips
    is configured, or None if pictures are shown all the same. *libvips* is what the system's libvips is replaced by: a
    file that works, or one that does not.
    """

    make: Callable[[Path], Sequence[Path]]
    says: Sequence[str] | None
    alone: Sequence[str] | None = None
    before: str = ""
    libvips: Literal["as it is", "other", "broken"] = "as it is"


def pyvips(code: str) -> Callable[[Path], list[Path]]:
    """A function that makes an installation with a pyvips that *code* alters."""
    return lambda folder: [
        stand_in(folder / "first", "pyvips", altered("pyvips", code)),
        installed(folder / "packages"),
    ]


def broken(code: str) -> Callable[[Path], list[Path]]:
    return lambda folder: [stand_in(folder / "first", "pyvips", code), installed(folder / "packages")]


def lacking(*names: str) -> Callable[[Path], list[Path]]:
    """A function that makes an installation without packages of the given *names*."""
    return lambda folder: [installed(folder / "packages", names)]


def old_pillow(folder: Path) -> list[Path]:
    metadata = folder / "first" / "pillow-9.5.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: pillow\nVersion: 9.5.0\n")
    return [folder / "first", installed(folder / "packages")]


def read_only(folder: Path) -> list[Path]:
    packages = installed(folder / "packages")
    packages.chmod(0o555)
    return [packages]


AS_IT_IS = lacking()
CASES = {
    "right": Case(AS_IT_IS, None),
    "no pyvips": Case(
        lacking(*PYVIPS, *LIBVIPS),
        ["pyvips is not installed, ", SLOWER, INSTALL],
        ["IMAGES_ENGINE = 'vips', but pyvips is not installed. ", INSTALL],
    ),
    "pyvips without libvips": Case(
        lacking(*LIBVIPS),
        ["libvips cannot be loaded (", NOT_LOADED, SLOWER, INSTALL],
        ["IMAGES_ENGINE = 'vips', but libvips cannot be loaded (", NOT_LOADED, INSTALL],
        libvips="broken" if IN_SYSTEM else "as it is",
    ),
    "libvips is too old": Case(
        pyvips(TOO_OLD),
        ["libvips 8.12.2 (/", ".so.42) is older than 8.14, ", SLOWER, cure()],
        ["IMAGES_ENGINE = 'vips', but libvips 8.12.2 (/", " is older than 8.14. ", cure()],
    ),
    "the wheel was overwritten": Case(
        lacking("_libvips*"),
        [OVERWRITTEN, "pip install --force-reinstall --no-deps pyvips-binary"],
        libvips="other",
    ),
    "the wheel is pinned to an older one": Case(pyvips(PINNED), None),
    "loading libvips fails": Case(
        broken("raise OSError('libvips.so.42: undefined symbol: g_once_init_enter_pointer')"),
        ["libvips cannot be loaded (libvips.so.42: undefined symbol: g_once_init_", SLOWER, INSTALL],
        ["IMAGES_ENGINE = 'vips', but libvips cannot be loaded (libvips.so.42: undefined symbol: ", INSTALL],
    ),
    "libvips does not start": Case(
        broken("raise RuntimeError('unable to init libvips')"),
        ["pyvips cannot be imported (unable to init libvips), ", SLOWER, INSTALL],
        ["IMAGES_ENGINE = 'vips', but pyvips cannot be imported (unable to init libvips). ", INSTALL],
    ),
    "Pillow is too old": Case(
        old_pillow, ["Pillow 9.5.0 is installed, but flask-images-vips needs ", "run: pip install --upgrade Pillow"]
    ),
    "there are two libvips": Case(AS_IT_IS, None, libvips="other"),
    "site-packages are read-only": Case(read_only, None),
    "a fork came before": Case(
        AS_IT_IS, ["This process was forked after libvips had rendered images in its parent."], before=FORKED
    ),
    "libvips has no encoder for AV1": Case(
        pyvips(NO_AV1),
        ["libvips ", "lacks something (an encoder for avif), so Pillow renders the images that need it. "],
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a site with a picture that was not just written."""
    needs("pyvips-binary", WHEEL.is_dir(), "pip install --upgrade pyvips-binary")
    (tmp_path / "static").mkdir()
    gradient((64, 48)).save(tmp_path / "static" / "a.png")
    os.utime(tmp_path / "static" / "a.png", (1e9, 1e9))
    return tmp_path


def outcome(case: Case, folder: Path, **config: Any) -> Outcome:
    variables = {}
    if case.libvips == "other" and case.make is AS_IT_IS and is_overwritten():
        pytest.skip("the binary module here needs the system's glib, and the libvips of the wheel has its own")
    if case.libvips != "as it is":
        variables["LD_LIBRARY_PATH"] = str(libraries(folder / "lib", works=case.libvips == "other"))
    config = {"IMAGES_MAX_RENDERS": 0, "overwritten": OVERWRITTEN in (case.says or ()), **config}
    return run(folder, case.make(folder), before=case.before, variables=variables, **config)


def libraries(folder: Path, *, works: bool) -> Path:
    """A folder with another libvips, with the name that it has if the system has installed it."""
    folder.mkdir()
    if not works:
        (folder / "libvips.so.42").touch()
        return folder
    for library in WHEEL.glob("*.so*"):
        name = "libvips.so.42" if library.name.startswith("libvips-") else library.name
        (folder / name).symlink_to(library)
    return folder


def contains(line: str, parts: Sequence[str]) -> bool:
    return all(part in line for part in parts)


def assert_shown(found: Outcome) -> None:
    assert found.failure is None
    assert found.answers == [[200, f"image/{name}"] for name in ("jpeg", "png", "webp", "avif", "avif")]


@pytest.mark.parametrize("name", CASES)
def test_pictures_are_shown_and_one_line_says_what_is_wrong(folder: Path, name: str) -> None:
    case = CASES[name]
    found = outcome(case, folder)
    assert_shown(found)
    assert len(found.lines) == (case.says is not None), found.lines
    assert all(contains(line, case.says or ()) for line in found.lines), found.lines


@pytest.mark.parametrize("name", CASES)
def test_only_libvips_is_an_error_if_there_is_none(folder: Path, name: str) -> None:
    case = CASES[name]
    found = outcome(case, folder, IMAGES_ENGINE="vips")
    if case.alone is None:
        assert_shown(found)
        return
    assert found.failure is not None or found.statuses == [500] * 5
    (said,) = found.lines if found.failure is None else [found.failure]
    assert contains(said, case.alone), said


def test_what_only_renderers_find_is_said_once_too(folder: Path) -> None:
    case = CASES["libvips does not start"]
    found = run(folder, case.make(folder), IMAGES_MAX_RENDERS=1, IMAGES_ENGINE="vips")
    assert (found.failure, found.statuses) == (None, [500] * 5)
    (said,) = found.lines
    assert contains(said, case.alone or ())


# Encoders that are missing


@pytest.mark.parametrize("renders", [0, 1])
def test_without_an_encoder_for_av1_nothing_offers_avif(folder: Path, renders: int) -> None:
    hidden = altered("pyvips", NO_AV1 + NO_AVIF_IN_PILLOW)
    packages = [stand_in(folder / "first", "pyvips", hidden), installed(folder / "packages")]
    found = run(folder, packages, IMAGES_MAX_RENDERS=renders)
    assert_without(found, "avif", sent="webp")


@pytest.mark.parametrize("renders", [0, 1])
def test_without_webp_in_pillow_nothing_offers_webp(folder: Path, renders: int) -> None:
    packages = [stand_in(folder / "first", "PIL", altered("PIL", NO_WEBP)), installed(folder / "packages")]
    found = run(folder, packages, IMAGES_MAX_RENDERS=renders, IMAGES_ENGINE="pillow")
    assert_without(found, "webp", sent="avif")


NO_AVIF_IN_PILLOW = """
from PIL import Image as _image
_save = _image.Image.save

def _refuse_avif(self, file, format=None, **options):
    if format == "AVIF":
        raise OSError("encoder avif not available")
    return _save(self, file, format, **options)

_image.Image.save = _refuse_avif
"""


def assert_without(found: Outcome, format: str, *, sent: str) -> None:
    """Check that only the URL that asks for *format* is refused, and that ``auto`` sends another one."""
    assert found.failure is None
    at = ["jpeg", "png", "webp", "avif"].index(format)
    assert [found.statuses[number] for number in range(5) if number != at] == [200] * 4
    assert found.statuses[at] == 400
    assert found.answers[4] == [200, f"image/{sent}"]
    assert f"image/{sent}" in found.tag
    assert f"image/{format}" not in found.tag
    offered = [line for line in found.lines if "is not offered to browsers" in line]
    asked = [line for line in found.lines if f"with format={format!r} will not be served" in line]
    refused = [line for line in found.lines if line.startswith("image 'a.png': 400, ")]
    assert [len(lines) for lines in (offered, asked, refused)] == [1, 1, 1], found.lines
    assert len(found.lines) == 3, found.lines
    assert offered[0].startswith(f"{format.upper()} cannot be written here, ")
