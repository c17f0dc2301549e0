"""Build what encodes popular images again in the background: smaller, at another quality, or as JPEG XL."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace

from .auto_quality import AutoQuality
from .background_thread import threads_run
from .config.keys import Config
from .formats import Auto
from .oddities import names_auto
from .pipeline import Pipeline
from .producer import Producer
from .recompression import Recompressor
from .rendering import scores
from .rendition import Rendition
from .smaller_jxl import SmallerJxl

logger = logging.getLogger("flask_images_vips")

_AUTO_AFTER = 10  # answers of one process, until the quality of a rendition is worth the search


def recompressor_of(config: Config, pipeline: Pipeline, *, x_sendfile: bool) -> Recompressor | None:
    """Return the recompressor, or None if it is turned off and no rendition has the quality ``auto``.

    If the environment does not support it, log a warning and return None. *x_sendfile* is ``USE_X_SENDFILE``.
    """
    after = config.recompress_after if config.effort != "small" else 0
    reasons = {
        # With X-Sendfile, the server opens the file after this package has sent the ETag, so the file must not be
        # replaced in between. nginx computes the ETag from the file it opens, so IMAGES_ACCEL_REDIRECT is safe.
        "USE_X_SENDFILE is set": x_sendfile,
        "uWSGI runs no threads: start it with --enable-threads": not threads_run(),
        "Windows cannot replace open files": os.name != "posix",
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    if reason is not None:
        if after:
            logger.warning("IMAGES_RECOMPRESS_AFTER does nothing: %s.", reason)
        if names_auto(config):
            logger.warning("quality='auto' keeps the usual quality: %s.", reason)
        return None
    auto_after = (after or (1 if config.front_door else _AUTO_AFTER)) if scores.is_installed() else 0
    if auto_after and pipeline.producer.renderers.pool is None:
        auto_after = 0
        if names_auto(config):
            logger.warning("quality='auto' keeps the usual quality: there are no renderers (IMAGES_MAX_RENDERS).")
    if not after and not auto_after:
        return None
    producer = _in_background(replace(config, effort="small") if after else config, pipeline)
    auto = AutoQuality(producer, config.target_score)

    def render(rendition: Rendition) -> bytes:
        if isinstance(rendition.options.quality, Auto):
            return auto.render(rendition)
        return pipeline.render(rendition, time.monotonic(), producer)

    return Recompressor(after, pipeline.cache, render, auto_after)


def smaller_jxl_of(config: Config, pipeline: Pipeline, *, waits: bool) -> SmallerJxl | None:
    """Return what makes files of JPEG XL, or None if none are sent in place of AVIF, or no background threads run.

    *waits* is whether each AVIF is made smaller first. The JPEG XL is then made at the same effort.
    """
    if not pipeline.formats.prefers_jxl_to_avif or not threads_run():
        return None
    producer = _in_background(replace(config, effort="small") if waits else config, pipeline)

    def render(rendition: Rendition) -> bytes:
        return pipeline.render(rendition, time.monotonic(), producer)

    return SmallerJxl(pipeline.cache, render, waits=waits)


def _in_background(config: Config, pipeline: Pipeline) -> Producer:
    """Return a producer that renders with *config* when no visitor waits."""
    own, renderers = pipeline.producer, pipeline.producer.renderers.by(config)
    return Producer(pipeline.facts, renderers, config, own.events, own.slots, own.find_rights, own.signer, yields=True)
