"""Send pages, styles and scripts compressed, as a server in front would. Pictures are compressed already."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

_TEXTS = ("text/html", "text/css", "text/javascript", "application/json", "text/markdown")
_LEAST_BYTES = 1000


def add_to(app: Flask) -> None:
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    """Compress *response* if its client accepts that. Answers to HEAD and 304 have the same headers (RFC 9110)."""
    if response.mimetype not in _TEXTS:
        return response
    response.vary.add("Accept-Encoding")
    tag, _ = response.get_etag()
    if tag is not None:
        response.set_etag(tag, weak=True)  # the same text, maybe in other bytes
    if response.status_code == 200 and request.accept_encodings["gzip"]:
        response.direct_passthrough = False  # static files are sent as files
        data = response.get_data()
        if len(data) >= _LEAST_BYTES:
            response.set_data(gzip.compress(data, 5))
            response.content_encoding = "gzip"
            response.headers.pop("Accept-Ranges", None)  # ranges are those of the file, which is not compressed
    return response
