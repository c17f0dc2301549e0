"""Compare the URLs and sizes of this package with those of Flask-Images, for the pictures of a site."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .. import urls
from ..errors import ImagesError, InvalidOption, LimitExceeded, reason_of
from ..geometry import Size
from ..headers.read import read_header
from ..page.helpers import resized_img_size, resized_img_src
from ..state import AppImages
from . import reference
from .pictures import Picture
from .templates import Call

OPTIONS = ("width", "height", "mode", "enlarge", "quality", "format", "background", "sharpen", "transform", "cache")
"""The options of Flask-Images."""

_MOST_SHOWN = 20  # of the cases that differ
_BOXES = ((120, 80), (2000, 2000), (300, 40))


@dataclass(slots=True)
class Proof:
    """What was compared, and what differs. *calls* is the number of sets of options that come from templates."""

    pictures: int = 0
    options: int = 0
    calls: int = 0
    urls: int = 0
    accepted: int = 0
    sizes: int = 0
    rendered: int = 0
    different: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything that was compared is the same."""
        return not self.different

    def add(self, sentence: str) -> None:
        """Note a case that differs."""
        if len(self.different) < _MOST_SHOWN:
            self.different.append(sentence)
        elif len(self.different) == _MOST_SHOWN:
            self.different.append("and others")


def sets_of_options(calls: Iterable[Call]) -> tuple[list[dict[str, Any]], int]:
    """Return sets of options to compare with, without repetitions, and how many of them come from *calls*."""
    found: dict[str, dict[str, Any]] = {}
    for call in calls:
        if call.is_known:
            options = {name: value for name, value in call.keywords.items() if name in OPTIONS and value != ""}
            found[repr(sorted(options.items()))] = options
    own = len(found)
    for options in _usual_sets():
        found.setdefault(repr(sorted(options.items())), options)
    return list(found.values()), own


def _usual_sets() -> Iterator[dict[str, Any]]:
    yield {}
    for enlarge in ({}, {"enlarge": True}):
        for width, height in _BOXES:
            yield {"width": width, **enlarge}
            yield {"height": height, **enlarge}
            for mode in ("fit", "crop", "pad", "reshape"):
                yield {"width": width, "height": height, "mode": mode, **enlarge}


class Prover:
    """Compares for one application. Use it within a context of that application."""

    def __init__(self, images: AppImages, options: Sequence[dict[str, Any]], own: int) -> None:
        self._images = images
        self._options = options
        self._own = own
        self.proof = Proof(options=len(options), calls=own)

    def compare(self, picture: Picture) -> None:
        """Compare the URL and the size of *picture* with each set of options. Nothing is rendered."""
        if picture.size is None:
            return
        self.proof.pictures += 1
        for options in self._options:
            self._compare_url(picture, options)
            self._compare_size(picture, picture.size, options)

    def _compare_url(self, picture: Picture, options: dict[str, Any]) -> None:
        images, ref = self._images, picture.source.ref
        before = reference.url(images.url, ref, options, picture.source.mtime, images.secrets[0])
        now = resized_img_src(ref, **options)
        plain = before.replace("&s=b'", "&s=").removesuffix("'")
        self.proof.urls += 1
        if now[now.find(f"{images.url}/") :] != plain:
            self.proof.add(f"the URL of {ref} with {options} was {plain}, and is {now}")
        path, _, query = before.removeprefix(f"{images.url}/").partition("?")
        try:
            legacy = images.pipeline.config.legacy_signatures
            urls.decode(unquote(path), query.encode(), images.secrets, legacy=legacy)
            self.proof.accepted += 1
        except InvalidOption as error:
            self.proof.add(f"{ref} with {options} is refused: {error}")
        except ImagesError as error:
            self.proof.add(f"the URL that Flask-Images signed for {ref} with {options} is refused: {error}")

    def _compare_size(self, picture: Picture, own: Size, options: dict[str, Any]) -> None:
        try:
            before = reference.size(own, options)
        except (ValueError, TypeError, ZeroDivisionError, IndexError):
            return  # Flask-Images failed too
        size = resized_img_size(picture.source.ref, **options)
        self.proof.sizes += 1
        if size is None or (size.width, size.height) != before:
            now = "not known" if size is None else f"{size.width}×{size.height}"
            self.proof.add(f"{picture.source.ref} with {options} had {before[0]}×{before[1]} pixels, and has {now}")

    def render(self, picture: Picture, number: int) -> None:
        """Render *picture* with the set of options of that *number*, counted in a circle, and compare its size.

        A set of the site's own templates that exceeds a limit, such as that of pixels, differs. A usual set is skipped
        then, because the site does not use it.
        """
        index = number % len(self._options)
        options = self._options[index]
        ref, pipeline = picture.source.ref, self._images.pipeline
        url = resized_img_src(ref, **options)
        path, _, query = url[url.find(f"{self._images.url}/") :].removeprefix(f"{self._images.url}/").partition("?")
        try:
            asked = urls.decode(unquote(path), query.encode(), self._images.secrets, legacy=False)
            _, entry = pipeline.entry(asked)
            with entry, tempfile.TemporaryFile() as file:  # an entry may be in memory only
                file.write(entry.read())
                file.flush()
                header = read_header(file.fileno(), ref, auto_orient=True)
            before = reference.size(picture.size or (1, 1), options)
        except ImagesError as error:
            if isinstance(error, LimitExceeded) and index >= self._own:
                return
            self.proof.add(f"{ref} with {options} cannot be rendered: {reason_of(error, ref)}")
            return
        self.proof.rendered += 1
        if header is not None and header.size != before:
            self.proof.add(
                f"{ref} with {options} had {before[0]}×{before[1]} pixels; the file has "
                f"{header.size.width}×{header.size.height}"
            )


def sample(pictures: Sequence[Picture], count: int) -> Iterator[Picture]:
    """Yield *count* of *pictures*, evenly spread."""
    usable = [picture for picture in pictures if picture.size is not None]
    count = min(count, len(usable))
    yield from (usable[index * len(usable) // count] for index in range(count))
