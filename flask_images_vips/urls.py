"""Write and read signed image URLs.

A URL is ``<path>?<options, sorted>&s=<signature>``, byte for byte as in Flask-Images 3.0.2. The signature covers the
path and the options, and is verified before anything is parsed. This module does no I/O.
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
"""The path of all image URLs with a remote source. The source's own URL is in the query."""

REMOTE_SCHEMES = frozenset({"http", "https", "ftp"})

Secret = str | bytes

_SOURCE_URL, _VERSION, _SIGNATURE = "u", "v", "s"
_PATH_SAFE = "/$-_.+!*'(),"
_MAX_FIELDS = 64
_REMEMBERED = 8192


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """The content of a verified image URL.

    *ref* is a path below ``IMAGES_PATH``, or a URL if *remote*. *exact* says that the query has the spelling that
    `encode` writes. *canonical* is the whole URL as `encode` writes it today. It is None if the URL was not exact, or
    if its signature has an older form or was made with another key than the first. *default_quality* says that the URL
    names no quality, and *negotiated* that its format was chosen for one client.
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
        """The last part of the source's path or URL."""
        return file_name(self.ref, remote=self.remote)

    @property
    def refs(self) -> tuple[str, ...]:
        """All sources that the picture shows, its own first: URLs, or normalised paths below ``IMAGES_PATH``."""
        own = self.ref if self.remote else posixpath.normpath(self.ref)
        mark = self.options.watermark
        return (own,) if mark is None else (own, posixpath.normpath(mark.ref))


def encode(ref: str, query: Mapping[str, str], version: str | None, secret: Secret) -> str:
    """Return the signed URL of *ref*, without the prefix that all image URLs share.

    *ref* must come from `checked_path`. *query* maps short names to texts.
    """
    return _encoded(ref, tuple(query.items()), version, secret)


@lru_cache(_REMEMBERED)  # a page has the same URLs every time it is shown
def _encoded(ref: str, query: tuple[tuple[str, str], ...], version: str | None, secret: Secret) -> str:
    extra = {_VERSION: version} if version is not None else {}
    if is_remote(ref):
        ref, extra[_SOURCE_URL] = REMOTE, ref
    text = _query_text({**dict(query), **extra})
    return f"{quoted(ref)}?{text}&{_SIGNATURE}={_signature(secret, f'{ref}?{text}')}"


def decode(path: str, query_string: bytes, secrets: Sequence[Secret], *, legacy: bool) -> ImageUrl:
    """Verify and read the URL of *path* (unquoted, without the prefix) and *query_string* (as it came).

    A signature by any of *secrets* is valid. *legacy* accepts the two older forms of signatures too.

    Raises:
        BadSignature: If none of *secrets* signed the URL, it was changed, or its query has a name twice.
        InvalidOption: If the URL is signed, but a value cannot be rendered.
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
    """Return *path* quoted as in Flask-Images, byte for byte."""
    return quote(path, safe=_PATH_SAFE)


def checked_path(local_path: str) -> str:
    """Return the ref of *local_path*, which is a path or a URL: without slashes at its ends.

    Raises:
        InvalidPath: If it is not normalised, which is a sign of unchecked input, or its scheme is not allowed.
    """
    ref = local_path.strip("/")
    try:
        ref.encode()
    except UnicodeEncodeError:  # Python's way to hold the bytes of a name that are not UTF-8
        raise InvalidPath(f"{local_path!r} is not valid UTF-8, which URLs need: rename the file") from None
    normal = posixpath.normpath(ref)
    if ref.replace("://", ":/") != normal or normal in (".", "..") or normal.startswith("../"):
        raise InvalidPath(f"path is not normalized: {local_path!r} (expected a path such as 'photos/cat.jpg')")
    if is_remote(ref) and (scheme := urlsplit(ref).scheme) not in REMOTE_SCHEMES:
        raise InvalidPath(f"scheme {scheme!r} is not allowed in {local_path!r} (expected http or https)")
    return ref


def is_remote(ref: str) -> bool:
    """Return whether *ref* is a URL rather than a path.

    Raises:
        InvalidPath: If it looks like a URL but is not a valid one.
    """
    try:
        parts = urlsplit(ref)
    except ValueError as error:
        raise InvalidPath(f"{ref!r} is not a valid URL: {error}") from None
    return bool(parts.scheme or parts.netloc)


def file_name(ref: str, *, remote: bool) -> str:
    """Return the last part of the path of *ref*, which is a URL if *remote*."""
    path = ref
    if remote:
        with suppress(ValueError):  # fetching it will say that it is not a valid URL
            path = urlsplit(ref).path
    return path.rpartition("/")[2]


def version_of(mtime: float) -> str:
    """Return the version of a source for its URL, made of its modification time in seconds since 1970."""
    number = max(0, int(mtime))
    data = number.to_bytes(max(4, (number.bit_length() + 7) // 8), "big")
    return urlsafe_b64encode(data).decode("ascii").rstrip("=").lstrip("A")


def _verified(
    path: str, query_string: bytes, secrets: Sequence[Secret], *, legacy: bool
) -> tuple[dict[str, str], bool, str | None]:
    """Verify a URL. Return its query without the signature, and `ImageUrl.exact` and `ImageUrl.canonical`."""
    came = query_string.decode("utf-8", "replace")
    try:
        pairs = parse_qsl(came, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise BadSignature(f"{path!r}: {error}") from None
    query = dict(pairs)
    # The signature covers one value per name. A second one could be anything: endless URLs for one picture.
    if len(query) != len(pairs):
        raise BadSignature(f"{path!r}: the query has a name twice")
    given = query.pop(_SIGNATURE, None)
    if given is None:
        raise BadSignature(f"{path!r}: the URL is not signed (build it with resized_img_src or url_for)")
    text = _query_text(query)
    value = f"{path}?{text}"
    # Compare the texts, because itsdangerous accepts many spellings of one signature.
    if not any(
        compare_digest(given.encode(), expected.encode())
        for secret in secrets
        for expected in _accepted(secret, value, legacy=legacy)
    ):
        raise BadSignature(f"{path!r}: the signature is wrong: the URL was changed, or signed with another key")
    exact = came in (f"{text}&{_SIGNATURE}={given}", f"{text}&{_SIGNATURE}={quote(given)}")
    current = exact and came.endswith(f"={_signature(secrets[0], value)}")
    return query, exact, f"{quoted(path)}?{came}" if current else None


def _accepted(secret: Secret, value: str, *, legacy: bool) -> Iterator[str]:
    signature = _signature(secret, value)
    yield signature
    if legacy:
        yield f"b'{signature}'"  # Flask-Images 3.0.2 on Python 3, which formatted bytes as text
        secret = secret.encode() if isinstance(secret, str) else secret
        yield hmac.new(secret, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()  # its main branch


def _signature(secret: Secret, value: str) -> str:
    return _signer(secret).get_signature(value.encode("utf-8", "surrogatepass")).decode("ascii")


@lru_cache(maxsize=16)
def _signer(secret: Secret) -> Signer:
    return Signer(secret)


def _query_text(query: Mapping[str, str]) -> str:
    return urlencode(sorted(query.items()))
