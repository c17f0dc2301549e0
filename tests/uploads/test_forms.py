"""A form checks a picture when it is validated, and stores it when it is valid."""

from __future__ import annotations

import io
from typing import Any

import pytest
from conftest import gradient
from flask import request
from werkzeug.datastructures import CombinedMultiDict, FileStorage, MultiDict

pytest.importorskip("wtforms")
pytest.importorskip("flask_wtf")

from flask_wtf import FlaskForm
from flask_wtf.file import FileRequired
from headers.containers import saved
from wtforms import FileField, Form, StringField
from wtforms.validators import InputRequired

from flask_images_vips.errors import UploadRefused
from flask_images_vips.uploads.accepted import Accepted, StoredImage
from flask_images_vips.uploads.forms import ImageFile, IsImage
from uploads.conftest import Door

JPEG = saved(gradient((64, 48)), "JPEG")


class PhotoForm(Form):
    title = StringField(validators=[InputRequired()])
    photo = ImageFile("Photo", [InputRequired()], folder="photos", min_size=(40, 40), slug=True)


def sent(form: type[Form], data: bytes | None = JPEG, title: str = "A cat", **keywords: Any) -> Any:
    fields: list[tuple[str, Any]] = [("title", title)]
    file = FileStorage(io.BytesIO(data), "The Cat.jpg") if data is not None else FileStorage(io.BytesIO(), "")
    return form(MultiDict([*fields, ("photo", file)]), **keywords)


def test_a_valid_form_stores_the_picture_when_it_is_taken(door: Door) -> None:
    with door.app.app_context():
        form = sent(PhotoForm)
        assert form.validate()
        assert door.files == []
        accepted = form.photo.accept()
        assert form.photo.accept() is accepted
    assert accepted.path.startswith("uploads/photos/the-cat-")
    assert len(door.files) == 1


def test_an_invalid_form_stores_nothing(door: Door) -> None:
    with door.app.app_context():
        form = sent(PhotoForm, title="")
        assert not form.validate()
        assert not form.photo.errors
    assert door.files == []


def test_a_refusal_is_the_error_of_the_field(door: Door) -> None:
    with door.app.app_context():
        form = sent(PhotoForm, b"%PDF-1.7 " + bytes(50))
        assert not form.validate()
        assert form.photo.errors[0].startswith("This file is a PDF document. Choose a picture in one of")
        with pytest.raises(RuntimeError, match=r"call form\.validate\(\) first"):
            form.photo.accept()
        small = sent(PhotoForm, saved(gradient((30, 20)), "JPEG"))
        assert not small.validate()
        assert small.photo.errors == [
            "This picture has 30 × 20 pixels, but needs at least 40 × 40. Choose a larger one."
        ]
    assert door.files == []


def test_the_site_may_translate_refusals(door: Door) -> None:
    def german(error: UploadRefused) -> str:
        return f"Zu klein: {error.details['size']}" if error.reason == "too_small" else error.message

    class German(Form):
        photo = ImageFile(min_size=100, translate=german)

    with door.app.app_context():
        form = sent(German)
        assert not form.validate()
        assert form.photo.errors == ["Zu klein: Size(width=64, height=48)"]


def test_a_file_is_required_only_if_a_validator_says_so(door: Door) -> None:
    class Optional(Form):
        photo = ImageFile()

    with door.app.app_context():
        assert not sent(PhotoForm, None).validate()
        form = sent(Optional, None)
        assert form.validate()
        assert form.photo.accept() is None


def test_a_text_in_place_of_the_file_is_no_file(door: Door) -> None:
    with door.app.app_context():
        form = PhotoForm(MultiDict([("title", "a"), ("photo", "/etc/passwd")]))
        assert not form.validate()
    assert door.files == []


def test_the_picture_is_put_into_a_record_and_stays_without_a_new_one(door: Door) -> None:
    class Record:
        title = ""
        photo: Any = None

    with door.app.app_context():
        record = Record()
        form = sent(PhotoForm)
        assert form.validate()
        form.populate_obj(record)
        assert isinstance(record.photo, Accepted)
        kept = record.photo = StoredImage.of(record.photo)

        class Edit(Form):
            title = StringField()
            photo = ImageFile()

        edit = sent(Edit, None, "Another title", obj=record)
        assert edit.validate()
        edit.populate_obj(record)
    assert record.photo is kept
    assert record.title == "Another title"
    assert len(door.files) == 1


def test_the_field_works_with_flask_wtf(door: Door) -> None:
    class WtfForm(FlaskForm):
        photo = ImageFile(validators=[FileRequired()], formats=["jpeg", "png"])

    door.app.config["WTF_CSRF_ENABLED"] = False

    @door.app.post("/photos")
    def add() -> tuple[str, int]:
        form = WtfForm()
        assert 'accept="image/jpeg,image/png"' in str(form.photo())
        if form.validate_on_submit():
            return form.photo.accept().path, 201
        return form.photo.errors[0], 422

    client = door.app.test_client()
    response = client.post("/photos", data={"photo": (io.BytesIO(JPEG), "a.jpg")})
    assert response.status_code == 201
    assert client.post("/photos", data={"photo": (io.BytesIO(saved(gradient((9, 9)), "GIF")), "a.gif")}).text == (
        "This file is a GIF image. Choose a picture in one of these formats: JPEG, PNG."
    )
    assert client.post("/photos").status_code == 422
    assert len(door.files) == 1


def test_the_validator_leaves_the_file_to_be_read_again(door: Door) -> None:
    class Plain(Form):
        photo = FileField(validators=[IsImage(max_size=50, convert=None)])

    with door.app.test_request_context(method="POST", data={"photo": (io.BytesIO(JPEG), "a.jpg")}):
        form = Plain(CombinedMultiDict([request.files, request.form]))
        assert not form.validate()
        assert form.photo.errors == ["This picture has 64 × 48 pixels, but may have at most 50 × 50. Make it smaller."]
        assert form.photo.data.read() == JPEG
    with door.app.test_request_context(method="POST", data={"photo": (io.BytesIO(JPEG[:99]), "a.jpg")}):
        form = Plain(CombinedMultiDict([request.files, request.form]))
        assert not form.validate()
    assert door.files == []


def test_the_browser_offers_heics_also_where_their_media_type_is_not_known(door: Door) -> None:
    class Phone(Form):
        photo = ImageFile(formats=["jpeg", "heic"])

    with door.app.app_context():
        assert 'accept="image/jpeg,image/heic,image/heif,.heic,.heif"' in str(Phone().photo())
