"""The lists hold nothing that runs or fetches."""

from __future__ import annotations

from flask_images_vips.svg import allowed


def test_no_event_and_no_link_is_an_attribute() -> None:
    names = {name.lower() for name in (*allowed.ATTRIBUTES, *allowed.PLAIN, *allowed.TIMES)}
    assert not [name for name in names if name.startswith("on") or ":" in name]
    assert names.isdisjoint({"href", "src", "style", "base", "target", "ping", "cursor", "content"})


def test_animations_change_no_link_and_no_style() -> None:
    assert {name.lower() for name in allowed.ANIMATABLE}.isdisjoint({"href", "style", "class", "id", "src"})


def test_no_function_and_no_property_fetches() -> None:
    assert allowed.FUNCTIONS.isdisjoint({"url", "src", "image", "image-set", "cross-fade", "element", "paint", "attr"})
    assert allowed.PROPERTIES.isdisjoint({"behavior", "-moz-binding", "src", "content", "cursor", "background-image"})
    assert all(name == name.lower() for name in (*allowed.FUNCTIONS, *allowed.PROPERTIES))


def test_nothing_that_runs_is_an_element() -> None:
    names = {name.lower() for name in allowed.ELEMENTS}
    assert names.isdisjoint({"script", "foreignobject", "iframe", "handler", "listener", "discard", "animation"})
