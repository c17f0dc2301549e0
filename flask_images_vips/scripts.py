"""Define the methods of `Images` for Python code: scripts, task queues, hooks of a database.

They work outside of a request. Without an application context, they use the application that `Images` was created with.
They do not ask the ``authorize`` callback: there is no visitor. What does the work is imported at the first call,
because web workers seldom need it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app

from .options.options import Options
from .page.links import info_url
from .state import AppImages, images_of
from .urls import ImageUrl, checked_path, is_remote

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .description import FocalPoint, Info
    from .forgetting import Receipt

Path = str | os.PathLike[str]
"""The path of a picture below ``IMAGES_PATH``, or a URL."""


class ScriptMethods:
    """Methods of `Images` for Python code."""

    if TYPE_CHECKING:
        app: Flask | None
        find_focal_point: FocalPoint | None

    @property
    def _images(self) -> AppImages:
        app: Flask | None = current_app._get_current_object() if current_app else self.app  # type: ignore[attr-defined]
        if app is None:
            raise RuntimeError(
                "No current application: use this within an application context, or pass the application to "
                "Images(app)."
            )
        return images_of(app)

    @contextmanager
    def _in_context(self) -> Iterator[AppImages]:
        """Yield the state of the application, with a context in which functions of the site can run."""
        images = self._images
        if current_app:
            yield images
        else:
            with images.app.app_context():
                yield images

    def render(self, path: Path, **options: Any) -> bytes:
        """Return the file of a rendition of *path*, from the cache or rendered now.

        *options* are those of `resized_img_src`, also ``preset``. The rendition is put into the cache, from which
        visitors get it too. With ``format='auto'``, it has the format of the path, as for a browser that names none.

        Raises:
            InvalidPath, InvalidOption: If an argument is invalid. A keyword without effect is invalid here, too.
            SourceNotFound, RemoteFailed, UnreadableSource, LimitExceeded: If the picture cannot be rendered. If it was
                forgotten, the error is `Forgotten`, a kind of `SourceNotFound`.
            SourceChanged, Busy: If it cannot be rendered at the moment.
        """
        from . import direct  # noqa: PLC0415

        with self._in_context() as images:
            return direct.render(images, direct.image_url(images, path, options))

    def find_faces(self, path: Path) -> tuple[float, float] | None:
        """Return the point on which crops of the picture *path* are centred to keep its faces, or None if it has none.

        The point is (x, y) as fractions of the upright picture's sides, as for the option ``focal``. Call this once,
        when a picture is uploaded, and keep the result. A renderer looks for it, and it is cached until the file
        changes. This needs the extra ``faces``.

        Raises:
            RuntimeError: If the extra is not installed.
            SourceNotFound, RemoteFailed, UnreadableSource, LimitExceeded: As `render`.
            SourceChanged, Busy: If it cannot be found at the moment.
        """
        from . import direct  # noqa: PLC0415
        from .faces.detector import lacking  # noqa: PLC0415

        if (cure := lacking()) is not None:
            raise RuntimeError(f"Faces cannot be found here. Run {cure}")
        with self._in_context() as images:
            pipeline = images.pipeline
            return pipeline.facts.focus(pipeline.sources.find(direct.image_url(images, path, {})))

    def enqueue(self, path: Path, **options: Any) -> Future[None]:
        """Render in the background of this process, while no visitor waits, and return a future.

        *options* are those of `render`. The future is done once the rendition is in the cache. Its ``result()`` waits
        for that, and raises the errors of `render`. Renders that still wait when the process ends are lost: those
        images are rendered when a visitor asks for them.

        Raises:
            InvalidPath, InvalidOption: As `render`.
            Busy: If 10,000 renditions wait already, or uWSGI runs no threads.
        """
        from . import direct  # noqa: PLC0415

        with self._in_context() as images:
            return images.instance(direct.Later).enqueue(direct.image_url(images, path, options))

    def purge(self, path: Path) -> int:
        """Remove everything that is cached for the picture *path*, and return the number of files.

        It is made again when it is requested. Also removed are renditions of other pictures that show it as a
        watermark. The caches of ``IMAGES_CDN`` are purged too. Browsers keep their copies. With ``IMAGES_REDIS``, all
        hosts do the same; their files are not counted.

        Raises:
            InvalidPath: If *path* is invalid.
            OSError: If a file cannot be removed here, or an object in the store.
            NotPurged: If a cache of ``IMAGES_CDN`` was not purged. Everything else is removed.
        """
        from .purging import purge  # noqa: PLC0415

        return purge(self._images, checked_path(path))

    def forget(self, path: Path, *, source: bool = False) -> Receipt:
        """Take the picture *path* down for good, and return a receipt of what was removed.

        That is everything that `purge` removes, also in the caches of ``IMAGES_CDN``, and nginx' links. From then on,
        its URLs answer 410, and so do those of pictures that show it as a watermark, until `allow` is called. Its
        original is removed only if *source* is set and *path* is not a URL. With ``IMAGES_REDIS``, all hosts do the
        same, except for the original. The receipt tells which have confirmed it within a second.

        You may call this in a hook that runs after a transaction, and while the picture is rendered. Calling it twice,
        or for a picture that does not exist, does no harm.

        Raises:
            InvalidPath: If *path* is invalid.
            NotForgotten: If something could not be done, so that the picture may still be shown. Everything else is
                done nevertheless.
        """
        from .forgetting import forget  # noqa: PLC0415

        return forget(self._images, checked_path(path), source=source)

    def allow(self, path: Path) -> bool:
        """Serve the picture *path* again, after `forget`. Returns False if it was not forgotten.

        Call this when another picture is stored under the path of a forgotten one.

        Raises:
            InvalidPath: If *path* is invalid.
            NotForgotten: If that is not possible.
        """
        from .forgetting import allow  # noqa: PLC0415

        return allow(self._images, checked_path(path))

    def info(self, path: Path) -> Info:
        """Return what is known of the picture *path*: size, format, colours, placeholders and the focal point.

        Facts that need its pixels, such as colours and placeholders, are found now, and cached.

        Raises:
            InvalidPath, SourceNotFound, RemoteFailed, UnreadableSource, LimitExceeded, SourceChanged, Busy: As
                `render`.
        """
        from .description import describe  # noqa: PLC0415

        ref = checked_path(path)
        with self._in_context() as images:
            url = ImageUrl(ref, Options(), None, remote=is_remote(ref))
            return describe(url, images.pipeline, self.find_focal_point)

    def info_url(self, path: Path, **keywords: Any) -> str:
        """Return a signed URL that answers with `info` as JSON. *keywords* are ``external`` and ``scheme``.

        The ``authorize`` callback is asked as for an image.

        Raises:
            InvalidPath, ValueError, RuntimeError: As `build_url`.
        """
        with self._in_context():
            return info_url(path, **keywords)
