"""Turn strings into short digests for names and keys."""

from __future__ import annotations

from hashlib import blake2b


def digest(text: str, size_bytes: int) -> str:
    """Return the BLAKE2b digest of *text* as ``2 * size_bytes`` hexadecimal digits.

    Surrogate escapes are allowed, because a file name or URL may contain bytes that are not UTF-8.
    """
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size_bytes).hexdigest()
