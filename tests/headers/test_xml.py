"""What an SVG may cost to parse is bounded, and nothing in it is fetched."""

from __future__ import annotations

import pytest

from flask_images_vips.errors import ImagesError, LimitExceeded, UnreadableSource
from flask_images_vips.headers import xml


def elements(data: bytes) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    xml.parse(xml.parser("a.svg", lambda name, attributes: found.append((name, attributes))), data, "a.svg")
    return found


def test_names_come_with_their_namespaces() -> None:
    data = b'<a:svg xmlns:a="u:x" a:b="1" c="2"><d/></a:svg>'
    assert elements(data) == [("u:x svg", ["u:x b", "1", "c", "2"]), ("d", [])]


def test_entities_of_plain_text_are_replaced_as_illustrator_needs() -> None:
    data = b'<!DOCTYPE svg [<!ENTITY ns "http://www.w3.org/2000/svg">]><svg xmlns="&ns;"/>'
    assert elements(data) == [("http://www.w3.org/2000/svg svg", [])]


@pytest.mark.parametrize(
    "declarations",
    [
        '<!ENTITY a "&#60;script/>">',
        '<!ENTITY a "x"><!ENTITY b "&a;&a;">',
        f'<!ENTITY a "{"x" * 201}">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY % a SYSTEM "http://example.com/a.dtd"> %a;',
        '<!ENTITY % a "x">',
        "".join(f'<!ENTITY a{number} "x">' for number in range(101)),
        '<!ATTLIST svg onload CDATA "alert(1)">',
    ],
)
def test_other_declarations_are_refused(declarations: str) -> None:
    with pytest.raises(UnreadableSource, match="declares entities or attributes"):
        elements(f"<!DOCTYPE svg [{declarations}]><svg/>".encode())


@pytest.mark.parametrize("name", ["xmlns", "xmlns:a"])
def test_a_long_namespace_is_refused_because_each_name_would_begin_with_it(name: str) -> None:
    with pytest.raises(UnreadableSource, match="long namespace"):
        elements(f'<svg {name}="{"u" * 500_000}">{"<a/>" * 49_000}</svg>'.encode())


def test_an_external_dtd_is_not_fetched() -> None:
    assert elements(b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://example.com/svg11.dtd"><svg/>')


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<svg>", "not XML: no element found"),
        (b"<svg a=1/>", "not XML"),
        (b"<svg>&nbsp;</svg>", "not XML: undefined entity"),
        (b'<?xml version="1.0" encoding="utf-7"?><svg/>', "encoding"),
        (b'<?xml version="1.0" encoding="no-such"?><svg/>', "encoding"),
        (b'<?xml version="1.0" encoding="utf-16"?><svg/>', "not XML"),
        (b"<svg>\xff</svg>", "not XML"),
    ],
)
def test_what_expat_cannot_parse_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        elements(data)


def test_old_encodings_are_read() -> None:
    assert elements('<?xml version="1.0" encoding="iso-8859-15"?><svg a="€"/>'.encode("iso-8859-15")) == [
        ("svg", ["a", "€"])
    ]


@pytest.mark.parametrize(
    ("check", "within", "above"),
    [
        (lambda: xml.check_bytes(1_000_000), lambda: xml.check_bytes(1_000_001), "1,000,001 bytes"),
        (lambda: xml.check_elements(50_000), lambda: xml.check_elements(50_001), "50,001 elements"),
        (
            lambda: xml.check_tags(b"<a" + b' b=""' * 1000 + b"/>"),
            lambda: xml.check_tags(b"<a" + b' b=""' * 1001 + b"/>"),
            "1,001 attributes",
        ),
    ],
)
def test_the_limits_are_those_of_pixels(check: object, within: object, above: str) -> None:
    assert callable(check)
    assert callable(within)
    check()
    with pytest.raises(LimitExceeded, match=above):
        within()


def test_all_errors_are_errors_of_this_package() -> None:
    for length in range(60):
        with pytest.raises(ImagesError):
            elements(b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><g>'[:length])
