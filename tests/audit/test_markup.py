"""The images in a page: which elements count, and what they offer."""

from __future__ import annotations

from flask_images_vips.audit.markup import Candidate, read_page, read_srcset, whole

PAGE = """<!doctype html>
<head><title>a title</title><link rel="preload" as="image" href="/p.jpg" imagesrcset="/p1.jpg 1x, /p2.jpg 2x">
<link rel="shortcut icon" href="/icon.png"><link rel="stylesheet" href="/a.css">
<meta property="og:image" content="https://h/og.jpg"><style>img { color: red }</style></head>
<p>eight ab</p>
<picture><source type="image/avif" media="(min-width: 9px)" sizes="10px" srcset="/a.avif 10w">
<img src="/a.jpg" WIDTH="10" width="20" height="5px" alt="a&amp;b"></picture>
<template><img src="/never.jpg"></template>
<img srcset="/b1.jpg, /b2.jpg 2x" src="/b0.jpg">
<div style="background: red url( '/c.jpg' )"></div>
<video poster="/d.jpg"></video><input type="image" src="/e.jpg"><input src="/no.jpg">
"""


def test_each_kind_of_image_is_found_with_its_line() -> None:
    found = [(each.name, each.line, [*each.urls]) for each in read_page(PAGE).elements]
    assert found == [
        ("link", 2, ["/p1.jpg", "/p2.jpg"]),
        ("link", 3, ["/icon.png"]),
        ("meta", 4, ["https://h/og.jpg"]),
        ("img", 7, ["/a.avif", "/a.jpg"]),
        ("img", 9, ["/b1.jpg", "/b2.jpg", "/b0.jpg"]),
        ("background", 10, ["/c.jpg"]),
        ("video", 11, ["/d.jpg"]),
        ("input", 11, ["/e.jpg"]),
    ]


def test_the_first_of_repeated_attributes_counts_as_in_browsers() -> None:
    image = read_page(PAGE).elements[3]
    assert image.side("width") == 10
    assert image.side("height") == 5
    assert image.attributes["alt"] == "a&b"
    assert image.choices[0].media == "(min-width: 9px)"
    assert image.before == len("eight ab")


def test_preloaded_urls_are_known() -> None:
    assert read_page(PAGE).preloaded == {"/p1.jpg", "/p2.jpg"}


def test_a_srcset_may_have_commas_in_its_urls_and_odd_spaces() -> None:
    assert [*read_srcset(" ,/a,b.jpg?x=1,2 300w ,\n/c.jpg 2.5x,/d.jpg, /e.jpg 1y")] == [
        Candidate("/a,b.jpg?x=1,2", width=300),
        Candidate("/c.jpg", density=2.5),
        Candidate("/d.jpg"),
        Candidate("/e.jpg"),
    ]
    assert [*read_srcset("")] == []
    assert [*read_srcset(" , ")] == []


def test_sides_are_whole_numbers() -> None:
    assert [whole(text) for text in ("12", " 12px ", "1.5", "50%", "", None, "9" * 5000, "١")] == [
        12, 12, None, None, None, None, None, None,
    ]  # fmt: skip
