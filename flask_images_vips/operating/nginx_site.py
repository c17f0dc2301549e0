"""Write the nginx configuration of one application, as text."""

from __future__ import annotations

from dataclasses import replace

from ..nginx.configuration import Server, nginx_configuration
from ..serving.headers import front_headers
from ..state import AppImages


def printed(images: AppImages, server: Server) -> str:
    """Return the configuration of nginx for *images*, whose front door or ``IMAGES_ACCEL_REDIRECT`` is on."""
    config, door = images.pipeline.config, images.front_door
    # nginx looks for links in these formats only.
    config = replace(config, formats=tuple(format.name for format in images.pipeline.formats.negotiable))
    cache, front = images.pipeline.cache.folder, door.folder if door else None
    return nginx_configuration(config, cache, front, front_headers(config), server)
