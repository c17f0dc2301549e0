"""Signed URLs: what is built, what is accepted, what is refused."""

from __future__ import annotations

import hashlib
import hmac
import random
import string

import pytest
from itsdangerous import Signer

from flask_images_vips.errors import BadSignature, InvalidOption, InvalidPath
from flask_images_vips.urls import ImageUrl, checked_path, decode, encode, file_name, is_remote, version_of

SECRETS = ("new secret", "old secret")


@pytest.mark.parametrize("reserved", [{"u": "http://10.0.0.1/a.png"}, {"s": "signature"}])
def test_no_keyword_makes_a_url_of_a_path(reserved: dict[str, str]) -> None:
    plain, given = (encode("_", {"w": "9", **more}, None, "k") for more in ({}, reserved))
    assert given == plain
    url = decode("_", given.partition("?")[2].encode(), ["k"], legacy=True)
    assert (url.ref, url.remote) == ("_", False)


def split(url: str) -> tuple[str, bytes]:
    path, _, query = url.partition("?")
    return path, query.encode()


def read(url: str, legacy: bool = True) -> ImageUrl:
    path, query = split(url)
    return decode(path, query, SECRETS, legacy=legacy)


def test_what_is_encoded_is_decoded() -> None:
    url = encode("photos/cat.jpg", {"w": "100", "m": "crop", "h": "50"}, "ZVPxAA", SECRETS[0])
    assert url.startswith("photos/cat.jpg?h=50&m=crop&v=ZVPxAA&w=100&s=")
    decoded = read(url)
    assert (decoded.ref, decoded.version, decoded.remote) == ("photos/cat.jpg", "ZVPxAA", False)
    assert (decoded.options.width, decoded.options.height, decoded.options.mode) == (100, 50, "crop")


def test_a_url_as_source_stands_in_the_query() -> None:
    url = encode("https://example.com/a.jpg?x=1&y=2", {"w": "100"}, None, SECRETS[0])
    assert url.startswith("_?u=https%3A%2F%2Fexample.com%2Fa.jpg%3Fx%3D1%26y%3D2&w=100&s=")
    decoded = read(url)
    assert (decoded.ref, decoded.remote) == ("https://example.com/a.jpg?x=1&y=2", True)


def test_without_options_the_query_is_empty_but_for_the_signature() -> None:
    assert encode("a.jpg", {}, None, SECRETS[0]).startswith("a.jpg?&s=")
    assert read(encode("a.jpg", {}, None, SECRETS[0])).options.width is None


def test_every_key_verifies_and_others_do_not() -> None:
    assert read(encode("a.jpg", {}, None, SECRETS[1])).ref == "a.jpg"
    with pytest.raises(BadSignature, match="wrong"):
        read(encode("a.jpg", {}, None, "another secret"))


@pytest.mark.parametrize("secret", SECRETS)
def test_the_older_forms_are_accepted_until_they_are_switched_off(secret: str) -> None:
    value = "a b.jpg?w=100"
    plain = Signer(secret).get_signature(value).decode()
    hexadecimal = hmac.new(secret.encode(), value.encode(), hashlib.sha256).hexdigest()
    for signature in (f"b'{plain}'", f"b%27{plain}%27", hexadecimal):
        path, query = "a b.jpg", f"w=100&s={signature}".encode()
        assert decode(path, query, SECRETS, legacy=True).options.width == 100
        with pytest.raises(BadSignature):
            decode(path, query, SECRETS, legacy=False)
    assert decode("a b.jpg", f"w=100&s={plain}".encode(), SECRETS, legacy=False).options.width == 100


def test_secrets_may_be_bytes() -> None:
    path, query = split(encode("a.jpg", {}, None, b"\x00\xff"))
    assert decode(path, query, [b"\x00\xff"], legacy=True).ref == "a.jpg"


@pytest.mark.parametrize(
    "query", ["", "w=100", "s=", "w=100&s=", "w=100&s=%00", "w=100&s=é", "w=100&S=x", "&" * 100 + "a=1" + "&a=1" * 100]
)
def test_what_is_not_signed_is_refused(query: str) -> None:
    with pytest.raises(BadSignature):
        decode("a.jpg", query.encode(), SECRETS, legacy=True)


def test_a_name_that_stands_twice_is_refused() -> None:
    url = encode("a.jpg", {"w": "100"}, None, SECRETS[0])
    for extra in ("&w=100", "&w=200", "&s=x", "&" + url.partition("&")[2]):
        with pytest.raises(BadSignature, match="repeated"):
            read(url + extra)


