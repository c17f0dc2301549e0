"""XMP: the rights of a packet are read in every form, and of hostile ones nothing, soon."""

from __future__ import annotations

import random
from typing import Any

import pytest
from conftest import share

from flask_images_vips import Rights
from flask_images_vips.rights.file import MAX_XMP
from flask_images_vips.rights.xmp import packet_of, parse
from rights.samples import RIGHTS

SPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
    'xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" '
    'xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
)


def packet(inside: str, attributes: str = "") -> bytes:
    return f"<rdf:RDF {SPACES}><rdf:Description {attributes}>{inside}</rdf:Description></rdf:RDF>".encode()


def found(inside: str, attributes: str = "") -> dict[str, Any]:
    return parse(packet(inside, attributes))[0]


def test_a_packet_says_what_its_record_says_and_nothing_else() -> None:
    assert Rights.found(parse(packet_of(RIGHTS))[0]) == RIGHTS
    only = packet_of(Rights(credit="x"))
    assert parse(only) == ({"credit": "x"}, "")
    assert b"plus" not in only


def test_text_is_quoted() -> None:
    record = Rights(creator="</rdf:li>]]>&amp;<!--", credit="\"'&#0;")
    assert Rights.found(parse(packet_of(record))[0]) == record


@pytest.mark.parametrize(
    ("inside", "attributes", "expected"),
    [
        ("", 'photoshop:Credit="x" xmpRights:WebStatement="y"', {"credit": "x", "web_statement": "y"}),
        ("<photoshop:Credit>x</photoshop:Credit>", "", {"credit": "x"}),
        ("<dc:creator>x</dc:creator>", "", {"creator": ["x"]}),
        ("<dc:creator><rdf:Bag><rdf:li>x</rdf:li><rdf:li/></rdf:Bag></dc:creator>", "", {"creator": ["x"]}),
        (
            '<dc:rights><rdf:Alt><rdf:li xml:lang="de">d</rdf:li><rdf:li xml:lang="x-default">x</rdf:li></rdf:Alt>'
            "</dc:rights>",
            "",
            {"copyright": "x"},
        ),
        ('<dc:rights><rdf:Alt><rdf:li xml:lang="de">d</rdf:li></rdf:Alt></dc:rights>', "", {"copyright": "d"}),
        ('<xmpRights:WebStatement rdf:resource="https://x.example/"/>', "", {"web_statement": "https://x.example/"}),
        (
            '<plus:Licensor><rdf:Seq><rdf:li plus:LicensorURL="u" plus:LicensorName="n"/></rdf:Seq></plus:Licensor>',
            "",
            {"licensor_url": "u", "licensor": "n"},
        ),
        (
            "<plus:Licensor><rdf:Bag><rdf:li><rdf:Description><plus:LicensorURL>u</plus:LicensorURL></rdf:Description>"
            '</rdf:li><rdf:li plus:LicensorName="another"/></rdf:Bag></plus:Licensor>',
            "",
            {"licensor_url": "u"},
        ),
        # What is said of another picture does not count.
        ('<xmpMM:DerivedFrom><rdf:Description photoshop:Credit="x"/></xmpMM:DerivedFrom>', "", {}),
        (
            '<xmpMM:DerivedFrom rdf:parseType="Resource"><dc:creator>x</dc:creator></xmpMM:DerivedFrom>',
            "",
            {},
        ),
        (f"<photoshop:Credit>{'x' * 2001}</photoshop:Credit>", 'xmpRights:WebStatement="y"', {"web_statement": "y"}),
    ],
)
def test_every_form_of_a_property_is_read(inside: str, attributes: str, expected: dict[str, Any]) -> None:
    assert found(inside, attributes) == expected


def test_the_digest_of_an_extended_packet_is_read_in_both_forms() -> None:
    assert parse(packet("", 'xmpNote:HasExtendedXMP="ABC"')) == ({}, "ABC")
    assert parse(packet("<xmpNote:HasExtendedXMP>ABC</xmpNote:HasExtendedXMP>")) == ({}, "ABC")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_packets_in_another_encoding_are_read_if_they_have_its_mark(encoding: str) -> None:
    text = packet_of(RIGHTS).decode().replace("\ufeff", "", 1)
    assert Rights.found(parse(text.encode(encoding) + bytes(4))[0]) == RIGHTS


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>'.encode() + packet("<dc:creator>&l9;</dc:creator>"),
    "external entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    + packet("<dc:creator>&e;</dc:creator>"),
    "external document type": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">' + packet("", 'photoshop:Credit="x"'),
    "ten megabytes": packet(f"<photoshop:Credit>x</photoshop:Credit>{' ' * 10_000_000}"),
    "deep": packet("<a>" * 100_000 + "</a>" * 100_000, 'photoshop:Credit="x"'),
    "many elements": packet("<a/>" * 200_000, 'photoshop:Credit="x"'),
    "many attributes": packet("", " ".join(f'a{n}=""' for n in range(80_000)) + ' photoshop:Credit="x" a1=""'),
    "many namespaces": packet("".join(f'<a xmlns:n{n}="u{n}"/>' for n in range(40_000))),
    "long name": packet(f"<{'n' * 500_000}/>", 'photoshop:Credit="x" /'),
    "not UTF-8": packet("").replace(b"<rdf:Desc", b"\xff\xfe<rdf:Desc"),
    "half of UTF-16": packet_of(RIGHTS).decode().encode("utf-16")[:-3],
    "another encoding": b"<?xml version='1.0' encoding='utf-7'?>" + packet("<dc:creator>+ADw-</dc:creator")[:-3],
    "unknown encoding": b"<?xml version='1.0' encoding='none-such'?><",
    "cut short": packet_of(RIGHTS)[:-60],
    "two roots": packet("", 'photoshop:Credit="x"') * 2,
    "zeros": bytes(MAX_XMP),
    "nothing": b"",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_packet_says_nothing(name: str) -> None:
    assert parse(HOSTILE[name]) == ({}, "")


def test_mutants_end_in_a_record() -> None:
    chance, whole = random.Random(1), packet_of(RIGHTS)
    for _ in range(share(20_000)):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.choice((bytes([chance.randrange(256)]), b"", b"<", b"&", b'"'))
        Rights.found(parse(bytes(data))[0])
