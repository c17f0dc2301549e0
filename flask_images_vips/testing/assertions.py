"""Fail a test if something is wrong with the images of a page."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from flask import Flask, current_app, has_app_context
from werkzeug.test import Client, TestResponse

from ..audit.files import File, Files
from ..audit.findings import KINDS, Finding, Image, Rules, counted, examine
from ..errors import did_you_mean
from ..state import EXTENSION, AppImages

_NOT_AN_APP = (
    "assert_images_ok needs the application that sent the page: pass the response of app.test_client() as it is, or "
    "app=app."
)


def assert_images_ok(
    response: TestResponse,
    *,
    app: Flask | None = None,
    client: Client | None = None,
    ignore: Collection[str] = (),
    skip: Collection[str] = (),
    most: float = 2.0,
    eager: int = 1,
) -> None:
    """Fail unless all images of the page *response*, which a test client has received, are as they should be.

    Nothing is rendered or fetched, unless *client* is given: with it, each image of the application is requested, as
    the visitor that the client is, and must answer with an image. Images of other hosts are not looked at, except for
    their tags.

    *app* is the application, which is found by itself if the response is that of its own test client. *ignore* names
    kinds of findings: ``missing``, ``dimensions``, ``shape``, ``large``, ``box``, ``lazy``. *skip* are patterns such as
    ``/media/*``: URLs whose paths, or images whose sources, match one are not checked. *most* is the number of pixels
    per side that an image may have for each pixel of the screen that shows it. *eager* is the number of large images at
    the top of the page that must not be lazy.

    Raises:
        AssertionError: If something is wrong, or if the response is not a page. It lists everything.
        ValueError: If *ignore* contains an unknown kind.
    """
    __tracebackhide__ = True  # pytest then shows the line of the test, and the findings
    for kind in ignore:
        if kind not in KINDS:
            raise ValueError(f"ignore={kind!r}: expected one of {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    images = _images_of(response, app)
    if response.status_code != 200 or response.mimetype != "text/html":
        raise AssertionError(
            f"{response.request.path} is not a page: it has status {response.status_code} and type "
            f"{response.mimetype or 'none'}. Expected 200 and text/html."
        )
    with images.app.app_context():
        files = Files(images, response.request.base_url, response.request.root_path)
        report = examine(response.get_data(as_text=True), files, Rules(most, eager))
    kept = [image for image in report.images if not _is_skipped(image, skip)]
    findings = [finding for image in kept for finding in report.of(image)]
    if client is not None:
        findings += _unanswered(kept, client, response.request.root_url)
    findings = [finding for finding in dict.fromkeys(findings) if finding.kind not in ignore]
    if findings:
        lines = "\n".join(f"  {finding.kind}: {finding}" for finding in findings)
        count = f"{counted(len(findings), 'finding')} about {counted(len(kept), 'image')}"
        raise AssertionError(f"{count} of {response.request.path}:\n{lines}")


def _images_of(response: TestResponse, app: Flask | None) -> AppImages:
    """Return the images of *app* or, if that is None, of the application that sent *response*."""
    if app is None:
        # Flask's test client sets the JSON provider of its application, which knows the application.
        app = getattr(getattr(response, "json_module", None), "_app", None)
    if app is None and has_app_context():
        app = current_app
    if app is None:
        raise TypeError(_NOT_AN_APP)
    if EXTENSION not in app.extensions:
        raise TypeError(f"{app.name} has no images: call Images(app), or pass the right application as app=.")
    images: AppImages = app.extensions[EXTENSION]
    return images


def _is_skipped(image: Image, patterns: Collection[str]) -> bool:
    names = [image.name, *(urlsplit(url).path for url in image.element.urls)]
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _unanswered(images: list[Image], client: Client, root: str) -> Iterator[Finding]:
    """Request the files of *images* with *client*, and yield the images that lack one. *root* is the site's URL."""
    answers: dict[str, str] = {}
    for image in images:
        files = [file for file in image.files.values() if not file.problem]  # the others are found already
        for file in files:
            if file.target not in answers:
                answers[file.target] = _answer(file, client, root)
        problems = [answers[file.target] for file in files if answers[file.target]]
        if problems:
            yield Finding("missing", image.element.line, image.name, problems[0])


def _answer(file: File, client: Client, root: str) -> str:
    """Return what is wrong with the answer to the request for *file*, or an empty string."""
    with client.get(file.target, base_url=root, headers={"Accept": "image/*,*/*;q=0.8"}) as answer:
        media_type = answer.mimetype or "no type"
        if answer.status_code != 200:
            return f"{file.target} answers {answer.status}"
        if not media_type.startswith("image/"):
            return f"{file.target} answers with {media_type}, which is no image"
    return ""
