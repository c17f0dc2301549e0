"""Report to OpenTelemetry: a span for each image that is requested, with its phases, and the same metrics as elsewhere.

Only its API is used. The application sets up the SDK and the exporters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from flask import has_request_context

from .. import phases
from ..errors import ConfigError, without_secrets
from ..events import Events, Rendered
from ..phases import Phase
from .families import Counter, Family

if TYPE_CHECKING:
    from flask import Response
    from opentelemetry.trace import Span

    from ..errors import ImagesError
    from ..serving.hit import Hit
    from ..urls import ImageUrl

_NAME = "flask_images_vips"
_SERVE, _RENDER = "images.serve", "images.background"

Attributes = Mapping[str, str | bool | int | float]
Clock = Callable[[float], int]


def check_opentelemetry() -> None:
    """Check that the API of OpenTelemetry can be imported.

    Raises:
        ConfigError: If not.
    """
    try:
        import_module("opentelemetry.trace")  # other packages may have the name without the rest
    except ImportError as error:
        message = f"IMAGES_OPENTELEMETRY needs its API ({error}). Run: pip install 'flask-images-vips[otel]'"
        raise ConfigError(message) from None


class TelemetryMeter:
    """Keeps the values of families in instruments of OpenTelemetry. Their names have a dot: ``images.served``."""

    def __init__(self) -> None:
        from opentelemetry import metrics  # noqa: PLC0415

        self._meter = metrics.get_meter(_NAME)
        self._instruments: dict[str, Sequence[Any]] = {}

    def add(self, family: Family, labels: tuple[str, ...], values: Sequence[float]) -> None:
        instruments = self._instruments.get(family.name)
        if instruments is None:
            instruments = self._instruments[family.name] = [self._instrument(metric) for metric in family.metrics]
        attributes = dict(zip(family.labels, labels, strict=True))
        for instrument, value in zip(instruments, values, strict=True):
            (instrument.add if hasattr(instrument, "add") else instrument.record)(value, attributes)

    def _instrument(self, metric: Any) -> Any:
        name = metric.name.replace("_", ".", 1)
        unit = "s" if name.endswith("_seconds") else "By" if name.endswith("_bytes") else "{image}"
        if isinstance(metric, Counter):
            return self._meter.create_counter(name, unit, metric.doc)
        bounds = list(metric.bounds)
        return self._meter.create_histogram(name, unit, metric.doc, explicit_bucket_boundaries_advisory=bounds)


class Spans:
    """Writes a span for each image that is requested, and for each one that is rendered in the background."""

    def __init__(self) -> None:
        from opentelemetry import trace  # noqa: PLC0415

        self._trace = trace
        self._tracer = trace.get_tracer(_NAME)

    def follow(self, events: Events) -> None:
        """Write the spans of *events* from now on. The requests must be `Events.timed`."""
        events.served.append(self._served)
        events.failed.append(self._failed)
        events.rendered.append(self._rendered)

    def _served(self, hit: Hit, response: Response, cached: bool) -> None:
        size = response.content_length
        span = self._request(
            {
                "images.ref": without_secrets(hit.rendition.source.ref),
                "images.format": hit.rendition.format.name,
                "images.cached": cached,
                "http.response.status_code": response.status_code,
                **({} if size is None else {"images.size_bytes": size}),
            }
        )
        if span is not None:
            span.end()

    def _failed(self, path: str, url: ImageUrl | None, status: int, error: ImagesError) -> None:
        span = self._request(
            {
                "images.ref": without_secrets(path if url is None else url.ref),
                "http.response.status_code": status,
                "error.type": type(error).__name__,
            }
        )
        if span is not None:
            if status >= 500:
                span.set_status(self._trace.StatusCode.ERROR, str(error))
            span.end()

    def _rendered(self, event: Rendered) -> None:
        if has_request_context() or not event.phases:
            return
        clock, begin = _clock(), min(phase.begin for phase in event.phases)
        attributes = {"images.ref": without_secrets(event.rendition.source.ref), **_attributes([event])}
        span = self._tracer.start_span(_RENDER, attributes=attributes, start_time=clock(begin))
        if span.is_recording():
            self._add_phases(span, event.phases, clock)
        span.end()

    def _request(self, attributes: Attributes) -> Span | None:
        """Return the span of the current request, with spans of its phases. None if the request is not recorded."""
        timeline = phases.current()
        if timeline is None:
            return None
        clock, every = _clock(), {**attributes, **_attributes(timeline.rendered)}
        span = self._tracer.start_span(_SERVE, attributes=every, start_time=clock(timeline.begin))
        if timeline.phases and span.is_recording():
            self._add_phases(span, timeline.with_lookup(), clock)
        return span

    def _add_phases(self, parent: Span, found: Sequence[Phase], clock: Clock) -> None:
        """Add a span for each phase. That of ``encode`` is within the one of its ``render``."""
        renders: list[tuple[Phase, Span]] = []
        for phase in sorted(found, key=lambda each: (each.begin, -each.end)):
            within = (span for outer, span in renders if outer.begin <= phase.begin and phase.end <= outer.end)
            above = next(within, parent) if phase.name == "encode" else parent
            context = self._trace.set_span_in_context(above)
            span = self._tracer.start_span(f"images.{phase.name}", context, start_time=clock(phase.begin))
            span.end(clock(phase.end))
            if phase.name == "render":
                renders.append((phase, span))


def _attributes(rendered: Iterable[Rendered]) -> Attributes:
    events = list(rendered)
    if not events:
        return {}
    return {
        "images.rendered": len(events),
        "images.engine": events[0].engine,
        "images.cpu_seconds": sum(event.cpu_seconds for event in events),
    }


def _clock() -> Clock:
    """Return a function that turns a time of `time.monotonic` into nanoseconds since 1970.

    Use one for all spans of a trace: the clock of the system may be set meanwhile.
    """
    offset = time.time_ns() - time.monotonic_ns()
    return lambda seconds: offset + int(seconds * 1e9)
