"""Write the statistics of an application as text."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import printable, shown
from .columns import count, duration, size, table, time_ago

_LONGEST = 60  # characters of a source


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines for *found*, which `statistics.gather` returned."""
    yield from _cache(found)
    if found["store"]:
        yield from ("", *_store(found["store"]))
    yield ""
    yield from _requests(found)
    for title, rows in LISTS.items():
        if found_rows := rows(found):
            yield from ("", title, *table(found_rows))


def _cache(found: Mapping[str, Any]) -> Iterator[str]:
    cache = found["cache"]
    yield f"Cache {found['folder']}"
    total = cache["size"] or 1
    rows = [
        [kind, count(each["files"]), size(each["size"]), f"{100 * each['size'] / total:.0f} %"]
        for kind, each in cache["kinds"].items()
    ]
    yield from table(rows)
    free = "" if cache["free"] is None else f", and {size(cache['free'])} of the disk are free"
    yield f"  {size(cache['size'])} together. IMAGES_CACHE_MAX_SIZE is {size(cache['limit'])}{free}."


def _store(store: Mapping[str, Any]) -> Iterator[str]:
    yield f"Object store {store['place']}"
    yield from table([[kind, count(each["files"]), size(each["size"])] for kind, each in store["kinds"].items()])


def _requests(found: Mapping[str, Any]) -> Iterator[str]:
    requests = found["requests"]
    days = "Today (UTC)" if requests["days"] == 1 else f"Last {requests['days']} days"
    yield days
    if not found["recorded"]:
        yield "  IMAGES_RECORD is False, so requests are not counted."
    total = requests["hits"] + requests["misses"]
    ratio = "" if requests["hit_ratio"] is None else f", {100 * requests['hit_ratio']:.1f} % from the cache"
    yield f"  {count(total)} images sent{ratio}"
    if found["front_door"]:
        yield "  Those that nginx sent by itself (IMAGES_FRONT_DOOR) are not counted."
    if requests["fetched"]:
        yield f"  {count(requests['fetched'])} fetched from the object store, which other hosts had made"
    renders, background = requests["renders"], requests["background_renders"]
    if renders or background:
        mean = duration(requests["seconds"] / (renders + background))
        yield f"  {count(renders)} renders for visitors, {count(background)} in the background, {mean} on average"
        waited = duration(requests["waited_seconds"])
        yield f"  {duration(requests['cpu_seconds'])} of processor time, {waited} of waiting for a renderer"
    yield f"  {count(sum(found['refused'].values()))} refused"


def _formats(found: Mapping[str, Any]) -> list[list[str]]:
    head = ["format", "asked", "renders", "CPU", "files", "size"]
    return _titled(head, (_numbers(printable(name), each) for name, each in found["formats"].items()))


def _sources(found: Mapping[str, Any]) -> list[list[str]]:
    head = ["source", "asked", "renders", "CPU", "files", "size"]
    return _titled(head, (_numbers(_source(each["source"]), each) for each in found["sources"]))


def _numbers(name: str, each: Mapping[str, Any]) -> list[str]:
    asked, renders, files = (count(each[what]) for what in ("asked", "renders", "files"))
    return [name, asked, renders, duration(each["cpu_seconds"]), files, size(each["size"])]


def _pages(found: Mapping[str, Any]) -> list[list[str]]:
    pages = found["pages"].items()
    rows = ([printable(name), count(each["renders"]), duration(each["cpu_seconds"])] for name, each in pages)
    return _titled(["endpoint", "renders", "CPU"], rows)


def _arms(found: Mapping[str, Any]) -> list[list[str]]:
    head = ["arm", "pages", "images", "sent", "per page", "per image"]
    rows = (
        [
            printable(name),
            *(count(each[what]) for what in ("pages", "served")),
            *(size(each["bytes"] / max(1, number)) for number in (1, each["pages"], each["served"])),
        ]
        for name, each in found["arms"].items()
    )
    return _titled(head, rows)


def _slowest(found: Mapping[str, Any]) -> list[list[str]]:
    rows = (
        [
            duration(each["seconds"]),
            duration(each["waited_seconds"]),
            duration(each["cpu_seconds"]),
            size(each["size"]),
            printable(each["format"]),
            printable(each["engine"]),
            _rendition(each["source"], each["options"]),
        ]
        for each in found["slowest"]
    )
    return _titled(["time", "waited", "CPU", "size", "format", "engine", "rendition"], rows)


def _files(files: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    rows = (
        [
            size(each["size"]),
            time_ago(time.time() - each["read_at"]),
            os.path.splitext(each["file"])[1].removeprefix("."),
            _rendition(each["source"], each["query"]) if each["source"] else each["file"],
        ]
        for each in files
    )
    return _titled(["size", "read", "type", "rendition"], rows)


def _refused(found: Mapping[str, Any]) -> list[list[str]]:
    return [[count(number), name] for name, number in found["refused"].items()]


def _refused_sources(found: Mapping[str, Any]) -> list[list[str]]:
    return [
        [count(sum(each["reasons"].values())), _source(each["source"]), ", ".join(each["reasons"])]
        for each in found["refused_sources"]
    ]


def _titled(head: list[str], rows: Iterator[list[str]]) -> list[list[str]]:
    """Return *rows* with a *head*, or nothing if there are none."""
    listed = list(rows)
    return [head, *listed] if listed else []


def _rendition(ref: str, query: str | None) -> str:
    return f"{_source(ref)} {_cut(printable(query or ''))}".rstrip()


def _source(ref: str) -> str:
    return _cut(shown(ref))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


LISTS: dict[str, Callable[[Mapping[str, Any]], list[list[str]]]] = {
    "By format": _formats,
    "By source (what was asked for lately; a request counts half after 14 days)": _sources,
    "By page (the renders that it caused)": _pages,
    "By arm of IMAGES_BY_VISITOR (without what nginx sends)": _arms,
    "Slowest renders (one of each source)": _slowest,
    "Biggest renditions": lambda found: _files(found["biggest"]),
    "Renditions that were not read for the longest time": lambda found: _files(found["oldest"]),
    "Refused": _refused,
    "Refused sources": _refused_sources,
}
"""The lists by their titles, and the functions that return their rows. Empty ones are left out."""
