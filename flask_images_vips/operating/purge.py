"""Provide ``flask images purge``, which removes what is cached."""

from __future__ import annotations

import os

import click
from flask.cli import with_appcontext

from ..purging import nothing_cached
from ..state import current_images
from ..urls import checked_path


@click.command()
@click.argument("path", required=False)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Remove everything that is cached for all sources, except fetched remote files.",
)
@click.option(
    "--front",
    is_flag=True,
    help="Remove the links that nginx serves images from (IMAGES_FRONT_DOOR), so that it asks the application again.",
)
@with_appcontext
def command(path: str | None, everything: bool, front: bool) -> None:
    """Remove what is cached for one picture or for all.

    PATH is that of the picture in IMAGES_PATH, as templates name it, or the URL of a remote picture. Its renditions,
    placeholders and so on are removed. If nothing is cached for it, the exit code is 1, and similar paths are listed.
    Browsers and CDNs keep their copies.
    """
    here = current_images()
    if not (path or everything or front):
        raise click.UsageError("Give a PATH, --all or --front.")
    pipeline, links = here.pipeline, here.links
    cache, shared = pipeline.cache, pipeline.shared
    if not os.path.isdir(cache.folder):
        raise click.ClickException(
            f"There is no cache in {cache.folder}. Run this command as the same user as the site."
        )
    if front and here.front_door is None:
        raise click.ClickException("IMAGES_FRONT_DOOR is not set, so there are no links to remove.")
    if everything:
        if shared is not None:
            shared.copies.store.purge_all()
        click.echo(f"{cache.purge_all()} files removed from {cache.folder}")
    if everything or front:
        links.empty()
        if front:
            click.echo(f"links removed from {links.folder}")
    if path:
        ref = checked_path(path)
        removed = pipeline.purge(ref)
        links.purge(ref)
        if not removed and not everything:
            raise click.ClickException(nothing_cached(ref, pipeline, here.url))
        click.echo(f"{removed} files of {path} removed from {cache.folder}")
