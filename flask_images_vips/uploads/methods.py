"""Define the methods of `Images` for uploads. What does the work is imported at the first call."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from flask import Flask

from ..errors import NotStored, UploadRefused

if TYPE_CHECKING:
    from ..state import AppImages
    from .accepted import Accepted
    from .door import Checked
    from .focal_point import FindFocalPoint
    from .rules import Rules


class UploadMethods:
    """Methods of `Images` for uploads."""

    find_focal_point_of: FindFocalPoint | None = None
    """A function that finds the position of the subject of an upload: ``find(descriptor)`` returns (x, y) or None.

    The descriptor is open on the file that will be stored: upright, and in a format that browsers show.
    """

    if TYPE_CHECKING:

        @property
        def _images(self) -> AppImages: ...

    def accept(
        self,
        upload: Any,
        *,
        folder: str | None = None,
        formats: Collection[str] | None = None,
        min_size: tuple[int, int] | int | None = None,
        max_size: tuple[int, int] | int | None = None,
        max_pixels: int | None = None,
        max_bytes: int | None = None,
        convert: str | None = "jpeg",
        strip: bool = True,
        slug: bool = False,
        find_faces: bool = False,
    ) -> Accepted:
        """Check a picture that a person uploads, prepare it for the web, and store it in ``IMAGES_UPLOADS``.

        *upload* is a ``FileStorage`` such as ``request.files.get('photo')``. The picture is judged by its content alone
        and decoded completely, in a renderer. It is turned upright. Metadata is removed, except for the colour profile
        and the rights, as with ``keep='rights'``; without *strip*, a JPEG that need not be encoded again keeps all of
        its EXIF, XMP and IPTC, also the place where it was taken.

        It may have one of *formats*, by default those of ``IMAGES_INPUT_FORMATS``, and HEIC and JPEG XL where the
        extras ``heic`` and ``jxl`` are installed. It may have at most *max_bytes*, by default
        ``IMAGES_MAX_SOURCE_BYTES``. *min_size* and *max_size* are (width, height) in pixels, upright, or one number for
        both. A picture that is larger than *max_size* or *max_pixels* is scaled down. One in a format that browsers do
        not show is converted to *convert*, or to PNG if the picture has transparency and *convert* has none. If
        *convert* is None, such pictures and larger ones are refused.

        It is stored in *folder* below ``IMAGES_UPLOADS``, under a random name. With *slug*, the name begins with the
        letters and digits of the uploaded file's name.

        With *find_faces*, a renderer looks for faces, and the focal point keeps them, unless `find_focal_point_of`
        returns another point. This needs the extra ``faces``.

        Raises:
            UploadRefused: If the file is missing, or must not be stored. Its ``message`` is for the person.
            NotStored: If it cannot be stored or checked now, for example because the disk is full.
            ConfigError: If ``IMAGES_UPLOADS`` is not set.
            ValueError: If another argument is invalid.
            RuntimeError: If faces are to be found, and the extra is not installed.
        """
        from .places import folders_in  # noqa: PLC0415
        from .rules import Rules  # noqa: PLC0415

        folders_in(folder)
        rules = Rules(
            formats=formats,
            min_size=min_size,
            max_size=max_size,
            max_pixels=max_pixels,
            max_bytes=max_bytes,
            convert=convert,
            strip=strip,
            find_faces=find_faces,
        )
        shown = getattr(upload, "filename", None) if slug else None
        return self.check_upload(upload, rules).store(folder=folder, shown=shown, find=self.find_focal_point_of)

    def check_upload(self, upload: Any, rules: Rules) -> Checked:
        """Check and prepare *upload* as `accept` does, but store nothing yet. Call ``store`` on the result to store it.

        Raises:
            UploadRefused, NotStored, ConfigError, ValueError, RuntimeError: As `accept`.
        """
        from .door import Door  # noqa: PLC0415

        return self._images.instance(Door).check(upload, rules)

    def remove_upload(self, path: str | os.PathLike[str]) -> bool:
        """Remove the upload *path*, and everything that is cached for it. Returns False if it was gone already.

        To remove it for good, so that other caches cannot bring it back, use `forget` with ``source=True``.

        Raises:
            InvalidPath: If *path* is not that of an upload.
            NotStored: If the file cannot be removed.
            OSError, NotPurged: As `purge`. The upload itself is removed.
        """
        from .door import Door  # noqa: PLC0415

        return self._images.instance(Door).remove(path)


def add_answers(app: Flask) -> None:
    """Let *app* answer requests whose upload was not accepted, unless it does that itself."""

    def refused(error: UploadRefused) -> tuple[str, int, dict[str, str]]:
        from .door import answer_refused  # noqa: PLC0415

        return answer_refused(error)

    def not_stored(error: NotStored) -> tuple[str, int, dict[str, str]]:
        from .door import answer_not_stored  # noqa: PLC0415

        return answer_not_stored(error)

    handlers: dict[type[Exception], Callable[..., Any]] = app.error_handler_spec[None][None]
    handlers.setdefault(UploadRefused, refused)
    handlers.setdefault(NotStored, not_stored)
