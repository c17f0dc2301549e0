"""Find image URLs in the ways that the options of ``flask images warm`` name."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import click
from flask import Flask

from ...asked import read_asked
from ...errors import did_you_mean
from ...recording.sightings import look_at_files
from ...state import AppImages
from .calls import NotKnownCall, TemplateCalls
from .folders import in_folder
from .logs import Logs
from .pages import Pages
from .wanted import Placeholder, Problem, Wanted, signed

Progress = Callable[[int, str], AbstractContextManager[Callable[[int], object]]]
"""Shows progress: takes the number of steps and a label, and yields a function that takes the number of steps done."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the sources of URLs have found. *notes* are sentences about them."""

    wanted: list[Wanted] = field(default_factory=list)
    placeholders: list[Placeholder] = field(default_factory=list)
    unknown: list[NotKnownCall] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to make."""
        return bool(self.wanted or self.placeholders)


def find(app: Flask, images: AppImages, given: dict[str, Any], progress: Progress) -> Found:
    """Find the URLs by all given options, or in the templates without any."""
    found = Found()
    others = ("pages", "sitemap", "logs", "manifest", "folders")
    if given["presets"] and not given["folders"]:
        raise click.UsageError("--preset needs --folder, such as --folder photos --preset card.")
    if given["folders"] or given["presets"]:
        _find_in_folders(images, given["folders"], given["presets"], found)
    if given["logs"]:
        _find_in_logs(images, given["logs"], found)
    if given["manifest"]:
        _find_in_manifest(images, found)
    if given["templates"] or not any(given[name] for name in others):
        _find_in_templates(app, found)
    if given["pages"] or given["sitemap"]:
        pages = Pages(app)
        paths = dict.fromkeys(given["pages"])
        if given["sitemap"]:
            paths |= dict.fromkeys(pages.in_sitemap(given["sitemap"]))
        with progress(len(paths), "Pages") as tell:
            for number, path in enumerate(paths):
                found.wanted.extend(pages.wanted([path]))
                tell(number + 1)
        found.problems.extend(pages.problems)
        found.notes.append(f"{count(len(paths), 'page')} fetched")
    return found


def _find_in_folders(images: AppImages, folders: Sequence[str], presets: Sequence[str], found: Found) -> None:
    known = list(images.pipeline.config.presets or ())
    if not presets:
        names = f", such as --preset {known[0]}" if known else ". Add one to IMAGES_PRESETS"
        raise click.UsageError(f"--folder needs --preset{names}.")
    for name in presets:
        if name not in images.pipeline.presets:
            expected = ", ".join(known) or "which is empty"
            raise click.UsageError(
                f"--preset {name}: expected one of IMAGES_PRESETS ({expected}){did_you_mean(name, known)}."
            )
    for folder in folders:
        try:
            before = len(found.wanted)
            found.wanted.extend(in_folder(images, folder.strip("/"), presets))
        except FileNotFoundError as error:
            raise click.UsageError(str(error)) from None
        found.notes.append(f"{count(len(found.wanted) - before, 'image')} in the folder {folder}")


def _find_in_logs(images: AppImages, paths: Sequence[str], found: Found) -> None:
    logs = Logs(images)
    for path in paths:
        try:
            logs.read(path)
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise click.UsageError(f"--access-log {path} cannot be read: {reason}.") from None
    before = len(found.wanted)
    found.wanted.extend(logs.wanted())
    found.notes.append(f"{count(len(found.wanted) - before, 'image URL')} in the access log")
    if logs.refused:
        found.notes.append(f"Left out of the log: {count(logs.refused, 'request')} that this site would refuse")


def _find_in_manifest(images: AppImages, found: Found) -> None:
    folder = images.pipeline.cache.folder
    try:
        look_at_files(folder, front_door=images.front_door is not None)
        asked = read_asked(folder)
    except OSError as error:
        raise click.ClickException(
            f"The manifest in {folder} cannot be read ({error.strerror or error}). Run this as the same user as the "
            "site."
        ) from None
    found.wanted.extend(Wanted(signed(images, each.url, each.query), "the manifest", each.count) for each in asked)
    found.notes.append(f"{count(len(asked), 'image URL')} in the manifest")


def _find_in_templates(app: Flask, found: Found) -> None:
    try:
        calls = TemplateCalls(app)
    except TypeError as error:  # of a loader that finds templates by name only
        raise click.ClickException(
            f"The templates cannot be listed ({error}). Find the images by --page or --sitemap instead."
        ) from None
    found.wanted.extend(calls.wanted)
    found.placeholders.extend(calls.placeholders)
    found.unknown.extend(calls.unknown)
    found.problems.extend(calls.problems)
    unknown = len({call.place for call in calls.unknown})
    found.notes.append(
        f"{count(calls.count, 'image call')} in {count(len(calls.templates), 'template')}"
        + (f", {unknown} of them not known before the page is rendered" if unknown else "")
    )


def count(number: int, noun: str) -> str:
    """Return *number* and *noun*, in the plural if need be."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
