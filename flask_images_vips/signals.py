"""Signals that an image was rendered, served or refused. Connect to them as to those of Flask; the sender is the app.

With Flask 2.2, they need the package blinker, which newer versions of Flask require.
"""

from __future__ import annotations

from flask import Flask, Response
from flask.signals import Namespace  # type: ignore[attr-defined]  # from blinker, or a stand-in if that is missing

from .errors import ImagesError
from .events import Events, Rendered
from .serving.hit import Hit
from .urls import ImageUrl

_signals = Namespace()

image_rendered = _signals.signal("image-rendered")
"""Sent after a render, with ref, options, format (its name), engine, size_bytes, seconds, waited_seconds, cpu_seconds
and visitor: see `events.Rendered`."""

image_served = _signals.signal("image-served")
"""Sent for each response with an image or with status 304, with ref, options, format, status, size_bytes and cached."""

image_failed = _signals.signal("image-failed")
"""Sent for each image that is refused, with ref, status and error, an `errors.ImagesError`. If the URL is invalid, ref
is its path."""


def send_signals(app: Flask, events: Events) -> None:
    """Send signals of *app* from now on, at each of its *events*."""

    def rendered(event: Rendered) -> None:
        if not _has_receivers(image_rendered):
            return
        rendition = event.rendition
        image_rendered.send(
            app,
            ref=rendition.source.ref,
            options=rendition.options,
            format=rendition.format.name,
            engine=event.engine,
            size_bytes=event.size_bytes,
            seconds=event.seconds,
            waited_seconds=event.waited_seconds,
            cpu_seconds=event.cpu_seconds,
            visitor=event.visitor,
        )

    def served(hit: Hit, response: Response, cached: bool) -> None:
        if _has_receivers(image_served):
            rendition, sent = hit.rendition, response.content_length or 0
            image_served.send(
                app,
                ref=rendition.source.ref,
                options=rendition.options,
                format=rendition.format.name,
                status=response.status_code,
                size_bytes=sent,
                cached=cached,
            )

    def failed(path: str, url: ImageUrl | None, status: int, error: ImagesError) -> None:
        if _has_receivers(image_failed):
            image_failed.send(app, ref=path if url is None else url.ref, status=status, error=error)

    events.rendered.append(rendered)
    events.served.append(served)
    events.failed.append(failed)


def _has_receivers(signal: object) -> bool:
    return bool(getattr(signal, "receivers", None))  # the stand-in has none
