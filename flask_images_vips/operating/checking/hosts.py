"""Check what the hosts of a site share in Redis, and whether they have the same configuration."""

from __future__ import annotations

from collections.abc import Iterator

from ...fleet.connection import RedisFailed
from ...fleet.messages import Messages
from .finding import Finding, error, ok, warning
from .site import Site


def hosts(site: Site) -> Iterator[Finding]:
    """Find hosts that differ or lag behind, and a Redis that loses what hosts have told each other."""
    messages = site.images.parts.messages
    if messages is None:
        return
    try:
        found = [*_differences(messages), *_losses(messages)]
    except RedisFailed as problem:
        yield error(
            "hosts",
            f"Redis cannot be used ({problem}), so other hosts are not told what is purged or forgotten here.",
            "Check IMAGES_REDIS, and that the server runs.",
        )
        return
    yield from found or [ok("hosts", f"{_counted(messages)} with the same configuration")]


def _counted(messages: Messages) -> str:
    number = sum(host.is_present for host in messages.roster.hosts())
    return f"{number} host{'s' if number != 1 else ''}"


def _differences(messages: Messages) -> Iterator[Finding]:
    settings, version = messages.about().settings, messages.about().version
    for host in messages.roster.hosts():
        keys = host.differing(settings) if host.is_present else []
        if keys:
            yield warning(
                "hosts",
                f"The configuration of {host.name} differs: {', '.join(keys)}. It makes other images or URLs.",
                "Deploy the same configuration to all hosts.",
            )
        if host.is_present and host.version != version:
            yield warning(
                "hosts",
                f"{host.name} has version {host.version} of this package, and this one {version}.",
                "Install the same version on all hosts.",
            )


def _losses(messages: Messages) -> Iterator[Finding]:
    settings = messages.log.server_settings()
    policy = settings.get("maxmemory-policy", "")
    if policy.startswith("allkeys"):
        yield warning(
            "redis",
            f"Redis removes any key if its memory is full (maxmemory-policy {policy}). If it removes the log of what "
            "was purged, each host empties its cache.",
            "Set maxmemory-policy to volatile-lru or noeviction, or use a Redis server of its own.",
        )
    if settings.get("appendonly") == "no" and settings.get("save") == "":
        yield warning(
            "redis",
            "Redis stores nothing on its disk. After it was restarted, no host can tell what it has missed, so each "
            "empties its cache.",
            "Set appendonly to yes.",
        )
