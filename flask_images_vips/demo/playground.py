"""The workbench: one photograph, every option, and at once the picture with its code and its cost."""

from __future__ import annotations

from typing import Any

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue

from .controls import read_options
from .photos import PHOTOS
from .sample import Sample
from .uploads import uploaded


def add_to(app: Flask) -> None:
    app.add_url_rule("/", "index", index)
    app.add_url_rule("/render.json", "render_json", render_json)


def index() -> ResponseReturnValue:
    return render_template("placeholder.html", title="Playground")


def render_json() -> ResponseReturnValue:
    """Return the code for a picture, and what it costs. The query has the photo and the options by their names."""
    photo = request.args.get("photo", "")
    if not is_known(photo):
        return {"problem": "There is no such photograph. Choose one, or drop in your own again.", "option": ""}
    return describe(Sample(photo, read_options(request.args)), fresh=request.args.get("fresh") == "1")


def is_known(photo: str) -> bool:
    """Return whether *photo* is a photograph of the playground or an upload that is kept."""
    return photo in PHOTOS or any(photo == each.path for each in uploaded())


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
