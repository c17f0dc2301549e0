"""Tell which image libraries are installed, and whether they have changed, without loading them."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from glob import escape, glob
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

_OWN = "flask-images-vips"
_PACKAGES = (_OWN, "pyvips", "pyvips-binary", "Pillow", "simplejpeg", "pillow-heif", "pillow-jxl-plugin")
_MODULES = ("pyvips", "_libvips", "PIL", "simplejpeg", "pillow_heif", "pillow_jxl")
_VARIABLES = ("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "LIBHEIF_PLUGIN_PATH", "VIPSHOME")
_SEARCHED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBHEIF_PLUGIN_PATH")
_MULTIARCH = getattr(sys.implementation, "_multiarch", "")  # such as x86_64-linux-gnu
_FOLDERS = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/opt/homebrew/lib"),
    *(
        os.path.join("/usr/lib", _MULTIARCH),
        os.path.join("/usr/local/lib", _MULTIARCH),
        os.path.join(sys.prefix, "lib"),
    ),
)
_PLUGINS = ("libheif", "libheif/plugins", "vips-modules-*")  # below a folder of libraries


class Installation(NamedTuple):
    """The installed image libraries. *name* differs if they do. They last changed at the Unix time *changed*."""

    name: str
    changed: float


def installation() -> Installation:
    """Describe the installed image libraries by their versions, their places, and the times at which those changed.

    Installing, updating or removing a library changes the time of its folder. Packages of some plug-ins change nothing
    but the folder of the plug-ins.
    """
    times = {path: status.st_mtime for path in dict.fromkeys(_places()) if (status := _status(path)) is not None}
    versions = [(package, _version(package)) for package in _PACKAGES]
    variables = [os.environ.get(variable) for variable in _VARIABLES]
    return Installation(repr((sys.version, versions, variables, times)), max(times.values(), default=0.0))


def own_version() -> str:
    """Return the version of this package, or an empty string if it is not installed."""
    return _version(_OWN) or ""


def outdated() -> list[str]:
    """Return a sentence for each installed library that is older than this package requires.

    pip does not install such a version, but other programs may, and pip does if it is told to ignore dependencies.
    """
    sentences = []
    with suppress(PackageNotFoundError, OSError):
        for requirement in requires(_OWN) or ():
            # Such as "Pillow>=11.3", "pyvips-binary>=8.18.7; extra == 'binary'" or "pyvips[binary] (>=3)".
            required, found, floors = requirement.partition(";")[0].partition(">=")
            wanted, floor = re.findall(r"[\w.-]+", required)[:1], floors.partition(",")[0].strip(" )")
            name = next((name for name in _PACKAGES if found and [name.lower()] == [*map(str.lower, wanted)]), None)
            own = _version(name) if name is not None else None
            if own is not None and _parts(own) < _parts(floor):
                sentences.append(
                    f"{name} {own} is installed, but {_OWN} needs {floor} or newer, so images may be wrong or missing. "
                    f"To update it, run: pip install --upgrade {name}"
                )
    return list(dict.fromkeys(sentences))  # several extras may require the same library


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])]


def _places() -> Iterator[str]:
    for module in _MODULES:
        with suppress(ImportError, ValueError, AttributeError):
            found = importlib.util.find_spec(module)
            if found is not None and found.origin:
                yield found.origin
    yield "/etc/ld.so.cache"  # written whenever the system has installed a library
    for folder in (*_FOLDERS, *_searched()):
        yield folder
        for plugins in _PLUGINS:
            yield from sorted(glob(os.path.join(escape(folder), plugins)))


def _searched() -> Iterator[str]:
    for variable in _SEARCHED:
        yield from filter(os.path.isabs, os.environ.get(variable, "").split(os.pathsep))


def _status(path: str) -> os.stat_result | None:
    with suppress(OSError):
        return os.stat(path)
    return None


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None
