"""Accept uploads: from the file that a person sends to the file that is stored."""

from __future__ import annotations

import logging
import os
import weakref
from typing import Any

from ..errors import Busy, NotStored, UploadRefused
from ..faces.detector import lacking
from ..log_fields import fields
from ..purging import purge
from ..state import AppImages
from ..urls import checked_path
from . import refusals
from .accepted import Accepted, Facts
from .decoding import Decoder
from .focal_point import FindFocalPoint, found_by
from .places import Place, folders_in, make_place
from .preparing import Prepared, prepare
from .receiving import close, new_name, receive
from .rules import Rules

logger = logging.getLogger("flask_images_vips")


class Door:
    """The upload door of one application."""

    def __init__(self, images: AppImages) -> None:
        self._images = images
        pipeline = images.pipeline
        self._config = pipeline.config
        self._place: Place = make_place(pipeline, images.app.root_path)
        self._decoder = Decoder(pipeline)

    def check(self, upload: Any, rules: Rules) -> Checked:
        """Check *upload*, and prepare the file to store. Nothing is stored yet.

        Raises:
            UploadRefused, NotStored, ValueError, RuntimeError: As `Images.accept`. Nothing is left.
        """
        checked = rules.checked(self._config, self._decoder.inputs)
        if rules.find_faces and (cure := lacking()) is not None:
            raise RuntimeError(f"find_faces=True: faces cannot be found here. Run {cure}")
        file = receive(upload, checked.max_bytes)
        try:
            return Checked(self, prepare(file, checked, self._decoder), find_faces=rules.find_faces)
        except Busy as error:
            raise NotStored(f"An upload cannot be checked now: {error}. Try again in a few seconds.") from error

    def store(
        self,
        prepared: Prepared,
        folder: str | None,
        shown: str | None,
        find: FindFocalPoint | None,
        *,
        find_faces: bool = False,
    ) -> Accepted:
        """Store *prepared* in *folder*, and return what is known of it. *shown* is as in `new_name`.

        The focal point is what *find* says, or with *find_faces* and without such a point, that of the faces.

        Raises:
            NotStored: If that is not possible. Nothing is left.
            ValueError: If *folder* is invalid.
        """
        folders, format = folders_in(folder), prepared.format
        descriptor = prepared.file.fileno()
        focal_point = found_by(find, descriptor) if find is not None else None
        if focal_point is None and find_faces:
            focal_point = found_by(self._decoder.focus, descriptor)
        name = new_name(format.suffix, shown)
        self._place.keeper.store(folders, name, prepared.file, format.media_type)
        accepted = Accepted(
            self._place.ref(folders, name),
            prepared.size,
            format.name,
            Facts(
                alpha=prepared.alpha,
                frames=prepared.frames,
                placeholders=prepared.placeholders,
                focal_point=focal_point,
                size_bytes=prepared.size_bytes,
                encoded=prepared.encoded,
            ),
        )
        size, encoded = prepared.size, "encoded" if prepared.encoded else "with its own pixels"
        logger.info(
            "accepted %r: %d×%d %s, %d bytes, %s",
            *(accepted.path, *size, format.name, prepared.size_bytes, encoded),
            extra=fields("accepted", accepted.path, format=format.name, bytes=prepared.size_bytes),
        )
        return accepted

    def remove(self, path: str | os.PathLike[str]) -> bool:
        """Remove the upload *path*, and everything that is cached for it. Returns False if it was gone already.

        Raises:
            InvalidPath: If *path* is not that of an upload.
            NotStored: If the file cannot be removed.
            OSError, NotPurged: As `Images.purge`. The upload itself is removed.
        """
        ref = checked_path(path)
        folders, name = self._place.inner(ref)
        removed = self._place.keeper.remove(folders, name)
        purge(self._images, ref)
        return removed


class Checked:
    """An upload that was checked, and is not stored yet. Unless you call `store`, nothing is left of it."""

    def __init__(self, door: Door, prepared: Prepared, *, find_faces: bool) -> None:
        self._door = door
        self._prepared = prepared
        self._find_faces = find_faces
        self._finish = weakref.finalize(self, close, prepared.file)

    @property
    def size(self) -> tuple[int, int]:
        """The (width, height) of the picture in pixels, upright."""
        return self._prepared.size

    def store(
        self, *, folder: str | None = None, shown: str | None = None, find: FindFocalPoint | None = None
    ) -> Accepted:
        """Store the upload in *folder* below ``IMAGES_UPLOADS``, and return what is known of it. Call this once.

        The random name begins with the letters and digits of *shown*, if that is given. *find* returns the focal point,
        see `Images.find_focal_point_of`.

        Raises:
            NotStored: If that is not possible. Nothing is left.
        """
        try:
            return self._door.store(self._prepared, folder, shown, find, find_faces=self._find_faces)
        finally:
            self.close()

    def close(self) -> None:
        """Discard the upload. This happens by itself when nothing refers to it any more, such as after the request."""
        self._finish()


def answer_refused(error: UploadRefused) -> tuple[str, int, dict[str, str]]:
    """Answer a request whose upload was refused, if the application does not."""
    return error.message, refusals.STATUSES.get(error.reason, 422), {"Content-Type": "text/plain; charset=utf-8"}


def answer_not_stored(error: NotStored) -> tuple[str, int, dict[str, str]]:
    """Answer a request whose upload cannot be stored, if the application does not."""
    logger.error("%s", error)
    return "This picture cannot be stored at the moment. Try again later.", 503, {"Retry-After": "60"}
