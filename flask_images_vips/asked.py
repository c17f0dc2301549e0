"""The manifest: what an application's visitors ask for, the most popular first.

It is recorded in the cache folder by `recording`, survives new versions of the code, and can be exported and imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from .errors import ImagesError
from .formats import choose, stored
from .recording import counts as counting
from .recording.counts import Counts
from .recording.journal import Journal
from .recording.queries import read_query
from .urls import ImageUrl, checked_path


@dataclass(frozen=True, slots=True)
class Asked:
    """A rendition that is asked for: its *url*, and *count*, how often it was asked for lately.

    *query* is that of the URL as pages write it, without version and signature. *format* is the name of the format. If
    the query has ``f=auto``, that was chosen for a browser.
    """

    url: ImageUrl
    count: float
    query: str
    format: str

    def line(self) -> str:
        """Return a line of the exported manifest, without its line break."""
        fields = {"source": self.url.ref, "query": self.query, "format": self.format, "count": round(self.count, 2)}
        return json.dumps(fields)


def read_asked(folder: str) -> list[Asked]:
    """Return what is recorded in the cache *folder*, the most popular first.

    What this version of the package does not understand is left out.

    Raises:
        PermissionError: If the record belongs to another user.
    """
    return sorted(_readable(Journal(folder).read()), key=lambda each: (-each.count, each.url.ref, each.query))


def _readable(counts: Counts) -> Iterator[Asked]:
    for ref, source in counts.sources.items():
        for (query, format), asked in source.asked.items():
            with suppress(ImagesError, ValueError):
                f"{ref}{query}".encode()  # JSON allows surrogates, which no URL has
                yield Asked(read_query(ref, query, format), asked.count, query, format)


class InvalidLine(ImagesError, ValueError):
    """A line of a manifest is invalid."""


def read_manifest(lines: Iterable[str]) -> Iterator[Asked]:
    """Parse the *lines* of an exported manifest. Empty lines are ignored.

    Raises:
        InvalidLine: If a line has another form, or if this version of the package does not understand it.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            ref, query, count = checked_path(fields["source"]), fields["query"], fields["count"]
            format = fields.get("format", "")
            query.encode()
            url = read_query(ref, query, format)
            if isinstance(count, bool) or not 0 <= count < 1e15:
                raise ValueError(f"count is {count!r}, expected a number from 0")
            own = format or choose(url.file_name, url.options.format).name
            yield Asked(url, float(count), query, stored(own).name)
        except ImagesError as error:
            raise InvalidLine(f"line {number}: {error}") from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            reason = "it is not JSON" if isinstance(error, (json.JSONDecodeError, RecursionError)) else repr(error)
            raise InvalidLine(
                f"line {number} is not a line of a manifest ({reason}): expected one such as "
                '{"source": "photos/cat.jpg", "query": "w=300", "count": 12}'
            ) from None


def import_asked(folder: str, manifest: Iterable[Asked]) -> int:
    """Add *manifest* to the record in the cache *folder*. Returns the number of renditions that were not known.

    What is known already gets the higher count, so importing a manifest twice changes nothing.

    Raises:
        OSError: If nothing can be written there.
    """
    added = 0

    def change(counts: Counts) -> None:
        nonlocal added
        for each in manifest:
            known = counts.of(each.url.ref).asked.get((each.query, each.format))
            added += known is None
            more = max(0.0, each.count - (known.count if known is not None else 0.0))
            counts.ask(each.url.ref, each.query, each.format, counting.Asked(more))

    Journal(folder).change(change)
    return added
