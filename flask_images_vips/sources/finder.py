"""Find the source of an image URL: a file in the application's folders, or a remote file."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import SourceNotFound
from ..options.options import Options
from ..urls import ImageUrl, is_remote, version_of
from .local import LocalSources
from .remote import RemoteSources
from .source import Source

# Letters of a content digest in a URL; 36 bits are enough to tell the versions of one source apart.
_VERSION_LETTERS = 6


class Sources:
    """Finds all sources of one application.

    *remote* is None if remote sources are turned off. *check* raises an `ImagesError` if a fetched file is not an image
    that may be used.
    """

    def __init__(self, local: LocalSources, remote: RemoteSources | None, check: Callable[[int, str], object]) -> None:
        self.local = local
        self.remote = remote
        self._check = check

    def find(self, url: ImageUrl, last: Source | None = None) -> Source:
        """Return the source of *url* at its current version. *last* is an earlier result, returned if still current.

        Raises:
            SourceNotFound: If there is no such source.
            RemoteFailed: If it cannot be fetched.
        """
        if not url.remote:
            return self.local.find(url.ref) if last is None else self.local.again(last)
        if self.remote is None:
            raise SourceNotFound(url.ref, "remote sources are off: IMAGES_REMOTE_HOSTS is empty")
        if last is None:
            return self.remote.find(url.ref, self._check)
        return self.remote.again(last, self._check)

    def here(self, ref: str) -> Source:
        """Return the source *ref*, a path or a URL, if it is on this host. Nothing is fetched.

        Raises:
            SourceNotFound: If it is not on this host.
        """
        if not is_remote(ref):
            return self.local.find(ref)
        source = self.remote.kept(ref) if self.remote is not None else None
        if source is None:
            raise SourceNotFound(ref, "not fetched yet")
        return source

    def watermark(self, options: Options, last: Source | None = None) -> Source | None:
        """Return the watermark's source at its current version, or None if *options* name none.

        *last* is as in `find`.

        Raises:
            SourceNotFound: If there is no such source in ``IMAGES_PATH``.
        """
        if options.watermark is None:
            return None
        try:
            return self.local.find(options.watermark.ref) if last is None else self.local.again(last)
        except SourceNotFound as error:
            raise SourceNotFound(error.ref, f"as a watermark: {error.reason}") from None

    def purge(self, ref: str) -> int:
        """Remove the fetched copy of *ref* if it is a URL, and return the number of files."""
        return self.remote.purge(ref) if self.remote is not None and is_remote(ref) else 0


def current_version(*sources: Source) -> str:
    """Return the version of *sources*, a picture and possibly its watermark, as it is written in a URL."""
    return ".".join(
        version_of(source.mtime) if source.content is None else source.content[:_VERSION_LETTERS] for source in sources
    )
