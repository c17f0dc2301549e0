"""Phases: what a request waits for is measured, if somebody wants to know it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import all_renderers_taken, url_of
from flask import Flask
from PIL import Image

from flask_images_vips import phases
from flask_images_vips.events import Rendered
from flask_images_vips.phases import Phase, Timeline
from flask_images_vips.state import images_of


def served(app: Flask, url: str) -> tuple[int, Timeline]:
    """Request *url*, and return the status and what happened meanwhile."""
    with phases.recorded() as timeline:
        response = app.test_client().get(url)
        response.close()
        return response.status_code, timeline


def names(timeline: Timeline) -> list[str]:
    return [phase.name for phase in timeline.phases]


def test_a_miss_has_all_phases_one_after_another(app: Flask, draw: Any) -> None:
    draw("a.png")
    status, timeline = served(app, url_of(app, "a.png", width=10))
    assert (status, names(timeline)) == (200, ["lock", "queue", "encode", "render", "store"])
    lock, queue, encode, render, store = timeline.phases
    assert lock.end <= queue.begin <= queue.end <= render.begin <= render.end <= store.begin <= store.end
    assert render.begin <= encode.begin <= encode.end <= render.end
    lookup, *others = timeline.with_lookup()
    assert (lookup.name, lookup.begin, lookup.end) == ("lookup", timeline.begin, lock.begin)
    assert others == timeline.phases
    assert list(timeline.seconds_by_name()) == ["lookup", "lock", "queue", "encode", "render", "store"]
    assert timeline.seconds_by_name()["render"] == render.seconds


def test_a_hit_is_looked_up_and_nothing_else(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    served(app, url)
    status, timeline = served(app, url)
    assert (status, names(timeline), timeline.rendered) == (200, [], [])
    assert list(timeline.seconds_by_name()) == ["lookup"]


def test_whoever_waits_for_the_same_image_waits_for_the_lock(app: Flask, draw: Any) -> None:
    draw("a.png")
    cache = images_of(app).pipeline.cache
    key, begun, go = ("00" * 16, "file.png"), threading.Event(), threading.Event()
    found: list[Timeline] = []

    def make() -> bytes:
        begun.set()
        go.wait(10)
        return b"made"

    def wait() -> None:
        with phases.recorded() as timeline:
            cache.once(key, lambda: b"other")
        found.append(timeline)

    first = threading.Thread(target=cache.once, args=(key, make))
    other = threading.Thread(target=wait)
    first.start()
    begun.wait(10)
    other.start()
    go.set()
    for thread in (first, other):
        thread.join(10)
    assert names(found[0]) == ["lock"]


def test_a_request_that_gets_no_renderer_was_in_the_queue(make_app: Any, draw: Any) -> None:
    app = make_app(IMAGES_MAX_RENDERS=1, IMAGES_LOCK_TIMEOUT=0.1)
    draw("a.png")
    draw("b.png")
    assert served(app, url_of(app, "b.png", width=10))[0] == 200  # the renderers are started
    with all_renderers_taken(app):
        status, timeline = served(app, url_of(app, "a.png", width=10))
    assert status == 503
    assert "queue" in names(timeline)
    assert not {"render", "encode", "store"} & {*names(timeline)}


def test_an_event_has_the_phases_up_to_the_stored_file(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("a.png")
    told: list[tuple[Rendered, bool]] = []

    def note(event: Rendered) -> None:
        told.append((event, images_of(app).pipeline.cache.has(event.rendition.key)))

    images_of(app).events.rendered.append(note)
    app.test_client().get(url_of(app, "a.png", width=10))
    ((event, stored),) = told
    assert stored
    assert [phase.name for phase in event.phases] == ["lock", "queue", "encode", "render", "store"]


def test_one_member_of_a_set_has_the_phases_of_all(app: Flask, static: Path) -> None:
    Image.new("RGB", (2400, 2000), "teal").save(static / "large.jpg")
    told: list[Rendered] = []
    images_of(app).events.rendered.append(told.append)
    with app.test_request_context():
        from flask_images_vips import resized_img_srcset

        resized_img_srcset("large.jpg", widths=[200, 300, 400])
    app.test_client().get(url_of(app, "large.jpg", width=300)).close()
    assert len(told) == 3
    assert [bool(event.phases) for event in told] == [True, False, False]


def test_nothing_is_recorded_outside_a_block(app: Flask, draw: Any) -> None:
    draw("a.png")
    app.test_client().get(url_of(app, "a.png", width=10))
    assert phases.current() is None


def test_a_request_is_recorded_where_it_is_wanted(app: Flask, draw: Any) -> None:
    draw("a.png")
    found: list[Timeline | None] = []
    events = images_of(app).events
    events.served.append(lambda *_: found.append(phases.current()))
    url = url_of(app, "a.png", width=10)
    app.test_client().get(url)
    events.timed = True
    app.test_client().get(url)
    assert found[0] is None
    assert found[1] is not None


def test_a_phase_ends_once() -> None:
    with phases.recorded() as timeline:
        end = phases.start("store")
        end()
        end()
        with pytest.raises(ValueError, match="x"), phases.phase("fetch"):
            raise ValueError("x")
    assert names(timeline) == ["store", "fetch"]
    assert Phase("store", 1.0, 3.5).seconds == 2.5
    assert timeline.begin <= time.monotonic()
