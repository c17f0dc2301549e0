"""Take in the pictures that people drop into the playground. It keeps the last few, in a temporary folder."""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path
from typing import Any

from flask import Flask, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from .. import Images, resized_img_src
from ..errors import NotStored, UploadRefused
from ..uploads import refusals
from ..uploads.accepted import Accepted

MOST_KEPT = 12
"""The number of uploads that are kept. An older one is removed for each new one."""
MAX_BYTES = 100_000_000
"""More than any PNG of 24 megapixels with transparency."""
MAX_SIZE = (6000, 6000)
"""A larger picture is reduced to fit, so that it stays quick to try options."""

_KEY = "flask_images_vips.demo.uploads"


class Uploads:
    """The uploads of *app*, whose extension is *images*. They are stored in *folder*."""

    def __init__(self, app: Flask, images: Images, folder: Path) -> None:
        self._images = images
        self._kept: deque[Accepted] = deque()
        self._sent: dict[str, int] = {}  # sizes in bytes, before they were encoded again
        self._lock = threading.Lock()
        folder.mkdir(mode=0o700)
        paths = app.config.get("IMAGES_PATH", "static")
        app.config["IMAGES_PATH"] = [*([paths] if isinstance(paths, str) else paths), str(folder)]
        app.config.setdefault("IMAGES_UPLOADS", str(folder))
        if app.config.get("MAX_CONTENT_LENGTH") is None:  # Flask sets it to None
            app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES + 10_000
        app.extensions[_KEY] = self
        app.add_url_rule("/upload", "upload", self.page, methods=["GET", "POST"])

    def page(self) -> ResponseReturnValue:
        """Answer the form: with the picture that was stored, or with what is wrong with it.

        A script that asks for JSON gets the name of the picture, or the sentence about it.
        """
        accepted, problem, status = None, "", 200
        if request.method == "POST":
            accepted, problem, status = self._accept()
        if request.accept_mimetypes.best == "application/json":
            return _as_json(accepted, problem), status
        return render_template(
            "upload.html", accepted=accepted, problem=problem, kept=self.kept(), most=MOST_KEPT, max_bytes=MAX_BYTES
        ), status

    def kept(self) -> list[Accepted]:
        """Return the uploads that are kept, the newest first."""
        with self._lock:
            return list(self._kept)

    def _accept(self) -> tuple[Accepted | None, str, int]:
        """Store what was sent. Returns it, or what is wrong with it, and the status."""
        try:
            file = request.files.get("photo")
            sent = _length(file) if file is not None else 0
            accepted = self._images.accept(file, max_size=MAX_SIZE, max_bytes=MAX_BYTES, slug=True)
        except UploadRefused as error:
            return None, error.message, 422
        except RequestEntityTooLarge:
            return None, refusals.too_many_bytes(MAX_BYTES).message, 413
        except NotStored:
            return None, "This picture cannot be stored at the moment. Try again later.", 503
        self._keep(accepted, sent)
        return accepted, "", 200

    def sent_bytes(self, path: str) -> int:
        """Return the size of the file that was sent for the upload at *path*, or 0 if it is not kept."""
        return self._sent.get(path, 0)

    def _keep(self, accepted: Accepted, sent: int) -> None:
        with self._lock:
            self._kept.appendleft(accepted)
            self._sent[accepted.path] = sent
            old = [self._kept.pop() for _ in range(len(self._kept) - MOST_KEPT)]
            for each in old:
                del self._sent[each.path]
        for each in old:
            self._images.remove_upload(each)


def uploaded() -> list[Accepted]:
    """Return the uploads that the current application keeps, the newest first."""
    uploads: Uploads = current_app.extensions[_KEY]
    return uploads.kept()


def sent_bytes(path: str) -> int:
    """Return the size of the file that was sent for the upload at *path*, or 0 if it is not kept."""
    uploads: Uploads = current_app.extensions[_KEY]
    return uploads.sent_bytes(path)


def _length(file: FileStorage) -> int:
    """Return the size of *file* in bytes."""
    length: int = file.seek(0, os.SEEK_END)
    file.seek(0)
    return length


def _as_json(accepted: Accepted | None, problem: str) -> dict[str, Any]:
    if accepted is None:
        return {"problem": problem}
    return {
        "problem": "",
        "photo": accepted.path,
        "width": accepted.size.width,
        "height": accepted.size.height,
        "page": url_for("index", photo=accepted.path),
        "thumbnail": resized_img_src(accepted.path, width=144, height=144, mode="crop", format="webp"),
    }
