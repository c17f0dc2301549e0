"""The workbench: one photograph, every option, and at once the picture with its code and its cost."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from flask import Flask, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..formats import AUTO, FORMATS
from ..uploads import refusals
from .choice import is_known
from .controls import controls, groups, is_open, read_options, text_of
from .pasted import Unreadable, read
from .photos import PHOTOS
from .presets import FIRST_TRY, presets
from .sample import ENGINES, Sample
from .uploads import MAX_BYTES, MOST_KEPT, sent_bytes, uploaded

# What the picture must share with the original, so that they can lie over each other.
_GEOMETRY = (
    "width", "height", "mode", "aspect", "gravity", "focal", "region", "dpr", "enlarge", "rotate", "flip", "trim",
    "transform", "padding", "border", "radius", "background",
)  # fmt: skip
_IN_PIXELS = {"width", "height", "aspect", "dpr", "transform", "padding", "border", "radius"}
_WIDEST_BESIDE = 2000
_NEARLY_LOSSLESS = {"format": "webp", "quality": 95}


def add_to(app: Flask) -> None:
    app.add_url_rule("/", "index", index)
    app.add_url_rule("/render.json", "render_json", render_json)
    app.add_url_rule("/pasted.json", "pasted_json", pasted_json)
    app.jinja_env.filters |= {"number": _number, "size_shown": size_shown, "time_shown": time_shown}
    app.jinja_env.tests["hexadecimal"] = lambda text: re.fullmatch(r"#[0-9a-fA-F]{6}", text) is not None


def index() -> ResponseReturnValue:
    """Show the photograph and the options that the query names. Without a query, it shows a first try."""
    asked = request.args.get("photo", "")
    photo = asked if is_known(asked) else next(iter(PHOTOS))
    pasted, unreadable = request.args.get("pasted", ""), ""
    if pasted.strip():  # without a script
        try:
            return redirect(url_for("index", **dict[str, Any](read(pasted, photo)[0])))
        except Unreadable as error:
            unreadable = str(error)
    options = read_options(request.args) if request.args else dict(FIRST_TRY)
    # From the form, without a script: let the address hold what is given.
    if "" in request.args.values() and not unreadable:
        given: dict[str, Any] = {name: text_of(value) for name, value in options.items()}
        return redirect(url_for("index", photo=photo, **given))
    styles = current_app.config.get("IMAGES_TEXT_STYLES")
    sample, found = Sample(photo, options), controls(styles)
    focal = PHOTOS[photo].focal if photo in PHOTOS else (0.5, 0.5)
    tries = presets(focal, can_letter=styles is not None)
    return render_template(
        "playground.html",
        photo=photo,
        is_gone=bool(asked) and photo != asked,
        photos=PHOTOS,
        uploads=uploaded(),
        alt=sample.alt,
        pasted=pasted,
        unreadable=unreadable,
        options=options,
        texts={name: found[name].show(value) for name, value in options.items()},
        groups=groups(found),
        opened=is_open,
        presets={name: {key: text_of(value) for key, value in each.items()} for name, each in tries.items()},
        shown=for_workbench(sample),
        first={"photo": next(iter(PHOTOS)), **{name: text_of(value) for name, value in FIRST_TRY.items()}},
        max_bytes=MAX_BYTES,
        most_kept=MOST_KEPT,
        too_large=refusals.too_many_bytes(MAX_BYTES).message,
    )


def first_sample() -> Sample:
    """Return what is shown at first."""
    return Sample(next(iter(PHOTOS)), FIRST_TRY)


def render_json() -> ResponseReturnValue:
    """Return the code for a picture, and what it costs. The query has the photo and the options by their names."""
    photo = request.args.get("photo", "")
    if not is_known(photo):
        return {"problem": "There is no such photograph. Choose one, or drop in your own again.", "option": ""}
    sample = Sample(photo, read_options(request.args))
    return for_workbench(sample, fresh=request.args.get("fresh") == "1"), 200, {"Cache-Control": "no-store"}


def pasted_json() -> ResponseReturnValue:
    """Return the query of the page for a pasted text, or what is wrong with the text."""
    try:
        query, note = read(request.args.get("pasted", ""), request.args.get("photo", ""))
    except Unreadable as error:
        return {"problem": str(error), "note": ""}
    return {"problem": "", "note": note, "query": query}


def for_workbench(sample: Sample, *, fresh: bool = False) -> dict[str, Any]:
    """Return the description of *sample*, with notes that compare it with the original, and that to lay over it."""
    described = describe(sample, fresh=fresh)
    own_bytes, own = original_bytes(sample.photo), Sample(sample.photo).size
    rendering = described["phases"].get("render")
    return {
        **described,
        "before": original_beside(sample, described["width"]).url if not described["problem"] else "",
        "own_size": f"of {own.width} × {own.height}" if own is not None else "",
        "own_format": f"was {sample.photo.rpartition('.')[2]}",
        "share": share_shown(described["bytes"], own_bytes),
        "download": download_of(sample, described["format"]).url if not described["problem"] else "",
        "saving": saving_shown(described["bytes"], own_bytes),
        "time_note": f"{time_shown(rendering)} rendering" if rendering is not None else "",
        "cache_note": "" if described["problem"] else "from the disk" if described["cached"] else "rendered now",
        "engine_name": ENGINES.get(described["engine"].partition(" ")[0].rstrip(","), "–"),
        "alt": sample.alt,
    }


def download_of(sample: Sample, format: str) -> Sample:
    """Return the picture of *sample* as a download in the *format* that is shown, named after its photograph."""
    suffix = next((each.suffix for each in FORMATS if each.media_type == f"image/{format}"), "")
    options = {"download": PurePosixPath(sample.photo).stem + suffix if suffix else True, **sample.options}
    if options.get("format") == AUTO.name:  # browsers do not name the formats that they read when they download
        options["format"] = format
    return Sample(sample.photo, options)


def original_beside(sample: Sample, width: int | None) -> Sample:
    """Return the original in the shape of *sample*, whose picture is *width* pixels wide, to lie over it."""
    options = {name: value for name, value in sample.options.items() if name in _GEOMETRY}
    if width is not None and width > _WIDEST_BESIDE and not options.keys() & _IN_PIXELS:
        options["width"] = _WIDEST_BESIDE  # a larger one would take long, and is scaled by the browser anyway
    return Sample(sample.photo, options | _NEARLY_LOSSLESS)


def describe(sample: Sample, *, fresh: bool = False) -> dict[str, Any]:
    """Render *sample*, and return all that the pages show of it."""
    rendering = sample.render(fresh=fresh)
    size = None if rendering.problem else sample.size
    return {
        "url": sample.url,
        "absolute_url": sample.absolute_url,
        "call": sample.call,
        "jinja": sample.jinja,
        "url_for": sample.url_for,
        "tag": "" if rendering.problem else sample.tag,
        "width": size.width if size is not None else None,
        "height": size.height if size is not None else None,
        "bytes": rendering.size_bytes,
        "format": rendering.format,
        "ms": rendering.ms,
        "phases": rendering.phases,
        "engine": rendering.engine,
        "cached": rendering.cached,
        "problem": rendering.problem,
        "option": rendering.option,
    }


def original_bytes(photo: str) -> int:
    """Return the size of the file of *photo*, for an upload as it was sent."""
    return PHOTOS[photo].size_bytes if photo in PHOTOS else sent_bytes(photo)


def share_shown(size_bytes: int, own_bytes: int) -> str:
    """Return how many percent of the original's bytes there are, such as ``"12% of 104 kB"``."""
    if not size_bytes or not own_bytes:
        return ""
    share = 100 * size_bytes / own_bytes
    return f"{share:.{1 if share < 10 else 0}f}% of {size_shown(own_bytes)}"


def saving_shown(size_bytes: int, own_bytes: int) -> str:
    """Return how much smaller than the original a file is, such as ``"−94%"``. A larger one has a plus."""
    if not size_bytes or not own_bytes:
        return ""
    change = 100 * size_bytes / own_bytes - 100
    return f"{change:+.{1 if change < -99 else 0}f}%".replace("-", "−")


def size_shown(size_bytes: int) -> str:
    """Return a number of bytes as people read it, as ``bytes`` of ``common.js``."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1000:.{1 if size_bytes < 100_000 else 0}f} kB"
    return f"{size_bytes / 1_000_000:.2f} MB"


def time_shown(milliseconds: float) -> str:
    """Return a time with the digits that matter, as ``milliseconds`` of ``common.js``."""
    return f"{milliseconds:.{2 if milliseconds < 1 else 1 if milliseconds < 10 else 0}f} ms"


def _number(value: float) -> str:
    return f"{value:.10g}"
