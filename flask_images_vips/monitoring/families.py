"""Declare what is measured: each family of metrics has the same labels, and gets its values at the same event.

The names are those of Prometheus. Times are in seconds, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper limits of the buckets of times: from a lock that is free to the longest render."""


OTHER = "other"
"""The label of renders that no page of this application has asked for, as far as the Referer tells, and of tenants that
are too many to count."""


class Counter(NamedTuple):
    """A number that only grows. Prometheus shows it as ``<name>_total``."""

    name: str
    doc: str


class Histogram(NamedTuple):
    """How often a value was at most each of the *bounds*, and the sum of all values."""

    name: str
    doc: str
    bounds: tuple[float, ...] = SECONDS


class Family(NamedTuple):
    """Metrics with the same *labels*."""

    name: str
    labels: tuple[str, ...]
    metrics: tuple[Counter | Histogram, ...]


class Meter(Protocol):
    """Keeps the values of families, for one kind of monitoring."""

    def add(self, family: Family, labels: tuple[str, ...], values: Sequence[float]) -> None:
        """Add one value to each metric of *family*, for these values of its *labels*."""


SERVED = Family(
    "served",
    ("format", "status", "cache"),
    (
        Counter("images_served", "Responses with an image or with status 304. cache is hit or miss."),
        Counter("images_served_bytes", "Bytes of these responses, without their headers."),
    ),
)
FAILED = Family(
    "failed",
    ("status", "error"),
    (
        Counter("images_failed", "Images that were refused."),
        Counter("images_failed_render_seconds", "Time that renderers spent on them."),
    ),
)
PHASES = Family(
    "phases",
    ("phase",),
    (Histogram("images_phase_seconds", "Time that requests that missed the cache spent in each phase."),),
)
RENDERED = Family(
    "rendered",
    ("format", "engine", "by"),
    (
        Counter("images_rendered", "Images rendered. by is visitor, or background for work without a visitor."),
        Counter("images_rendered_bytes", "Bytes of these images."),
        Counter("images_render_cpu_seconds", "CPU time of these renders."),
        Histogram("images_render_seconds", "Duration of these renders, with the time in the queue."),
        Histogram("images_render_wait_seconds", "Time in the queue until a renderer was free."),
    ),
)
FETCHED = Family(
    "fetched",
    ("format",),
    (
        Counter("images_fetched", "Images that another host had made, fetched from the object store of IMAGES_CACHE."),
        Counter("images_fetched_bytes", "Bytes of these images."),
    ),
)
ENDPOINTS = Family(
    "endpoints",
    ("endpoint",),
    (
        Counter("images_endpoint_rendered", "Images rendered for the pages of an endpoint, by their Referer."),
        Counter("images_endpoint_cpu_seconds", "CPU time of these renders."),
    ),
)
TENANTS = Family(
    "tenants",
    ("tenant",),
    (
        Counter("images_tenant_rendered", "Images rendered for a tenant."),
        Counter("images_tenant_cpu_seconds", "CPU time of these renders."),
    ),
)
REFUSED_TENANTS = Family(
    "refused tenants",
    ("tenant",),
    (Counter("images_tenant_refused", "Renders that were refused because the quota of a tenant was used up."),),
)
ARMS = Family(
    "arms",
    ("arm",),
    (
        Counter("images_arm_served", "Responses with an image of an arm of IMAGES_BY_VISITOR, or with status 304."),
        Counter("images_arm_served_bytes", "Bytes of these responses, without their headers."),
    ),
)
ARM_PAGES = Family(
    "arm pages",
    ("arm",),
    (Counter("images_arm_pages", "Pages whose images belong to an arm of IMAGES_BY_VISITOR: canary or usual."),),
)
FAMILIES = (SERVED, FAILED, PHASES, RENDERED, FETCHED, ENDPOINTS, TENANTS, REFUSED_TENANTS, ARMS, ARM_PAGES)
