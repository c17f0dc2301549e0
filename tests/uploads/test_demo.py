"""The upload form of the playground answers whatever is sent, and reads no more than it says."""

from __future__ import annotations

import io

import pytest
from conftest import gradient
from headers.containers import saved

from flask_images_vips.demo import create_app
from flask_images_vips.demo.uploads import MAX_BYTES


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (saved(gradient((64, 48)), "JPEG"), 200, "64 × 48 pixels, jpeg"),
        (b"%PDF-1.7", 422, "This file is a PDF document."),
    ],
)
def test_the_form_answers(data: bytes, status: int, words: str) -> None:
    response = create_app().test_client().post("/upload", data={"photo": (io.BytesIO(data), "<i>.jpg")})
    assert response.status_code == status
    assert words in response.text


def test_a_request_that_states_too_many_bytes_is_not_read() -> None:
    response = (
        create_app()
        .test_client()
        .post(
            "/upload",
            content_type="multipart/form-data; boundary=a",
            environ_overrides={"CONTENT_LENGTH": str(MAX_BYTES + 20_000)},
        )
    )
    assert response.status_code == 413
    assert "This file is larger than 20 MB." in response.text
