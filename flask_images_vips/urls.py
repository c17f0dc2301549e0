"""Write and read signed image URLs.

A URL is ``<path>?<options, sorted>&s=<signature>``, byte for byte as in Flask-Images 3.0.2, except that Flask-Images
wraps the signature in ``b'…'`` on Python 3. The signature covers the path and the options, and is verified before any
option is interpreted. This module does no I/O.

A ref is the name of a source: a path below ``IMAGES_PATH``, or a URL.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import posixpath
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from .config.checks import Secret
from .errors import BadSignature, InvalidPath, WrongSignature, shown
from .options.options import DECLARED, Options

if TYPE_CHECKING:
    from itsdangerous import Signer

INFO = b"flask_images_vips: information"
"""The salt of URLs that answer with information about a picture. So no image URL is valid there, nor the other way."""

INFO_SUFFIX = ".info"
"""Follows the prefix of image URLs in those of information."""

REMOTE = "_"
"""The path of all image URLs with a remote source. The URL of the source is in the query."""

NO_PICTURE = "no-picture"
"""The ref in a page for a name that no picture can have, such as None. Its URL answers as that of a missing picture."""

REMOTE_SCHEMES = frozenset({"http", "https", "ftp"})

_SOURCE_URL, _VERSION, _SIGNATURE = "u", "v", "s"
_PATH_SAFE = "/$-_.+!*'(),"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://|data:image/", re.IGNORECASE)
_QUERY = re.compile(r"[?#]")
_MAX_FIELDS = 64
_LONGEST_QUERY = 32_768  # characters; a remote source may have 8000, each of which may be quoted as three
_REMEMBERED = 8192
_SALT = b"itsdangerous.Signer"  # as in Flask-Images, which leaves it to itsdangerous


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """The content of a verified image URL.

    *ref* is a path below ``IMAGES_PATH``, or a URL if *remote*. *exact* is true if the query is spelled exactly as
    `encode` writes it. *canonical* is the whole URL as `encode` writes it today. It is None if the URL was not exact,
    or if the signature has an older form or was made with a key other than the first. *default_quality* is true if the
    URL has no quality, and *negotiated* is true if the format was chosen for one client.
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
        """The refs of the source and of the watermark, if there is one. Paths are normalised."""
        own = self.ref if self.remote else posixpath.normpath(self.ref)
        mark = self.options.watermark
        return (own,) if mark is None else (own, posixpath.normpath(mark.ref))


def encode(ref: str, query: Mapping[str, str], version: str | None, secret: Secret) -> str:
    """Return the signed URL of *ref*, without the prefix that all image URLs share.

    *ref* must come from `checked_path`. *query* maps short names to strings. The names for the URL of a source and for
    the signature are left out: with a keyword ``u``, a path would become a URL.
    """
    return _encoded(ref, tuple(query.items()), version, secret)


@lru_cache(_REMEMBERED)  # a page contains the same URLs each time it is rendered
def _encoded(ref: str, query: tuple[tuple[str, str], ...], version: str | None, secret: Secret) -> str:
    extra = {_VERSION: version} if version is not None else {}
    if is_remote(ref):
        ref, extra[_SOURCE_URL] = REMOTE, ref
    own = {name: value for name, value in query if name not in (_SOURCE_URL, _SIGNATURE)}
    text = _query_text({**own, **extra})
    return f"{quoted(ref)}?{text}&{_SIGNATURE}={_signature(secret, f'{ref}?{text}')}"


def encode_info(ref: str, version: str | None, secret: Secret) -> str:
    """Return the signed URL of information about *ref*, without a prefix. *ref* must come from `checked_path`."""
    query = {} if version is None else {_VERSION: version}
    if is_remote(ref):
        ref, query[_SOURCE_URL] = REMOTE, ref
    text = _query_text(query)
    return f"{quoted(ref)}?{text}&{_SIGNATURE}={_signature(secret, f'{ref}?{text}', INFO)}"


