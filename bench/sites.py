"""The Flask applications that are measured: this package in several configurations, and views around other renderers.

gunicorn runs ``bench.sites:application()``. The environment says which site that is, and its folder. The memory of the
workers is measured, so this module imports nothing that the package does not need.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, request, send_from_directory

from flask_images_vips import Images, resized_img_src
from flask_images_vips.pool.start import start
from flask_images_vips.rendition import source_folder
from flask_images_vips.state import images_of

NAP_SECONDS = 0.01


def package(folder: str, **config: object) -> Flask:
    """This package with the originals in *folder*/static, and two views to compare hits with: a file and nothing."""
    app = Flask("bench", root_path=folder)
    app.config.update({"SECRET_KEY": "bench", "IMAGES_CACHE": "cache"})
    app.config.update({"IMAGES_MAX_RENDERS": len(os.sched_getaffinity(0)), **config})
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
    """Serve ``/cat.jpg?w=400&h=300`` by a short view around a renderer, without signatures and without a cache."""
    from PIL import Image

    from bench.contenders import CONTENDERS
    from bench.workload import Case, Operation, Picture

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


def full(folder: str) -> Flask:
    from bench.contenders import FULL

    return view_of(FULL, folder)


def bare(folder: str) -> Flask:
    from bench.contenders import BARE

    return view_of(BARE, folder)


# A site that records when things happen.


class Events:
    """A file to which all processes of a server append events, with times in seconds."""

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder, "events")
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, kind: str, name: str, *times: float) -> None:
        os.write(self._descriptor, f"{kind} {name} {' '.join(map(str, times))}\n".encode())

    def of(self, kind: str) -> Iterator[tuple[str, list[float]]]:
        """Yield the events of *kind* as (name, times)."""
        for line in self.path.read_text().splitlines():
            found, name, *times = line.split()
            if found == kind:
                yield name, [float(time) for time in times]


class _Renders(logging.Handler):
    """Records each render that the package logs: its end, and the seconds that it took."""

    def __init__(self, events: Events) -> None:
        super().__init__()
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and record.getMessage().startswith("rendered"):
            ref, seconds = (record.__dict__[f"image_{field}"] for field in ("ref", "seconds"))
            self._events.add("rendered", f"/imgsizer/{ref}", time.monotonic(), seconds)


def timed(folder: str, **config: object) -> Flask:
    """This package, which records ``ready``, ``rendered``, ``answered`` (begin and end) and ``woke`` events.

    Times are those of the clock that all processes share. ``woke`` states how late a thread that only sleeps wakes up.
    A waiting request cannot be answered faster than that.
    """
    events = Events(folder)
    app = package(folder, **config)
    pool = images_of(app).pipeline.producer.renderers.pool
    if pool is not None:  # renderers start before the first request, not while requests wait
        start(pool.place)
    logger = logging.getLogger("flask_images_vips")
    logger.addHandler(_Renders(events))
    logger.setLevel(logging.INFO)
    answer = app.wsgi_app

    def answer_timed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        begin = time.monotonic()
        body = answer(environ, start_response)
        events.add("answered", environ["PATH_INFO"], begin, time.monotonic())
        return body

    def sleep() -> None:
        while True:
            due = time.monotonic() + NAP_SECONDS
            time.sleep(NAP_SECONDS)
            events.add("woke", "late", due, time.monotonic() - due)

    app.wsgi_app = answer_timed  # type: ignore[method-assign]
    threading.Thread(target=sleep, daemon=True).start()
    events.add("ready", str(os.getpid()))
    return app


SITES: dict[str, Callable[..., Flask]] = {
    "package": package,
    "uncopied": uncopied,
    "jpeg copied": jpeg_copied,
    "early": early,
    "front": front,
    "accel": accel,
    "timed": timed,
    "full": full,
    "bare": bare,
}


def application() -> Flask:
    config = json.loads(os.environ["BENCH_CONFIG"])
    return SITES[os.environ["BENCH_SITE"]](os.environ["BENCH_FOLDER"], **config)


def signed_url(app: Flask, name: str, width: int, height: int | None = None, format: str = "") -> str:
    """Return the image URL that a template of *app* would contain."""
    with app.test_request_context():
        return resized_img_src(name, width=width, height=height, mode="fit", format=format or None)


def forget_renditions(app: Flask, name: str) -> None:
    """Remove the cached renditions of the original *name*, but not its copies."""
    images_of(app).pipeline.cache.purge(source_folder(name))


def forget(app: Flask, name: str) -> None:
    """Remove everything that is cached of the original *name*."""
    images_of(app).pipeline.purge(name)
