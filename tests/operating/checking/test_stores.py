"""The check of the object stores of ``IMAGES_PATH``."""

from __future__ import annotations

from typing import Any

import pytest
from store_stub import Answer, Stub

from flask_images_vips.operating.checking import stores
from flask_images_vips.operating.checking.finding import Finding
from flask_images_vips.operating.checking.site import Site
from flask_images_vips.state import images_of
from operating.checking.ground import Ground


def found(ground: Ground, stub: Stub, **config: Any) -> Finding:
    ground.config |= {"IMAGES_PATH": ["static", "s3://bucket/pre"], "IMAGES_STORE_OPTIONS": stub.options, **config}
    ground.libraries()
    (finding,) = stores.originals(Site.of(images_of(ground.make())))
    return finding


def test_a_store_that_can_be_listed_and_read_is_right(ground: Ground, stub: Stub) -> None:
    assert found(ground, stub).message == "s3://bucket/pre has no objects yet"
    stub.put("pre/a.jpg", b"a cat")
    assert found(ground, stub).message == "s3://bucket/pre"


@pytest.mark.parametrize(
    ("answer", "level", "said", "cure"),
    [
        (Answer(404, {}, b"<Error><Code>NoSuchBucket</Code></Error>"), "error", "NoSuchBucket", "Create the bucket"),
        (Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>"), "warning", "AccessDenied", "s3:ListBucket"),
        (
            Answer(403, {}, b"PUT http://169.254.169.254/latest/api/token"),
            "error",
            "no credentials",
            "AWS_ACCESS_KEY_ID",
        ),
        (Answer(500, {}), "error", "answer 503 unless they are cached", "Correct the endpoint"),
    ],
)
def test_a_store_that_refuses_or_fails_says_how_to_mend_it(
    ground: Ground, stub: Stub, answer: Answer, level: str, said: str, cure: str
) -> None:
    stub.tamper = lambda asked, _: answer
    finding = found(ground, stub)
    assert (finding.level.value, said in finding.message, cure in finding.cure) == (level, True, True), finding