def decode_info(path: str, query_string: bytes, secrets: Sequence[Secret]) -> ImageUrl:
    """Verify and parse what `encode_info` wrote. The result has no options.

    Raises:
        BadSignature: As `decode`.
    """
    query, exact, _ = _verified(path, query_string, secrets, legacy=False, salt=INFO)
    remote = path == REMOTE and _SOURCE_URL in query
    ref = query[_SOURCE_URL] if remote else path
    return ImageUrl(ref, Options(), query.get(_VERSION), remote=remote, exact=exact)


def decode(path: str, query_string: bytes, secrets: Sequence[Secret], *, legacy: bool) -> ImageUrl:
    """Verify and parse a URL, given as its *path* (unquoted, without the prefix) and its raw *query_string*.

    A signature with any of *secrets* is valid. *legacy* accepts the two older forms of signatures too.

    Raises:
        BadSignature: If the URL was not signed with one of *secrets*, was changed afterwards, repeats a query
            parameter, or is too long.
        InvalidOption: If the URL is signed, but an option has an invalid value.
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


def claimed_ref(path: str, query: Mapping[str, str]) -> str:
    """Return the ref that a URL claims to show, given as its *path* and *query*. It may be invalid."""
    return query.get(_SOURCE_URL, path) if path == REMOTE else path


def quoted(path: str) -> str:
    """Return *path* quoted as in Flask-Images, byte for byte."""
    return quote(path, safe=_PATH_SAFE)


@lru_cache(64)  # there are few
def quoted_prefix(path: str) -> str:
    """Return *path*, which precedes the paths of all image URLs, quoted. Only what a path cannot contain is quoted."""
    return quote(path, safe=f"{_PATH_SAFE}:;@&=")


def checked_path(local_path: object) -> str:
    """Return *local_path*, a path or URL, without leading slashes. A path gets no trailing slashes either.

    Raises:
        InvalidPath: If it is neither a string nor a path object, or is not valid UTF-8. If the path is not normalised
            (a sign of unchecked input). If the URL is invalid or has a scheme other than http, https or ftp.
    """
    path = _text(local_path)
    ref = path.strip("/")
    remote = is_remote(ref)
    if remote:
        ref = path.lstrip("/")
    try:
        ref.encode()
    except UnicodeEncodeError:  # surrogate escapes: the file name contains bytes that are not UTF-8
        raise InvalidPath(f"{shown(path)} is not valid UTF-8, which URLs need: rename the file") from None
    # The query of a URL may contain any slashes and dots. In a path, "?" and "#" are characters of a file name.
    whole = (_QUERY.split(ref, 1)[0] if remote else ref).removesuffix("/")
    normal = posixpath.normpath(whole)
    if whole.replace("://", ":/") != normal or normal in (".", "..") or normal.startswith("../"):
        # The message begins as in Flask-Images, with its spelling of "normalized".
        raise InvalidPath(f"path is not normalized: {shown(path)} (expected a path such as 'photos/cat.jpg')")
    if remote and (scheme := urlsplit(ref).scheme) not in REMOTE_SCHEMES:
        raise InvalidPath(f"scheme {scheme!r} is not allowed in {shown(path)} (expected http, https or ftp)")
    return ref


def is_remote(ref: str) -> bool:
    """Return whether *ref* is a URL rather than a path, which may contain a colon too.

    Raises:
        InvalidPath: If *ref* looks like a URL but is invalid.
    """
    if _URL.match(ref) is None:
        return False
    try:
        urlsplit(ref)
    except ValueError as error:
        raise InvalidPath(f"{shown(ref)} is not a valid URL: {error}") from None
    return True


def file_name(ref: str, *, remote: bool) -> str:
    """Return the last part of the path of *ref*, which is a URL if *remote*. A trailing slash is ignored."""
    path = ref
    if remote:
        with suppress(ValueError):  # an invalid URL is reported when it is fetched
            path = urlsplit(ref).path
    return path.rstrip("/").rpartition("/")[2]


def name_of(ref: str) -> str:
    """Return the `file_name` of *ref*, a path or a URL."""
    return file_name(ref, remote=is_remote(ref))


def _text(path: object) -> str:
    """Return *path* as a string, with slashes.

    Raises:
        InvalidPath: If it is neither a string nor a path object.
    """
    if isinstance(path, str):
        return str(path)  # a plain string: Markup would escape what is joined to it
    if isinstance(path, os.PathLike):
        return os.fsdecode(path).replace(os.sep, "/")
    raise InvalidPath(f"{path!r} is not a path (expected a string such as 'photos/cat.jpg', or a pathlib.Path)")


@lru_cache(_REMEMBERED)
def version_of(mtime: float) -> str:
    """Return the version of a source for image URLs: its modification time (seconds since 1970) in a short form."""
    number = max(0, int(mtime))
    data = number.to_bytes(max(4, (number.bit_length() + 7) // 8), "big")
    return urlsafe_b64encode(data).decode("ascii").rstrip("=").lstrip("A")


def _verified(
    path: str, query_string: bytes, secrets: Sequence[Secret], *, legacy: bool, salt: bytes = _SALT
) -> tuple[dict[str, str], bool, str | None]:
    """Verify a URL. Return its query without the signature, `ImageUrl.exact` and `ImageUrl.canonical`."""
    came = query_string.decode("utf-8", "replace")
    if len(came) > _LONGEST_QUERY:
        raise BadSignature(f"{path!r}: the query has {len(came):,} characters, over the limit of {_LONGEST_QUERY:,}")
    try:
        pairs = parse_qsl(came, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise BadSignature(f"the query has more than {_MAX_FIELDS} parameters") from None
    query = dict(pairs)
    # A repeated parameter would not be covered by the signature, so one picture could have any number of valid URLs.
    if len(query) != len(pairs):
        raise BadSignature("a parameter is repeated in the query")
    given = query.pop(_SIGNATURE, None)
    if given is None:
        raise BadSignature("the URL is not signed; build it with resized_img_src or url_for")
    text = _query_text(query)
    value = f"{path}?{text}"
    # Compare the strings, because itsdangerous accepts many spellings of one signature.
    if not any(
        hmac.compare_digest(given.encode(), expected.encode())
        for secret in secrets
        for expected in _accepted(secret, value, legacy=legacy, salt=salt)
    ):
        raise WrongSignature("the signature is wrong: the URL was changed, or signed with another key")
    exact = came in (f"{text}&{_SIGNATURE}={given}", f"{text}&{_SIGNATURE}={quote(given)}")
    current = exact and came.endswith(f"={_signature(secrets[0], value, salt)}")
    return query, exact, f"{quoted(path)}?{came}" if current else None


def _accepted(secret: Secret, value: str, *, legacy: bool, salt: bytes) -> Iterator[str]:
    signature = _signature(secret, value, salt)
    yield signature
    if legacy:
        yield f"b'{signature}'"  # Flask-Images 3.0.2 on Python 3, which formatted bytes with str()
        secret = secret.encode() if isinstance(secret, str) else secret
        # the main branch of Flask-Images
        yield hmac.new(secret, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _signature(secret: Secret, value: str, salt: bytes = _SALT) -> str:
    return _signer(secret, salt).get_signature(value.encode("utf-8", "surrogatepass")).decode("ascii")


@lru_cache(maxsize=16)
def _signer(secret: Secret, salt: bytes) -> Signer:
    from itsdangerous import Signer  # noqa: PLC0415  (renderers import this module, but sign nothing)

    return Signer(secret, salt)


def _query_text(query: Mapping[str, str]) -> str:
    return urlencode(sorted(query.items()), errors="replace")  # a lone surrogate becomes a question mark
