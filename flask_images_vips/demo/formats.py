"""Show one photograph in every format that can be written here, at several qualities: pixels, bytes and time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

from flask import Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from ..errors import ImagesError
from ..formats import by_name
from ..options.options import Options, write_query
from ..state import AppImages, images_of
from ..urls import ImageUrl
from .choice import chosen, own
from .measured import Cost, Costs
from .missing import GONE
from .photos import PHOTOS, Photo
from .sample import Sample, sentence

FORMATS = ("jpeg", "webp", "avif", "jxl", "png")
"""The formats to compare, if they can be written here. GIF, TIFF, BMP and ICO are not for photographs on a page."""
WIDTHS = (480, 800, 1200)
QUALITIES = (30, 50, 70, 90)
USUAL = 75
LEAST, MOST = 5, 95


VISITORS = {
    "today": ("image/avif,image/webp,image/*,*/*;q=0.8", "Chrome, Edge, Firefox and Safari of today", "sent today"),
    "older": ("image/webp,image/*,*/*;q=0.8", "Safari 14 and 15, and Firefox before 93", "sent to Safari 14"),
    "old": ("*/*", "Older browsers, and programs that name no format", "sent to all others"),
}
"""Kinds of browsers: the Accept header of their requests for images, who they are, and what marks their picture."""


@dataclass(frozen=True, slots=True)
class Card:
    """One rendition to compare, and its cost if that has been measured. *quality* is None for PNG, which has none."""

    photo: Photo
    width: int
    format: str
    quality: int | None
    cost: Cost | None = None

    @property
    def options(self) -> dict[str, Any]:
        quality = {} if self.quality is None else {"quality": self.quality}
        return {"width": self.width, "format": self.format, **quality}

    @property
    def sample(self) -> Sample:
        return Sample(self.photo.file, self.options)


class FormatsPage:
    """The page of *app*, and the answers to its script."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._costs = Costs(app)

    def page(self) -> str:
        """Show the page. Its script asks for the measurements; without a script, a button of the form does."""
        photo, width, quality = _photo(), _width(), _quality()
        cards = [self._card(photo, width, name, quality) for name in self._formats()]
        lossy = [card.format for card in cards if card.quality is not None]
        rows = {name: [self._card(photo, width, name, each) for each in QUALITIES] for name in lossy}
        problem = ""
        if "measure" in request.args:
            try:
                cards = [self._measured(card) for card in cards]
                rows = {name: [self._measured(card) for card in row] for name, row in rows.items()}
            except ImagesError as error:
                problem = sentence(error)
        known = [card for card in chain(cards, *rows.values()) if card.cost is not None]
        return render_template(
            "formats.html",
            title="Formats",
            photos=PHOTOS,
            own=own(),
            photo=photo,
            width=width,
            widths=WIDTHS,
            quality=quality,
            least=LEAST,
            most=MOST,
            cards=cards,
            rows=rows,
            # PNG is many times larger, so its bar may be longer than the page.
            scale=max((card.cost.size_bytes for card in known if card.cost and card.quality is not None), default=0),
            slowest=max((card.cost.ms for card in known if card.cost), default=0.0),
            visitors=[(name, *each, self._sent(photo, width, quality, each[0])) for name, each in VISITORS.items()],
            problem=problem,
        )

    def measure(self) -> ResponseReturnValue:
        """Measure one rendition, and return its address and cost as JSON."""
        try:
            photo = _photo()
        except NotFound:
            return jsonify(problem=GONE)
        width, quality = _width(), _quality()
        name = request.args.get("format", "")
        if name not in self._formats():
            return jsonify(problem="This format cannot be written here.")
        card = self._card(photo, width, name, quality)
        try:
            cost = self._measured(card).cost
        except ImagesError as error:
            return jsonify(problem=sentence(error))
        assert cost is not None
        sent = [
            visitor for visitor, (accept, *_) in VISITORS.items() if self._sent(photo, width, quality, accept) == name
        ]
        return jsonify(url=card.sample.url, bytes=cost.size_bytes, ms=cost.ms, sent=sent, problem="")

    def _formats(self) -> list[str]:
        """Return the formats to compare, in their order."""
        abilities, allowed = self._images.pipeline.abilities, self._images.pipeline.config.output_formats
        return [name for name in FORMATS if name in allowed and abilities.writes(by_name(name))]

    def _card(self, photo: Photo, width: int, format: str, quality: int) -> Card:
        card = Card(photo, width, format, quality if by_name(format).lossy else None)
        return Card(photo, width, format, card.quality, self._costs.known(photo.path, card.options))

    def _measured(self, card: Card) -> Card:
        """Return *card* with its cost. The reduced copy of a large photograph is made before, in another rendition."""
        if card.cost is not None:
            return card
        self._costs.of(card.photo.path, {"width": card.width, "format": "jpeg", "quality": 1})
        cost = self._costs.of(card.photo.path, card.options)
        return Card(card.photo, card.width, card.format, card.quality, cost)

    def _sent(self, photo: Photo, width: int, quality: int, accept: str) -> str:
        """Return the format that ``format='auto'`` chooses for a browser that sends *accept*."""
        query = write_query({"width": width, "quality": quality, "format": "auto"})
        url = ImageUrl(photo.path, Options.parse(query), None)
        return self._images.pipeline.formats.negotiated(url, accept).name

    @property
    def _images(self) -> AppImages:
        return images_of(self._app)


def _photo() -> Photo:
    return chosen(next(iter(PHOTOS.values())))


def _width() -> int:
    width = request.args.get("width", WIDTHS[1], type=int)
    return width if width in WIDTHS else WIDTHS[1]


def _quality() -> int:
    return min(max(request.args.get("quality", USUAL, type=int), LEAST), MOST)


def add_to(app: Flask) -> None:
    """Add the page to *app*."""
    page = FormatsPage(app)
    app.add_url_rule("/formats", "formats", page.page)
    app.add_url_rule("/formats.json", "formats_json", page.measure)
