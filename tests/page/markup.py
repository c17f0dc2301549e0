"""Reading the HTML that helpers write."""

from __future__ import annotations

import re
from typing import Any

import html5lib


def offered(srcset: str) -> list[str]:
    """The descriptors of a ``srcset``."""
    return [candidate.split(" ")[1] for candidate in srcset.split(", ")]


def parsed(markup: str) -> Any:
    """The first element of *markup*, which any deviation from HTML's grammar fails."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    fragment = parser.parse(f"<!doctype html><html><head><title>t</title></head><body>{markup}</body></html>")
    body = fragment.find("body")
    assert [attribute for element in body.iter() for attribute in element.attrib if not attribute.isascii()] == []
    check(body)
    return body[0]


def check(body: Any) -> None:
    """The rules of HTML about images that its grammar does not know."""
    for element in body.iter():
        for name in ("width", "height"):
            assert re.fullmatch(r"[1-9]\d*", element.get(name, "1")), "a whole number of pixels"
        if element.tag == "img":
            assert element.get("src")
        if element.tag == "picture":
            assert [child.tag for child in element] == ["source"] * (len(element) - 1) + ["img"]
            assert all(child.get("media") or child.get("type") for child in element[:-1])
        if element.tag == "source":
            assert element.get("srcset")
            assert "src" not in element.attrib
        srcset = element.get("srcset")
        if srcset:
            found = [re.fullmatch(r"\S*[^\s,](?: ([1-9]\d*w|\d+(?:\.\d+)?x))?", each) for each in srcset.split(", ")]
            assert all(found), srcset
            descriptors = [match[1] or "1x" for match in found if match]
            assert len(set(descriptors)) == len(descriptors), "each once"
            assert len({descriptor[-1] for descriptor in descriptors}) == 1, "all of one kind"
            assert (descriptors[0][-1] == "w") == ("sizes" in element.attrib)
        if element.get("sizes", "").startswith("auto"):
            image = element if element.tag == "img" else next(one for one in body.iter("img"))
            assert image.get("loading") == "lazy"


def parsed_head(markup: str) -> dict[str, str]:
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    head = parser.parse(f"<!doctype html><html><head><title>t</title>{markup}</head><body></body></html>").find("head")
    found: dict[str, str] = head[1].attrib
    return found
