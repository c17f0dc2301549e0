"""Tell which key has signed a URL, and what the URL says even if none has."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from ...errors import BadSignature, InvalidOption
from ...options.options import DECLARED
from ...state import AppImages
from ...urls import claimed_ref, decode

_SIGNATURE = "s"
NOT_OPTIONS = ("s", "v", "u")
"""The parameters of a query that are no options: the signature, the version and the URL of a remote source."""


class Parts(NamedTuple):
    """The parts of an image URL: the *path* after the prefix of all image URLs, unquoted, and the raw *query*."""

    path: str
    query: bytes

    @property
    def fields(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(self.query.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def ref(self) -> str:
        """The ref that the URL claims to show."""
        return claimed_ref(self.path, self.fields)

    @property
    def named(self) -> dict[str, str]:
        """The options in the query by their long names, as they are written. Unknown ones keep their names."""
        return named(self.fields)


def parts_of(url: str, images: AppImages) -> Parts | None:
    """Return the parts of *url*, a whole URL or its path and query, or None if it is no image URL of *images*.

    A whole URL without a signature may be that of a remote picture, so it is none.
    """
    with suppress(ValueError):
        split = urlsplit(url)
        _, found, path = split.path.partition(f"{images.url}/") if images.url else ("", "/", split.path.lstrip("/"))
        unsigned = bool(images.url) and url.startswith(f"{images.url}/")
        if found and (unsigned or _SIGNATURE in dict(parse_qsl(split.query, keep_blank_values=True))):
            return Parts(unquote(path, errors="replace"), split.query.encode("utf-8", "surrogateescape"))
    return None


def named(query: Mapping[str, str]) -> dict[str, str]:
    """Return *query* with the long names of options."""
    names = {declared.short: name for name, declared in DECLARED.items()}
    return {names.get(short, short): value for short, value in query.items() if short not in NOT_OPTIONS}


def signer_of(parts: Parts, images: AppImages) -> str:
    """Return which of the keys of *images* has signed the URL, as a sentence without a full stop."""
    if _SIGNATURE not in parts.fields:
        return "none"
    legacy = images.pipeline.config.legacy_signatures
    for number, secret in enumerate(images.secrets):
        for old in (False, True) if legacy else (False,):
            if _is_signed(parts, secret, legacy=old):
                which = "the first key" if not number else f"key {number + 1} of {len(images.secrets)}, an older one"
                return f"valid, by {which}{' in the form of Flask-Images' if old else ''}"
    return "wrong: no key of this configuration has made it for this URL"


def _is_signed(parts: Parts, secret: str | bytes, *, legacy: bool) -> bool:
    try:
        decode(parts.path, parts.query, [secret], legacy=legacy)
    except BadSignature:
        return False
    except InvalidOption:  # which is looked at after the signature
        pass
    return True
