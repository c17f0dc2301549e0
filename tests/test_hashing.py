"""Digests name files in caches that already exist, so their values must never change."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from flask_images_vips.hashing import digest


@pytest.mark.parametrize(
    ("text", "size_bytes", "expected"),
    [
        ("", 8, "e4a6a0577479b2b4"),
        ("photos/cat.jpg", 16, blake2b(b"photos/cat.jpg", digest_size=16).hexdigest()),
        ("é", 6, blake2b(b"\xc3\xa9", digest_size=6).hexdigest()),
        ("\udc80", 8, blake2b(b"\xed\xb2\x80", digest_size=8).hexdigest()),
    ],
)
def test_a_digest_is_blake2b_of_utf_8(text: str, size_bytes: int, expected: str) -> None:
    assert digest(text, size_bytes) == expected
    assert len(expected) == 2 * size_bytes
