"""Provide the commands ``flask images nginx``, ``check`` and ``purge``."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from .errors import ImagesError
from .nginx.configuration import Server, nginx_configuration
from .purging import nothing_cached
from .report import report
from .serving.headers import front_headers
from .state import current_images
from .urls import checked_path


class _Images(AppGroup):
    """Commands whose errors are one message, without a traceback."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except ImagesError as error:
            raise click.ClickException(str(error)) from None


images = _Images("images", help="Manage the images of this application.")


def add_commands(app: Flask) -> None:
    """Add the commands to *app* as ``flask images``, unless that is taken, and as ``flask images-vips``.

    The second name is there for applications that have a command ``images`` of their own, or add one later.
    """
    is_taken = images.name in app.cli.commands
    if not is_taken:
        app.cli.add_command(images)
    app.cli.add_command(AppGroup("images-vips", images.commands, help=images.help, hidden=not is_taken))


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
    server = Server(upstream, listen, names or _own_names(current_app), current_app.config["MAX_CONTENT_LENGTH"] or 0)
    click.echo(nginx_configuration(config, cache, front, front_headers(config), server), nl=False)


def _own_names(app: Flask) -> tuple[str, ...]:
    """Return the hosts that *app* answers for, as in ``server_name`` of nginx, or none if it answers for all."""
    host = (app.config["SERVER_NAME"] or "").partition(":")[0]
    if not host or app.url_map.host_matching:
        return ()
    return (f".{host}",) if app.subdomain_matching else (host,)


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

    PATH is that of the picture in IMAGES_PATH, as templates name it, or the URL of a remote picture. If nothing is
    cached for it, the exit code is 1, and similar paths are listed. Browsers and CDNs keep their copies.
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
