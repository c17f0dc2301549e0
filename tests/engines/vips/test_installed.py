"""What is said of a libvips that cannot be used."""

from __future__ import annotations

import errno

import pytest

from flask_images_vips.engines.vips.installed import LIBRARY, unusable


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'pyvips'", name="pyvips"), "pyvips is not installed"),
        (OSError("cannot load library 'libvips.so.42': libz.so: no such file"), "libvips cannot be loaded (libz.so: "),
        # cffi's search for another name of the library, in a renderer
        (PermissionError(errno.EACCES, "Permission denied", "/tmp/a"), f"(the system has no {LIBRARY})"),
        (ImportError("undefined symbol"), "pyvips cannot be imported (undefined symbol)"),
    ],
)
def test_the_reason_names_what_is_missing(error: Exception, words: str) -> None:
    assert words in unusable(error)
