"""How does an image URL say what it wants, and that this application said so?

``<path>?<options, sorted>&s=<signature>``, as in Flask-Images 3.0.2, to the byte. The signature covers the path
and the options; it is verified before anything is parsed. This module does no I/O.
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hmac import compare_digest
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from itsdangerous import Signer

from .errors import BadSignature, InvalidPath
from .options.options import DECLARED, Options

REMOTE = "_"
"""The path of every URL whose source is itself a URL, which stands in the query."""

REMOTE_SCHEMES = frozenset({"http", "https", "ftp"})

Secret = str | bytes

_SOURCE_URL, _VERSION, _SIGNATURE = "u", "v", "s"
_PATH_SAFE = "/$-_.+!*'(),"
_MAX_FIELDS = 64
_REMEMBERED = 8192


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """What a verified URL asks for. *ref* is a path below ``IMAGES_PATH``, or a URL where *remote*.

    *exact* says that its query came in the one spelling that is ever written; *canonical* is the whole URL as `encode`
    writes it today, or None where it was not exact, or was signed with another key than the first or in an older form.
    *default_quality* says that it names no quality, *negotiated* that its format was chosen for one client.
    """

    ref: str
    options: Options
    version: str | None
    remote: bool = False
    exact: bool = True
    canonical: str | None = None
    default_quality: bool = False
    negotiated: bool = False

    @property
    def file_name(self) -> str:
        """The last part of the source's path, also where that is part of a URL."""
        return file_name(self.ref, remote=self.remote)


def encode(ref: str, query: Mapping[str, str], version: str | None, secret: Secret) -> str:
    """The signed URL of *ref*, without the prefix that all image URLs share.

    *ref* has passed `checked_path`; *query* maps short names to texts.
    """
    return _encoded(ref, tuple(query.items()), version, secret)


@lru_cache(_REMEMBERED)  # a page that is shown again has the same URLs
def _encoded(ref: str, query: tuple[tuple[str, str], ...], version: str | None, secret: Secret) -> str:
    extra = {_VERSION: version} if version is not None else {}
    if is_remote(ref):
        ref, extra[_SOURCE_URL] = REMOTE, ref
    text = _query_text({**dict(query), **extra})
    return f"{quoted(ref)}?{text}&{_SIGNATURE}={_signature(secret, f'{ref}?{text}')}"


def decode(path: str, query_string: bytes, secrets: Sequence[Secret], *, legacy: bool) -> ImageUrl:
    """What the URL of *path* (unquoted, without the prefix) and *query_string* (as it came) asks for.

    Every one of *secrets* verifies; *legacy* accepts the two older forms of signatures too.

    Raises:
        BadSignature: not signed by any of *secrets*, or changed since, or a name that stands in it twice.
        InvalidOption: signed, but a value that cannot be rendered.
    """
    query, exact, canonical = _verified(path, query_string, secrets, legacy=legacy)
    remote = path == REMOTE and _SOURCE_URL in query
    return ImageUrl(
        ref=query[_SOURCE_URL] if remote else path,
        options=Options.parse(query),
        version=query.get(_VERSION),
        remote=remote,
        exact=exact,
        canonical=canonical,
        default_quality=not query.get(DECLARED["quality"].short),
    )


def quoted(path: str) -> str:
    """*path* as it stands in URLs, to the byte."""
    return quote(path, safe=_PATH_SAFE)


def checked_path(local_path: str) -> str:
    """The ref that *local_path*, a path or a URL, names: without slashes around it.

    Raises:
        InvalidPath: not normalised, which is a sign of unchecked input, or of a scheme that is none of images.
    """
    ref = local_path.strip("/")
    try:
        ref.encode()
    except UnicodeEncodeError:  # as Python has the bytes of a name that are no UTF-8
        raise InvalidPath(f"{local_path!r} is no text that a URL can have: rename the file to one in UTF-8") from None
    normal = posixpath.normpath(ref)
    if ref.replace("://", ":/") != normal or normal in (".", "..") or normal.startswith("../"):
        raise InvalidPath(f"path is not normalized: {local_path!r} (expected a path such as 'photos/cat.jpg')")
    if is_remote(ref) and (scheme := urlsplit(ref).scheme) not in REMOTE_SCHEMES:
        raise InvalidPath(f"scheme {scheme!r} is not allowed in {local_path!r} (expected http or https)")
    return ref


def is_remote(ref: str) -> bool:
    """Whether *ref* is a URL rather than a path."""
    try:
        parts = urlsplit(ref)
    except ValueError as error:
        raise InvalidPath(f"{ref!r} is no URL: {error}") from None
    return bool(parts.scheme or parts.netloc)


def file_name(ref: str, *, remote: bool) -> str:
    """The last part of the path of *ref*, which is a URL where *remote*."""
    path = ref
    if remote:
        with suppress(ValueError):  # no URL, as fetching it will say
            path = urlsplit(ref).path
    return path.rpartition("/")[2]


def version_of(mtime: float) -> str:
    """The version of a source in its URL, made of its modification time in seconds since 1970."""
    number = max(0, int(mtime))
    data = number.to_bytes(max(4, (number.bit_length() + 7) // 8), "big")
    return urlsafe_b64encode(data).decode("ascii").rstrip("=").lstrip("A")


def _verified(
    path: str, query_string: bytes, secrets: Sequence[Secret], *, legacy: bool
) -> tuple[dict[str, str], bool, str | None]:
    """The query of a URL less its signature, once that has been found right; `ImageUrl.exact` and `.canonical`."""
    came = query_string.decode("utf-8", "replace")
    try:
        pairs = parse_qsl(came, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise BadSignature(f"{path!r}: {error}") from None
    query = dict(pairs)
    # Only one value a name would be signed, so the others would be free: endless URLs for one picture.
    if len(query) != len(pairs):
        raise BadSignature(f"{path!r}: a name stands in the query twice")
    given = query.pop(_SIGNATURE, None)
    if given is None:
        raise BadSignature(f"{path!r}: the URL is not signed")
    text = _query_text(query)
    value = f"{path}?{text}"
    # The texts are compared: itsdangerous itself accepts many spellings of one signature.
    if not any(
        compare_digest(given.encode(), expected.encode())
        for secret in secrets
        for expected in _accepted(secret, value, legacy=legacy)
    ):
        raise BadSignature(f"{path!r}: the signature is wrong")
    exact = came in (f"{text}&{_SIGNATURE}={given}", f"{text}&{_SIGNATURE}={quote(given)}")
    current = exact and came.endswith(f"={_signature(secrets[0], value)}")
    return query, exact, f"{quoted(path)}?{came}" if current else None


def _accepted(secret: Secret, value: str, *, legacy: bool) -> Iterator[str]:
    signature = _signature(secret, value)
    yield signature
    if legacy:
        yield f"b'{signature}'"  # 3.0.2 on Python 3: bytes, formatted as text
        secret = secret.encode() if isinstance(secret, str) else secret
        yield hmac.new(secret, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()  # its git head


def _signature(secret: Secret, value: str) -> str:
    return _signer(secret).get_signature(value.encode("utf-8", "surrogatepass")).decode("ascii")


@lru_cache(maxsize=16)
def _signer(secret: Secret) -> Signer:
    return Signer(secret)


def _query_text(query: Mapping[str, str]) -> str:
    return urlencode(sorted(query.items()))
