"""Run all checks of a site's images, in the order in which a person would look."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import ConfigError, ImagesError
from ...state import AppImages
from . import (
    access,
    cache,
    cdn,
    configuration,
    front,
    hosts,
    libraries,
    nginx,
    redis_server,
    remote,
    rendering,
    server,
    shared_cache,
    signing,
    sources,
    stores,
)
from .finding import Finding, error, warning
from .site import Check, Site

CHECKS: tuple[Check, ...] = (
    *(configuration.keys, configuration.secret_key, configuration.protection),
    *(configuration.fallback, configuration.quality, configuration.hooks),
    *(libraries.engines, libraries.versions, libraries.formats),
    *(rendering.place, rendering.walls, rendering.memory, rendering.arenas),
    *(sources.folders, sources.files, stores.originals, access.originals, remote.hosts, remote.private_networks),
    *(cache.place, cache.writing, cache.tombstones, cache.space, shared_cache.store, redis_server.redis_server),
    *(server.running, server.threads, server.timeouts, server.forks, server.secret, server.configuration),
    *(server.production, hosts.hosts, nginx.reach, nginx.file, cdn.in_front, signing.signatures, front.front),
)
"""All checks. Each is named ``<module>.<function>`` in a message about its own failure."""


def configuration_faults(problem: ConfigError) -> list[Finding]:
    """Return an error for each fault of a configuration that cannot work. Without it, nothing else can be checked."""
    return [error("configuration", fault, problem.hint or "Correct this value.") for fault in problem.faults]


def examine(images: AppImages, **details: object) -> tuple[Site, list[Finding]]:
    """Look at the application of *images*, and return what was looked at, and all findings.

    *details* are the optional fields of `Site`.

    Raises:
        ConfigError: If its configuration cannot work.
    """
    site = Site.of(images, **details)  # type: ignore[arg-type]
    return site, [finding for check in CHECKS for finding in _findings(check, site)]


def _findings(check: Check, site: Site) -> Iterator[Finding]:
    try:
        yield from check(site)
    except (OSError, ImagesError) as problem:  # one that fails must not hide what the other checks find
        name = f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
        yield warning(name, f"This could not be checked: {problem}", "Run this command as the user of the site.")
