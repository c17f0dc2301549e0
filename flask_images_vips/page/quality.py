"""Choose the quality that a URL names, by the density of the screen that it is for: see ``IMAGES_DPR_QUALITY``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..errors import InvalidOption
from ..formats import AUTO
from ..state import current_images
from ..urls import file_name, is_remote
from .queries import parsed, query_of


def at_density(ref: str, keywords: Mapping[str, Any], density: float) -> dict[str, Any]:
    """Return the ``quality`` of *ref* with *keywords* for *density* image pixels per CSS pixel, or nothing.

    Nothing is returned if *keywords* name a quality, or if the format has none. With ``IMAGES_ONLY_PRESETS``, a URL
    with another quality would be refused.
    """
    pipeline = current_images().pipeline
    quality = pipeline.config.quality_at(density)
    if quality is None or keywords.get("quality") or pipeline.presets.only or not is_lossy(ref, keywords):
        return {}
    return {"quality": quality}


def by_dpr(ref: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Do as `at_density` for the density that ``dpr`` in *keywords* names."""
    if not current_images().pipeline.config.dpr_quality or not keywords.get("dpr"):
        return {}
    with suppress(InvalidOption):  # reported when the image is requested
        return at_density(ref, keywords, parsed(query_of(keywords)).dpr)
    return {}


def is_lossy(ref: str, keywords: Mapping[str, Any]) -> bool:
    """Return whether a quality changes *ref* with *keywords*. With a format that ``auto`` chooses, it may do so."""
    with suppress(InvalidOption):
        options = parsed(query_of(keywords))
        if options.lossless:
            return False
        name = file_name(ref, remote=is_remote(ref))
        return options.format is AUTO or current_images().pipeline.formats.of(name, options).lossy
    return False
