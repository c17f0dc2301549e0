"""What does a person see who follows an old bookmark? A page with the way back, instead of a bare sentence."""

from __future__ import annotations

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

GONE = "This picture is not here any more. Uploads are removed when the server stops, and older ones for new ones."


def add_to(app: Flask) -> None:
    app.register_error_handler(NotFound, _page)


def _page(error: NotFound) -> ResponseReturnValue:
    if "text/html" not in request.accept_mimetypes.values():  # a picture, a script, or a program
        return error
    reason = error.description if error.description == GONE else "The playground has no page with this address."
    return render_template("missing.html", title="Not found", reason=reason), 404
