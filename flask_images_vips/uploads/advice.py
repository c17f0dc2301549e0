"""What would a site have to install or set to accept the uploads that it refuses?"""

from __future__ import annotations

import logging
from collections.abc import Collection

from ..cache.per_process import Said
from ..formats import ALL_INPUTS, INPUTS
from ..headers.kinds import image_of

logger = logging.getLogger("flask_images_vips")

_KINDS = {image_of(name): name for name in ALL_INPUTS} | {"a JPEG 2000 image": "jpeg2000"}
_said = Said()


def advise(kind: str, readable: Collection[str], engine: str) -> None:
    """Log a warning, once in each process, if the site could accept pictures of *kind*.

    *readable* are the formats that it reads, and *engine* is ``IMAGES_ENGINE``. A form that excludes a format itself
    needs no advice.
    """
    name = _KINDS.get(kind)
    if name is None or name in readable:
        return
    message = f"An upload is refused because it is {kind}. To accept such uploads: {_cure(name, engine)}"
    if _said.add(message):
        logger.warning("%s", message)


def _cure(name: str, engine: str) -> str:
    from ..engines import heic, jxl  # noqa: PLC0415  (few sites have such files)

    if name == "heic":
        return heic.problem() or ""
    cures = []
    if name == "jxl":
        cures += [] if jxl.is_installed() else [f"run {jxl.INSTALL}"]
    else:
        cures.append(f"add {name!r} to IMAGES_INPUT_FORMATS")
    if engine == "vips" and name not in INPUTS:
        cures.append("set IMAGES_ENGINE to 'auto', because only Pillow reads them")
    return " and ".join(cures) + "."
