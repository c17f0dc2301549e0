"""Find what is odd about a configuration that works: values that may not do what their developer expects.

Each function yields sentences, which are logged at start and shown by ``flask images check``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from .config.keys import Config
from .engines.encoder_settings import number_of
from .formats import NEGOTIABLE, Auto
from .rendering import scores


def own_numbers(config: Config) -> Iterator[str]:
    """Yield a sentence about each number in ``IMAGES_QUALITY`` that may be meant for an encoder."""
    numbers = {} if isinstance(config.quality, int) else config.quality
    for name in NEGOTIABLE:
        if isinstance(number := numbers.get(name), int):
            if isinstance(number, Auto):
                continue
            yield (
                f"IMAGES_QUALITY: {number} for {name} is the quality of a JPEG that looks the same, so the encoder "
                f"gets {number_of(name, number)}. If {number} is meant for the encoder, write raw({number})."
            )


def auto_without_scores(config: Config) -> Iterator[str]:
    """Yield a sentence if pictures should get the quality ``auto``, but cannot be compared."""
    if names_auto(config) and not scores.is_installed():
        yield (
            "quality='auto' keeps the usual quality, because ssimulacra2 is not installed. Run: pip install "
            "'flask-images-vips[auto-quality]'"
        )


def names_auto(config: Config) -> bool:
    """Return whether ``IMAGES_QUALITY`` or a preset is ``auto``. A URL may be it, too."""
    own = config.quality.values() if isinstance(config.quality, dict) else [config.quality]
    presets = (config.presets or {}).values()
    return any(isinstance(each, Auto) for each in own) or any(each.get("quality") == "auto" for each in presets)


def boxes_for_visitors(config: Config, *, tested: bool) -> Iterator[str]:
    """Yield a sentence if boxes are drawn in place of pictures, although the application is not *tested*."""
    if config.engine == "boxes" and not tested:
        yield (
            "IMAGES_ENGINE = 'boxes' draws labelled boxes in place of all pictures. It is for tests, but neither "
            "TESTING nor DEBUG is set. For visitors, set IMAGES_ENGINE = 'auto'."
        )


def unused_keys(config: Config) -> Iterator[str]:
    """Yield a sentence about each key of *config* that does nothing without another one."""
    if config.cache_local is not None and config.cache_store is None:
        yield (
            f"IMAGES_CACHE_LOCAL = {config.cache_local!r} does nothing, because IMAGES_CACHE is not in an object "
            "store. Set IMAGES_CACHE to that folder instead."
        )

    if config.only_presets:
        for key, value in (("IMAGES_DPR_QUALITY", config.dpr_quality), ("IMAGES_BY_VISITOR", config.by_visitor)):
            if value:
                yield (
                    f"{key} does nothing, because IMAGES_ONLY_PRESETS is set: a URL with another quality or format "
                    "would be refused. Make presets with these."
                )


def unusable_folders(config: Config, root_path: str) -> Iterator[str]:
    """Yield a sentence if folders of ``IMAGES_PATH`` cannot be used."""
    roots = _roots(config, root_path)
    problems = [f"{root} ({problem})" for root in roots if (problem := _folder_problem(root))]
    if problems:
        yield (
            f"IMAGES_PATH names folders that cannot be used: {', '.join(problems)}. Images in them answer 404. "
            f"Relative folders start at {root_path}, the application's root path."
        )


def missing_fallback(config: Config, root_path: str) -> Iterator[str]:
    """Yield a sentence if the picture of ``IMAGES_FALLBACK`` is missing."""
    roots, fallback = _roots(config, root_path), config.fallback
    if config.stores:  # it may be in a store, which is not asked at start
        return
    if fallback is not None and not any(os.path.isfile(os.path.join(root, fallback)) for root in roots):
        yield (
            f"IMAGES_FALLBACK = {fallback!r} is not a file in IMAGES_PATH ({', '.join(roots)}), so nothing is sent in "
            "place of missing images."
        )


def _roots(config: Config, root_path: str) -> list[str]:
    return [os.path.join(root_path, path) for path in config.folders]


def _folder_problem(folder: str) -> str:
    """Return why the files in *folder* cannot be read, or an empty string."""
    if not os.path.exists(folder):
        return "does not exist"
    if not os.path.isdir(folder):
        return "is not a folder"
    return "" if os.access(folder, os.X_OK) else "the user of this process may not enter it"
