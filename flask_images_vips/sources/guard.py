"""Decide which remote hosts may be reached. Every URL and every resolved address must pass.

This module opens no connections. Its only network access is the name lookup of `Guard.resolve`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from ..errors import ConfigError, Faults, RemoteFailed

Endpoint = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]
"""The family of a socket, and the address it connects to."""

DEFAULT_PORTS = {"http": 80, "https": 443}

# Python's is_global differs between Python versions, and treats multicast, NAT64 and site-local addresses as public.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network, RFC 791; on Linux, a connection to 0.0.0.0 reaches this host
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # behind a provider's NAT, RFC 6598
        "127.0.0.0/8",  # loopback, RFC 1122
        "168.63.129.16/32",  # the host of an Azure virtual machine
        "169.254.0.0/16",  # link-local, RFC 3927; metadata services of most clouds
        "172.16.0.0/12",  # private, RFC 1918
        "192.0.0.0/24",  # protocol assignments, RFC 6890; Oracle's metadata service
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.31.196.0/24",  # AS112, RFC 7535
        "192.52.193.0/24",  # AMT relays, RFC 7450
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.168.0.0/16",  # private, RFC 1918
        "192.175.48.0/24",  # AS112, RFC 7534
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved, RFC 1112, and broadcast, RFC 919
        # In IPv6, only 2000::/3 can be public, see _GLOBAL_UNICAST.
        "2001::/23",  # protocol assignments, RFC 2928; Teredo with its two hidden IPv4 addresses, RFC 4380
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, a hidden IPv4 address, withdrawn by RFC 7526
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "3fff::/20",  # documentation, RFC 9637
    )
)
# RFC 4291, section 2.4. This excludes ::/8 with its ways to write IPv4, 64:ff9b:1::/48 (local NAT64, RFC 8215),
# 100::/64 (discard), 5f00::/16 (SRv6), fc00::/7 (unique local), fe80::/10, fec0::/10 (site-local) and ff00::/8.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: in a network with IPv6 only, DNS returns such addresses for IPv4 hosts
# RFC 5214: the upper half of an interface identifier whose lower half is an IPv4 address. Two of its bits are flags.
_ISATAP, _ISATAP_MASK = 0x00005EFE, 0xFCFFFFFF

LONGEST_URL = 8000  # RFC 9110, section 4.1
_LONGEST_HOST = 253
_NETLOC = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@%/?#]+))(?::([0-9]{1,5}))?", re.ASCII)
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """Return whether *address*, and any IPv4 address embedded in it, is globally routable and unicast."""
    try:
        plain = _plain(ipaddress.ip_address(address))
    except ValueError:
        return False
    if isinstance(plain, IPv6Address):
        if plain.scope_id is not None or not (plain in _GLOBAL_UNICAST or plain in _NAT64):
            return False
        is_isatap = int(plain) >> 32 & _ISATAP_MASK == _ISATAP
        if (plain in _NAT64 or is_isatap) and not is_public(IPv4Address(int(plain) & 0xFFFFFFFF)):
            return False
    return not any(plain in network for network in _NOT_PUBLIC)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return *address* as the kernel connects to it: an IPv4-mapped IPv6 address becomes IPv4."""
    if isinstance(address, IPv6Address) and address.scope_id is None and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL. *path* includes the query.

    *host* is lower-case ASCII without a trailing dot, or an address without brackets.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The host and, unless it is the scheme's default, the port, as in a URL or a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules that decide which addresses may be reached.

    *hosts* are exact names, or patterns such as ``*.example.com`` for all subdomains. None allows any host, and an
    empty tuple allows none. *allow_private* are networks that may be reached although they are not public.
    *getaddrinfo* looks up names; it has the signature of `socket.getaddrinfo`.

    Raises:
        ConfigError: If a host or a network is not valid.
    """

    hosts: tuple[str, ...] | None = None
    schemes: tuple[str, ...] = ("http", "https")
    ports: tuple[int, ...] = (80, 443)
    allow_private: tuple[str | IPv4Network | IPv6Network, ...] = ()
    getaddrinfo: Callable[..., Iterable[tuple[Any, ...]]] = field(default_factory=lambda: socket.getaddrinfo)

    def __post_init__(self) -> None:
        faults = Faults()
        if self.hosts is not None:
            hosts = []
            for host in self.hosts:
                with faults.catch():
                    hosts.append(_pattern(host))
            object.__setattr__(self, "hosts", tuple(hosts))
        with faults.catch():
            object.__setattr__(self, "allow_private", tuple(map(_network, self.allow_private)))
        faults.check()

    def check(self, url: str, base: str = "") -> Target:
        """Parse *url*, which may be relative to *base*, and check it.

        Raises:
            RemoteFailed: If the scheme, host or port is not allowed, or the URL is malformed or ambiguous.
        """
        url = url.strip(" ").replace(" ", "%20")  # as browsers do; a host with a space is refused below
        # These checks precede the parser, which silently removes tabs and line breaks.
        if len(url) > LONGEST_URL:
            raise RemoteFailed(url[:100] + "…", f"the URL has {len(url):,} characters; the limit is {LONGEST_URL:,}")
        if is_ambiguous(url):
            raise RemoteFailed(url, "the URL contains a backslash or a control character")
        try:
            parts = urlsplit(urljoin(base, url))
            if parts.scheme not in self.schemes or parts.scheme not in DEFAULT_PORTS:
                raise ValueError(f"the scheme is {parts.scheme!r}, expected one of {', '.join(self.schemes)}")
            host, port = host_and_port(parts)
            if port not in self.ports:
                raise ValueError(f"IMAGES_REMOTE_PORTS does not contain its port {port}")
            if self.hosts is not None and not any(_matches(host, pattern) for pattern in self.hosts):
                raise ValueError(f"IMAGES_REMOTE_HOSTS does not contain its host {host}")
            address = as_address(host)
            if address is not None and not self.permits(address):
                raise ValueError(_private(str(address)))
            path = quote(parts.path or "/", safe=PRINTABLE)
            query = f"?{quote(parts.query, safe=PRINTABLE)}" if parts.query else ""
        except ValueError as error:  # raised above or by the parser; a UnicodeError is a ValueError, too
            raise RemoteFailed(url, str(error)) from None
        return Target(parts.scheme, host, port, path + query)

    def permits(self, address: IPv4Address | IPv6Address) -> bool:
        """Return whether a connection to *address* may be opened."""
        plain = _plain(address)
        if isinstance(plain, IPv6Address) and plain.scope_id is not None:
            return False
        return is_public(plain) or any(plain in network for network in self.allow_private)

    def resolve(self, host: str, port: int) -> tuple[Endpoint, ...]:
        """Look up *host* once and return the addresses to connect to.

        Connect to these addresses and never to the name, because a second lookup may return other addresses.

        Raises:
            RemoteFailed: If the name has no address, or if any of its addresses may not be reached.
        """
        try:
            answers = self.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise RemoteFailed(host, f"the name lookup failed: {error}") from None
        endpoints: dict[Endpoint, None] = {}
        for *_, sockaddr in answers:
            # One forbidden address is enough to refuse the name, which is then either an attack or an internal name.
            address = as_address(str(sockaddr[0]))
            if address is None or any(sockaddr[3:]) or not self.permits(address):
                raise RemoteFailed(host, _private(str(sockaddr[0])))
            if isinstance(address, IPv4Address):
                endpoints[socket.AF_INET, (str(address), port)] = None
            else:
                endpoints[socket.AF_INET6, (str(address), port, 0, 0)] = None
        if not endpoints:
            raise RemoteFailed(host, "the name has no address")
        return tuple(endpoints)


def _private(address: str) -> str:
    return f"{address} is not a public address, and not in a network of IMAGES_REMOTE_ALLOW_PRIVATE"


def as_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return *host* as an address, or None if it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_ambiguous(url: str) -> bool:
    """Return whether *url* has a backslash or a control character. Parsers of URLs disagree about these."""
    return any(sign <= " " or sign in "\\\x7f" or not (sign.isascii() or sign.isprintable()) for sign in url)


def host_and_port(parts: SplitResult) -> tuple[str, int]:
    """Return the host and the port of a URL with one of the `DEFAULT_PORTS`' schemes. The host is as in `Target`.

    Raises:
        ValueError: If they are malformed, or the URL has a user name.
    """
    if "@" in parts.netloc:
        raise ValueError("the URL contains a user name or password")
    found = _NETLOC.fullmatch(parts.netloc)
    if found is None:
        raise ValueError(f"{parts.netloc!r} is not a valid host with an optional port")
    in_brackets, name, port_text = found.groups()
    host = str(_plain(IPv6Address(in_brackets))) if in_brackets else _host(name)
    return host, int(port_text) if port_text else DEFAULT_PORTS[parts.scheme]


def _host(text: str) -> str:
    """Normalise a host name to lower-case ASCII without a trailing dot. Raises ValueError if it is not valid."""
    if len(text) > _LONGEST_HOST:
        raise ValueError("the host name is too long")
    # IDNA also turns full-width letters, full-width digits and the dots of other scripts into ASCII.
    host = text.encode("idna").decode("ascii").lower().removesuffix(".")
    if len(host) > _LONGEST_HOST or not _NAME.fullmatch(host):
        raise ValueError(f"{text!r} is not a valid host name")
    # Resolvers also read 2130706433, 0x7f.1 and 0177.0.0.1 as addresses. Only the usual notation is allowed here.
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return str(IPv4Address(host))
    return host


def _pattern(text: str) -> str:
    """Normalise an entry of *hosts* in the same way as the hosts that it is compared with."""
    address = as_address(text.strip("[]"))
    if address is not None:
        return str(_plain(address))
    below = text.startswith("*.")
    try:
        return ("*." if below else "") + _host(text.removeprefix("*."))
    except ValueError:
        raise ConfigError(
            f"IMAGES_REMOTE_HOSTS contains {text!r}: expected a host such as 'img.example.com' or '*.example.org', "
            "without scheme, port and path. IMAGES_REMOTE_PORTS lists the ports."
        ) from None


def _network(network: str | IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    try:
        return ipaddress.ip_network(network)
    except ValueError as error:
        raise ConfigError(f"IMAGES_REMOTE_ALLOW_PRIVATE: {error}. Expected a network such as '10.0.0.0/8'.") from None


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and as_address(host) is None
    return host == pattern
