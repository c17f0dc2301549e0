"""Gather the statistics of one application: what its cache holds, and what was asked for, rendered and refused."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ..pipeline import Pipeline
from ..recording.counts import Counts, Measure, OfSource, day_of
from ..recording.journal import Journal
from ..recording.recorder import BACKGROUND, CPU, FETCHED, HITS, MISSES, RENDERS, SECONDS, WAITED
from ..rendition import source_folder
from .survey import File, Survey, names_of, survey

_DAY_SECONDS = 86_400


def gather(pipeline: Pipeline, days: int, most: int) -> dict[str, Any]:
    """Return the statistics as a tree for JSON. Requests are those of the last *days*, and lists have *most* items.

    Sizes are in bytes, and times in seconds. What is in the object store is left out: see `object_store.contents`.

    Raises:
        OSError: If the folder of the cache is missing, or cannot be read.
    """
    folder = pipeline.cache.folder
    found, counts = survey(folder, most), Journal(folder).read()
    total = _total(counts, days)
    names = _Names(found, counts, pipeline)
    return {
        "folder": folder,
        "recorded": pipeline.config.record,
        "front_door": bool(pipeline.config.front_door),
        "cache": _cache(found, pipeline),
        "store": None,
        "requests": {"days": days, **_requests(total)},
        "formats": _formats(found, total),
        "pages": _pages(total, most),
        "arms": {arm: _measured(total, "arm", arm, "pages", "served", "bytes") for arm in _arms(total)},
        "sources": _sources(counts, found, most),
        "refused": {name: number for (kind, name, _), number in total.most_common() if kind == "refused"},
        "refused_sources": _refused(counts, most),
        "slowest": _slowest(counts, most),
        "biggest": names.described(found.biggest),
        "oldest": names.described(found.oldest),
    }


def _total(counts: Counts, days: int) -> Counter[Measure]:
    first = day_of(time.time() - (days - 1) * _DAY_SECONDS)
    total: Counter[Measure] = Counter()
    for day, counted in counts.days.items():
        if day >= first:
            total.update(counted)
    return total


def _cache(found: Survey, pipeline: Pipeline) -> dict[str, Any]:
    free: int | None = None
    with suppress(OSError):
        free = shutil.disk_usage(pipeline.cache.folder).free
    return {
        "size": found.size_bytes,
        "limit": pipeline.config.cache_max_size,
        "free": free,
        "kinds": {kind: {"files": size.files, "size": size.size_bytes} for kind, size in found.kinds.items()},
    }


def _requests(total: Counter[Measure]) -> dict[str, Any]:
    hits, misses = total[HITS], total[MISSES]
    return {
        "hits": hits,
        "misses": misses,
        "hit_ratio": hits / (hits + misses) if hits + misses else None,
        "fetched": total[FETCHED],
        "renders": total[RENDERS],
        "background_renders": total[BACKGROUND],
        "seconds": round(total[SECONDS], 3),
        "waited_seconds": round(total[WAITED], 3),
        "cpu_seconds": round(total[CPU], 3),
    }


def _formats(found: Survey, total: Counter[Measure]) -> dict[str, dict[str, float]]:
    names: set[str] = {*found.by_format, *(name for kind, name, _ in total if kind == "format")}
    numbers: dict[str, dict[str, float]] = {
        name: {
            "files": size.files if (size := found.by_format.get(name)) else 0,
            "size": size.size_bytes if size else 0,
            **_measured(total, "format", name, "asked", "renders", "cpu_seconds"),
        }
        for name in names
    }
    ranked = sorted(numbers, key=lambda name: (-numbers[name]["asked"], -numbers[name]["files"], name))
    return {name: numbers[name] for name in ranked}


def _pages(total: Counter[Measure], most: int) -> dict[str, dict[str, float]]:
    """Return the renders that each page caused, those that cost most first."""
    names = {measure.name for measure in total if measure.kind == "page"}
    ranked = sorted(names, key=lambda name: (-total[Measure("page", name, "cpu_seconds")], name))
    return {name: _measured(total, "page", name, "renders", "cpu_seconds") for name in ranked[:most]}


def _arms(total: Counter[Measure]) -> list[str]:
    return sorted({measure.name for measure in total if measure.kind == "arm"})


def _measured(total: Counter[Measure], kind: str, name: str, *whats: str) -> dict[str, float]:
    return {what: round(total[Measure(kind, name, what)], 3) for what in whats}


def _ranked(counts: Counts, most: int, key: Any) -> Iterable[tuple[str, OfSource]]:
    return sorted(counts.sources.items(), key=lambda each: (-key(each[1]), each[0]))[:most]


def _sources(counts: Counts, found: Survey, most: int) -> list[dict[str, Any]]:
    listed = []
    for ref, source in _ranked(counts, most, lambda source: source.count):
        size = found.by_folder.get(source_folder(ref))
        listed.append(
            {
                "source": ref,
                "asked": round(source.count, 1),
                "renders": round(source.renders, 1),
                "cpu_seconds": round(source.cpu_seconds, 3),
                "files": size.files if size else 0,
                "size": size.size_bytes if size else 0,
            }
        )
    return listed


def _refused(counts: Counts, most: int) -> list[dict[str, Any]]:
    ranked = _ranked(counts, most, lambda source: sum(source.refused.values()))
    return [{"source": ref, "reasons": dict(source.refused)} for ref, source in ranked if source.refused]


def _slowest(counts: Counts, most: int) -> list[dict[str, Any]]:
    ranked = _ranked(counts, most, lambda source: source.slowest.seconds if source.slowest else 0)
    return [
        {
            "source": ref,
            "options": slowest.options,
            "format": slowest.format,
            "engine": slowest.engine,
            "seconds": round(slowest.seconds, 4),
            "waited_seconds": round(slowest.waited_seconds, 4),
            "cpu_seconds": round(slowest.cpu_seconds, 4),
            "size": slowest.size_bytes,
            "at": slowest.at,
        }
        for ref, source in ranked
        if (slowest := source.slowest) is not None
    ]


class _Names:
    """Finds the source and the query of the renditions that *found* lists."""

    def __init__(self, found: Survey, counts: Counts, pipeline: Pipeline) -> None:
        folders = {file.folder for file in (*found.oldest, *found.biggest)}
        self._refs = names_of(folders, counts.sources, pipeline.sources.local.roots)
        self._queries: dict[tuple[str, str], str] = {}
        for folder, ref in self._refs.items():
            asked = counts.sources[ref].asked if ref in counts.sources else {}
            self._queries.update(((folder, each.file), query) for (query, _), each in asked.items())

    def described(self, files: Iterable[File]) -> list[dict[str, Any]]:
        """Describe *files*. What is not known is None."""
        return [
            {
                "source": self._refs.get(file.folder),
                "query": self._queries.get((file.folder, os.path.basename(file.path))),
                "file": file.path,
                "size": file.size_bytes,
                "read_at": int(file.read_at),
            }
            for file in files
        ]
