"""Show the upload form of the playground. It keeps the last few pictures, in a temporary folder."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from collections import deque

from flask import Flask, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge

from .. import Images
from ..errors import NotStored, UploadRefused
from ..uploads import refusals
from ..uploads.accepted import Accepted

MOST_KEPT = 12
"""The number of uploads that are kept. An older one is removed for each new one."""
MAX_BYTES = 20_000_000


class Uploads:
    """The upload form of *app*, whose extension is *images*."""

    def __init__(self, app: Flask, images: Images) -> None:
        self._images = images
        self._kept: deque[Accepted] = deque()
        self._lock = threading.Lock()
        folder = tempfile.mkdtemp(prefix="flask-images-demo-")
        atexit.register(_remove, folder, os.getpid())
        paths = app.config.get("IMAGES_PATH", "static")
        app.config["IMAGES_PATH"] = [*([paths] if isinstance(paths, str) else paths), folder]
        app.config.setdefault("IMAGES_UPLOADS", folder)
        if app.config.get("MAX_CONTENT_LENGTH") is None:  # Flask sets it to None
            app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES + 10_000
        app.add_url_rule("/upload", "upload", self.page, methods=["GET", "POST"])

    def page(self) -> tuple[str, int]:
        """Answer the form: with the picture that was stored, or with what is wrong with it."""
        accepted, problem, status = None, "", 200
        if request.method == "POST":
            try:
                accepted = self._images.accept(
                    request.files.get("photo"), max_size=(2400, 2400), max_bytes=MAX_BYTES, slug=True
                )
                self._keep(accepted)
            except UploadRefused as error:
                problem, status = error.message, 422
            except RequestEntityTooLarge:
                problem, status = refusals.too_many_bytes(MAX_BYTES).message, 413
            except NotStored:
                problem, status = "This picture cannot be stored at the moment. Try again later.", 503
        with self._lock:
            kept = list(self._kept)
        return render_template("upload.html", accepted=accepted, problem=problem, kept=kept, most=MOST_KEPT), status

    def _keep(self, accepted: Accepted) -> None:
        with self._lock:
            self._kept.appendleft(accepted)
            old = [self._kept.pop() for _ in range(len(self._kept) - MOST_KEPT)]
        for each in old:
            self._images.remove_upload(each)


def _remove(folder: str, pid: int) -> None:
    """Remove *folder* at the end of the process *pid*, and not at the end of its children."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
