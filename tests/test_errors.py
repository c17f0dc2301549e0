"""What errors say, and carry."""

from __future__ import annotations

import inspect

import pytest

from flask_images_vips import errors
from flask_images_vips.errors import (
    Busy,
    ConfigError,
    ImagesError,
    InvalidOption,
    InvalidPath,
    LimitExceeded,
    SourceNotFound,
    UnreadableSource,
    UnsupportedSource,
    did_you_mean,
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
