"""Check the configuration of an application when it starts, and log what will not work as its developer may expect.

A configuration that cannot work raises one error that lists all of its faults.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Flask

from .cdn.settings import check_installed
from .config.keys import Config, odd_keys, secret_keys
from .engines.choice import check_engine, check_extras
from .errors import ConfigError, Faults
from .faces.detector import lacking
from .in_front import check_tags
from .monitoring.start import check_monitoring, check_view, is_timed
from .oddities import missing_fallback, unusable_folders, unused_keys
from .options.presets import Presets
from .options.text import TextStyles
from .options.values import Gravity
from .originals import guard_of, store_at
from .sources.connection import check_urllib3
from .sources.fonts import fonts_of
from .state import EXTENSION, images_of

logger = logging.getLogger("flask_images_vips")


def check_values(settings: Mapping[str, Any]) -> None:
    """Check the values that are set now. More may be set later, but these are final.

    Raises:
        ConfigError: It lists all faults.
    """
    faults = Faults()
    config = Config.read(settings, faults)
    # These checks see the default of a key whose value is invalid, so no fault is reported twice.
    with faults.catch():
        Presets(replace(config, only_presets=False))
    with faults.catch():
        TextStyles(config)
    with faults.catch():
        _check_faces(config)
    with faults.catch():
        guard_of(config)
    with faults.catch():
        check_engine(config.engine)
    with faults.catch():
        _check_svg(config)
    with faults.catch():
        check_extras(config.engine, config.input_formats)
    with faults.catch():
        check_monitoring(config)
    if config.redis is not None or config.max_renders_in_all is not None:
        from .fleet.fleet import check_fleet  # noqa: PLC0415  (only sites of several hosts need it)

        with faults.catch():
            check_fleet(config)
    with faults.catch():
        check_installed(config.cdn)
    if config.remote_hosts:  # otherwise, the site may not use remote sources at all
        with faults.catch():
            check_urllib3()
    faults.check()


def check(app: Flask) -> None:
    """Check the whole configuration of *app*, and log what is odd about it. Call this when it is complete.

    Raises:
        ConfigError: It lists all faults.
    """
    faults = Faults()
    with faults.catch():
        check_values(app.config)
    with faults.catch():
        secret_keys(app.config)
    config = Config.read(app.config, Faults())
    with faults.catch():
        check_view(app, config, EXTENSION)
    if config.only_presets and not app.config.get("IMAGES_PRESETS"):
        with faults.catch():
            Presets(config)
    with faults.catch():
        check_tags(config)
    if config.uploads is not None:
        from .uploads.places import check_place  # noqa: PLC0415  (few sites need it)

        with faults.catch():
            check_place(config, app.root_path)
    with faults.catch():
        fonts_of(config, app.root_path)
    if config.c2pa is not None:
        from .rights.signing import Signer  # noqa: PLC0415  (few sites use it)

        with faults.catch():
            Signer(config.c2pa, app.root_path)
    for location in [*config.stores, *([config.cache_store] if config.cache_store else [])]:
        with faults.catch():
            store_at(location, config)
    faults.check()
    images_of(app).events.timed = is_timed(config)
    if app.debug and config.page_report:
        from .debugging import report_pages  # noqa: PLC0415  (it needs a parser of HTML, which sites do not)

        report_pages(app)
    own = config, app.root_path
    for sentence in (*odd_keys(app.config), *unused_keys(config), *unusable_folders(*own), *missing_fallback(*own)):
        logger.warning("%s", sentence)


def _check_faces(config: Config) -> None:
    for name, options in (config.presets or {}).items():
        cure = lacking() if str(options.get("gravity")).lower() == Gravity.FACE else None
        if cure is not None:
            raise ConfigError(f"IMAGES_PRESETS[{name!r}]: gravity='face' needs the extra `faces`. Run {cure}")


def _check_svg(config: Config) -> None:
    if config.svg is True and config.engine == "pillow":
        raise ConfigError(
            "IMAGES_SVG = True needs libvips, but IMAGES_ENGINE = 'pillow'. Set IMAGES_ENGINE = 'auto', or remove "
            "IMAGES_SVG, or set it to 'pass', which draws nothing."
        )
