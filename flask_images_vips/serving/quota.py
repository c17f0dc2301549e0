"""Limit how many images are rendered for one tenant, see `tenants`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .. import phases
from ..cache.allowances import Allowances
from ..errors import Busy, QuotaExceeded
from ..state import AppImages
from ..urls import ImageUrl


@contextmanager
def charged(images: AppImages, url: ImageUrl) -> Iterator[None]:
    """Charge the block, which may render the image of *url*, to the quota of its tenant, if it has one.

    Nothing is charged if the block renders nothing, because another request has just made the image, or because the
    host is too busy. A render that fails is charged.

    Raises:
        QuotaExceeded: If the quota is used up. The block does not run.
    """
    found = images.tenants.quota_of(url.ref, images.app.ensure_sync)
    if found is None:
        yield
        return
    tenant, quota = found
    allowances = images.instance(allowances_of)
    with phases.recorded() as timeline:
        wait = allowances.take(tenant, quota.renders, quota.seconds)
        if wait:
            timeline.refused_tenant = tenant
            raise QuotaExceeded(tenant, quota.renders, quota.seconds, retry_after=max(1, math.ceil(wait)))
        try:
            yield
        except Busy:
            allowances.give_back(tenant, quota.renders, quota.seconds)
            raise
        if not timeline.rendered:
            allowances.give_back(tenant, quota.renders, quota.seconds)


def allowances_of(images: AppImages) -> Allowances:
    """Return what tenants have taken of their quotas. All processes of the application share it."""
    cache = images.pipeline.cache
    return Allowances(os.path.join(cache.folder, "quotas"), cache.usable)
