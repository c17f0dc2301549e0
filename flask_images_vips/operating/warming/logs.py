"""Read which images a site was asked for from access logs, in the common or combined format of nginx and others.

The URLs may be those of Flask-Images, if the site has the same secret key.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from urllib.parse import unquote

from ...errors import BadSignature, InvalidOption
from ...state import AppImages
from .wanted import Wanted, url_of

_REQUEST = re.compile(r'"(?:GET|HEAD) ([^ "]{1,40000}) HTTP/[0-9.]{1,4}" ([0-9]{3})\b')
_ESCAPED = re.compile(r"\\x([0-9A-Fa-f]{2})")
_SERVED = frozenset({"200", "206", "304", "503"})  # 503: the picture exists, but the host was too busy
_STANDARD_INPUT = "-"
_LONGEST_LINE = 100_000  # characters; a longer one is no line of a log, and is read in pieces


class Logs:
    """The image requests in access logs. *refused* counts those whose URLs this site would refuse today."""

    def __init__(self, images: AppImages) -> None:
        self._images = images
        self._count: Counter[tuple[str, str]] = Counter()
        self._origin: dict[tuple[str, str], str] = {}
        self.refused = 0

    def read(self, path: str) -> None:
        """Count the requests in the log at *path*. One that ends in ``.gz`` is decompressed, and ``-`` is stdin.

        Raises:
            OSError, EOFError, zlib.error: If it cannot be read.
        """
        if path == _STANDARD_INPUT:
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(encoding="utf-8", errors="replace")
            self._read(sys.stdin, "the log")
            return
        with _opened(path) as lines:
            self._read(lines, Path(path).name)

    def wanted(self) -> Iterator[Wanted]:
        """Yield the URLs, as a page of today would contain them, with the number of requests."""
        for (path, query), count in self._count.items():
            try:
                url = url_of(self._images, path, query.encode(), legacy=True)
            except (BadSignature, InvalidOption):
                self.refused += count
            else:
                yield Wanted(url, self._origin[path, query], count)

    def _read(self, log: TextIO, name: str) -> None:
        before = f"{self._images.url}/"
        while line := log.readline(_LONGEST_LINE):
            match = _REQUEST.search(line)
            if match is None or match[2] not in _SERVED:
                continue
            target = _ESCAPED.sub(lambda escaped: f"%{escaped[1]}", match[1])
            path, _, query = target.partition("?")
            _, found, path = unquote(path).partition(before)
            if found and query:
                self._count[path, query] += 1
                self._origin.setdefault((path, query), name)


def _opened(path: str) -> TextIO:
    if path.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return open(path, encoding="utf-8", errors="replace")
