"""Turn the events of an application's images into values of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flask import Flask, has_request_context

from .. import phases
from ..events import Events, Rendered
from ..serving.asking_page import ELSEWHERE, asking_page
from ..state import images_of
from .families import (
    ARM_PAGES,
    ARMS,
    ENDPOINTS,
    FAILED,
    FETCHED,
    OTHER,
    PHASES,
    REFUSED_TENANTS,
    RENDERED,
    SERVED,
    TENANTS,
    Meter,
)

if TYPE_CHECKING:
    from flask import Response

    from ..errors import ImagesError
    from ..options.scalars import Arm
    from ..serving.hit import Hit
    from ..urls import ImageUrl

_MOST_TENANTS = 500
_LONGEST_LABEL = 200  # characters


class Measures:
    """Gives *meters* the values of each event of *app*."""

    def __init__(self, app: Flask, meters: Sequence[Meter]) -> None:
        self._app = app
        self._meters = meters
        self._tenants: set[str] = set()

    def follow(self, events: Events) -> None:
        """Measure *events* from now on."""
        events.served.append(self._served)
        events.rendered.append(self._rendered)
        events.fetched.append(self._fetched)
        events.failed.append(self._failed)
        events.visited.append(self._visited)

    def _served(self, hit: Hit, response: Response, cached: bool) -> None:
        labels = hit.rendition.format.name, str(response.status_code), "hit" if cached else "miss"
        values = 1, response.content_length or 0
        for meter in self._meters:
            meter.add(SERVED, labels, values)
        if (arm := hit.url.options.arm) is not None:
            for meter in self._meters:
                meter.add(ARMS, (str(arm),), values)
        if not cached:
            self._add_timeline()

    def _visited(self, arm: Arm) -> None:
        for meter in self._meters:
            meter.add(ARM_PAGES, (str(arm),), (1,))

    def _failed(self, path: str, url: ImageUrl | None, status: int, error: ImagesError) -> None:
        timeline, labels = phases.current(), (str(status), type(error).__name__)
        values = 1, 0.0 if timeline is None else timeline.vain_seconds
        for meter in self._meters:
            meter.add(FAILED, labels, values)
        if url is not None:
            self._add_timeline()

    def _rendered(self, event: Rendered) -> None:
        by = "visitor" if event.visitor else "background"
        labels = event.rendition.format.name, event.engine, by
        values = 1, event.size_bytes, event.cpu_seconds, event.seconds, event.waited_seconds
        for meter in self._meters:
            meter.add(RENDERED, labels, values)
        if event.visitor and has_request_context():
            self._add_cost(event)

    def _fetched(self, format: str, size_bytes: int) -> None:
        for meter in self._meters:
            meter.add(FETCHED, (format,), (1, size_bytes))

    def _add_cost(self, event: Rendered) -> None:
        page, cost = asking_page(images_of(self._app)), (1, event.cpu_seconds)
        endpoint = OTHER if page in ("", ELSEWHERE) else label_of(page)
        for meter in self._meters:
            meter.add(ENDPOINTS, (endpoint,), cost)
        tenant = images_of(self._app).tenants.tenant_of(event.rendition.source.ref, self._app.ensure_sync)
        if tenant is not None:
            for meter in self._meters:
                meter.add(TENANTS, (self._label_of(tenant),), cost)

    def _label_of(self, tenant: str) -> str:
        """Return the label for *tenant*. If there are very many, the later ones share one."""
        tenant = label_of(tenant)
        if tenant not in self._tenants:
            if len(self._tenants) >= _MOST_TENANTS:
                return OTHER
            self._tenants.add(tenant)
        return tenant

    def _add_timeline(self) -> None:
        timeline = phases.current()
        if timeline is None:
            return
        for meter in self._meters:
            for name, seconds in timeline.seconds_by_name().items():
                meter.add(PHASES, (name,), (seconds,))
            if timeline.refused_tenant is not None:
                meter.add(REFUSED_TENANTS, (self._label_of(timeline.refused_tenant),), (1,))


def label_of(name: str) -> str:
    """Return *name* as a label: not too long, and without surrogates, which no format of metrics can contain."""
    return name[:_LONGEST_LABEL].encode("utf-8", "replace").decode()
