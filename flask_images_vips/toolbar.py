"""Provide a panel of Flask-DebugToolbar that shows what each image of the page costs, and what is wrong with it.

Add ``flask_images_vips.toolbar.ImagesPanel`` to ``DEBUG_TB_PANELS``. The package Flask-DebugToolbar is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from flask import Response, current_app, render_template_string
from flask_debugtoolbar.panels import DebugPanel

from .audit.files import File
from .audit.findings import Image, Report, counted
from .debugging import examine_response, is_page
from .errors import ImagesError
from .events import Rendered
from .state import EXTENSION, AppImages

_MOST_REMEMBERED = 2000  # renders

_TABLE = """
{%- if problem %}<p>{{ problem }}</p>{% else -%}
<table><thead><tr><th>Image</th><th>Pixels</th><th>Shown</th><th>Format</th><th>Bytes</th><th>Render</th><th>CPU</th>
<th>Sizes</th><th>Findings</th></tr></thead><tbody>
{%- for row in rows %}<tr><td>{{ row.name }}</td><td>{{ row.pixels }}</td><td>{{ row.shown }}</td>
<td>{{ row.format }}</td><td>{{ row.size }}</td><td>{{ row.render }}</td><td>{{ row.cpu }}</td><td>{{ row.sizes }}</td>
<td>{{ row.findings|join('; ') }}</td></tr>
{%- endfor %}</tbody></table>
<p>A row describes the <code>src</code> of an image or, if that is not rendered yet, another size. Render and CPU are
the time that this process has spent on all of its sizes.</p>{% endif %}
"""


class Row(NamedTuple):
    """One line of the table, as text."""

    name: str
    pixels: str
    shown: str
    format: str
    size: str
    render: str
    cpu: str
    sizes: int
    findings: list[str]


class Costs:
    """Remembers the latest renders of an application in this process."""

    def __init__(self, images: AppImages) -> None:
        self._known: dict[tuple[str, str], Rendered] = {}
        images.events.rendered.append(self._add)

    def _add(self, event: Rendered) -> None:
        self._known[event.rendition.key] = event
        if len(self._known) > _MOST_REMEMBERED:
            with suppress(StopIteration, KeyError, RuntimeError):  # other threads change it too
                del self._known[next(iter(self._known))]

    def of(self, file: File) -> Rendered | None:
        """Return the render of *file*, if this process made it."""
        return None if file.hit is None else self._known.get(file.hit.rendition.key)


class ImagesPanel(DebugPanel):  # type: ignore[misc,unused-ignore]  # without the package, its class is Any
    """Lists the images of the page: their sizes, what rendering them has cost, and what is wrong with them.

    Add ``"flask_images_vips.toolbar.ImagesPanel"`` to ``DEBUG_TB_PANELS``.
    """

    name = "Images"
    has_content = True

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._report: Report | None = None
        self._rows: list[Row] = []
        self._bytes = 0
        self._problem = "This is not a page with images."

    def process_request(self, request: Any) -> None:
        """Begin to remember renders at the first request."""
        if (images := _images()) is not None:
            images.instance(Costs)

    def process_response(self, request: Any, response: Response) -> None:
        """Examine the page."""
        images = _images()
        if images is None:
            self._problem = "This application has no images: call Images(app)."
            return
        if not is_page(response):
            return
        try:
            self._report = examine_response(images.app, response)
            self._rows = list(self._rows_of(self._report, images.instance(Costs)))
        except ImagesError as error:
            self._problem = f"The images cannot be examined: {error}"

    def nav_title(self) -> str:
        return "Images"

    def nav_subtitle(self) -> str:
        if self._report is None:
            return "none"
        images, findings = (
            counted(len(self._report.images), "image"),
            counted(len(self._report.findings), "finding"),
        )
        return f"{images}, {_kilobytes(self._bytes)}, {findings}"

    def title(self) -> str:
        return "Images of this page"

    def url(self) -> str:
        return ""

    def content(self) -> str:
        problem = self._problem if self._report is None else ""
        return render_template_string(_TABLE, rows=self._rows, problem=problem)

    def _rows_of(self, report: Report, costs: Costs) -> Iterator[Row]:
        for image in report.images:
            file = _main(image)
            if file is None:
                continue
            spent = [cost for each in image.files.values() if (cost := costs.of(each)) is not None]
            size_bytes = _size_bytes(file)
            self._bytes += size_bytes or 0
            width, height = image.element.side("width"), image.element.side("height")
            yield Row(
                file.name,
                f"{file.size.width}×{file.size.height}" if file.size else "not known",
                f"{width}×{height}" if width and height else "not known",
                file.hit.rendition.format.name if file.hit is not None else os.path.splitext(file.name)[1][1:],
                _kilobytes(size_bytes) if size_bytes is not None else "not rendered yet",
                f"{1000 * sum(cost.seconds for cost in spent):.0f} ms" if spent else "",
                f"{1000 * sum(cost.cpu_seconds for cost in spent):.0f} ms" if spent else "",
                len({*image.element.urls}),
                [finding.message for finding in report.of(image)],
            )


def _images() -> AppImages | None:
    images: AppImages | None = current_app.extensions.get(EXTENSION)
    return images


def _main(image: Image) -> File | None:
    """Return the file of the image's ``src``. If that is not rendered yet, return another one that is, if any."""
    src = image.files.get(image.element.attributes.get("src", ""))
    files = [*([src] if src is not None else []), *image.files.values()]
    rendered = (file for file in files if _size_bytes(file) is not None)
    return next(rendered, files[0] if files else None)


def _size_bytes(file: File) -> int | None:
    with suppress(OSError):
        return os.path.getsize(file.path) if file.path else None
    return None


def _kilobytes(count: int) -> str:
    return f"{count / 1000:,.1f} kB"
