"""Provide the commands ``flask images nginx``, ``check`` and ``purge``."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from .errors import ImagesError
from .nginx.configuration import Server, nginx_configuration
from .report import report
from .serving.headers import front_headers
from .state import current_images

images = AppGroup("images", help="Manage the images of this application.")


@images.command()
@click.option("--upstream", default="127.0.0.1:8000", show_default=True, help="Address of the application.")
@click.option(
    "--listen",
    default=["80"],
    show_default=True,
    multiple=True,
    help="Address or port that nginx listens on. May be repeated, as in --listen 80 --listen '[::]:80'.",
)
@click.option(
    "--server-name",
    "names",
    multiple=True,
    help="Host of the site. May be repeated. The default is SERVER_NAME, or else every host that no other server of "
    "nginx names.",
)
@with_appcontext
def nginx(upstream: str, listen: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Print an nginx configuration for this application.

    With IMAGES_FRONT_DOOR, nginx serves images that have been requested before, without asking the application. With
    IMAGES_ACCEL_REDIRECT, the application answers with X-Accel-Redirect and nginx sends the file.
    """
    here = current_images()
    config, door = here.pipeline.config, here.front_door
    if door is None and config.accel_redirect is None:
        raise click.ClickException("Set IMAGES_FRONT_DOOR = True, or IMAGES_ACCEL_REDIRECT = '/_images/', or both.")
    with suppress(ImagesError):
        here.pipeline.abilities.find()  # it does not write to the cache: the user of this command may be another one
    # nginx looks for links in these formats only.
    config = replace(config, formats=tuple(format.name for format in here.pipeline.negotiable))
    cache, front = here.pipeline.cache.folder, door.folder if door else None
    settings = current_app.config
    if not names and settings["SERVER_NAME"]:
        names = (settings["SERVER_NAME"].partition(":")[0],)
    server = Server(upstream, listen, names, settings["MAX_CONTENT_LENGTH"] or 0)
    click.echo(nginx_configuration(config, cache, front, front_headers(config), server), nl=False)


@images.command()
@with_appcontext
def check() -> None:
    """Print which image libraries are used, where they were loaded from, and which formats they read and write.

    A format that is missing is listed with the commands that add it.
    """
    pipeline = current_images().pipeline
    pooled = pipeline.producer.renderers.pool is not None
    try:
        libraries = pipeline.abilities.find()
    except ImagesError as error:
        raise click.ClickException(f"No renderer has answered: {error}") from None
    where = "processes of their own" if pooled else "the web worker"
    click.echo("\n".join(report(pipeline.config.engine, where, libraries)))


@images.command()
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
def purge(path: str | None, everything: bool, front: bool) -> None:
    """Remove everything that is cached for the source PATH: renditions, placeholders and so on.

    Browsers and CDNs keep their copies.
    """
    here = current_images()
    if not (path or everything or front):
        raise click.UsageError("Give a PATH, --all or --front.")
    cache, shared = here.pipeline.cache, here.pipeline.shared
    if not os.path.isdir(cache.folder):
        raise click.ClickException(
            f"There is no cache in {cache.folder}. Run this command as the same user as the site."
        )
    if path:
        removed = here.pipeline.purge(path.strip("/"))
        if here.links:
            here.links.purge(path.strip("/"))
        click.echo(f"{removed} files of {path} removed from {cache.folder}")
    if everything:
        if shared is not None:
            shared.copies.store.purge_all()
        removed = cache.purge_all()
        if here.links:
            here.links.empty()
        click.echo(f"{removed} files removed from {cache.folder}")
    if front and here.links:
        here.links.empty()
        click.echo(f"links removed from {here.links.folder}")