def test_other_spellings_of_a_signature_are_refused() -> None:
    url = encode("a.jpg", {"w": "100"}, None, SECRETS[0])
    for spelling in (url + "=", url + "==", url + ".", url[:-3] + "." + url[-3:], url.upper()):
        with pytest.raises(BadSignature):
            read(spelling)


def test_every_changed_character_is_refused() -> None:
    seeded = random.Random(1)
    url = encode("photos/cat.jpg", {"w": "100", "m": "crop", "x": "EXTENT_0_0_10p_10p_90p_90p"}, "ZVPxAA", SECRETS[0])
    characters = string.ascii_letters + string.digits + "-_./?&=%+"
    for _ in range(10_000):
        index = seeded.randrange(len(url))
        changed = url[:index] + seeded.choice(characters) + url[index + 1 :]
        # A separator at the end adds nothing, and `+` and `%20` are one character: other spellings of one value.
        if changed == url or changed.rstrip("&") == url:
            continue
        with pytest.raises(BadSignature):
            read(changed)


def test_a_signature_is_no_licence_for_impossible_values() -> None:
    for query in ({"w": "abc"}, {"m": "bogus"}, {"q": "0"}):
        with pytest.raises(InvalidOption):
            read(encode("a.jpg", query, None, SECRETS[0]))


def test_names_that_mean_nothing_are_signed_and_passed_over() -> None:
    assert read(encode("a.jpg", {"alt": "x", "w": "9"}, None, SECRETS[0])).options.width == 9


@pytest.mark.parametrize(
    "path",
    [
        "/etc//passwd",
        "/./etc/passwd",
        "/something/../etc/passwd",
        "../etc/passwd",
        "..",
        ".",
        "",
        "/",
        "a/..",
        "http://example.com/../photo.jpg",
        "http://example.com/photo.jpg//",
        "http://example.com/a//b.jpg?c",
        "what?//cat.jpg",
        "file:///etc/passwd",
    ],
)
def test_paths_that_are_not_normal_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path is not normalized"):
        checked_path(path)


@pytest.mark.parametrize(
    ("given", "ref", "name"),
    [
        ("/photos/cat.jpg/", "photos/cat.jpg", "cat.jpg"),
        ("http://example.com/cat/", "http://example.com/cat/", "cat"),
        ("/http://example.com/cat.jpg", "http://example.com/cat.jpg", "cat.jpg"),
        ("http://example.com/", "http://example.com/", ""),
        ("http://example.com/cat.jpg?folder=a/", "http://example.com/cat.jpg?folder=a/", "cat.jpg"),
        ("http://example.com/cat.jpg?of=http://a//../b", "http://example.com/cat.jpg?of=http://a//../b", "cat.jpg"),
        ("HTTP://example.com/cat.jpg#a//b", "HTTP://example.com/cat.jpg#a//b", "cat.jpg"),
        ("foto: cat.jpg", "foto: cat.jpg", "foto: cat.jpg"),
        ("http:cat.jpg", "http:cat.jpg", "http:cat.jpg"),
        ("what?/cat#1.jpg", "what?/cat#1.jpg", "cat#1.jpg"),
    ],
)
def test_a_slash_at_the_end_is_a_part_of_urls_only(given: str, ref: str, name: str) -> None:
    assert checked_path(given) == ref
    assert file_name(ref, remote=is_remote(ref)) == name


@pytest.mark.parametrize("path", ["file://host/passwd", "gopher://example.com/a.jpg", "data:image/png"])
def test_schemes_that_are_none_of_images_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"scheme .* is not allowed"):
        checked_path(path)


def test_a_broken_url_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidPath, match="is not a valid URL"):
        checked_path("http://[::1/a.jpg")


def test_slashes_around_a_path_are_left_out() -> None:
    assert checked_path("/absolute/path.jpg") == "absolute/path.jpg"
    assert checked_path("photos/") == "photos"
    assert checked_path("https://example.com/a.jpg") == "https://example.com/a.jpg"


@pytest.mark.parametrize(
    ("mtime", "version"),
    [(1795439588, "awQ75A"), (1700000000, "ZVPxAA"), (0, ""), (1, "Q"), (-5, ""), (2**32, "QAAAAA"), (1.9, "Q")],
)
def test_a_version_is_the_modification_time(mtime: float, version: str) -> None:
    assert version_of(mtime) == version
