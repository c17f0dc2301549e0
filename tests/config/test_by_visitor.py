"""The values of IMAGES_BY_VISITOR."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips.config.by_visitor import ByVisitor, by_visitor
from flask_images_vips.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "used"),
    [
        (None, None),
        ({}, None),
        ({"accept": False}, None),
        ({"save_data": 40}, ByVisitor(40)),
        ({"accept": True, "share": 1}, ByVisitor(None, True, 1)),
    ],
)
def test_what_is_valid(value: Any, used: ByVisitor | None) -> None:
    assert by_visitor("KEY", value) == used
    assert used is None or not used.compares


def test_a_share_below_1_compares() -> None:
    read = by_visitor("KEY", {"save_data": 40, "share": 0.1})
    assert read is not None
    assert read.compares


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("on", "a dictionary, such as {'save_data': 40, 'accept': True, 'share': 0.1}, or None"),
        ({"save-data": 40}, "only save_data, accept, share; 'save-data' is none of these"),
        ({"save_data": 0}, "a quality from 1 to 100 as save_data, or None"),
        ({"save_data": True}, "a quality from 1 to 100 as save_data, or None"),
        ({"accept": "yes"}, "True or False as accept"),
        ({"accept": True, "share": 0}, "a share above 0 and up to 1 as share"),
        ({"accept": True, "share": "10 %"}, "a share above 0 and up to 1 as share"),
    ],
)
def test_what_is_not_says_what_is_expected(value: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        by_visitor("KEY", value)
    assert f"expected {expected}" in str(raised.value)
