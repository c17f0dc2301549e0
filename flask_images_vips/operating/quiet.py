"""Keep the log of this package silent while a command says the same in its own words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger("flask_images_vips")


@contextmanager
def no_log() -> Iterator[None]:
    """Log nothing below the level of an error during the block."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
