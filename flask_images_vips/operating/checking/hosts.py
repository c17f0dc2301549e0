"""Check whether the hosts of a site have the same version and configuration."""

from __future__ import annotations

from collections.abc import Iterator

from ...fleet.connection import RedisFailed
from ...fleet.messages import About
from ...fleet.roster import Host
from .finding import Finding, ok, warning
from .site import Site


def hosts(site: Site) -> Iterator[Finding]:
    """Find hosts that make other images or URLs than this one."""
    messages = site.images.parts.messages
    if messages is None:
        return
    try:
        present = [host for host in messages.roster.hosts() if host.is_present]
    except RedisFailed:  # `redis_server` tells of it
        return
    here = messages.about()
    found = [finding for host in present for finding in _differences(host, here)]
    yield from found or [ok("hosts", f"{len(present)} of the same version and configuration")]


def _differences(host: Host, here: About) -> Iterator[Finding]:
    keys = host.differing(here.settings)
    if keys == ["IMAGES_PATH"]:
        yield warning(
            "hosts",
            f"{host.name} has its originals in other folders (IMAGES_PATH), which count as part of their version, so "
            "both hosts render every image.",
            "Set IMAGES_VERSION to 'hash' on all hosts, or use the same folders.",
        )
    elif keys:
        yield warning(
            "hosts",
            f"The configuration of {host.name} differs: {', '.join(keys)}. It makes other images or URLs.",
            "Deploy the same configuration to all hosts.",
        )
    if host.version != here.version:
        yield warning(
            "hosts",
            f"{host.name} has version {host.version} of this package, and this host {here.version}.",
            "Install the same version on all hosts.",
        )
