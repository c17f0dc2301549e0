"""What can go wrong: every exception of the package, in one tree.

Errors say what is wrong and carry the evidence; `views` alone decides what HTTP answers to each.
"""

from __future__ import annotations


class ImagesError(Exception):
    """Anything this package refuses or cannot do."""


class ConfigError(ImagesError, RuntimeError):
    """The application is configured in a way that cannot work. Its developer can mend it."""


class InvalidPath(ImagesError, ValueError):
    """A path or URL was given to build an image URL from, and is not one to build from."""


class InvalidOption(ImagesError, ValueError):
    """An option has a value that cannot be rendered."""

    def __init__(self, name: str, value: object, *, expected: str) -> None:
        super().__init__(f"{name}={value!r}: expected {expected}")
        self.name = name
        self.value = value
        self.expected = expected


class BadSignature(ImagesError):
    """A URL was not signed by this application, or was changed afterwards."""


class Expired(ImagesError):
    """A URL was signed for a time that is over."""


class NotAuthorized(ImagesError):
    """The application does not let this visitor see this image."""


class SourceError(ImagesError):
    """Something about one source; *ref* is the name or URL it was asked for by."""

    def __init__(self, ref: str, reason: str) -> None:
        super().__init__(f"{ref!r}: {reason}")
        self.ref = ref
        self.reason = reason


class SourceNotFound(SourceError):
    """There is no such source, or it is none that may be read."""


class RemoteFailed(SourceError):
    """The remote source could not be had: blocked, refused, slow, broken. The reason is for the log only."""


class SourceChanged(SourceError):
    """The source became another file while it was read: nothing made of it may be kept."""


class UnreadableSource(SourceError):
    """The source is there, but is no image, or a broken one."""


class UnsupportedSource(UnreadableSource):
    """This engine has no loader for the source; another engine may have one."""


class LimitExceeded(ImagesError):
    """A rendition would cost more than the configuration, or its format, allows."""

    def __init__(self, what: str, value: float, limit: float, *, set_by: str) -> None:
        super().__init__(f"{what} is {value:,}, over the limit of {limit:,} set by {set_by}")
        self.what = what
        self.value = value
        self.limit = limit
        self.set_by = set_by


class Busy(ImagesError):
    """There is more to render than this host can take on now; asking again in *retry_after* seconds may help."""

    def __init__(self, reason: str, *, retry_after: int = 1) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
