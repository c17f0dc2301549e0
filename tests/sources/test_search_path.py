"""The contract of originals: files in folders and objects in stores are found alike, in the order of their places."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from real_servers import StoreServer

from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.errors import SourceChanged, SourceNotFound
from flask_images_vips.options.options import Options
from flask_images_vips.sources import objects as module
from flask_images_vips.sources.finder import Sources, current_version
from flask_images_vips.sources.links import LinkedFolders
from flask_images_vips.sources.local import LocalSources
from flask_images_vips.sources.objects import ObjectSources
from flask_images_vips.sources.search_path import Originals, Part, SearchPath
from flask_images_vips.sources.source import Source
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore
from flask_images_vips.urls import ImageUrl


class Place(NamedTuple):
    """A folder or a store, with functions that change what is there."""

    put: Callable[[str, bytes], object]
    remove: Callable[[str], object]


class Ground(NamedTuple):
    originals: Originals
    places: list[Place]


KINDS = ["folder folder", "store store", "folder store", "store folder"]


@pytest.fixture(params=KINDS)
def ground(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    store_server: StoreServer,
    store_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Ground:
    """Originals in two places. Everything that a store has stated is old at once."""
    monkeypatch.setattr(module, "_FEWEST_MISSING_SECONDS", 0)
    caches = [DiskCache(str(tmp_path / name), lock_timeout=5, temp_max_age=60) for name in ("records", "files")]
    places, parts, roots = [], list[Part](), []
    for number, kind in enumerate(request.param.split()):
        if kind == "folder":
            folder = tmp_path / f"place-{number}"
            folder.mkdir()
            roots.append(str(folder))
            places.append(_folder(folder))
        else:
            store = ObjectStore(parse_location(f"{store_url}/{number}"), store_server.options, timeout=5)
            parts.append(ObjectSources(store, *caches, lambda source, data: None, max_age_seconds=0))
            places.append(Place(store.put, lambda name, store=store: store.delete([name])))  # type: ignore[misc]
    if len(roots) == len(places):
        return Ground(LocalSources(roots), places)
    if roots:
        at = request.param.split().index("folder")
        parts.insert(at, LocalSources(roots, links=LinkedFolders(roots, follow=True)))
    return Ground(SearchPath(parts), places)


def _folder(folder: Path) -> Place:
    def put(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return Place(put, lambda name: (folder / name).unlink())


def content(source: Source) -> bytes:
    with source.open() as descriptor:
        return os.read(descriptor, 1 << 20)


def test_an_original_is_found_with_its_size_its_time_and_its_content(ground: Ground) -> None:
    for number, place in enumerate(ground.places):
        name = f"photos/cat {number}.jpg"
        place.put(name, b"a cat")
        found = ground.originals.find(name)
        assert (found.ref, found.size_bytes) == (name, 5)
        assert abs(found.mtime - time.time()) < 60
        assert content(found) == b"a cat"
        assert ground.originals.here(name) == found


def test_the_first_place_that_has_it_wins_even_if_it_has_it_later(ground: Ground) -> None:
    first, second = ground.places
    second.put("cat.jpg", b"second")
    found = ground.originals.find("cat.jpg")
    assert content(found) == b"second"
    first.put("cat.jpg", b"the first")
    assert content(ground.originals.find("cat.jpg")) == b"the first"
    assert content(ground.originals.again(found)) == b"the first"
    first.remove("cat.jpg")
    assert content(ground.originals.again(found)) == b"second"


def test_an_original_that_is_the_same_is_the_same_object(ground: Ground) -> None:
    for number, place in enumerate(ground.places):
        place.put(f"{number}.jpg", b"a cat")
        found = ground.originals.find(f"{number}.jpg")
        assert ground.originals.again(found) is found
        assert ground.originals.find(f"{number}.jpg") == found


def test_another_version_is_found_anew_and_has_another_version_in_its_url(ground: Ground) -> None:
    for number, place in enumerate(ground.places):
        name = f"{number}.jpg"
        place.put(name, b"a cat")
        found = ground.originals.find(name)
        place.put(name, b"another cat")
        changed = ground.originals.again(found)
        assert changed.size_bytes == 11
        assert changed.identity != found.identity
        assert found.content is None or current_version(changed) != current_version(found)
        place.remove(name)
        for _ in range(2):
            with pytest.raises(SourceNotFound, match="no such"):
                ground.originals.find(name)
        with pytest.raises(SourceNotFound):
            ground.originals.again(found)


def test_an_original_that_changes_between_is_not_read_as_the_old_one(ground: Ground) -> None:
    for number, place in enumerate(ground.places):
        found = []
        for name in (f"{number}.jpg", f"gone {number}.jpg"):
            place.put(name, b"a cat" * 20_000)  # more than is read to find it
            found.append(ground.originals.find(name))
        place.put(f"{number}.jpg", b"a dog" * 20_000)
        place.remove(f"gone {number}.jpg")
        for source in found:
            with pytest.raises(SourceChanged), source.open():
                pass


@pytest.mark.parametrize(
    "ref",
    [
        *("/etc/passwd", "../first/cat.jpg", "photos/../cat.jpg", "..", "photos\\..\\cat.jpg", "cat.jpg\0"),
        *("%2e%2e/cat.jpg", "photos/%2E%2E/cat.jpg"),
    ],
)
def test_a_name_that_leads_out_of_the_places_is_refused(ground: Ground, ref: str) -> None:
    ground.places[0].put("cat.jpg", b"a cat")
    with pytest.raises(SourceNotFound, match="not a path inside"):
        ground.originals.find(ref)


@pytest.mark.parametrize(
    "ref", ["", "photos", "photos/", "cat.jpg/", "cat.jpg/more", "none.jpg", "x" * 300, "x" * 2000, "a\tb.jpg"]
)
def test_what_is_no_original_is_not_found(ground: Ground, ref: str) -> None:
    for place in ground.places:
        place.put("cat.jpg", b"a cat")
        place.put("photos/cat.jpg", b"a cat")
    with pytest.raises(SourceNotFound):
        ground.originals.find(ref)
    with pytest.raises(SourceNotFound):
        ground.originals.here(ref)


def test_new_changed_and_missing_originals_are_told_of(ground: Ground) -> None:
    told: list[tuple[str, Source | None]] = []
    ground.originals.on_lookup = lambda ref, source: told.append((ref, source))
    ground.places[1].put("cat.jpg", b"a cat")
    found = ground.originals.find("cat.jpg")
    assert told == [("cat.jpg", found)]
    ground.originals.again(found)
    assert len({source for _, source in told}) == 1
    ground.places[1].put("cat.jpg", b"another cat")
    changed = ground.originals.again(found)
    assert told[-1] == ("cat.jpg", changed)
    ground.places[1].remove("cat.jpg")
    with pytest.raises(SourceNotFound):
        ground.originals.again(changed)
    assert told[-1] == ("cat.jpg", None)


def test_the_finder_uses_them_for_pictures_and_watermarks(ground: Ground) -> None:
    for place in ground.places:
        place.put("logo.png", b"a logo")
    finder = Sources(ground.originals, None, lambda descriptor, ref: None)
    url = ImageUrl("logo.png", Options.parse({"wm": "logo.png"}), None)
    found, mark = finder.find(url), finder.watermark(url.options)
    assert mark is not None
    assert finder.find(url, found) is found
    assert finder.watermark(url.options, mark) is mark
    assert finder.here("logo.png") == found == mark
