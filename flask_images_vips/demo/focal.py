"""The page of the focal point: a click on a photograph moves three crops."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound

from ..faces.detector import lacking
from .choice import is_known
from .missing import GONE
from .photos import LARGE, PHOTOS
from .sample import Sample
from .tiny import make_placeholders
from .uploads import uploaded

SHAPES = ("16:9", "1:1", "9:16")
HEIGHT = 400
"""The height of the crops in pixels. Pages show them smaller, so they are sharp on dense screens."""
CLICKED = {"wide": 680, "narrow": 320}
"""Without a script, the photograph is a button that sends the position of a click. Its widths, in CSS pixels."""

_DEFAULT = "walruses.jpg"


@dataclass(frozen=True, slots=True)
class Row:
    """Crops of one photograph in all shapes. *key* names the way in which they are cropped."""

    key: str
    title: str
    note: str
    crops: list[Sample]


def add_to(app: Flask) -> None:
    app.add_url_rule("/focal", "focal", page)
    app.add_url_rule("/focal.json", "focal_json", crops_json)


def page() -> ResponseReturnValue:
    photo = _photo()
    x, y = point_of(request.args, photo)
    make_placeholders([PHOTOS[photo]] if photo in PHOTOS else [])
    return render_template(
        "focal.html",
        title="Focal point",
        photo=Sample(photo),
        x=x,
        y=y,
        focal=(x / 100, y / 100),
        rows=rows_of(photo, x, y),
        has_faces_row=has_faces_row(photo),
        faces_need=lacking(),
        code=code_of(photo, x, y),
        choices=[Sample(each) for each in (*(upload.path for upload in uploaded()), *(large.file for large in LARGE))],
        clicked=CLICKED,
    )


def crops_json() -> ResponseReturnValue:
    """Return the code for a point, and the URLs of its crops by shape."""
    photo = _photo()
    x, y = point_of(request.args, photo)
    return {"focal": f"focal={(x / 100, y / 100)!r}", "code": code_of(photo, x, y), "urls": _urls(photo, x, y)}


def point_of(arguments: MultiDict[str, str], photo: str) -> tuple[int, int]:
    """Return the point in percent of the width and the height: as typed, as clicked, or that of the subject."""
    for name, width in CLICKED.items():
        across, down = arguments.get(f"{name}.x", type=int), arguments.get(f"{name}.y", type=int)
        size = Sample(photo).size
        if across is not None and down is not None and size is not None:
            height = width * size.image_height / size.image_width
            return _clicked(across, width), _clicked(down, height)
    subject = PHOTOS[photo].focal if photo in PHOTOS else (0.5, 0.5)
    usual = (_percent(100 * subject[0]), _percent(100 * subject[1]))
    return _typed(arguments.get("x"), usual[0]), _typed(arguments.get("y"), usual[1])


def rows_of(photo: str, x: int, y: int) -> list[Row]:
    """Return the crops around the point, and those that need no point."""
    rows = [
        Row("point", "Your point", "In the middle wherever there is room", _crops(photo, _at(x, y))),
        Row("centre", "Centre", "What you get without a point", _crops(photo, {})),
        Row("attention", "Attention", "libvips finds what catches the eye", _crops(photo, {"gravity": "attention"})),
        Row("entropy", "Entropy", "libvips finds the most detail", _crops(photo, {"gravity": "entropy"})),
    ]
    if has_faces_row(photo):
        rows.append(Row("face", "Faces", "A small network finds the faces", _crops(photo, {"gravity": "face"})))
    return rows


def has_faces_row(photo: str) -> bool:
    """Return whether to crop to faces: there are none in the playground's own photographs, and looking takes long."""
    return photo not in PHOTOS and lacking() is None


def code_of(photo: str, x: int, y: int) -> str:
    """Return the code for the template: one of the crops."""
    return Sample(photo, {"width": 1200, "aspect": SHAPES[0], "mode": "crop", **_at(x, y)}).jinja


def _photo() -> str:
    """Return the photograph that the request names, or the newest upload, or else the one with the clearest subject."""
    photo = request.args.get("photo") or next((each.path for each in uploaded()), _DEFAULT)
    if not is_known(photo):
        raise NotFound(GONE)
    return photo


def _urls(photo: str, x: int, y: int) -> dict[str, str]:
    return {str(crop.options["aspect"]): crop.url for crop in _crops(photo, _at(x, y))}


def _crops(photo: str, options: Mapping[str, Any]) -> list[Sample]:
    size, height = Sample(photo).size, HEIGHT
    if size is not None:  # a small picture is not enlarged, and all crops are equally high
        height = max(1, min(height, size.image_height, size.image_width * 9 // 16))
    return [Sample(photo, {"height": height, "aspect": shape, "mode": "crop", **options}) for shape in SHAPES]


def _at(x: int, y: int) -> dict[str, tuple[float, float]]:
    return {"focal": (x / 100, y / 100)}


def _typed(text: str | None, usual: int) -> int:
    """Return the percentage that somebody has typed. If it is no number, return the *usual* one."""
    with suppress(ValueError, OverflowError):
        return usual if text is None else _percent(float(text))
    return usual


def _clicked(at: int, side: float) -> int:
    """Return the position *at* on a *side* in percent. A URL may hold any number, also one that no float can."""
    return _percent(100 * min(max(at, 0), side) / side)


def _percent(value: float) -> int:
    return max(0, min(100, round(value)))
