"""Send pages, styles and scripts compressed, as a server in front would. Pictures are compressed already."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

_TEXTS = ("text/html", "text/css", "text/javascript", "application/json", "text/markdown")
_LEAST_BYTES = 1000


def add_to(app: Flask) -> None:
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if response.status_code != 200 or response.mimetype not in _TEXTS or request.method == "HEAD":
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"]:
        response.direct_passthrough = False  # static files are sent as files
        data = response.get_data()
        if len(data) >= _LEAST_BYTES:
            response.set_data(gzip.compress(data, 5))
            response.content_encoding = "gzip"
            tag, _ = response.get_etag()
            if tag is not None:
                response.set_etag(tag, weak=True)  # the same text, in other bytes
    return response
