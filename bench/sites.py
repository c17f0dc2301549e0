"""Which applications are served? This package, the reference and the limits as Flask sites, one by each name.

gunicorn takes ``bench.sites:application()``; which site it is, and of which folder, stands in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response, abort, request, send_from_directory
from PIL import Image

from bench.contenders import CONTENDERS
from bench.workload import Case, Operation, Picture
from flask_images_vips import Images, resized_img_src

FULL_DECODE, BARE = "full decode", "bare pyvips"


def package(folder: str, **config: object) -> Flask:
    """This package, with originals in *folder*/static, and what it is compared with: a plain file and an empty view."""
    app = Flask("bench", root_path=folder)
    app.config.update({"SECRET_KEY": "bench", "IMAGES_CACHE": "cache"})
    app.config.update(IMAGES_MAX_RENDERS=len(os.sched_getaffinity(0)), **config)
    Images(app)
    app.add_url_rule("/empty", "empty", lambda: "")
    app.add_url_rule("/flask", "flask", lambda: send_from_directory(f"{folder}/static", "plain.jpg"))
    return app


def uncopied(folder: str) -> Flask:
    return package(folder, IMAGES_COPIES=False)


def jpeg_copied(folder: str) -> Flask:
    return package(folder, IMAGES_COPIES="jpeg")


def early(folder: str) -> Flask:
    return package(folder, IMAGES_EARLY_HITS=True)


def front(folder: str) -> Flask:
    return package(folder, IMAGES_FRONT_DOOR=True)


def accel(folder: str) -> Flask:
    return package(folder, IMAGES_ACCEL_REDIRECT="/_images/")


def view_of(contender: str, folder: str) -> Flask:
    """A view of a few lines around a renderer: ``/cat.jpg?w=400&h=300``, neither signed nor cached."""
    app = Flask("bench", root_path=folder)
    render = CONTENDERS[contender].make()

    @app.get("/<name>")
    def serve(name: str) -> Response:
        path = Path(folder, "static", os.path.basename(name))
        if not path.is_file():
            abort(404)
        with Image.open(path) as header:
            picture = Picture(name, name, header.size)
        case = Case(picture, Operation("fit", int(request.args["w"]), int(request.args["h"])))
        data = render(path, case)
        return Response(data, mimetype=f"image/{case.output}")

    return app


SITES: dict[str, Callable[[str], Flask]] = {
    "package": package,
    "uncopied": uncopied,
    "jpeg copied": jpeg_copied,
    "early": early,
    "front": front,
    "accel": accel,
    FULL_DECODE: lambda folder: view_of(FULL_DECODE, folder),
    BARE: lambda folder: view_of(BARE, folder),
}


def application() -> Flask:
    return SITES[os.environ["BENCH_SITE"]](os.environ["BENCH_FOLDER"])


def signed_url(app: Flask, name: str, width: int, height: int | None = None, format: str = "") -> str:
    """The URL that a template of *app* would hold."""
    with app.test_request_context():
        return resized_img_src(name, width=width, height=height, mode="fit", format=format or None)
