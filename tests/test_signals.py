"""The signals: when they are sent, with what, and that a receiver that fails affects no image."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from conftest import url_of
from flask import Flask

from flask_images_vips.signals import image_failed, image_rendered, image_served


def test_a_render_a_hit_and_a_refusal_are_signalled(app: Flask, draw: Any) -> None:
    draw("a.png")
    events: list[tuple[str, dict[str, Any]]] = []

    def receiver(name: str) -> Any:
        def receive(sender: Flask, **event: Any) -> None:
            assert sender is app
            events.append((name, event))

        return receive

    receivers = {signal.name: receiver(signal.name) for signal in (image_rendered, image_served, image_failed)}
    with (
        image_rendered.connected_to(receivers["image-rendered"], sender=app),
        image_served.connected_to(receivers["image-served"], sender=app),
        image_failed.connected_to(receivers["image-failed"], sender=app),
    ):
        client, url = app.test_client(), url_of(app, "a.png", width=10)
        first = client.get(url)
        client.get(url)
        client.get(url, headers={"If-None-Match": first.headers["ETag"]})
        assert client.get("/imgsizer/a.png?w=10").status_code == 404
    assert [name for name, _ in events] == ["image-rendered", *["image-served"] * 3, "image-failed"]
    rendered, miss, hit, same, failed = [event for _, event in events]
    assert rendered["ref"] == "a.png"
    assert rendered["format"] == "png"
    assert rendered["options"].width == 10
    assert rendered["size_bytes"] == len(first.data)
    assert 0 <= rendered["waited_seconds"] <= rendered["seconds"]
    assert rendered["cpu_seconds"] > 0
    assert rendered["visitor"]
    assert [event["cached"] for event in (miss, hit, same)] == [False, True, True]
    assert [event["status"] for event in (miss, hit, same)] == [200, 200, 304]
    assert hit["size_bytes"] == len(first.data)
    assert failed["ref"] == "a.png"
    assert failed["status"] == 404
    assert type(failed["error"]).__name__ == "BadSignature"


def test_a_receiver_that_fails_affects_no_image(app: Flask, draw: Any, caplog: pytest.LogCaptureFixture) -> None:
    draw("a.png")

    def fail(sender: Flask, **event: Any) -> None:
        raise RuntimeError("the receiver is wrong")

    with image_served.connected_to(fail, sender=app), caplog.at_level(logging.ERROR, logger="flask_images_vips"):
        assert app.test_client().get(url_of(app, "a.png", width=10)).status_code == 200
    assert "the receiver is wrong" in caplog.text
