"""Announce a picture to the browser before it parses the page: preload links, Link headers, 103 Early Hints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import request

from .arguments import Keywords, LayoutRequest
from .picture import ResponsivePicture


def preload_attributes(filename: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a preload link for the ``<img>`` that `resized_img_tag` writes for *keywords*."""
    options, attributes, _, _ = Keywords.sort(keywords)
    media = options.pop("media", None)
    layout = LayoutRequest.take_from(options)
    picture = ResponsivePicture(filename, options)
    offer = picture.offer(layout)
    offered = offer.attributes(attributes.get("sizes"), lazy=False)
    given = {name: attributes.get(name) for name in ("crossorigin", "nonce", "referrerpolicy")}
    return {
        "href": offer.src,
        "type": picture.format.media_type if options.get("format") else None,
        "imagesrcset": offered["srcset"],
        "imagesizes": offered.get("sizes"),
        "fetchpriority": "high",
        "media": media,
        **given,
    }


def link_header(attributes: Mapping[str, Any]) -> str:
    """Return the value of a ``Link`` header with the *attributes* of a preload link."""
    quoted = (f"{name}={_quoted(value)}" for name, value in attributes.items() if value and name != "href")
    return "; ".join((f"<{attributes['href']}>", "rel=preload", "as=image", *quoted))


def send_early(link: str) -> None:
    """Send *link* as a 103 Early Hints response, if the server supports it."""
    send: Callable[[list[tuple[str, str]]], None] | None = request.environ.get("wsgi.early_hints")
    if send is not None:
        send([("Link", link)])


def _quoted(value: object) -> str:
    """Return *value* as an HTTP quoted-string, in ASCII and on one line."""
    text = " ".join(str(value).split()).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.encode("ascii", "replace").decode() + '"'
