"""Provide ``flask images purge``, which removes what is cached."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click
from flask.cli import with_appcontext

from ..errors import NotPurged, printable
from ..in_front import CachesInFront
from ..purging import close_door, purge_all, purge_on_hosts
from ..state import AppImages, current_images
from ..system_errors import cause
from .purging import named, nothing_cached


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Remove everything that is cached for all sources, except fetched remote files.",
)
@click.option(
    "--front",
    is_flag=True,
    help="Remove the links that nginx serves images from (IMAGES_FRONT_DOOR), so that it asks the application again. "
    "All caches of IMAGES_CDN are purged too.",
)
@click.option("--here", "only_here", is_flag=True, help="With --front alone: remove the links of this host only.")
@with_appcontext
def command(paths: tuple[str, ...], everything: bool, front: bool, only_here: bool) -> None:
    """Remove what is cached for some pictures, or for all.

    That is everything made of a picture: renditions, placeholders and so on. PATH is that of the picture in
    IMAGES_PATH, as templates name it, or the URL of a remote picture. It may be a pattern, such as 'photos/*.jpg', in
    which * stands for any characters. Quote it for the shell. If nothing is cached for a PATH, the exit code is 1, and
    similar paths are listed. The caches of IMAGES_CDN are purged too. Browsers keep their copies. With IMAGES_REDIS,
    all hosts do the same.
    """
    here = current_images()
    if not (paths or everything or front):
        raise click.UsageError("Give a PATH, --all or --front.")
    if only_here and (paths or everything):
        raise click.UsageError("--here goes with --front alone.")
    cache = here.pipeline.cache
    if not os.path.isdir(cache.folder):
        raise click.ClickException(
            f"There is no cache in {cache.folder}. Run this command as the same user as the site, on a host that has "
            "served an image."
        )
    if front and here.front_door is None:
        raise click.ClickException("IMAGES_FRONT_DOOR is not set, so there are no links to remove.")
    try:
        if everything:
            click.echo(f"{purge_all(here)} files removed from {_places(here)}")
        if front:
            close_door(here, everywhere=not only_here)
            click.echo(f"links removed from {here.links.folder}")
        refs = {path: named(path, here.pipeline) for path in paths}
        unfound = [path for path in paths if not _purge(path, refs[path], here)]
        _purge_in_front(everything or front, [ref for path in paths for ref in refs[path]], here)
    except NotPurged as error:
        raise click.ClickException(str(error)) from None
    except PermissionError as error:
        raise click.ClickException(
            f"{error.filename} cannot be removed ({cause(error)}). Run this command as the same user as the site."
        ) from None
    if unfound and not everything:
        told = [] if here.parts.messages is None else ["Other hosts are told to purge this nevertheless."]
        raise click.ClickException("\n".join([*(_explained(path, refs[path], here) for path in unfound), *told]))


def _places(here: AppImages) -> str:
    """Return where files are removed from."""
    store = here.pipeline.config.cache_store
    return here.pipeline.cache.folder if store is None else f"{here.pipeline.cache.folder} and {store}"


def _purge(path: str, refs: Sequence[str], here: AppImages) -> int:
    """Purge the pictures *refs* that *path* stands for, and say so. Returns the number of files that were removed."""
    removed = [purge_on_hosts(here, ref, last=ref is refs[-1]) for ref in refs]
    if any(removed):
        what = path if len(refs) == 1 else f"{sum(map(bool, removed))} pictures that match {path}"
        click.echo(f"{sum(removed)} files of {printable(what)} removed from {_places(here)}")
    return sum(removed)


def _purge_in_front(everything: bool, refs: Sequence[str], here: AppImages) -> None:
    """Purge *refs*, or everything, in the caches in front, and say which ones have confirmed it."""
    caches = here.instance(CachesInFront)
    confirmed = caches.purge_all() if everything else caches.purge(refs, soft=True)
    if confirmed:
        click.echo(f"also purged in {' and '.join(confirmed)}")


def _explained(path: str, refs: Sequence[str], here: AppImages) -> str:
    """Return why nothing was removed for *refs*, the pictures that *path* stands for."""
    if len(refs) == 1:
        return nothing_cached(refs[0], here.pipeline, here.url)
    if refs:
        return f"Nothing is cached for the {len(refs)} pictures that match {path!r}."
    return (
        f"No picture matches {path!r}. Expected a pattern for paths relative to IMAGES_PATH "
        f"({', '.join(here.pipeline.sources.local.places)}), or for URLs that were fetched."
    )
