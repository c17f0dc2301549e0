"""Find the source of an image URL: a file or an object in ``IMAGES_PATH``, or a remote file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from posixpath import normpath

from ..cache.disk import DiskCache
from ..config.keys import Config
from ..errors import Forgotten, InvalidPath, SourceError, SourceNotFound
from ..options.options import Options
from ..options.text import TextStyles
from ..urls import ImageUrl, is_remote, version_of
from .fonts import Fonts, Lettering
from .object_file import ObjectSource
from .remote import RemoteSources
from .search_path import Originals, SearchPath
from .source import Source

# Letters of a content digest in a URL; 36 bits are enough to tell the versions of one source apart.
_VERSION_LETTERS = 6


class Sources:
    """Finds all sources of one application.

    *remote* is None if remote sources are turned off. *check* raises an `ImagesError` if a fetched file is not an image
    that may be used. *is_forgotten* returns whether a source was taken down for good, and *any_forgotten* whether any
    may have been. That costs less, but may be wrong for a moment. *fonts* are those for texts.
    """

    def __init__(
        self,
        local: Originals,
        remote: RemoteSources | None,
        check: Callable[[int, str], object],
        is_forgotten: Callable[[str], bool] = lambda ref: False,
        any_forgotten: Callable[[], bool] = lambda: True,
        fonts: Fonts | None = None,
    ) -> None:
        self.local = local
        self.remote = remote
        self._check = check
        self._is_forgotten = is_forgotten
        self._any_forgotten = any_forgotten
        self._fonts = fonts or Fonts(TextStyles(Config()), {})

    def check_not_forgotten(self, refs: Iterable[str]) -> None:
        """Look whether one of the sources *refs* was taken down for good. A path need not be normalised.

        Raises:
            Forgotten: If one was.
            Busy: If that cannot be told.
        """
        for ref in refs:
            with suppress(InvalidPath):  # an invalid URL, which is reported when it is fetched
                if self._is_forgotten(ref if is_remote(ref) else normpath(ref)):
                    raise Forgotten(ref)

    def find(self, url: ImageUrl, last: Source | None = None) -> Source:
        """Return the source of *url* at its current version. *last* is an earlier result, returned if still current.

        A path is returned although it is forgotten, if *last* is given or it was forgotten only a moment ago. Nothing
        of it is cached, and `Pipeline.entry` refuses it.

        Raises:
            Forgotten: If it was taken down for good.
            SourceNotFound: If there is no such source.
            RemoteFailed: If it cannot be fetched.
            Busy: If that cannot be told at the moment.
        """
        if (last is None or url.remote) and self._any_forgotten():
            self.check_not_forgotten([url.ref])
        try:
            if not url.remote:
                return self._original(url, last)
            if self.remote is None:
                raise SourceNotFound(url.ref, "remote sources are off: IMAGES_REMOTE_HOSTS is empty")
            return self.remote.find(url.ref, self._check) if last is None else self.remote.again(last, self._check)
        except SourceError:
            self.check_not_forgotten([url.ref])  # its original may be removed too
            raise

    def _original(self, url: ImageUrl, last: Source | None) -> Source:
        """Return the file or object of *url*. If the URL names another version of an object, its store is asked."""
        found = self.local.find(url.ref) if last is None else self.local.again(last)
        if isinstance(found, ObjectSource) and isinstance(self.local, SearchPath):
            version = current_version(found)
            if (url.version or version).partition(".")[0] != version:
                return self.local.doubted(found)
        return found

    def here(self, ref: str) -> Source:
        """Return the source *ref*, a path or a URL, as this host knows it. Nothing is fetched.

        The exception is an object that is new to this host: its store is asked once.

        Raises:
            SourceNotFound: If it is not on this host, or is forgotten.
            Busy: If that cannot be told at the moment.
        """
        if self._any_forgotten():
            self.check_not_forgotten([ref])
        if not is_remote(ref):
            return self.local.here(ref)
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
        if last is None and self._any_forgotten():
            self.check_not_forgotten([options.watermark.ref])
        try:
            return self.local.find(options.watermark.ref) if last is None else self.local.again(last)
        except SourceNotFound as error:
            raise SourceNotFound(error.ref, f"as a watermark: {error.reason}") from None

    def lettering(self, options: Options, last: Lettering | None = None) -> Lettering | None:
        """Return what draws the text of *options*, at its current version, or None. See `Fonts.lettering`."""
        return self._fonts.lettering(options, last)

    def extras(self, options: Options) -> tuple[Source | Lettering, ...]:
        """Return what a picture with *options* shows besides its source, as `Rendition.extras`.

        Raises:
            SourceNotFound, Forgotten, InvalidOption: As `watermark` and `lettering`.
        """
        return tuple(each for each in (self.watermark(options), self.lettering(options)) if each is not None)

    @property
    def caches(self) -> tuple[DiskCache, ...]:
        """The caches of fetched files: of those at URLs, and of objects."""
        objects = [store.files.cache for store in self.local.stores[:1]]  # all stores share it
        return (*([self.remote.store] if self.remote is not None else []), *objects)

    def drop_memory(self) -> None:
        """Drop what this process remembers of fetched files, so that it looks at the disk again."""
        for sources in (self.remote, *self.local.stores):
            if sources is not None:
                sources.drop_memory()

    def purge(self, ref: str) -> int:
        """Remove what was fetched of *ref*, a path or a URL, and return the number of files."""
        if is_remote(ref):
            return self.remote.purge(ref) if self.remote is not None else 0
        return sum(store.purge(ref) for store in self.local.stores)


def current_version(*shown: Source | Lettering) -> str:
    """Return the version of what a picture shows, such as its source and its watermark, as it is written in a URL."""
    return ".".join(map(_version_of, shown))


def _version_of(shown: Source | Lettering) -> str:
    if isinstance(shown, Lettering):
        return shown.version
    return version_of(shown.mtime) if shown.content is None else shown.content[:_VERSION_LETTERS]
