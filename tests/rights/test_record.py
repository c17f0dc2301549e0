"""Records of rights: what can be in one, and what its digest depends on."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips import Rights
from flask_images_vips.errors import InvalidOption
from flask_images_vips.rights.record import MAX_TEXT


def test_one_creator_may_be_a_plain_string_and_a_term_becomes_its_uri() -> None:
    record = Rights(creator="  Anna ", digital_source_type="trainedAlgorithmicMedia")
    assert record.creator == ("Anna",)
    assert record.digital_source_type == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert Rights(digital_source_type="https://example.org/own").digital_source_type == "https://example.org/own"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"creator": 5}, "a name, or a list of at most 20 names"),
        ({"creator": ["a"] * 21}, "a name, or a list of at most 20 names"),
        ({"creator": ["a", None]}, "a string of at most 2,000 characters"),
        ({"credit": 5}, "a string of at most 2,000 characters"),
        ({"copyright": "x" * 2001}, "a string of at most 2,000 characters"),
        ({"creator": ["x" * 2000] * 5}, "at most 8,000 characters"),
    ],
)
def test_what_cannot_be_in_a_record_is_refused(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidOption, match=expected):
        Rights(**values)


def test_what_a_file_states_wrongly_is_left_out_of_its_record() -> None:
    found = Rights.found({"creator": ["x" * 2001], "credit": "kept", "copyright": "y" * 2001})
    assert found == Rights(credit="kept")


def test_characters_that_xml_forbids_are_removed() -> None:
    assert Rights(credit="a\0b\x1b\ud800\ufffe\x85c").credit == "abc"


def test_the_digest_is_that_of_what_files_say() -> None:
    record = Rights(creator="Anna", credit="x")
    assert record.digest == Rights(creator=["Anna"], credit="x", alt="A cup").digest
    others = [Rights(creator=["Anna", "x"]), Rights(creator="Anna"), Rights(creator="Anna", copyright="x"), Rights()]
    assert len({each.digest for each in (record, *others)}) == 5


def test_another_record_adds_only_what_is_not_known() -> None:
    mine, other = Rights(creator="Anna", credit="mine"), Rights(credit="other", copyright="other")
    assert mine.or_else(other) == Rights(creator="Anna", credit="mine", copyright="other")
    long = Rights(creator=["x" * MAX_TEXT] * 4)
    assert Rights(credit="mine").or_else(long) == Rights(credit="mine")


def test_the_name_and_the_url_of_a_licensor_stay_together() -> None:
    theirs = Rights(licensor="Agency", licensor_url="https://agency.example", credit="Agency")
    assert Rights(licensor_url="https://own.example").or_else(theirs) == Rights(
        licensor_url="https://own.example", credit="Agency"
    )
    assert Rights(licensor="Own").or_else(theirs) == Rights(licensor="Own", credit="Agency")
    assert Rights(creator="Anna").or_else(theirs).licensor == "Agency"
