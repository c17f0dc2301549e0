"""Provide ``flask images sync``, which lets a host catch up with the others before it starts."""

from __future__ import annotations

import os

import click
from flask.cli import with_appcontext

from ..fleet.connection import RedisFailed
from ..state import current_images
from .hosts import messages_of_site, unreachable
from .site_user import check_user


@click.command()
@with_appcontext
def command() -> None:
    """Remove on this host what other hosts have purged and forgotten while it was off.

    The web workers do so too, before they serve their first image. nginx does not wait for that: run this before nginx
    starts, if it serves images by itself (IMAGES_FRONT_DOOR). Without a cache, there is nothing to do. If Redis cannot
    be reached, the links of nginx are removed, so that it asks the application, and the exit code is 1.
    """
    messages, here = messages_of_site(), current_images()
    if not os.path.isdir(folder := here.pipeline.cache.folder):  # on a new host, before its first start
        click.echo(f"There is no cache in {folder}, so there is nothing to do.")
        return
    check_user(here.pipeline)
    try:
        messages.catch_up()
    except RedisFailed as error:
        here.links.empty()
        raise unreachable(error) from None
    click.echo("This host is up to date.")
