"""Describe what the image libraries of this process can do, as a JSON object.

Only the process that renders can know this, because it loads the libraries. The other processes ask it, see
`flask_images_vips.abilities`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ..errors import UnsupportedSource
from ..formats import ALL_INPUTS, EXTRA_INPUTS, INPUTS
from .encoder_settings import settings_of
from .vips.fork_safety import forked_after_pixels
from .vips.installed import unusable

_IMPORTED = time.time()


def abilities_of(engine: str) -> dict[str, Any]:
    """Return what the libraries that *engine*, a value of ``IMAGES_ENGINE``, may use can do.

    Pillow writes the formats that libvips could write, but lacks here, even if the engine is ``vips``.

    ``libraries`` describes each by the name of its engine, see `flask_images_vips.abilities.Library`. ``loaded`` is a
    Unix time: none of the libraries was loaded before.
    """
    libraries = {} if engine in ("pillow", "boxes") or forked_after_pixels() else {"vips": _vips()}
    return {"loaded": _IMPORTED, "libraries": libraries | {"pillow": _pillow()}}


def _vips() -> dict[str, Any]:
    try:
        from .vips import abilities  # noqa: PLC0415

        problem = abilities.problem()
        if problem is not None:
            return {"name": "libvips", "problem": problem}
        found = abilities.describe()
    except Exception as error:  # pyvips raises any exception if libvips is missing, too old or fails to start
        return {"name": "libvips", "problem": unusable(error)}
    packages = [f"pyvips {found['pyvips']}"]
    if found["pyvips_binary"] is not None:
        packages.append(f"pyvips-binary {found['pyvips_binary']}")
    note = ""
    if found["simplejpeg"] is not None:
        note = f"simplejpeg {found['simplejpeg']} is installed, so renderers decode JPEGs with it."
    return {
        "name": "libvips",
        "version": found["libvips"],
        "path": found["path"] or "",
        "mode": found["mode"],
        "packages": ", ".join(packages),
        "parts": found["parts"],
        "note": note,
        "warning": abilities.overwritten() if found["overwritten"] else "",
        "inputs": _among((*INPUTS, "svg", *EXTRA_INPUTS), [*found["reads"], *_extras()]),
        "outputs": _among(settings_of("vips"), found["writes"]),
    }


def _pillow() -> dict[str, Any]:
    from .pillow.abilities import describe  # noqa: PLC0415

    found = describe()
    return {
        "name": "Pillow",
        "version": found["pillow"],
        "inputs": _among(ALL_INPUTS, [*found["pillow_reads"], *_extras()]),
        "parts": list(_extras().values()),
        "outputs": _among(settings_of("pillow"), found["pillow_writes"]),
    }


def _extras() -> dict[str, str]:
    """Return the names of the formats that extras decode here, and the libraries that do so. This loads them."""
    from . import heic  # noqa: PLC0415  (web workers, which import this module, do not decode)

    with suppress(UnsupportedSource):
        return {heic.FORMAT: heic.decoder()}
    return {}


def _among(known: Iterable[str], found: Iterable[str]) -> list[str]:
    return [name for name in known if name in {*found}]
