"""Provide ``flask images manifest``, which prints, exports and imports what visitors ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

import click
from flask.cli import with_appcontext

from ..asked import Asked, InvalidLine, import_asked, read_asked, read_manifest
from ..errors import Forgotten, printable, shown
from ..fleet.host_files import FOLDER, HostFiles
from ..formats import AUTO
from ..pipeline import Pipeline
from ..recording.journal import Journal
from ..recording.queries import query_of
from ..recording.sightings import look_at_files
from ..state import current_images
from ..urls import ImageUrl
from .columns import count, table
from .object_store import exchange, excused, object_cache_of
from .warming.logs import Logs

_NEW_BROWSER = "image/avif,image/webp,*/*"


@click.group(invoke_without_command=True)
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Length of the list.")
@click.pass_context
def command(context: click.Context, top: int) -> None:
    """Print the images that visitors ask for, the most popular first.

    This list is the manifest. It is recorded in the cache folder and survives new versions of the site, so that
    "flask images warm" can render what will be asked for. A request counts half after 14 days.
    """
    if context.invoked_subcommand is None:
        context.invoke(_show, top=top)


@with_appcontext
def _show(top: int) -> None:
    with _excused():
        _look_at_files()
        asked = read_asked(_folder())
    if not asked:
        raise click.ClickException(_nothing())
    rows = [[count(each.count), each.format, shown(each.url.ref), printable(each.query)] for each in asked[:top]]
    click.echo("\n".join(table([["count", "format", "source", "query"], *rows], indent="")))
    if len(asked) > top:
        click.echo(f"and {len(asked) - top:,} more")


@command.command()
@click.argument("file", type=click.File("w", encoding="utf-8", lazy=True), default="-")
@with_appcontext
def export(file: IO[str]) -> None:
    """Write the whole manifest to FILE, or print it.

    Each line is a JSON object with source, query, format and count. The query is that of the image URL, without its
    version and signature.
    """
    with _excused():
        _look_at_files()
        asked = read_asked(_folder())
    if not asked:
        raise click.ClickException(_nothing())
    file.writelines(f"{each.line()}\n" for each in asked)
    file.flush()  # or a full disk would be noticed after the sentence below
    click.echo(f"{len(asked):,} images written", err=True)


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--access-log",
    "is_log",
    is_flag=True,
    help="FILE is an access log of nginx or another server, in the common or combined format, or such a file "
    "compressed by gzip.",
)
@with_appcontext
def import_(file: str, is_log: bool) -> None:
    """Add the exported manifest in FILE to that of this site. "-" reads it from standard input.

    Of an image that both have, the higher count is kept, so a manifest may be imported twice. If a line is invalid,
    nothing is imported. Images that show a forgotten picture are left out. Behind IMAGES_FRONT_DOOR, import the access
    log of nginx, which knows each request.
    """
    manifest, refused = _read_log(file) if is_log else (_read_manifest(file), 0)
    with _excused():
        cache = current_images().pipeline.cache
        if not cache.usable():
            raise click.ClickException(f"{cache.folder} cannot be used. Run this command as the same user as the site.")
        kept = [asked for asked in manifest if not _is_forgotten(asked.url)]
        added = import_asked(cache.folder, kept)
    click.echo(f"{len(manifest):,} images read, {added:,} of them new")
    if refused:
        click.echo(f"{refused:,} request{'' if refused == 1 else 's'} left out, which this site would refuse")
    if forgotten := len(manifest) - len(kept):
        click.echo(f"{forgotten:,} image{'' if forgotten == 1 else 's'} left out, because of forgotten pictures")


def _is_forgotten(url: ImageUrl) -> bool:
    try:
        current_images().pipeline.sources.check_not_forgotten(url.refs)
    except Forgotten:
        return True
    return False


def _read_manifest(path: str) -> list[Asked]:
    try:
        with click.open_file(path, encoding="utf-8") as file:
            return list(read_manifest(file))
    except InvalidLine as error:
        raise click.ClickException(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{path} is not a manifest: it is not UTF-8.") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from None


def _read_log(path: str) -> tuple[list[Asked], int]:
    """Return what the access log at *path* asks for, and the number of requests that this site would refuse."""
    images = current_images()
    logs = Logs(images)
    try:
        logs.read(path)
    except (OSError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise click.ClickException(f"{path} cannot be read: {reason}") from None
    found: dict[tuple[str, str], Asked] = {}
    for wanted in logs.wanted():
        asked = _asked_of(wanted.url, wanted.count, images.pipeline)
        if asked is not None:
            known = found.get(key := (asked.url.ref, asked.query))
            found[key] = asked if known is None else replace(known, count=known.count + asked.count)
    return list(found.values()), logs.refused


def _asked_of(url: ImageUrl, count: float, pipeline: Pipeline) -> Asked | None:
    """Return an item of the manifest for *url*, or None if it is never cached.

    A log does not tell which format was chosen for ``f=auto``, so it is that of new browsers.
    """
    if not url.options.cache:
        return None
    formats, negotiated = pipeline.formats, url.options.format is AUTO
    format = formats.negotiated(url, _NEW_BROWSER) if negotiated else formats.of(url.file_name, url.options)
    return Asked(url, count, query_of(url), format.name)


@command.command()
@with_appcontext
def sync() -> None:
    """Share the manifest with the other hosts of the site, through the object store of IMAGES_CACHE.

    This writes the manifest of this host into the store, and adds those of the others to it. Run it regularly on each
    host, and on a new one before "flask images warm --from-manifest". Of an image that several hosts have, the highest
    count is kept.
    """
    pipeline, folder = current_images().pipeline, _folder()
    cache = object_cache_of(pipeline)
    with _excused():
        pipeline.cache.usable()  # creates its folder
        _look_at_files()
        own, host = read_asked(folder), HostFiles(os.path.join(folder, FOLDER)).host()
    with excused():
        others = exchange(cache.store, host, own)
    kept = [asked for asked in others if not _is_forgotten(asked.url)]
    with _excused():
        added = import_asked(folder, kept)
    click.echo(f"{len(own):,} images written, {len(others):,} of other hosts read, {added:,} of them new")


@command.command()
@with_appcontext
def clear() -> None:
    """Forget all that is recorded, the statistics too. The images stay in the cache."""
    with _excused():
        Journal(_folder()).clear()


def _folder() -> str:
    return current_images().pipeline.cache.folder


def _look_at_files() -> None:
    look_at_files(_folder(), front_door=current_images().front_door is not None)


def _nothing() -> str:
    if not current_images().pipeline.config.record:
        return "Nothing is recorded, because IMAGES_RECORD is False."
    return f"Nothing is recorded in {_folder()} yet. It is recorded when visitors load images."


@contextmanager
def _excused() -> Iterator[None]:
    """Turn an error of the file system into a sentence."""
    try:
        yield
    except OSError as error:
        cure = " Run this command as the same user as the site." if isinstance(error, PermissionError) else ""
        raise click.ClickException(
            f"The record in {_folder()} cannot be used ({error.strerror or error}).{cure}"
        ) from None
