"""``IMAGES_C2PA``: what it accepts, and what it says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips.config.credentials import Credentials, credentials
from flask_images_vips.errors import ConfigError

RIGHT = {"cert": "chain.pem", "key": "key.pem"}


def test_a_dictionary_of_paths_is_accepted() -> None:
    assert credentials("IMAGES_C2PA", None) is None
    assert credentials("IMAGES_C2PA", RIGHT) == Credentials("chain.pem", "key.pem", "es256")
    assert credentials("IMAGES_C2PA", {**RIGHT, "alg": "ed25519"}) == Credentials("chain.pem", "key.pem", "ed25519")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("key.pem", r"expected a dictionary such as \{'cert'"),
        ({}, "'cert' is None. Expected the path of a file in PEM"),
        ({"cert": "chain.pem", "key": ""}, "'key' is ''. Expected the path"),
        ({**RIGHT, "alg": "rs256"}, "'alg' is 'rs256'. Expected one of es256"),
        ({**RIGHT, "certs": "x"}, "has no 'certs'.*did you mean cert"),
    ],
)
def test_anything_else_is_a_fault_of_the_configuration(value: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        credentials("IMAGES_C2PA", value)
