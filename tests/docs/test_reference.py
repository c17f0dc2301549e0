"""The reference says what the code says. ``python tests/docs/test_reference.py`` writes its generated parts again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

if not __package__:  # as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from engines.lettering.conftest import dejavu

from docs.blocks import runs
from docs.reference import DOCS, PARTS, messages, options, signals, up_to_date, write
from docs.reference.errors import CURES, NOT_ANSWERED, answer_of, classes
from docs.reference.helpers import ALL, EXAMPLES
from flask_images_vips import resized_img_src
from flask_images_vips.config.keys import KEYS, key_doc
from flask_images_vips.options.options import DECLARED, DEFAULTS, Options, write_query


@runs("docs/reference/helpers.md", "text")
@runs("docs/reference/commands.md", "text")
@pytest.mark.parametrize("page", PARTS)
def test_the_page_says_what_the_code_says(page: str) -> None:
    assert up_to_date(page) == (DOCS / page).read_text("utf-8"), "run: python tests/docs/test_reference.py"


def test_every_note_about_a_message_belongs_to_one() -> None:
    assert messages.unused() == []


def test_every_error_has_a_cure_and_an_answer() -> None:
    names = [error.__name__ for error in classes()]
    assert sorted(names) == sorted(CURES)
    abstract = {"ImagesError", "SourceError"}
    assert {error.__name__ for error in classes() if answer_of(error) is None} == {*NOT_ANSWERED, *abstract}


def test_every_helper_has_an_example() -> None:
    assert {helper.__name__ for helper in ALL} == {*EXAMPLES}


def test_every_option_and_key_has_a_sentence() -> None:
    assert all(declared.doc.endswith(".") for declared in DECLARED.values())
    assert all(key_doc(name).endswith((".", ")")) for name in KEYS)


def test_every_example_of_an_option_is_served(make_app: Callable[..., Flask], draw: Callable[..., Path]) -> None:
    draw("photos/coffee.jpg", (400, 300))
    draw("photos/cup.png", (40, 30))
    app = make_app(
        IMAGES_MAX_RENDERS=0,  # in this process, which needs no time to start
        IMAGES_FONTS={"title": str(dejavu())},
        IMAGES_TEXT_STYLES={"default": {"size": 20}, "label": {"size": 12}},
    )
    for name, declared in DECLARED.items():
        assert getattr(Options.parse(write_query(options.keywords_of(declared))), name) != DEFAULTS[name]
        with app.test_request_context():
            url = eval(options.call(declared), {"resized_img_src": resized_img_src})
        assert app.test_client().get(url).status_code == 200, declared.example


def test_every_signal_and_its_arguments_are_described() -> None:
    arguments = signals.arguments_of_signals()
    assert {*arguments} == {*signals.SENT} == {*signals.EXAMPLES}
    assert {name for names in arguments.values() for name in names} == {*signals.FIELDS}


if __name__ == "__main__":
    write()
