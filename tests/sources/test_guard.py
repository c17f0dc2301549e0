"""Which addresses are public, which URLs are let through, and that no forbidden address is ever connected to."""

from __future__ import annotations

import io
import ipaddress
import itertools
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from conftest import sample
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_images_vips.errors import ConfigError, RemoteFailed
from flask_images_vips.sources.guard import Guard, Target, is_public
from flask_images_vips.sources.http import Client

PUBLIC = "93.184.216.34"
FORBIDDEN_IPV4 = (
    *("127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1"),
    *("100.100.100.200", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    *("192.168.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7"),
    *("203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
)
FORBIDDEN_IPV6 = (
    *("::", "::1", "::2", "100::1", "64:ff9b:1::1", "fc00::1", "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1"),
    *("feff::1", "ff02::1", "ff0e::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1"),
    *("2002::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "a000::1", "2620:4f:8000::1"),
)
NAMES = ("localhost", "LOCALHOST", "localhost.", "metadata.google.internal", "a.example", "ｌocalhost", "ⓛocalhost")


def embeddings(address: IPv4Address) -> list[IPv6Address]:
    """The IPv6 addresses in which *address* is hidden."""
    number, inverse = int(address), int(address) ^ 0xFFFFFFFF
    parts = f"{number >> 16:x}:{number & 0xFFFF:x}"
    return [
        IPv6Address(text)
        for text in (
            f"::ffff:{parts}",  # mapped
            f"::{parts}",  # compatible
            f"::ffff:0:{parts}",  # translated
            f"64:ff9b::{parts}",
            f"64:ff9b:1::{parts}",
            f"64:ff9b:1:{number >> 16:x}:{number >> 8 & 0xFF:x}:{(number & 0xFF) << 8:x}::",  # RFC 6052, /48
            f"2002:{parts}::1",  # 6to4
            f"2001:0:{parts}:0:0:a247:2712",  # Teredo, as the server
            f"2001:0:5db8:d822:0:0:{inverse >> 16:x}:{inverse & 0xFFFF:x}",  # Teredo, as the client
            f"2a00:1450::5efe:{parts}",  # ISATAP
            f"2a00:1450::200:5efe:{parts}",
            f"fe80::5efe:{parts}",
        )
    ]


def numeric_spellings(address: IPv4Address) -> Iterator[str]:
    """*address* as the C library reads it: one to four numbers, each decimal, octal or hexadecimal."""
    octets = address.packed
    for count in range(1, 5):
        parts = [*octets[: count - 1], int.from_bytes(octets[count - 1 :], "big")]
        yield from map(".".join, itertools.product(*((str(part), f"0{part:o}", f"0x{part:x}") for part in parts)))
    yield ".".join(f"{octet:03d}" for octet in octets)
    yield ".".join(f"0X{octet:02X}" for octet in octets)
    yield ".".join(f"0000{octet:o}" for octet in octets)
    yield f"0x{int(address):016x}"


def disguises(host: str) -> Iterator[str]:
    """*host*, plain and as a browser would still read it."""
    yield host
    yield f"{host}."
    yield host.translate({ord("0") + digit: ord("０") + digit for digit in range(10)})
    yield host.translate({ord("1") + digit: ord("①") + digit for digit in range(9)})
    yield "".join(f"%{ord(sign):02x}" for sign in host)
    for dot in "。．｡․":
        yield host.replace(".", dot)
    yield f"{host}%00.example.com"


def forbidden_urls() -> dict[str, str]:
    """URLs that must end in the guard, and the address that each of them means."""
    found: dict[str, str] = {}

    def add(host: str, address: object, *forms: str) -> None:
        for form in ("http://{}/a.jpg", "https://{}:443/a.jpg?b=c", *forms):
            found.setdefault(form.format(host), str(address))

    tricks = (
        *("http://user:password@{}/", "http://example.com@{}/", "http://example.com%40{}/", "http://example.com\\@{}/"),
        *("http://{}\\@example.com/", "http://{}#@example.com/", "http://{}?@example.com/", "http://{}:@example.com/"),
        *("http:////{}/", "http:/\\{}/", "HTTP://{}/", " http://{}/", "http://{}\t/", "http://{}:0080/", "http://{}:/"),
        *("http://{}:81/", "http://{}:22/", "http://{}:99999/", "http://{}:８０/", "http://{}:-80/", "http://@{}/"),
        *("ftp://{}/", "file://{}/etc/passwd", "gopher://{}/", "//{}/a.jpg", "{}", "jar:http://{}/!/", "http:{}/a"),
        *("http://[{}]/", "http://{},example.com/", "http://{}%2f@example.com/", "http://example.com\x00@{}/"),
    )
    for text in FORBIDDEN_IPV4:
        address = IPv4Address(text)
        for spelling in {*numeric_spellings(address), *disguises(text)}:
            add(spelling, address)
        add(text, address, *tricks)
        for hidden in embeddings(address):
            for spelling in (str(hidden), hidden.exploded, str(hidden).upper(), f"{hidden}%eth0", f"{hidden}%251"):
                add(f"[{spelling}]", hidden)
        for prefix in ("::ffff:", "::", "::ffff:0:", "64:ff9b::", "0:0:0:0:0:ffff:", "2a00:1450::5efe:"):
            add(f"[{prefix}{text}]", text)
    for text in FORBIDDEN_IPV6:
        for spelling in (text, IPv6Address(text).exploded, text.upper(), f"{text}%lo", f"{text}%251"):
            add(f"[{spelling}]", text, *(tricks if spelling == text else ()))
    for name in NAMES:
        add(name, "169.254.169.254", *tricks)
    return found


def lookup(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
    """The most obliging resolver there could be: reads every number as an address, and puts each name inside."""
    try:
        address = socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        address = host if ":" in host else "169.254.169.254"
    return [answer(address, port)]


def answer(address: str, port: int = 80) -> tuple[Any, ...]:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that anything connects to, and is refused."""
    return record_connections(monkeypatch, lambda address: False)


def record_connections(monkeypatch: pytest.MonkeyPatch, is_allowed: Callable[[Any], bool]) -> list[Any]:
    """Refuse and record every connection but those that *is_allowed*."""
    found: list[Any] = []

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if is_allowed(address):
                return method(self, address)
            found.append(address)
            raise ConnectionRefusedError(f"tests may not connect to {address}")

        return connect

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    return found


def fetch(guard: Guard, url: str, **limits: Any) -> None:
    Client(guard, **limits).get(url, io.BytesIO())


@pytest.mark.parametrize("address", [*FORBIDDEN_IPV4, *FORBIDDEN_IPV6, "fe80::1%eth0", "2a00:1450::1%1", "example", ""])
def test_a_forbidden_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *(PUBLIC, "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
        *("126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "172.15.255.255"),
        *("172.32.0.0", "192.0.1.0"),
        *("192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2a00:1450:4001::1"),
        *("2606:4700::1111", "2001:200::1", "2001:4860:4860::8888", "3ffe::1", "64:ff9b::808:808", "::ffff:8.8.8.8"),
        *("2a00:1450::5efe:808:808", IPv4Address(PUBLIC), IPv6Address("2606:4700::1111")),
    ],
)
def test_what_lies_between_the_forbidden_networks_is_public(address: Any) -> None:
    assert is_public(address)


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_an_address_is_no_more_public_where_it_is_hidden(address: IPv4Address) -> None:
    for hidden in embeddings(address):
        assert is_public(address) or not is_public(hidden), hidden


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_multicast_private_and_reserved_addresses_are_not_public(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://example.com", Target("http", "example.com", 80, "/")),
        ("HTTPS://EXAMPLE.com./a%20b/é?q=ü&r#part", Target("https", "example.com", 443, "/a%20b/%C3%A9?q=%C3%BC&r")),
        ("http://bücher.example/", Target("http", "xn--bcher-kva.example", 80, "/")),
        ("http://ｅｘａｍｐｌｅ。ｃｏｍ/", Target("http", "example.com", 80, "/")),
        (f"https://{PUBLIC}:443/", Target("https", PUBLIC, 443, "/")),
        ("http://[2606:4700:0::1111]:80/", Target("http", "2606:4700::1111", 80, "/")),
        ("http://[::ffff:8.8.8.8]/", Target("http", "8.8.8.8", 80, "/")),
        ("http://１.１.１.１/", Target("http", "1.1.1.1", 80, "/")),
        (" http://example.com/a b?c d ", Target("http", "example.com", 80, "/a%20b?c%20d")),
        ("http://my_bucket.example/a|b", Target("http", "my_bucket.example", 80, "/a|b")),
    ],
)
def test_a_url_is_taken_apart_into_what_is_asked_of_whom(url: str, target: Target) -> None:
    assert Guard().check(url) == target
    assert Guard().check(target.url) == target


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("b.jpg", "https://example.com/x/b.jpg"),
        ("/b.jpg", "https://example.com/b.jpg"),
        ("//example.org/b.jpg", "https://example.org/b.jpg"),
        ("?q", "https://example.com/x/a.jpg?q"),
        ("b c.jpg", "https://example.com/x/b%20c.jpg"),
        ("http://example.org:443/", "http://example.org:443/"),
    ],
)
def test_a_redirect_may_be_relative(location: str, url: str) -> None:
    assert Guard().check(location, base="https://example.com/x/a.jpg").url == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "a.jpg",
            "/a.jpg",
            "http://",
            "http:///a",
            "http://:80/",
            "http://./",
            "http://.example.com/",
            "http://a..b/",
        ),
        *(
            "http://exa mple.com/",
            "http://example.com/\n",
            "http://example.com/\u2028",
            "http://a\\b",
        ),
        *(
            "http://example.com/\udc80",
            "http://example.com:80:80/",
            "http://[::1",
            "http://[1.1.1.1]/",
            "http://[v1.a]/",
        ),
        *("http://1.1.1.1.1/", "http://1.1.1/", "http://16843009/", "http://0x01010101/", "http://01.01.01.01/"),
        *("http://1.1.1.0x1/", "http://example.0x/", "http://example.123/", f"http://{'a' * 64}.example/"),
        *(
            f"http://{'a.' * 200}example/",
            f"http://example.com/{'a' * 8000}",
            "http://user@example.com/",
            "http://@a.example/",
        ),
        *(
            "ftp://example.com/",
            "file:///etc/passwd",
            "data:image/png;base64,AAAA",
            "http://exa%6dple.com/",
            "http://a℀b/",
        ),
        *(
            "http://example.com:8080/",
            "http://example.com:0/",
            "http://example.com:/",
            "http://example.com:+80/",
            "http://*/",
        ),
    ],
)
def test_an_unusual_url_is_refused(url: str) -> None:
    with pytest.raises(RemoteFailed):
        Guard().check(url)


@pytest.mark.parametrize(
    ("hosts", "allowed", "refused"),
    [
        (None, ["example.com", PUBLIC], []),
        ((), [], ["example.com", PUBLIC]),
        (("example.com",), ["example.com", "EXAMPLE.COM."], ["a.example.com", "example.com.a.example", "xexample.com"]),
        (("*.Example.com.",), ["a.example.com", "b.a.example.com"], ["example.com", "xexample.com", "a.example.org"]),
        (("bücher.example",), ["xn--bcher-kva.example", "BÜCHER.example"], ["bucher.example"]),
        ((PUBLIC, "[2606:4700::1111]"), [PUBLIC, "[2606:4700::1111]"], ["1.1.1.1", "[2606:4700::1112]"]),
    ],
)
def test_only_listed_hosts_are_let_through(hosts: Any, allowed: list[str], refused: list[str]) -> None:
    guard = Guard(hosts)
    for host in allowed:
        guard.check(f"http://{host}/")
    for host in refused:
        with pytest.raises(RemoteFailed):
            guard.check(f"http://{host}/")


@pytest.mark.parametrize(
    "wrong",
    [{"hosts": ("*",)}, {"hosts": ("http://a.example",)}, {"hosts": ("*.34",)}, {"allow_private": ("10.0.0.1/8",)}],
)
def test_a_host_or_network_that_is_none_is_told_at_once(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        Guard(**wrong)


def test_schemes_and_ports_are_those_of_the_configuration() -> None:
    guard = Guard(schemes=("https",), ports=(8443,))
    assert guard.check("https://example.com:8443/").port == 8443
    for url in ("http://example.com:8443/", "https://example.com/"):
        with pytest.raises(RemoteFailed):
            guard.check(url)


def test_allowed_networks_may_be_reached_and_no_others() -> None:
    guard = Guard(allow_private=("10.1.0.0/16", ipaddress.ip_network("fd00:1::/32")))
    for host in ("10.1.2.3", "[fd00:1::5]", "[::ffff:10.1.2.3]", PUBLIC):
        guard.check(f"http://{host}/")
    for host in ("10.2.0.1", "127.0.0.1", "[fd00:2::5]", "[fd00:1::5%eth0]", "[64:ff9b::10.1.2.3]", "[::10.1.2.3]"):
        with pytest.raises(RemoteFailed):
            guard.check(f"http://{host}/")


def test_a_name_is_looked_up_once_and_all_its_addresses_are_given() -> None:
    asked: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [answer(PUBLIC), answer("2606:4700::1111"), answer(PUBLIC)]

    assert Guard(getaddrinfo=look_up).resolve("example.com", 443) == (
        (socket.AF_INET, (PUBLIC, 443)),
        (socket.AF_INET6, ("2606:4700::1111", 443, 0, 0)),
    )
    assert asked == ["example.com"]


def test_a_name_without_an_address_is_refused() -> None:
    def fails(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for look_up in (fails, lambda *_, **__: []):
        with pytest.raises(RemoteFailed):
            Guard(getaddrinfo=look_up).resolve("example.com", 80)


def test_one_forbidden_answer_among_good_ones_refuses_all(connections: list[Any]) -> None:
    good = [answer(PUBLIC), answer("1.1.1.1"), answer("2606:4700::1111")]
    scoped = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2606:4700::1111", 80, 0, 2))
    for bad in (*map(answer, FORBIDDEN_IPV4), *map(answer, FORBIDDEN_IPV6), scoped):
        for place in range(len(good) + 1):
            answers = [*good[:place], bad, *good[place:]]
            with pytest.raises(RemoteFailed, match="not a public address"):
                fetch(Guard(getaddrinfo=lambda *_, answers=answers, **__: answers), "http://example.com/")
    assert connections == []


def test_a_public_address_is_connected_to(connections: list[Any]) -> None:
    """What shows that the recorder would see a connection that the guard lets through."""
    guard = Guard(getaddrinfo=lambda host, port, **_: [answer("1.1.1.1" if host == "example.com" else host, port)])
    for url in (f"http://{PUBLIC}/", f"https://{PUBLIC}/", "http://[2606:4700::1111]/", "http://example.com/"):
        with pytest.raises(RemoteFailed, match="tests may not connect"):
            fetch(guard, url)
    assert connections == [(PUBLIC, 80), (PUBLIC, 443), ("2606:4700::1111", 80, 0, 0), ("1.1.1.1", 80)]


def test_no_spelling_of_a_forbidden_address_is_connected_to(connections: list[Any]) -> None:
    urls = forbidden_urls()
    assert len(urls) >= 10_000
    guard = Guard(getaddrinfo=lookup)
    for url in urls:
        with pytest.raises(RemoteFailed):
            fetch(guard, url)
    assert connections == []


def test_a_name_that_changes_its_address_is_connected_to_at_the_one_that_was_checked(connections: list[Any]) -> None:
    for inside in FORBIDDEN_IPV4:
        answers = iter([[answer(PUBLIC)], [answer(inside)]])
        guard = Guard(getaddrinfo=lambda *_, answers=answers, **__: next(answers))
        with pytest.raises(RemoteFailed, match="tests may not connect"):
            fetch(guard, "http://rebinding.example/")
        with pytest.raises(RemoteFailed, match="not a public address"):
            fetch(guard, "http://rebinding.example/")
    assert connections == [(PUBLIC, 80)] * len(FORBIDDEN_IPV4)


class Redirector:
    """A server on 127.0.0.1 whose every answer is the next of *answers*, a status and a Location."""

    def __init__(self, answers: Iterator[tuple[int, str]]) -> None:
        self._answers = answers
        self.served = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for status, location in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 16)
                text = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
                connection.sendall(text.encode())
            self.served += 1

    def __enter__(self) -> Redirector:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def guard(self, **keywords: Any) -> Guard:
        return Guard(ports=(80, 443, self.port), allow_private=("127.0.0.1/32",), **keywords)


def only_to(port: int) -> Callable[[Any], bool]:
    return lambda address: bool(address == ("127.0.0.1", port))


def test_no_redirect_to_a_forbidden_address_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = ("127.0.0.1", "::ffff:7f00:1", "::ffff:127.0.0.1")  # where the server itself is
    urls = [
        url
        for url, address in forbidden_urls().items()
        # What is no whole URL is a path on the server.
        if address not in loopback and "//" in url and "////" not in url and "\x00" not in url
    ]
    random.Random(1).shuffle(urls)
    hops = list(zip(itertools.cycle((301, 302, 303, 307, 308)), urls, strict=False))
    assert len(hops) >= 10_000
    hops = sample(hops)
    with Redirector(iter(hops)) as server:
        connections = record_connections(monkeypatch, only_to(server.port))
        client = Client(server.guard(getaddrinfo=lookup), max_redirects=1)
        start = f"http://127.0.0.1:{server.port}/"
        for status, url in hops:
            with pytest.raises(RemoteFailed) as caught:
                client.get(start, io.BytesIO())
            assert "more than" not in caught.value.reason, (status, url)
    assert connections == []
    assert server.served == len(hops)


def test_a_redirect_to_a_public_address_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = (301, 302, 303, 307, 308)
    with Redirector(iter([(status, f"http://{PUBLIC}/") for status in statuses])) as server:
        connections = record_connections(monkeypatch, only_to(server.port))
        for _ in statuses:
            with pytest.raises(RemoteFailed, match="tests may not connect"):
                fetch(server.guard(), f"http://127.0.0.1:{server.port}/")
    assert connections == [(PUBLIC, 80)] * len(statuses)


def test_a_name_is_checked_again_when_a_redirect_leads_back_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = [address for address in FORBIDDEN_IPV4 if address != "127.0.0.1"]
    with Redirector(iter([(302, "/again")] * len(inside))) as server:
        connections = record_connections(monkeypatch, only_to(server.port))
        for address in inside:
            answers = iter([[answer("127.0.0.1")], [answer(address)]])
            guard = server.guard(getaddrinfo=lambda *_, answers=answers, **__: next(answers))
            with pytest.raises(RemoteFailed, match="not a public address"):
                fetch(guard, f"http://rebinding.example:{server.port}/")
    assert connections == []


def test_each_redirect_must_lead_to_a_listed_host() -> None:
    with Redirector(iter([(302, "http://other.example/")])) as server:
        guard = server.guard(hosts=("127.0.0.1",), getaddrinfo=lookup)
        with pytest.raises(RemoteFailed, match="host other"):
            fetch(guard, f"http://127.0.0.1:{server.port}/")


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, connections: list[Any]) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for spelling in (name, name.upper()):
            monkeypatch.setitem(os.environ, spelling, "http://127.0.0.1:3128")
    for url in (f"http://{PUBLIC}/", f"https://{PUBLIC}/"):
        with pytest.raises(RemoteFailed):
            fetch(Guard(), url)
    assert connections == [(PUBLIC, 80), (PUBLIC, 443)]
