"""Provide ``flask images prune``, which removes the files of the cache that were not read for the longest time."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import click
from flask.cli import with_appcontext

from ..cache.disk import DiskCache
from ..cache.removal import Kept
from ..config import checks
from ..errors import ConfigError
from ..fleet.shared_cache import ObjectCache
from ..rendition import source_folder
from ..state import current_images
from ..system_errors import cause
from .object_store import excused, object_cache_of
from .purging import named
from .site_user import check_user

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_INTERRUPTED = 130


def _size(value: str) -> int:
    """Parse a number of bytes, as in the configuration."""
    try:
        return checks.size("SIZE", int(value) if value.isdecimal() else value)
    except (ConfigError, ValueError):  # ValueError: more digits than Python parses
        raise click.BadParameter(f"{value!r} is not a size such as 500MB, 2GB or 2GiB.") from None


def _age(value: str) -> float:
    """Parse a number with a unit of time. Returns seconds."""
    number, unit = value[:-1], _UNITS.get(value[-1:].lower())
    if unit is None or not number.isdecimal():
        raise click.BadParameter(f"{value!r} is not an age such as 12h, 30d or 8w.")
    return float(number) * unit


class _Old(NamedTuple):
    """A file to remove, and the cache that it is in."""

    kept: Kept
    cache: DiskCache | ObjectCache


@click.command()
@click.option(
    "--max-size", type=_size, metavar="SIZE", help="Remove the least recently read files until at most SIZE is left."
)
@click.option(
    "--older-than", type=_age, metavar="AGE", help="Remove files that were not read for AGE, such as 12h, 30d or 8w."
)
@click.option("--source", "patterns", multiple=True, metavar="PATTERN", help="Only files of pictures that match.")
@click.option(
    "--store",
    "in_store",
    is_flag=True,
    help="Remove objects from the store of IMAGES_CACHE, which all hosts share. Their age is the time since they were "
    "stored.",
)
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as a JSON object.")
@with_appcontext
def command(
    max_size: int | None,
    older_than: float | None,
    patterns: tuple[str, ...],
    in_store: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove the files that were not read for the longest time.

    These are renditions, facts, copies and fetched files. They are made or fetched again when they are needed. Without
    --max-size and --older-than, all files of --source are removed. The cache keeps within IMAGES_CACHE_MAX_SIZE by
    itself; use this to make it smaller once, or regularly.

    --source may be repeated. In a PATTERN such as 'photos/*.jpg', * stands for any characters. Quote it for the shell.
    Most file systems note reads to within about a day.
    """
    pipeline = current_images().pipeline
    if max_size is None and older_than is None and not patterns:
        raise click.UsageError("Give --max-size, --older-than or --source.")
    if not in_store:
        check_user(pipeline)
    folders = None
    if patterns:
        folders = {source_folder(ref) for pattern in patterns for ref in named(pattern, pipeline)}
        if not folders:
            raise click.ClickException(f"No picture matches {' or '.join(map(repr, patterns))}.")
    caches = [object_cache_of(pipeline)] if in_store else list(pipeline.caches)
    with excused():
        everything = _oldest_first(caches, folders)
    old = list(_chosen(everything, max_size, older_than))
    removed = [each.kept for each in old] if dry_run else _remove(old, caches, hidden=as_json)
    _report(removed, everything, dry_run=dry_run, as_json=as_json)
    if not dry_run and len(removed) < len(old):
        sys.exit(_INTERRUPTED)


def _oldest_first(caches: Iterable[DiskCache | ObjectCache], folders: Collection[str] | None) -> list[_Old]:
    found = [_Old(kept, cache) for cache in caches for kept in cache.oldest_first(folders)]
    return sorted(found, key=lambda each: each.kept)


def _chosen(everything: list[_Old], max_size: int | None, older_than: float | None) -> Iterator[_Old]:
    """Yield those that are too old, and then as many as exceed *max_size* bytes. All of them without either."""
    left = sum(each.kept.size_bytes for each in everything)
    oldest = None if older_than is None else time.time() - older_than
    for each in everything:
        unlimited = oldest is None and max_size is None
        too_old = oldest is not None and each.kept.read < oldest
        if not (unlimited or too_old or (max_size is not None and left > max_size)):
            return
        left -= each.kept.size_bytes
        yield each


def _remove(old: list[_Old], caches: Iterable[DiskCache | ObjectCache], *, hidden: bool) -> list[Kept]:
    """Remove the files, and show how far that is. Ctrl-C ends it. Returns those that are removed."""
    removed: list[Kept] = []
    by_cache: dict[DiskCache | ObjectCache, list[Kept]] = {cache: [] for cache in caches}
    for each in old:
        by_cache[each.cache].append(each.kept)
    nowhere = io.StringIO() if hidden or not sys.stdout.isatty() else None
    with click.progressbar(length=len(old), label="Removing", show_pos=True, file=nowhere) as bar:
        try:
            for cache, entries in by_cache.items():
                for kept in cache.remove(entries):
                    removed.append(kept)
                    bar.update(1)
        except KeyboardInterrupt:
            pass
        except OSError as error:
            what = f"{error.filename} cannot be removed ({cause(error)})" if error.filename else str(error)
            raise click.ClickException(f"{what}. {_counted(removed)} were removed before.") from None
    return removed


def _report(removed: Sequence[Kept], everything: list[_Old], *, dry_run: bool, as_json: bool) -> None:
    gone = {kept.path for kept in removed}
    left = [each.kept for each in everything if each.kept.path not in gone]
    if as_json:
        numbers = {
            "removed": len(removed),
            "removed_bytes": _size_of(removed),
            "left": len(left),
            "left_bytes": _size_of(left),
            "dry_run": dry_run,
        }
        click.echo(json.dumps(numbers))
        return
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{_counted(removed)} {verb}, {_counted(left)} left.")


def _size_of(files: Sequence[Kept]) -> int:
    return sum(kept.size_bytes for kept in files)


def _counted(files: Sequence[Kept]) -> str:
    return f"{len(files):,} file{'' if len(files) == 1 else 's'} ({_shown(_size_of(files))})"


def _shown(size_bytes: int) -> str:
    """Return a size for people."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
