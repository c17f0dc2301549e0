"""A renderer tries once more with encoders that take less, where memory runs out."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips.errors import UnreadableSource
from flask_images_vips.pool import renderer
from flask_images_vips.rendering.request import Request, Work
from flask_images_vips.rendering.result import Result

LACKS = [
    MemoryError(),
    UnreadableSource("source", "vips: out of memory --- size == 80MB"),
    UnreadableSource("source", "webpsave: picture memory error wbuffer_write: write failed"),
    UnreadableSource("source", "glib: Error creating thread: Resource temporarily unavailable"),
    UnreadableSource("source", "Encoder plugin generated an error: Failed to allocate lag buffers"),
    UnreadableSource("source", "webpsave: unable to encode"),
]


def jobs(monkeypatch: pytest.MonkeyPatch, error: Exception, always: bool) -> list[str]:
    efforts: list[str] = []

    class Job:
        def __init__(self, request: Request, descriptors: object, config: Any, *_: object) -> None:
            self.effort = config.effort

        def run(self) -> Result:
            efforts.append(self.effort)
            if always or self.effort != "fast":
                raise error
            return Result("made")

    monkeypatch.setattr(renderer, "Job", Job)
    return efforts


@pytest.mark.parametrize("error", LACKS)
def test_a_lack_of_memory_is_tried_again_at_the_least_effort(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    efforts = jobs(monkeypatch, error, always=False)
    assert renderer._done(Request(work=Work.RENDER, settings={}), []).by == "made"
    assert efforts == ["balanced", "fast"]


def test_if_that_fails_too_it_is_the_decoder_that_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    efforts = jobs(monkeypatch, MemoryError(), always=True)
    with pytest.raises(MemoryError):
        renderer._done(Request(work=Work.RENDER, settings={}), [])
    assert efforts == ["balanced", "fast"]


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (Work.HEADER, MemoryError()),
        (Work.RENDER, UnreadableSource("source", "premature end of file")),
        (Work.RENDER, UnreadableSource("source", "Memory allocation error: Security limit exceeded: 9999 images")),
    ],
)
def test_nothing_else_is_tried_again(monkeypatch: pytest.MonkeyPatch, work: Work, error: Exception) -> None:
    efforts = jobs(monkeypatch, error, always=True)
    with pytest.raises(type(error)):
        renderer._done(Request(work=work, settings={}), [])
    assert efforts == ["balanced"]
