"""Thousands of damaged files at the upload door: each is stored as a whole picture, or refused with a sentence."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from conftest import share
from fuzz_route import mutants, varied_seeds

from flask_images_vips.errors import UploadRefused
from uploads.clean import check_clean
from uploads.conftest import Door

MUTANTS = share(7_000, 35)
TELLS_WHAT_TO_DO = re.compile(r"\b(?:choose|make|save|shorten)\b[^.]*\.$", re.IGNORECASE)

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow warns of what it meets


def test_each_mutant_is_stored_as_a_whole_picture_or_refused_with_a_sentence(door: Door) -> None:
    ends, stored, sentences = Counter[str](), 0, set[str]()
    for data in mutants(random.Random(18), MUTANTS, list(varied_seeds().values())):
        try:
            accepted = door.accept(data)
        except UploadRefused as error:
            ends[error.reason] += 1
            sentences.add(error.message)
        else:
            ends["accepted"] += 1
            stored += 1
            check_clean(door.stored(accepted), accepted.format)
        assert len(door.files) == stored
    assert [sentence for sentence in sentences if not TELLS_WHAT_TO_DO.search(sentence)] == []
    print(f"{MUTANTS:,} mutants: {dict(ends)}")
    assert ends["accepted"] > MUTANTS / 20
    assert ends["damaged"] > MUTANTS / 20
