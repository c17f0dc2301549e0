"""Log in debug mode what is wrong with the images of each page: one line a page."""

from __future__ import annotations

import logging

from flask import Flask, Response, request

from .audit.files import Files
from .audit.findings import Report, counted, examine
from .state import images_of
from .waiting import without_waiting

logger = logging.getLogger("flask_images_vips")

_MOST_BYTES = 4_000_000  # of a page
_MOST_FINDINGS = 5  # in a line


def report_pages(app: Flask) -> None:
    """Report each page of *app* from now on. Call this before the first page is served."""

    def report(response: Response) -> Response:
        if is_page(response):
            try:
                _log(examine_response(app, response))
            except Exception:  # the page must not depend on it
                logger.exception("The images of the page %s cannot be examined.", request.path)
        return response

    app.after_request_funcs.setdefault(None, []).append(report)  # `after_request` refuses functions this late


def is_page(response: Response) -> bool:
    """Return whether *response* is a whole HTML page that can be read again."""
    return (
        response.status_code == 200
        and response.mimetype == "text/html"
        and response.is_sequence
        and not response.direct_passthrough
        and not response.content_encoding
        and (response.content_length or 0) <= _MOST_BYTES
    )


def examine_response(app: Flask, response: Response) -> Report:
    """Return the report of *response*, the page that answers the current request."""
    files = Files(images_of(app), request.base_url, request.root_path)
    with without_waiting():  # for a renderer, as the tags of the page
        return examine(response.get_data(as_text=True), files)


def _log(report: Report) -> None:
    images, findings = counted(len(report.images), "image"), report.findings
    if not findings:
        logger.info("page %s: %s, nothing wrong", request.path, images)
        return
    said = "; ".join(map(str, findings[:_MOST_FINDINGS]))
    more = f"; and {len(findings) - _MOST_FINDINGS} more" if len(findings) > _MOST_FINDINGS else ""
    logger.warning("page %s: %s about %s: %s%s", request.path, counted(len(findings), "finding"), images, said, more)
