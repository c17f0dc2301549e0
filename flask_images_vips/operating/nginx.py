"""Provide ``flask images nginx``, which prints a configuration of nginx."""

from __future__ import annotations

from contextlib import suppress

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from ..errors import ImagesError
from ..nginx.configuration import Server
from ..state import current_images
from .nginx_site import printed


@click.command()
@click.option("--upstream", default="127.0.0.1:8000", show_default=True, help="Address of the application.")
@click.option(
    "--images-upstream",
    help="Address of a second server with the same application, which gets the requests for images, so that no page "
    "waits for a thread that renders. The default is --upstream.",
)
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
@click.option(
    "--scheme",
    default="$scheme",
    show_default=True,
    help="What the application hears in X-Forwarded-Proto. Behind another proxy that ends TLS and sets this header: "
    "'$http_x_forwarded_proto'.",
)
@with_appcontext
def command(
    upstream: str, images_upstream: str | None, listen: tuple[str, ...], names: tuple[str, ...], scheme: str
) -> None:
    """Print an nginx configuration for this application.

    With IMAGES_FRONT_DOOR, nginx serves images that have been requested before, without asking the application. With
    IMAGES_ACCEL_REDIRECT, the application answers with X-Accel-Redirect and nginx sends the file.
    """
    here = current_images()
    config, door = here.pipeline.config, here.front_door
    if door is None and config.accel_redirect is None:
        raise click.ClickException("Set IMAGES_FRONT_DOOR = True, or IMAGES_ACCEL_REDIRECT = '/_images/', or both.")
    if images_upstream is not None and not config.url:
        raise click.ClickException("--images-upstream needs a prefix of image URLs: set IMAGES_URL, such as '/images'.")
    with suppress(ImagesError):
        here.pipeline.abilities.find()  # it does not write to the cache: the user of this command may be another one
    most_bytes = current_app.config["MAX_CONTENT_LENGTH"] or 0
    server = Server(upstream, listen, names or _own_names(current_app), most_bytes, images_upstream, scheme)
    click.echo(printed(here, server), nl=False)


def _own_names(app: Flask) -> tuple[str, ...]:
    """Return the hosts that *app* answers for, as in ``server_name`` of nginx, or none if it answers for all."""
    host = (app.config["SERVER_NAME"] or "").partition(":")[0]
    if not host or app.url_map.host_matching:
        return ()
    return (f".{host}",) if app.subdomain_matching else (host,)
