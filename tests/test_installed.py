"""Whether the image libraries of this host have changed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from flask_images_vips import installed
from flask_images_vips.installed import installation, outdated


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of libraries that is the only one."""
    folder = tmp_path / "lib"
    folder.mkdir()
    monkeypatch.setattr(installed, "_FOLDERS", (str(folder),))
    return folder


def later(path: Path) -> None:
    """Let *path* look as if it had changed a while after it was made."""
    os.utime(path, (time.time() + 10, time.time() + 10))


def test_it_is_the_same_as_long_as_nothing_changes(libraries: Path) -> None:
    assert installation() == installation()


def test_a_new_library_changes_it(libraries: Path) -> None:
    before = installation()
    (libraries / "libheif.so.1").touch()
    later(libraries)
    after = installation()
    assert after.name != before.name
    assert after.changed == pytest.approx(libraries.stat().st_mtime)


@pytest.mark.parametrize("plugins", ["libheif", "libheif/plugins", "vips-modules-8.17"])
def test_so_does_a_new_plug_in(libraries: Path, plugins: str) -> None:
    (libraries / plugins).mkdir(parents=True)
    before = installation()
    later(libraries / plugins)
    assert installation().name != before.name


def test_so_does_a_variable_that_names_another_folder(
    libraries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {installation().name}
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}:relative:")
    names.add(installation().name)
    later(tmp_path)
    names.add(installation().name)
    assert len(names) == 3


def test_so_does_another_pyvips(libraries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = installation()
    (tmp_path / "pyvips.py").touch()
    monkeypatch.delitem(sys.modules, "pyvips", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert installation().name != before.name


def test_nothing_is_loaded_for_it() -> None:
    code = """
import sys
from flask_images_vips.installed import installation
assert installation().changed > 0
assert not {"PIL", "pyvips", "_libvips"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_modules_that_are_missing_do_not_matter(libraries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvips", None)
    monkeypatch.setattr(installed, "_PACKAGES", ("no-such-package",))
    assert installation().name


# Versions that are too old


@pytest.mark.parametrize(
    ("requirement", "own", "expected"),
    [
        ("Pillow>=11.3", "11.2.9", ["Pillow 11.2.9 is installed, but flask-images-vips needs 11.3 or newer"]),
        ("pillow<15,>=11.3", "9.10", ["Pillow 9.10 is installed, but flask-images-vips needs 11.3 or newer"]),
        ('pyvips-binary>=8.17; extra == "binary"', "8.16.1", ["pyvips-binary 8.16.1 is installed"]),
        ('pyvips[binary]>=3.2; extra == "binary"', "3.1.1", ["pyvips 3.1.1 is installed"]),
        ("Pillow>=11.3", "11.3.0", []),
        ("Pillow>=11.3", "12.0.0+local.1", []),
        ("Pillow>=11.3", None, []),
        ("Pillow", "1.0", []),
        ("Flask>=3", "1.0", []),
    ],
)
def test_a_library_that_is_too_old_is_named_with_its_cure(
    requirement: str, own: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "requires", lambda _: [requirement])
    monkeypatch.setattr(installed, "_version", lambda _: own)
    found = outdated()
    assert [sentence.startswith(start) for sentence, start in zip(found, expected, strict=True)] == [True] * len(found)
    assert all("run: pip install --upgrade P" in sentence or "--upgrade pyvips" in sentence for sentence in found)


def test_a_library_that_several_extras_require_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    extras = [f"pyvips-binary>=8.18.7; extra == '{extra}'" for extra in ("binary", "demo", "tests")]
    monkeypatch.setattr(installed, "requires", lambda _: extras)
    monkeypatch.setattr(installed, "_version", lambda _: "8.17.3")
    assert len(outdated()) == 1


def test_a_checkout_that_is_not_installed_requires_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_OWN", "no-such-package")
    assert outdated() == []
