"""URLs that name the same picture have one spelling, and no others have it."""

from __future__ import annotations

import pytest

from flask_images_vips.rendition import source_folder
from flask_images_vips.sources.spelling import plain_ref

PLAIN = "http://img.example.com/photos/a~b.png?n=1"


@pytest.mark.parametrize(
    "url",
    [
        PLAIN,
        "HTTP://img.example.com/photos/a~b.png?n=1",
        "http://IMG.Example.COM/photos/a~b.png?n=1",
        "http://img.example.com./photos/a~b.png?n=1",
        "http://img.example.com:80/photos/a~b.png?n=1",
        "http://img.example.com/photos/a~b.png?n=1#part",
        "http://img.example.com/photos/a%7eb.png?n=%31",
        "http://img.example.com/%70hotos/./c/%2e%2e/a%7Eb.png?n=1",
        "http://img.example.com/../photos/a~b.png?n=1 ",
    ],
)
def test_equivalent_urls_have_one_spelling_and_one_folder(url: str) -> None:
    assert plain_ref(url) == PLAIN
    assert source_folder(url) == source_folder(PLAIN)
    assert plain_ref(plain_ref(url)) == PLAIN


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://h", "http://h/"),
        ("http://h/a/..", "http://h/"),
        ("http://h/a b%c3%a4é", "http://h/a%20b%C3%A4%C3%A9"),
        ("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
        ("http://bücher.example/a", "http://xn--bcher-kva.example/a"),
    ],
)
def test_the_spelling_is_the_shortest(url: str, plain: str) -> None:
    assert plain_ref(url) == plain


@pytest.mark.parametrize(
    "other",
    [
        "https://img.example.com/photos/a~b.png?n=1",
        "http://img.example.com:8080/photos/a~b.png?n=1",
        "http://img.example.com/Photos/a~b.png?n=1",
        "http://img.example.com/photos%2Fa~b.png?n=1",
        "http://img.example.com/photos//a~b.png?n=1",
        "http://img.example.com/photos/a~b.png/?n=1",
        "http://img.example.com/photos/a~b.png?n=1&",
        "http://img.example.com/photos/a~b.png",
    ],
)
def test_other_urls_stay_others(other: str) -> None:
    assert plain_ref(other) == other


@pytest.mark.parametrize(
    "ref",
    [
        "photos/A%41.png",
        "HTTP:/a.png",
        "ftp://h/%41",
        "http://user@H/a",
        "http://H:x/a",
        "http://H\\/a",
        "http://H/\ta",
        "http://[::1/a",
        "data:image/png;base64,AA%41",
        "http://" + "A" * 300 + "/",
        "http://H/" + "a" * 8000,
        "http://H/\udce4",
    ],
)
def test_paths_and_what_cannot_be_fetched_are_left_alone(ref: str) -> None:
    assert plain_ref(ref) == ref
