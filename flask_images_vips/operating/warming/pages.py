"""Find the image URLs in pages of an application, which are fetched from the application itself, without a network."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from html import unescape
from urllib.parse import urlsplit

from flask import Flask

from ...errors import ImagesError
from ...state import images_of
from .wanted import Problem, Wanted, url_of, urls_in

_LOCATION = re.compile(r"<loc>\s{0,100}([^<\s]{1,2048})")
_GZIP = b"\x1f\x8b"
_MOST_BYTES = 52_428_800  # of a sitemap, by the protocol
_MOST_SITEMAPS = 1000
_INDEX = "<sitemapindex"


class Pages:
    """Fetches pages of *app* as a visitor who is not logged in. *problems* are those that could not be fetched."""

    def __init__(self, app: Flask) -> None:
        self._images = images_of(app)
        self._client = app.test_client()
        self.problems: list[Problem] = []

    def wanted(self, pages: Iterable[str]) -> Iterator[Wanted]:
        """Yield what each of *pages*, paths or URLs of the application, will ask for."""
        for page in pages:
            text = self._fetched(page)
            for path, query in urls_in(text or "", self._images.url):
                try:
                    yield Wanted(url_of(self._images, path, query), page)
                except ImagesError as error:
                    self.problems.append(Problem(page, str(error)))

    def in_sitemap(self, sitemap: str) -> Iterator[str]:
        """Yield the pages that *sitemap*, a path or a URL of the application, lists. It may be an index of sitemaps."""
        waiting, seen = [sitemap], {sitemap}
        while waiting:
            text = self._fetched(waiting.pop(0)) or ""
            found = [unescape(location) for location in _LOCATION.findall(text)]
            if _INDEX not in text:
                yield from found
                continue
            fresh = [each for each in dict.fromkeys(found) if each not in seen][: _MOST_SITEMAPS - len(seen)]
            seen.update(fresh)
            waiting += fresh

    def _fetched(self, page: str) -> str | None:
        """Return the text and the ``Link`` headers of *page*, or None after an error, which becomes a problem."""
        try:
            return self._text_of(page)
        except Exception as error:  # of the view, of a redirect to another site, or of an invalid URL in a sitemap
            self.problems.append(Problem(page, f"it cannot be fetched: {type(error).__name__}: {error}"))
            return None

    def _text_of(self, page: str) -> str | None:
        parts = urlsplit(page)
        base = f"{parts.scheme}://{parts.netloc}" if parts.netloc else None
        path = f"/{parts.path.lstrip('/')}" + (f"?{parts.query}" if parts.query else "")
        with self._client.get(path, base_url=base, follow_redirects=True) as response:
            if response.status_code != 200:
                reason = f"the application answered with status {response.status}"
                if base is None and self._client.application.url_map.host_matching:
                    reason += ". The site tells hosts apart, so pass the whole URL, such as https://www.example.com/"
                self.problems.append(Problem(page, reason))
                return None
            data = response.get_data()
            if data.startswith(_GZIP):
                data = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, _MOST_BYTES)
            return "\n".join([data.decode("utf-8", "replace"), *response.headers.getlist("Link")])
