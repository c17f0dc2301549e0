"""Manage the front door: a folder of links by which nginx sends cached images without asking the application.

A link is a symbolic link to a file of the cache. Its name is a whole canonical URL, including the signature, so that no
other URL leads to it. If the file is evicted, the link can stay: it leads nowhere, so nginx asks the application, which
makes the link anew. The pattern of the URLs that can have a link is defined only in this module, for nginx and for the
application.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import random
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..cache.folder import make_parents
from ..config.checks import Secret
from ..config.keys import Config
from ..formats import Raw
from ..rendition import REVISION
from ..urls import ImageUrl

logger = logging.getLogger("flask_images_vips")

_SEGMENTS = 6
_SEGMENT = r"[A-Za-z0-9_%$.+!*'(),~-]{1,100}"
_VERSION = r"(?=(?:[^&]{0,120}&){0,12}?v=[A-Za-z0-9_-]{1,6}(?:[.][A-Za-z0-9_-]{1,6})?&)"
_QUERY = r"(?:[a-z]{1,12}=[A-Za-z0-9_.%+*~-]{0,100}&){1,12}"
_SIGNATURE = r"(?P<shard>[A-Za-z0-9_-]{2})[A-Za-z0-9_-]{24}[AEIMQUYcgkosw048]"
_PATH = rf"(?P<path>{_SEGMENT}(?:/{_SEGMENT}){{0,{_SEGMENTS - 1}}})"
_LINKED = re.compile(rf"{_PATH}\?{_VERSION}{_QUERY}s={_SIGNATURE}\Z", re.ASCII)
_LONGEST_NAME_BYTES = 250
_SWEEP_ONE_IN = 8
_STAMP = ".stamp"


@dataclass(frozen=True, slots=True)
class LinkConditions:
    """The settings that affect what a link shows and whether everyone may see it. The URL and its source affect this
    too.

    nginx follows a link without asking the application, so all links must be removed when one of the settings changes.
    """

    secret: Secret
    url: str
    settings: str
    formats: tuple[str, ...]
    output_formats: tuple[str, ...]
    quality: int | Mapping[str, int | Raw]
    max_frames: int
    max_source_pixels: int
    only_presets: object  # the presets, if URLs may use nothing else; otherwise False
    allowed_widths: tuple[int, ...]
    authorizer: str | Literal[False]  # the name of the callback that decides who may see an image

    @classmethod
    def of(cls, config: Config, secret: Secret, settings: str, *, authorizer: str | Literal[False]) -> LinkConditions:
        """Return the conditions under *config*.

        *secret* signs the URLs. *settings* names the application, its folders and what affects the pixels. *authorizer*
        names the callback that decides who may see an image, or is False if there is none.
        """
        return cls(
            secret=secret,
            url=config.url,
            settings=settings,
            formats=config.formats,
            output_formats=config.output_formats,
            quality=config.quality,
            max_frames=config.max_frames,
            max_source_pixels=config.max_source_pixels,
            only_presets=config.only_presets and config.presets,
            allowed_widths=config.allowed_widths,
            authorizer=authorizer,
        )

    def stamp(self) -> str:
        """Return a digest that changes whenever one of the conditions does, but not merely because of a new release."""
        limits = self.only_presets, self.allowed_widths
        served = self.formats, self.output_formats, self.quality, self.max_frames, self.max_source_pixels, limits
        text = repr((self.secret, self.url, REVISION, self.settings, served, self.authorizer))
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class FrontDoor:
    """The links of one application in *folder*. *stamp* is the result of `LinkConditions.stamp`.

    The folder belongs to the configuration whose stamp is stored in it. A process that finds another stamp there takes
    over the folder: it removes all links and stores its own stamp. It does so only once. If the stamp has changed again
    after that, a process with another configuration was started later, and the folder is left to that process.
    """

    def __init__(self, folder: str, stamp: str) -> None:
        self.folder = folder
        self._stamp = stamp
        self._stamp_path = os.path.join(folder, _STAMP)
        self._claimed = self._warned = False

    def link_path(self, url: ImageUrl, suffix: str, *, current: bool) -> str | None:
        """Return the path of the link for *url*, whose rendition has the file name suffix *suffix*.

        Returns None if *url* must not have a link. A link lasts much longer than the request, so the URL must be
        canonical, every request for it must get the same response, and it must name the current version of its source.
        *current* tells whether it names the current version.
        """
        options = url.options
        if not current or url.canonical is None:
            return None
        if not options.cache or options.download is not None or options.expires is not None:
            return None
        return self._path(url.canonical, suffix)

    def _path(self, canonical: str, suffix: str) -> str | None:
        match = _LINKED.match(canonical)
        if match is None:
            return None
        segments = match["path"].split("/")
        joined = "@".join(segments + [""] * (_SEGMENTS - len(segments)))
        name = joined + canonical[match.end("path") :] + suffix
        if len(name) > _LONGEST_NAME_BYTES:
            return None
        return os.path.join(self.folder, match["shard"], name)

    def link(self, path: str, entry: str | None, *, public: bool, settled: bool) -> None:
        """Make a link at *path*, which `link_path` returned, to *entry*, the path of the response's file.

        Does nothing if the response is not *public* or has no file, or if *settled* is false: the source is then so new
        that it may still change without getting another version. Errors are swallowed, because without the link nginx
        asks the application.
        """
        if entry is None or not (public and settled):
            return
        with contextlib.suppress(OSError):
            if os.path.exists(path) or not self._claim():
                return
            with open(entry, "rb") as file:
                os.fsync(file.fileno())  # or nginx might send an entry that a crash of the host has emptied
            shard = os.path.dirname(path)
            with contextlib.suppress(FileExistsError):
                _make_folder(shard)
            temporary = os.path.join(shard, f".tmp-{secrets.token_hex(8)}")
            # Compute the target from real paths, because a `..` in a link starts from the real folder.
            os.symlink(os.path.relpath(os.path.realpath(entry), os.path.realpath(shard)), temporary)
            os.replace(temporary, path)
            if not random.randrange(_SWEEP_ONE_IN):  # noqa: S311 (a chance, not a secret)
                _sweep(shard)

    def empty(self) -> None:
        """Remove all links."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.folder):
                if len(name) == 2:  # a folder of links; other files are not ours
                    shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)

    def open(self) -> None:
        """Take over the folder if it exists, so that nginx follows no links of another configuration."""
        with contextlib.suppress(OSError):
            if os.path.isdir(self.folder):
                self._claim()

    def _claim(self) -> bool:
        """Take over the folder, unless another process has taken it from this one. Returns whether it may be used."""
        found = None
        with contextlib.suppress(FileNotFoundError), open(self._stamp_path, encoding="ascii") as file:
            found = file.read()
        if found == self._stamp:
            self._claimed = True
        elif found is not None and self._claimed:
            if not self._warned:
                self._warned = True
                logger.warning(
                    "The front door in %s is used with another configuration now. This process adds no more links.",
                    self.folder,
                )
            return False
        else:
            self._take_over()
        return True

    def _take_over(self) -> None:
        """Create the folder, or remove the links in it, and store the stamp."""
        make_parents(self.folder)
        with contextlib.suppress(FileExistsError):
            _make_folder(self.folder)
        self.empty()
        descriptor = os.open(self._stamp_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(self._stamp)
        self._claimed = True


def _sweep(shard: str) -> None:
    """Remove the links in the folder *shard* that lead nowhere."""
    with os.scandir(shard) as links:
        for link in links:
            if not os.path.exists(link.path):
                with contextlib.suppress(OSError):
                    os.unlink(link.path)


def _make_folder(path: str) -> None:
    os.mkdir(path, 0o711)
    os.chmod(path, 0o711)  # noqa: S103 (mkdir heeds the umask; nginx is another user)


def nginx_map(prefix: str) -> str:
    """Return the lines of an nginx ``map`` from ``$request_uri`` to the name of its link, without the suffix.

    The names are the same as those of `FrontDoor.link_path`. *prefix* is the prefix of all image URLs.
    """
    names = [f"i{letter}" for letter in "abcdef"]
    path = ""
    for name in reversed(names):  # nest the optional groups, so that segments are always assigned to the names in order
        path = f"(?<{name}>{_SEGMENT})" + (f"(?:/{path})?" if path else "")
    query = f"{_VERSION}(?<iq>{_QUERY})s=(?<is>{_SIGNATURE.replace('?P<', '?<')})"
    joined = "@".join(f"${name}" for name in names)
    return f"""    "~^{re.escape(prefix)}/{path}\\?{query}$"
        "$shard/{joined}?${{iq}}s=$is";"""
