"""Define every exception of the package, in one tree.

Messages of errors that a developer can fix name the offending value and what was expected. `serving.views` maps each
error to an HTTP status.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class ImagesError(Exception):
    """The base of all errors of this package."""


class ConfigError(ImagesError, RuntimeError):
    """The application's configuration cannot work. Its developer must change it.

    *faults* are sentences, one for each thing to change. *hint* is a sentence about all of them.
    """

    def __init__(self, *faults: str, hint: str = "") -> None:
        super().__init__(*faults)
        self.faults = faults
        self.hint = hint

    def __str__(self) -> str:
        if len(self.faults) == 1:
            return f"{self.faults[0]} {self.hint}".rstrip()
        head = f"The configuration of flask_images_vips has {len(self.faults)} faults:"
        return "\n".join(filter(None, (head, *(f"- {fault}" for fault in self.faults), self.hint)))


class Faults:
    """Collects the errors of several checks of the configuration, so that one error lists them all."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}
        self._hint = ""

    @contextmanager
    def catch(self) -> Iterator[None]:
        """Collect a `ConfigError` of the block."""
        try:
            yield
        except ConfigError as error:
            self._found.update(dict.fromkeys(error.faults))
            self._hint = self._hint or error.hint

    def check(self) -> None:
        """Raise a `ConfigError` of everything collected, if there is anything."""
        if self._found:
            raise ConfigError(*self._found, hint=self._hint)


class InvalidPath(ImagesError, ValueError):
    """No image URL can be built from this path or URL."""


class InvalidOption(ImagesError, ValueError):
    """An option has an invalid value. *expected* describes a valid one."""

    def __init__(self, name: str, value: object, *, expected: str) -> None:
        super().__init__(f"{name}={value!r}: expected {expected}")
        self.name = name
        self.value = value
        self.expected = expected


class BadSignature(ImagesError):
    """A URL was not signed by this application, or was changed after signing."""


class WrongSignature(BadSignature):
    """A URL has a signature, but none of the application's keys made it for this URL."""


class Expired(ImagesError):
    """A URL was signed with an expiry time that has passed."""


class NotAuthorized(ImagesError):
    """The application refuses this image to this visitor."""


class SourceError(ImagesError):
    """A source cannot be used. *ref* is its path or URL, as written in the image URL."""

    def __init__(self, ref: str, reason: str) -> None:
        super().__init__(f"{shown(ref)}: {reason}")
        self.ref = ref
        self.reason = reason


class SourceNotFound(SourceError):
    """The source does not exist, or reading it is not allowed."""


class Forgotten(SourceNotFound):
    """The application has taken this source down for good. It may still exist."""

    def __init__(self, ref: str, reason: str = "it was forgotten, for good") -> None:
        super().__init__(ref, reason)


class NotForgotten(ImagesError):
    """A source could not be taken down, or not all of it."""


class NotPurged(ImagesError):
    """Caches in front of the site were not purged, such as a CDN. *failed* are their names, each with the reason."""

    CURE = "Do this again once they answer: flask images check tells whether they do."

    def __init__(self, *failed: str) -> None:
        super().__init__(f"These caches in front may go on sending what they have: {'; '.join(failed)}. {self.CURE}")
        self.failed = failed


class RemoteFailed(SourceError):
    """Fetching a remote source was blocked, or failed. Outside debug mode, the reason is only logged."""


class SourceChanged(SourceError):
    """The source was overwritten while it was read. A rendition of it must not be stored."""


class UnreadableSource(SourceError):
    """The source exists, but is broken or not an image."""


class CrashedDecoder(UnreadableSource):
    """The source crashed its decoder twice."""


class UnsupportedSource(UnreadableSource):
    """This engine cannot load the source. Another engine may be able to."""


class UnsupportedHere(UnsupportedSource):
    """This engine cannot do it, because its library lacks something here. That says nothing about the source."""


class LimitExceeded(ImagesError):
    """A rendition would exceed a limit of the configuration or of its format.

    *what* is a format string for *value*, such as ``"the source has {:,} pixels"``. *set_by* is the origin of the
    *limit*: a configuration key, a format, or this package.
    """

    def __init__(self, what: str, value: float, limit: float, *, set_by: str) -> None:
        super().__init__(f"{what.format(value)}; the limit is {limit:,} ({set_by})")
        self.what = what
        self.value = value
        self.limit = limit
        self.set_by = set_by


class UploadRefused(ImagesError):
    """A file that a person uploads is not stored. They can choose another one.

    *message* is a sentence for that person, in English. *reason* is a short word that stays the same, for the
    application and its translations, and *details* are the values in the message, by name.
    """

    def __init__(self, reason: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.details = details


class NotStored(ImagesError):
    """An upload cannot be stored, for example because the disk is full. Its file is not to blame. Nothing is left."""


class Busy(ImagesError):
    """This host has too much to render. The client may try again after *retry_after* seconds."""

    def __init__(self, reason: str, *, retry_after: int = 1) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class WaitedTooLong(Busy):
    """A request has waited for as long as it may. Another request that came later may go on waiting."""


class QuotaExceeded(Busy):
    """A tenant of the application has used up its quota of *renders* per *seconds*."""

    def __init__(self, tenant: str, renders: int, seconds: float, *, retry_after: int) -> None:
        message = f"the tenant {tenant!r} has used up its quota of {renders} renders per {seconds:g} s"
        super().__init__(message, retry_after=retry_after)
        self.tenant = tenant


def printable(text: str) -> str:
    """Return *text* with U+FFFD in place of characters that control a terminal or break a line."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


_URL = re.compile(r"(?P<scheme>(?:[a-z][a-z0-9+.-]*:)?//)(?:[^/?#]*@)?(?P<rest>[^?#]*)(?:\?(?P<query>[^#]*))?", re.I)
_LONGEST_SHOWN = 300  # characters


def shown(ref: str) -> str:
    """Return *ref*, a path or a URL, quoted for a message, `without_secrets`."""
    return repr(without_secrets(ref))


def without_secrets(ref: str) -> str:
    """Return *ref*, a path or a URL, shortened if it is very long.

    The user name, the password and the values in the query of a URL are left out, because logs are no place for them.
    """
    url = _URL.match(ref)
    if url is not None:
        ref = url["scheme"] + url["rest"]
        if url["query"]:
            names = [part.partition("=")[:2] for part in url["query"][:_LONGEST_SHOWN].split("&")]
            ref += "?" + "&".join(f"{name}=…" if equals else "…" for name, equals in names)
    return ref if len(ref) <= _LONGEST_SHOWN else f"{ref[:_LONGEST_SHOWN]}…"


def reason_of(error: ImagesError, ref: str) -> str:
    """Return the message of *error* for a line that names *ref* already."""
    return error.reason if isinstance(error, SourceError) and error.ref == ref else str(error)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a suffix for a message about the unknown *name*, such as ``"; did you mean width?"``.

    It is an empty string if no *known* name is similar.
    """
    near = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
