"""Upload pictures by forms of WTForms, also of Flask-WTF and Flask-Admin. This module needs WTForms.

The picture is checked when the form is validated, and stored when the form is valid and you take it. So nothing is
stored for a form that has to be filled in again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask import current_app
from werkzeug.datastructures import FileStorage
from wtforms.fields import FileField
from wtforms.validators import StopValidation, ValidationError

from ..errors import UploadRefused
from ..formats import OUTPUTS, by_name
from .accepted import Accepted
from .rules import Rules

if TYPE_CHECKING:
    from .door import Checked
    from .methods import UploadMethods

# Not all systems know the media types of these extensions.
_ACCEPTED = {"heic": "image/heic,image/heif,.heic,.heif", "jxl": "image/jxl,.jxl"}

Translate = Callable[[UploadRefused], str]
"""Returns the sentence for the person, from the ``reason``, the ``details`` and the English ``message``."""


class ImageFile(FileField):  # type: ignore[misc]  # WTForms has no types
    """A field for one picture.

    *images* is the `Images` object, by default that of the current application. *folder*, *slug* and *rules* are those
    of `Images.accept`, such as ``max_size=(2000, 2000)``. *translate* returns the sentence for a refusal.

    ``data`` is the uploaded file, or the picture that the form was created with. The validators ``InputRequired`` and
    ``FileRequired`` require a file.
    """

    def __init__(
        self,
        label: str | None = None,
        validators: Sequence[Any] | None = None,
        *,
        images: UploadMethods | None = None,
        folder: str | None = None,
        slug: bool = False,
        translate: Translate | None = None,
        formats: Iterable[str] | None = None,
        min_size: tuple[int, int] | int | None = None,
        max_size: tuple[int, int] | int | None = None,
        max_pixels: int | None = None,
        max_bytes: int | None = None,
        convert: str | None = "jpeg",
        strip: bool = True,
        find_faces: bool = False,
        **keywords: Any,
    ) -> None:
        wanted = None if formats is None else tuple(formats)
        keywords["render_kw"] = {"accept": _media_types(wanted), **(keywords.get("render_kw") or {})}
        super().__init__(label, validators, **keywords)
        self._images = images
        self._folder = folder
        self._slug = slug
        self._translate = translate
        self._rules = Rules(
            formats=wanted,
            min_size=min_size,
            max_size=max_size,
            max_pixels=max_pixels,
            max_bytes=max_bytes,
            convert=convert,
            strip=strip,
            find_faces=find_faces,
        )
        self._checked: Checked | None = None
        self._accepted: Accepted | None = None

    @property
    def images(self) -> UploadMethods:
        """The object that accepts the picture."""
        found: UploadMethods = self._images or current_app.extensions["images"]
        return found

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Take the first file. A form that is sent without one has an empty file."""
        file = next((each for each in valuelist if isinstance(each, FileStorage) and each.filename), None)
        if file is None:
            self.raw_data: list[Any] = []
        else:
            self.data = file

    def pre_validate(self, form: Any) -> None:
        """Check the picture, if there is a new one.

        Raises:
            StopValidation: If it is refused.
            NotStored, ConfigError: As `Images.accept`.
        """
        del form
        if self._checked is not None:
            self._checked.close()
        self._checked = self._accepted = None
        if isinstance(self.data, FileStorage):
            try:
                self._checked = self.images.check_upload(self.data, self._rules)
            except UploadRefused as error:
                raise StopValidation(self._sentence(error)) from None

    def accept(self) -> Accepted | None:
        """Store the picture, and return what is known of it. Further calls return the same.

        Returns None if the form was sent without a new picture.

        Raises:
            RuntimeError: If the form has not been found to be valid.
            NotStored: As `Images.accept`.
        """
        if self._accepted is None and isinstance(self.data, FileStorage):
            if self._checked is None:
                raise RuntimeError(f"{self.name}: call form.validate() first, and store the picture if it returns True")
            shown = self.data.filename if self._slug else None
            find = self.images.find_focal_point_of
            self._accepted = self._checked.store(folder=self._folder, shown=shown, find=find)
        return self._accepted

    def populate_obj(self, obj: object, name: str) -> None:
        """Store the picture, and set the attribute *name* of *obj*. Without a new picture, it stays as it is."""
        accepted = self.accept()
        if accepted is not None:
            setattr(obj, name, accepted)

    def _sentence(self, error: UploadRefused) -> str:
        return error.message if self._translate is None else self._translate(error)


class IsImage:
    """A validator for file fields of any class: the file is a picture that `Images.accept` would accept.

    Give both the same *rules*. The picture is read twice, so `ImageFile` needs less time.
    """

    def __init__(
        self, *, images: UploadMethods | None = None, translate: Translate | None = None, **rules: Any
    ) -> None:
        self._images = images
        self._translate = translate
        self._rules = Rules(**rules)

    def __call__(self, form: Any, field: Any) -> None:
        del form
        if not isinstance(field.data, FileStorage) or not field.data.filename:
            return
        images = self._images or current_app.extensions["images"]
        try:
            images.check_upload(field.data, self._rules).close()
        except UploadRefused as error:
            raise ValidationError(error.message if self._translate is None else self._translate(error)) from None
        finally:
            with suppress(OSError, ValueError):
                field.data.seek(0)


def _media_types(formats: Sequence[str] | None) -> str:
    """Return what the browser offers to choose."""
    if formats is None:
        return "image/*"
    return ",".join(_ACCEPTED.get(name) or _media_type(name) for name in formats)


def _media_type(name: str) -> str:
    return by_name(name).media_type if name in OUTPUTS else f"image/{name}"
