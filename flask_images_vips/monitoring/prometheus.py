"""Show the metrics of an application to Prometheus: the sums of all its processes on this host.

prometheus-client writes the text. Its own way to add up processes is not used: it needs an environment variable that is
set before the import, and keeps a file for each process that has ever run.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from ..errors import Busy, ConfigError
from ..hashing import digest
from ..state import AppImages, images_of
from .families import FAMILIES, SERVED, Counter, Family, Histogram
from .sums import Sums

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric


def check_prometheus() -> None:
    """Check that prometheus-client can be imported.

    Raises:
        ConfigError: If not.
    """
    if find_spec("prometheus_client") is None:
        raise ConfigError("IMAGES_METRICS needs prometheus-client. Run: pip install 'flask-images-vips[metrics]'")


class SumsMeter:
    """Keeps the values of families in the sums of *images*.

    A histogram is kept as a count for each bucket, and the sum of its values.
    """

    def __init__(self, images: AppImages) -> None:
        self._images = images

    def add(self, family: Family, labels: tuple[str, ...], values: Sequence[float]) -> None:
        sums = self._images.instance(sums_of)
        if family is SERVED:  # at each hit, so it must be quick
            sums.add((family.name, *labels), values)
            return
        numbers: list[float] = []
        for metric, value in zip(family.metrics, values, strict=True):
            numbers += [value] if isinstance(metric, Counter) else [*_buckets(metric, value), value]
        sums.add((family.name, *labels), numbers)


def _buckets(metric: Histogram, value: float) -> list[int]:
    place = sum(value > bound for bound in metric.bounds)
    return [int(index == place) for index in range(len(metric.bounds) + 1)]


def sums_of(images: AppImages) -> Sums:
    """Return the sums of the processes of this application on this host."""
    cache = images.pipeline.cache
    name = digest(f"{socket.gethostname()}\n{images.app.name}\n{images.app.root_path}\n{images.url}", 8)
    return Sums(os.path.join(cache.folder, "metrics", name), cache.usable)


class ImagesCollector:
    """The metrics of the images of *app*, for a ``CollectorRegistry`` of prometheus-client."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def describe(self) -> Iterator[Metric]:
        """Yield the metrics without values. A registry calls this to learn their names."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        for family in FAMILIES:
            yield from _exposed(family, {})
        for name, (doc, _) in GAUGES.items():
            yield GaugeMetricFamily(name, doc)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. prometheus-client calls this.

        Raises:
            Busy: If the sums are locked for too long.
        """
        images = images_of(self._app)
        totals = images.instance(sums_of).totals()
        for family in FAMILIES:
            size = sum(map(_width, family.metrics))
            series = {
                key[1:]: numbers
                for key, numbers in sorted(totals.items())
                if key[0] == family.name and len(key) == len(family.labels) + 1 and len(numbers) == size
            }
            yield from _exposed(family, series)
        yield from _gauges(images)


def _width(metric: Counter | Histogram) -> int:
    return 1 if isinstance(metric, Counter) else len(metric.bounds) + 2


def _exposed(family: Family, series: Mapping[tuple[str, ...], Sequence[float]]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily  # noqa: PLC0415

    start = 0
    for metric in family.metrics:
        end = start + _width(metric)
        own = {labels: numbers[start:end] for labels, numbers in series.items()}
        shown: CounterMetricFamily | HistogramMetricFamily
        if isinstance(metric, Counter):
            shown = CounterMetricFamily(metric.name, metric.doc, labels=family.labels)
            for labels, (number,) in own.items():
                shown.add_metric(labels, number)
        else:
            shown = HistogramMetricFamily(metric.name, metric.doc, labels=family.labels)
            limits = [*map(str, metric.bounds), "+Inf"]
            for labels, (*counts, total) in own.items():
                shown.add_metric(labels, list(zip(limits, itertools.accumulate(counts), strict=True)), total)
        yield shown
        start = end


def _held(images: AppImages) -> float:
    bound = images.pipeline.cache.bound
    return 0 if bound is None else bound.held() + sum(part.held() for part in bound.parts)


def _limit(images: AppImages) -> float:
    return images.pipeline.config.cache_max_size


def _free(images: AppImages) -> float:
    space = os.statvfs(images.pipeline.cache.folder)
    return space.f_bavail * space.f_frsize


def _renderers(images: AppImages) -> float:
    pool = images.pipeline.producer.renderers.pool
    return 1 if pool is None else pool.count


GAUGES: dict[str, tuple[str, Callable[[AppImages], float]]] = {
    "images_cache_bytes": ("Bytes in the cache, copies and remote sources included.", _held),
    "images_cache_max_bytes": ("The limit of the cache, IMAGES_CACHE_MAX_SIZE.", _limit),
    "images_cache_free_bytes": ("Free bytes of the disk of the cache.", _free),
    "images_renderers": ("Renders that may run at the same time.", _renderers),
}
"""The metrics that are read when Prometheus asks: their names, with their documentation and a function for the value.

A value that cannot be read, because of an OSError or on systems without statvfs, is left out.
"""


def _gauges(images: AppImages) -> Iterator[GaugeMetricFamily]:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    for name, (doc, value) in GAUGES.items():
        with suppress(OSError, AttributeError):
            yield GaugeMetricFamily(name, doc, value=value(images))


def view(app: Flask) -> Callable[[], Response]:
    """Return the view with the metrics of *app*."""

    def show_metrics() -> Response:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

        registry = CollectorRegistry()
        registry.register(ImagesCollector(app))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        try:
            text = encode(registry)
        except Busy as error:
            return Response(f"{error}\n", 503, {"Retry-After": "1"}, mimetype="text/plain")
        return Response(text, headers={"Cache-Control": "no-store"}, content_type=content_type)

    return show_metrics
