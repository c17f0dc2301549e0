"""List how a site will differ from what Flask-Images showed, judged by its configuration and templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..compat import NOT_CALLED, LegacyMethods
from ..config.compat import is_set
from ..config.keys import KEYS, key_doc
from ..errors import ImagesError
from ..options.options import DECLARED
from ..page.arguments import Keywords
from ..page.calls import HIDPI_PREFIX
from ..state import AppImages
from ..urls import checked_path, is_remote
from .pictures import KINDS, Picture
from .proof import OPTIONS
from .templates import NOT_KNOWN, Call

_OF_FLASK_IMAGES = ("IMAGES_URL", "IMAGES_NAME", "IMAGES_PATH", "IMAGES_CACHE", "IMAGES_MAX_AGE")
_NOT_OPTIONS = {"hidpi", "hi_dpi", "class_", "external", "_external", "scheme", "_scheme", "version", "**"}
CHANGE, DIFFERS = "change", "differs"


class Difference(NamedTuple):
    """One difference. *level* is ``change`` if the site breaks unless it is changed, and otherwise ``differs``."""

    level: str
    text: str
    places: Sequence[str] = ()


def of_configuration(settings: Mapping[str, Any], images: AppImages) -> Iterator[Difference]:
    """Yield the differences that *settings*, the configuration of the site, and its `Images` object make."""
    for name in settings:
        if name in KEYS and name not in _OF_FLASK_IMAGES and is_set(name, settings):
            value = "" if "SECRET" in name else f" = {settings[name]!r}"
            said = f"{name}{value} had no effect, and has one now: {key_doc(name)}"
            yield Difference(DIFFERS, said, ["configuration"])
    cache = settings.get("IMAGES_CACHE")
    if is_set("IMAGES_CACHE", settings):
        said = f"The pictures in {cache} are not used again: delete them. New ones are in {cache}/flask-images-vips."
        yield Difference(DIFFERS, said, ["IMAGES_CACHE"])
    extension: LegacyMethods = images.app.extensions["images"]
    for name, instead in NOT_CALLED.items():
        if extension.overriding(name):
            kind = type(extension).__qualname__
            yield Difference(CHANGE, f"{kind}.{name} is never called. Instead, {instead}.", ["Python"])


def of_templates(calls: Iterable[Call], images: AppImages) -> list[Difference]:
    """Return the differences in *calls*. Those with the same text are one, with all of their places."""
    found: dict[tuple[str, str], list[str]] = {}
    for call in calls:
        for level, text in _of_call(call, images):
            places = found.setdefault((level, text), [])
            if call.where not in places:
                places.append(call.where)
    return [Difference(level, text, places) for (level, text), places in found.items()]


def of_pictures(pictures: Iterable[Picture]) -> list[Difference]:
    """Return the differences in *pictures*, by kind."""
    found: dict[str, list[str]] = {}
    for picture in pictures:
        if picture.kind:
            found.setdefault(picture.kind, []).append(f"{picture.source.ref} ({picture.detail})")
    return [Difference(DIFFERS, f"Pictures that {KINDS[kind]}.", places) for kind, places in sorted(found.items())]


def _of_call(call: Call, images: AppImages) -> Iterator[tuple[str, str]]:
    if call.changed_by:
        yield (
            CHANGE,
            f"resized_img_tag returns Markup, so {call.changed_by} shows HTML as text. Pass attributes as keywords, "
            "such as alt='A cat', or set IMAGES_MARKUP = False.",
        )
    if call.function == "resized_img_size" and "enlarge" not in call.keywords and "**" not in call.keywords:
        yield DIFFERS, "resized_img_size assumes enlarge=False, like the URL. Flask-Images assumed True."
    for name, value in call.keywords.items():
        yield from _of_keyword(name, value)
    yield from _of_path(call, images)


def _of_keyword(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if name.startswith(HIDPI_PREFIX):
        yield DIFFERS, "Keywords such as hidpi_quality are left out of the URL if hidpi does not apply."
    elif name in OPTIONS or name in _NOT_OPTIONS:
        if value == "":
            yield DIFFERS, f"{name}='' is left out of the URL."
    elif name in DECLARED:
        yield DIFFERS, f"{name} was ignored, and is an option now: {DECLARED[name].doc}"
    elif Keywords.sort({name: "x"}).attributes:
        yield DIFFERS, f"{name} is an attribute of the tag. In Flask-Images, it became a part of the URL."
    else:
        yield DIFFERS, f"{name} is a part of the URL without any effect, as before. It is logged once."


def _of_path(call: Call, images: AppImages) -> Iterator[tuple[str, str]]:
    if call.path is NOT_KNOWN:
        return
    try:
        ref = checked_path(call.path)
    except ImagesError as error:
        yield DIFFERS, f"{error}. Flask-Images answered 500 for the whole page; here, it counts as a missing picture."
        return
    if is_remote(ref):
        yield (
            DIFFERS,
            "Pictures at URLs need `pip install 'flask-images-vips[remote]'`. They come from public addresses only, "
            "and are fetched again when they are old. IMAGES_REMOTE_HOSTS lists the hosts that you allow.",
        )
        return
    try:
        images.pipeline.sources.here(ref)
    except ImagesError:
        if call.function != "resized_img_src":
            yield (
                DIFFERS,
                f"{ref!r} is missing. Flask-Images answered 404 for the whole page; here, the size is left out.",
            )
