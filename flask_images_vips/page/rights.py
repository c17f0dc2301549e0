"""Tell in a page what the application says of a picture: in the URL, as ``alt``, and as data for search engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..options.options import write_query
from ..options.parsing import ParseError
from ..options.values import Keep
from ..state import AppImages, current_images
from ..urls import NO_PICTURE

if TYPE_CHECKING:
    from ..rights.record import Rights
    from .picture import Picture

_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_SCHEMA = "https://schema.org/"
# The terms of IPTC that schema.org has too, under its own names.
_TERMS = frozenset(
    """
    algorithmicMedia algorithmicallyEnhanced compositeCapture compositeSynthetic compositeWithTrainedAlgorithmicMedia
    dataDrivenMedia digitalArt digitalCapture minorHumanEdits multiFrameComputationalCapture negativeFilm positiveFilm
    print screenCapture trainedAlgorithmicMedia virtualRecording
    """.split()  # noqa: SIM905
)


def rights_of(ref: str, images: AppImages | None = None) -> Rights | None:
    """Return what the application says of the picture *ref*, or None. Errors of its function are raised."""
    images = images or current_images()
    find = images.app.extensions["images"].find_rights
    if find is None or ref == NO_PICTURE:
        return None
    from ..rights.asking import ask  # noqa: PLC0415  (few sites use it)

    return ask(find, ref, images.app.ensure_sync)


def rights_query(images: AppImages, ref: str, keywords: Mapping[str, Any]) -> dict[str, str]:
    """Return the query of the digest of the record of *ref*, if *keywords* keep rights and the application has one."""
    keep = write_query({"keep": keywords.get("keep")})
    try:
        kept = bool(keep) and any(Keep.parse(text).rights for text in keep.values())
    except ParseError:  # reported when the image is requested
        return {}
    record = rights_of(ref, images) if kept else None
    return {} if record is None or not record.in_file else write_query({"rights": record.digest})


def add_alt(ref: str, attributes: dict[str, Any]) -> None:
    """Add the ``alt`` that the application says of the picture *ref* to *attributes*, unless they name one."""
    if attributes.get("alt") is None and (record := rights_of(ref)) is not None and record.alt:
        attributes["alt"] = record.alt


def image_object(picture: Picture, record: Rights) -> dict[str, Any]:
    """Return *picture* as an ``ImageObject`` of schema.org, with what *record* says of it."""
    size, source_type = picture.size, record.digital_source_type
    term = source_type.removeprefix(_TYPES)
    if term in _TERMS:
        source_type = f"{_SCHEMA}{term[0].upper()}{term[1:]}DigitalSource"
    creators = [{"@type": "Person", "name": name} for name in record.creator]
    found = {
        "@context": _SCHEMA,
        "@type": "ImageObject",
        "contentUrl": picture.url(),
        "width": size.width if size is not None else None,
        "height": size.height if size is not None else None,
        "description": record.alt,
        "creator": creators[0] if len(creators) == 1 else creators,
        "creditText": record.credit,
        "copyrightNotice": record.copyright,
        "license": record.web_statement,
        "acquireLicensePage": record.licensor_url,
        "digitalSourceType": source_type,
    }
    return {name: value for name, value in found.items() if value}
