"""Choose the format and the quality of the images of a page by the request for the page: see ``IMAGES_BY_VISITOR``.

The URLs name the format and the quality, so a response for an image does not depend on the visitor. The response with
the page does, so it gets ``Vary``.

To compare, visitors are divided into two arms by their address and User-Agent. Both are hashed with the secret key
while the page is made. The hash decides, and is not kept: nothing is stored, no cookie is set, and the URLs of all
visitors of an arm are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

from flask import Response, after_this_request, g, has_request_context, request

from ..config.by_visitor import ByVisitor
from ..errors import InvalidOption
from ..events import tell
from ..formats import AUTO, choose
from ..options.scalars import Arm
from ..state import AppImages, current_images
from ..urls import ImageUrl, is_remote
from .quality import is_lossy
from .queries import QUALITY, parsed, query_of

_STATE = "_images_visit"
_DIGEST_BYTES = 8


class Visit(NamedTuple):
    """The request for a page: its *arm*, if arms are compared, and what its headers ask for."""

    arm: Arm | None
    saves_data: bool
    accept: str


def by_visitor(ref: str, keywords: Mapping[str, Any], *, formats: bool = True) -> dict[str, Any]:
    """Return the options that the visitor changes in *keywords* of the image *ref*, which may be none.

    With *formats*, the format may be one of them. An image with ``external`` or ``download`` is often for somebody
    else, such as the reader of an e-mail, so it does not depend on the visitor.
    """
    images = current_images()
    rule = images.pipeline.config.by_visitor
    elsewhere = ("external", "_external", "download")
    if rule is None or not has_request_context() or any(map(keywords.get, elsewhere)) or images.pipeline.presets.only:
        return {}
    visit = _visit(images, rule)
    changed: dict[str, Any] = {} if visit.arm is None or keywords.get("arm") else {"arm": visit.arm}
    if visit.arm is not Arm.USUAL:
        if formats and rule.accept:
            changed |= _format(ref, keywords, visit.accept)
        if visit.saves_data and not keywords.get("quality") and is_lossy(ref, {**keywords, **changed}):
            changed["quality"] = rule.save_data
    return changed


def _format(ref: str, keywords: Mapping[str, Any], accept: str) -> dict[str, str]:
    """Return the format for a browser that sends *accept* with the request for a page, or nothing.

    Not every browser lists the formats of images there. For others, ``auto`` stays, because the request for the image
    may list them.
    """
    query = query_of(keywords)
    with suppress(InvalidOption):  # reported when the image is requested
        options = parsed(query)
        if options.format is None or options.format is AUTO:
            url = ImageUrl(ref, options, None, remote=is_remote(ref), default_quality=not query.get(QUALITY))
            auto = replace(url, options=replace(options, format=AUTO))
            chosen = current_images().pipeline.formats.negotiated(auto, accept)
            if chosen is not choose(auto.file_name, None):
                return {"format": chosen.name}
    return {}


def _visit(images: AppImages, rule: ByVisitor) -> Visit:
    """Return what is known of the current request, and let its response say what it depends on."""
    found: Visit | None = g.get(_STATE)
    if found is not None:
        return found
    arm = arm_of(images, rule.share) if rule.compares else None
    visit = Visit(arm, rule.save_data is not None and _saves_data(), request.environ.get("HTTP_ACCEPT", ""))
    setattr(g, _STATE, visit)
    if arm is not None:
        tell(images.events.visited, arm)

    @after_this_request
    def vary(response: Response) -> Response:
        if rule.save_data is not None:
            response.vary.add("Save-Data")
        if rule.accept:
            response.vary.add("Accept")
        return response

    return visit


def _saves_data() -> bool:
    return str(request.environ.get("HTTP_SAVE_DATA", "")).strip().lower() == "on"


def arm_of(images: AppImages, share: float) -> Arm:
    """Return the arm of the visitor of the current request: the canary for *share* of all visitors.

    It stays the same as long as the visitor has the same address and browser, and the site the same secret key. Of an
    IPv6 address, only the network counts, because devices change the rest every day.
    """
    secret = images.secrets[0]
    key = blake2b(secret.encode() if isinstance(secret, str) else secret).digest()
    who = f"{_network(request.remote_addr or '')}\n{request.environ.get('HTTP_USER_AGENT', '')}"
    number = blake2b(who.encode("utf-8", "surrogatepass"), key=key, digest_size=_DIGEST_BYTES, person=b"images arm")
    return Arm.CANARY if int.from_bytes(number.digest()) < share * 256**_DIGEST_BYTES else Arm.USUAL


def _network(address: str) -> str:
    with suppress(ValueError):
        parsed_address = ip_address(address)
        if isinstance(parsed_address, IPv6Address):
            return str(IPv6Address(int(parsed_address) >> 64 << 64))
    return address
