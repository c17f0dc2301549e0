"""Which formats can be written here: what a renderer answers, and how long the answer is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips import abilities as module
from flask_images_vips.abilities import Abilities
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.config.keys import Config
from flask_images_vips.errors import Busy
from flask_images_vips.formats import by_name
from flask_images_vips.installed import Installation
from flask_images_vips.options.options import Options
from flask_images_vips.pool.outcome import Budget, Done
from flask_images_vips.rendering.request import Request, Work
from flask_images_vips.rendering.result import Result

AVIF, WEBP, JPEG, TIFF = map(by_name, ("avif", "webp", "jpeg", "tiff"))
TRANSFORM = Options.parse({"x": "EXTENT,0,0,10%,10%,90%,90%"})
SMART = Options.parse({"g": "attention", "m": "crop", "w": "9", "h": "9"})
ALL = ("jpeg", "png", "webp", "avif", "gif")


def library(name: str, *outputs: str) -> dict[str, Any]:
    return {"name": name, "version": "1.2.3", "outputs": [*outputs]}


def answer(vips: tuple[str, ...] | None = ALL, pillow: tuple[str, ...] | None = ALL) -> dict[str, Any]:
    """The answer of a renderer whose libraries write the given formats. None stands for a library that is not used."""
    found = {"vips": ("libvips", vips), "pillow": ("Pillow", pillow)}
    libraries = {engine: library(name, *written) for engine, (name, written) in found.items() if written is not None}
    return {"loaded": time.time(), "libraries": libraries}


class Renderers:
    """Renderers that give the *answers* in turn. An error among them is raised."""

    pool = None

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []

    def run(self, request: Request, descriptors: Any, refs: Any, *, since: float, budget: Budget) -> Done:
        assert (request.work, descriptors) == (Work.ABILITIES, ())
        self.requests.append(request)
        given = self.answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return Done(Result(abilities=given), 0.01)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that makes the abilities of a new process, whose renderers give *answers*."""
    monkeypatch.setattr(module, "installation", lambda: Installation("these libraries", 0.0))

    def make(*answers: Any, **config: Any) -> Abilities:
        cache = DiskCache(str(tmp_path / "cache"), lock_timeout=5, temp_max_age=60)
        return Abilities(replace(Config.read({}), **config), cache, Renderers(*answers))  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize(
    ("engine", "given", "written"),
    [
        ("auto", answer(), {AVIF, WEBP}),
        ("auto", answer(vips=("webp",)), {AVIF, WEBP}),
        ("auto", answer(vips=("webp",), pillow=("jpeg",)), {WEBP}),
        ("auto", answer(vips=None, pillow=("avif",)), {AVIF}),
        ("vips", answer(vips=("webp",), pillow=()), {WEBP}),
        ("vips", answer(vips=("webp",), pillow=("avif",)), {AVIF, WEBP}),  # Pillow steps in
        ("vips", answer(vips=None, pillow=("avif",)), {AVIF}),  # in a late fork, Pillow renders
        ("pillow", answer(vips=None, pillow=()), set()),
    ],
)
def test_a_format_is_written_if_an_engine_of_the_application_writes_it(
    make: Any, engine: str, given: Any, written: set[object]
) -> None:
    abilities = make(given, engine=engine)
    assert {format for format in (AVIF, WEBP) if abilities.writes(format)} == written
    assert [request.settings for request in abilities._renderers.requests] == [{"engine": engine}]


def test_an_option_that_one_engine_lacks_leaves_the_formats_of_the_other(make: Any) -> None:
    abilities = make(answer(vips=("avif",), pillow=("webp",)))
    assert [abilities.writes(format, TRANSFORM) for format in (AVIF, WEBP)] == [False, True]
    assert [abilities.writes(format, SMART) for format in (AVIF, WEBP)] == [True, False]
    assert [abilities.writes(format, Options()) for format in (AVIF, WEBP)] == [True, True]


def test_nobody_is_asked_about_formats_that_each_library_writes(make: Any) -> None:
    abilities = make()
    assert abilities.writes(JPEG)
    assert abilities.writes(TIFF)
    assert not make(engine="vips").writes(TIFF)  # libvips' engine has no settings for it
    assert abilities._renderers.requests == []


def test_a_refusal_names_the_libraries_and_what_they_write(make: Any) -> None:
    abilities = make(answer(vips=("jpeg", "webp"), pillow=("jpeg", "gif")))
    assert str(abilities.refusal(AVIF)) == (
        "format='avif': expected one of jpeg, webp, gif (libvips 1.2.3 and Pillow 1.2.3 cannot write it here)"
    )


def test_one_line_says_what_is_missing_and_how_to_add_it(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    abilities = make(answer(vips=("webp",), pillow=("webp",)))
    for _ in range(3):
        assert not abilities.writes(AVIF)
        assert abilities.writes(WEBP)
    assert caplog.messages == [
        "AVIF cannot be written here, so it is not offered to browsers: libvips 1.2.3 and Pillow 1.2.3 have no encoder "
        "for it. To add one, run: pip install --upgrade Pillow. `flask images check` lists other ways."
    ]


# How long the answer is kept


def test_the_next_process_reads_the_answer_from_the_disk(make: Any) -> None:
    assert not make(answer(vips=("webp",), pillow=("webp",))).writes(AVIF)
    abilities = make()
    assert not abilities.writes(AVIF)
    assert abilities.writes(WEBP)


def test_other_libraries_are_asked_again(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not make(answer(vips=(), pillow=())).writes(AVIF)
    monkeypatch.setattr(module, "installation", lambda: Installation("others", 0.0))
    assert make(answer()).writes(AVIF)


def test_so_are_renderers_that_were_started_before_a_library_changed(make: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "installation", lambda: Installation("new libraries", time.time() + 100))
    old, new = answer(vips=(), pillow=()), answer()
    abilities = make(old, new)
    assert not abilities.writes(AVIF)
    assert not abilities.writes(AVIF)
    abilities._valid_until = 0.0
    assert abilities.writes(AVIF)
    assert make(new).writes(AVIF)  # nothing was stored


@pytest.mark.parametrize(
    "failure", [Busy("no renderer is free"), None, {}, {"libraries": 3, "loaded": 1}, {"loaded": 1}]
)
def test_if_nobody_answers_a_format_counts_as_written_for_a_moment(make: Any, failure: Any) -> None:
    abilities = make(failure, answer(vips=(), pillow=()))
    for _ in range(3):
        assert abilities.writes(AVIF)
    assert len(abilities._renderers.requests) == 1
    abilities._valid_until = 0.0
    assert not abilities.writes(AVIF)


def test_a_damaged_file_is_asked_for_again(make: Any, tmp_path: Path) -> None:
    assert make(answer()).writes(AVIF)
    (stored,) = tmp_path.rglob("abilities-*.txt")
    stored.write_text("[]")
    abilities = make(answer(vips=(), pillow=()))
    assert not abilities.writes(AVIF)


def test_a_folder_that_cannot_be_used_does_not_matter(make: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    abilities = make(answer(vips=("webp",), pillow=("webp",)))
    assert [abilities.writes(format) for format in (AVIF, WEBP, AVIF)] == [False, True, False]
