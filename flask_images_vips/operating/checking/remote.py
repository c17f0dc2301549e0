"""Check from where sources may be fetched."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ...errors import ConfigError
from ...sources.connection import check_urllib3
from .finding import Finding, error, ok, warning
from .site import Site

_METADATA = ipaddress.ip_network("169.254.0.0/16")
_WIDEST = {4: 16, 6: 48}  # prefixes of networks that may be one site's own
_LABELS = 2  # of a host in `*.example.org`


def hosts(site: Site) -> Iterator[Finding]:
    """Find rules that let pages make this host fetch from anywhere."""
    config, found = site.config, []
    if config.remote_hosts == ():
        yield ok("remote", "no sources at URLs")
        return
    try:
        check_urllib3()
    except ConfigError:
        yield ok("remote", "no sources at URLs: urllib3 is not installed")
        return
    if config.remote_hosts is None:
        found.append(
            warning(
                "remote",
                "IMAGES_REMOTE_HOSTS is not set: a URL that a template signs can name any public host.",
                "List your hosts, such as IMAGES_REMOTE_HOSTS = ['img.example.com'], or set it to [].",
            )
        )
    for host in config.remote_hosts or ():
        if host.startswith("*.") and host.count(".") < _LABELS:
            found.append(
                warning(
                    "remote",
                    f"IMAGES_REMOTE_HOSTS contains {host!r}, which is every host of a top-level domain.",
                    "Name the hosts, or a domain of your own, such as '*.example.org'.",
                )
            )
    yield from found or [ok("remote", ", ".join(config.remote_hosts or ()))]


def private_networks(site: Site) -> Iterator[Finding]:
    """Find private networks that are open wider than a site needs."""
    if site.config.remote_hosts == ():
        return
    for name in site.config.remote_allow_private:
        network = ipaddress.ip_network(name)
        if network.version == _METADATA.version and network.overlaps(_METADATA):
            yield error(
                "remote-private",
                f"IMAGES_REMOTE_ALLOW_PRIVATE contains {name}: the metadata service of most clouds, which hands out "
                "keys, is in this network.",
                "Name the addresses of your image servers only, such as '10.1.2.3'.",
            )
        elif network.prefixlen < _WIDEST[network.version]:
            yield warning(
                "remote-private",
                f"IMAGES_REMOTE_ALLOW_PRIVATE contains {name}, which is {network.num_addresses:,} addresses: pages can "
                "make this host fetch from all internal servers there.",
                "Name the addresses of your image servers only, such as '10.1.2.3'.",
            )
