"""Under which name does nginx find a rendition by itself? The front door: links named by whole URLs.

A link's name is the canonical URL, signature and all, so nothing but that URL finds it. It points to an entry of the
cache: evicting the entry is enough, and a link that dangles sends nginx to the application, which links again. The
pattern of the URLs that may have one is written once, here, for both sides.
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


class FrontDoor:
    """The links of one application, in *folder*. *stamp* is a text of all that a link's picture depends on besides
    its URL: where it is another than at the last start, all links are removed.
    """

    def __init__(self, folder: str, stamp: str) -> None:
        self.folder = folder
        self._stamp = hashlib.blake2b(stamp.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        self._taken = self._warned = False

    def path(self, canonical: str, suffix: str) -> str | None:
        """Where the link of a *canonical* URL (without the prefix of all) lies; None where nginx looks for none."""
        match = _LINKED.match(canonical)
        if match is None:
            return None
        segments = match["path"].split("/")
        joined = "@".join(segments + [""] * (_SEGMENTS - len(segments)))
        name = joined + canonical[match.end("path") :] + suffix
        if len(name) > _LONGEST_NAME_BYTES:
            return None
        return os.path.join(self.folder, match["shard"], name)

    def link(self, link: str, entry: str) -> None:
        """Let *link*, of `path`, lead to the file *entry*. Failing costs only that nginx asks the application."""
        with contextlib.suppress(OSError):
            if os.path.exists(link) or not self._is_ours():
                return
            with open(entry, "rb") as file:
                os.fsync(file.fileno())  # nginx makes no check: an entry that a crash emptied would be sent as it is
            shard = os.path.dirname(link)
            with contextlib.suppress(FileExistsError):
                _make_folder(shard)
            temporary = os.path.join(shard, f".tmp-{secrets.token_hex(8)}")
            # Of real paths: `..` climbs from where the folder really lies.
            os.symlink(os.path.relpath(os.path.realpath(entry), os.path.realpath(shard)), temporary)
            os.replace(temporary, link)
            if not random.randrange(_SWEEP_ONE_IN):  # noqa: S311 (a chance, not a secret)
                self._sweep(shard)

    def empty(self) -> None:
        """Remove all links."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.folder):
                if len(name) == 2:  # ours; whatever else lies there is none of our business
                    shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)

    def open(self) -> None:
        """Remove the links of another configuration, if there are any: nginx does not ask about those."""
        with contextlib.suppress(OSError):
            if os.path.isdir(self.folder):
                self._is_ours()

    def _is_ours(self) -> bool:
        """Whether this application may link. What started later has another stamp where it was configured otherwise."""
        found = None
        with contextlib.suppress(FileNotFoundError), open(self._stamp_path, encoding="ascii") as file:
            found = file.read()
        if found != self._stamp:
            if found is not None and self._taken:
                if not self._warned:
                    self._warned = True
                    logger.warning("The front door in %s is in use with another configuration.", self.folder)
                return False
            self._take()
        self._taken = True
        return True

    def _take(self) -> None:
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            _make_folder(self.folder)
        self.empty()
        descriptor = os.open(self._stamp_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(self._stamp)

    @property
    def _stamp_path(self) -> str:
        return os.path.join(self.folder, _STAMP)

    def _sweep(self, shard: str) -> None:
        """Remove the links of one folder that lead nowhere any more."""
        with os.scandir(shard) as links:
            for link in links:
                if not os.path.exists(link.path):
                    with contextlib.suppress(OSError):
                        os.unlink(link.path)


def _make_folder(path: str) -> None:
    os.mkdir(path, 0o711)
    os.chmod(path, 0o711)  # noqa: S103 (mkdir heeds the umask; nginx is another user)


def nginx_map(prefix: str) -> str:
    """The lines of an nginx ``map`` on ``$request_uri`` that give the name `FrontDoor.path` gives, less the suffix."""
    names = [f"i{letter}" for letter in "abcdef"]
    first, *others = (f"(?<{name}>{_SEGMENT})" for name in names)
    path = first + "".join(f"(?:/{other})?" for other in others)
    query = f"{_VERSION}(?<iq>{_QUERY})s=(?<is>{_SIGNATURE.replace('?P<', '?<')})"
    joined = "@".join(f"${name}" for name in names)
    return f"""    "~^{re.escape(prefix)}/{path}\\?{query}$"
        "$shard/{joined}?${{iq}}s=$is";"""
