"""Count and exchange, for the commands, what is in the object store that all hosts of a site share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..asked import Asked, InvalidLine, read_manifest
from ..errors import printable
from ..fleet.shared_cache import ObjectCache
from ..formats import SUFFIXES
from ..hashing import digest
from ..pipeline import Pipeline
from ..stores.store import ObjectStore, StoreFailed

_MANIFESTS = "manifests"
_LARGEST_MANIFEST = 64_000_000  # bytes
_NAME_BYTES = 8


def object_cache_of(pipeline: Pipeline) -> ObjectCache:
    """Return the cache that all hosts share.

    Raises:
        click.ClickException: If there is none.
    """
    shared = pipeline.cache.shared
    if not isinstance(shared, ObjectCache):
        raise click.ClickException(
            f"IMAGES_CACHE is not in an object store: it is {pipeline.config.cache!r}. Set it to a place there, such "
            "as 's3://bucket/prefix'."
        )
    return shared


@contextmanager
def excused() -> Iterator[None]:
    """Turn an error of the store into a sentence."""
    try:
        yield
    except (StoreFailed, OSError) as error:
        raise click.ClickException(f"{printable(str(error))}. Run: flask images check") from None


def contents(cache: ObjectCache) -> dict[str, Any]:
    """Count the objects in the store by their kind, and add up their bytes.

    Raises:
        OSError: If the store cannot be asked.
    """
    kinds = {kind: {"files": 0, "size": 0} for kind in ("renditions", "facts")}
    for kept in cache.kept():
        kind = kinds["renditions" if kept.path.endswith(SUFFIXES) else "facts"]
        kind["files"] += 1
        kind["size"] += kept.size_bytes
    return {"place": str(cache.store.location), "kinds": kinds}


def exchange(store: ObjectStore, host: str, own: Sequence[Asked]) -> list[Asked]:
    """Write *own*, the manifest of the *host*, into *store*. Returns those of other hosts, in no particular order.

    One that this version of the package does not understand is left out.

    Raises:
        StoreFailed: If the store cannot be asked.
    """
    mine = f"{_MANIFESTS}/{digest(host, _NAME_BYTES)}.jsonl"
    store.put(mine, "".join(f"{each.line()}\n" for each in own).encode(), media_type="application/jsonl")
    found: list[Asked] = []
    for stated in store.list(_MANIFESTS):
        if stated.path == mine or stated.size_bytes > _LARGEST_MANIFEST:
            continue
        manifest = store.get(stated.path)
        if manifest is None:
            continue
        try:
            found += read_manifest(manifest.data.decode().splitlines())
        except (InvalidLine, UnicodeDecodeError) as error:
            click.echo(f"{printable(os.path.basename(stated.path))} is left out: {error}", err=True)
    return found
