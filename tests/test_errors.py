"""What errors say, and carry."""

from __future__ import annotations

import inspect

import pytest

from flask_images_vips import errors
from flask_images_vips.errors import (
    Busy,
    ConfigError,
    Faults,
    ImagesError,
    InvalidOption,
    InvalidPath,
    LimitExceeded,
    SourceNotFound,
    UnreadableSource,
    UnsupportedSource,
    did_you_mean,
    printable,
    reason_of,
    shown,
)


def test_every_error_is_an_images_error() -> None:
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]
    assert len(found) > 10
    assert all(issubclass(each, ImagesError) for each in found)


def test_errors_of_arguments_are_value_errors_too() -> None:
    assert issubclass(InvalidPath, ValueError)
    assert issubclass(InvalidOption, ValueError)
    assert issubclass(ConfigError, RuntimeError)


def test_what_no_loader_takes_is_unreadable() -> None:
    assert issubclass(UnsupportedSource, UnreadableSource)


def test_an_invalid_option_says_what_came_and_what_was_expected() -> None:
    error = InvalidOption("width", "abc", expected="whole pixels, at least 1")
    assert str(error) == "width='abc': expected whole pixels, at least 1"
    assert (error.name, error.value, error.expected) == ("width", "abc", "whole pixels, at least 1")


def test_an_exceeded_limit_says_by_how_much_and_who_set_it() -> None:
    error = LimitExceeded(
        "the output would have {:,} pixels", 54_000_000, 25_000_000, set_by="IMAGES_MAX_OUTPUT_PIXELS"
    )
    assert str(error) == "the output would have 54,000,000 pixels; the limit is 25,000,000 (IMAGES_MAX_OUTPUT_PIXELS)"
    assert (error.what, error.value, error.limit) == ("the output would have {:,} pixels", 54_000_000, 25_000_000)


def test_an_error_of_a_source_names_it() -> None:
    error = SourceNotFound("photos/cat.jpg", "no such file")
    assert (str(error), error.ref, error.reason) == ("'photos/cat.jpg': no such file", "photos/cat.jpg", "no such file")


def test_busy_says_when_to_ask_again() -> None:
    assert (Busy("full").retry_after, Busy("full", retry_after=5).retry_after) == (1, 5)


@pytest.mark.parametrize(("name", "hint"), [("widht", "; did you mean width?"), ("zzz", ""), (5, "")])
def test_an_unknown_name_hints_at_the_nearest(name: object, hint: str) -> None:
    assert did_you_mean(name, {"width": 1, "height": 2}) == hint


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        ("photos/a b.jpg", "'photos/a b.jpg'"),
        ("photos/what?=a.jpg", "'photos/what?=a.jpg'"),
        ("https://a.example/b.jpg", "'https://a.example/b.jpg'"),
        ("https://me:password@a.example:8443/b.jpg", "'https://a.example:8443/b.jpg'"),
        ("https://a.example/b?id=5&Signature=abc%3D#top", "'https://a.example/b?id=…&Signature=…'"),
        ("//a.example/b?secret", "'//a.example/b?…'"),
        ("a\nb\x1b[0m", r"'a\nb\x1b[0m'"),
        ("a" * 10_000, f"'{'a' * 300}…'"),
        (f"http://a.example/?{'b=c&' * 10_000}", None),
    ],
)
def test_a_ref_is_shown_without_its_secrets_and_not_at_any_length(ref: str, text: str | None) -> None:
    assert shown(ref) == text or (text is None and len(shown(ref)) < 320)
    assert str(SourceNotFound(ref, "gone")) == f"{shown(ref)}: gone"


def test_a_reason_does_not_repeat_what_its_line_names() -> None:
    assert reason_of(SourceNotFound("a.jpg", "gone"), "a.jpg") == "gone"
    assert reason_of(SourceNotFound("mark.png", "gone"), "a.jpg") == "'mark.png': gone"
    assert reason_of(Busy("full"), "a.jpg") == "full"


def test_faults_are_collected_and_raised_as_one() -> None:
    faults = Faults()
    faults.check()
    for number in (1, 2, 1):
        with faults.catch():
            raise ConfigError(f"fault {number}", hint="Change it.")
    with pytest.raises(ConfigError) as caught:
        faults.check()
    assert str(caught.value).splitlines() == [
        "The configuration of flask_images_vips has 2 faults:",
        "- fault 1",
        "- fault 2",
        "Change it.",
    ]
    assert str(ConfigError("fault 1.", hint="Change it.")) == "fault 1. Change it."


def test_what_controls_a_terminal_is_not_printed() -> None:
    assert printable("a\x1b[31m\u202eb") == "a\ufffd[31m\ufffdb"
