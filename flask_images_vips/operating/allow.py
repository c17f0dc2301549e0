"""Provide ``flask images allow``, which takes back ``flask images forget``."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..errors import printable, shown
from ..forgetting import allow
from ..state import current_images
from ..urls import checked_path
from .site_user import check_user


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@with_appcontext
def command(paths: tuple[str, ...]) -> None:
    """Serve pictures again that were forgotten.

    PATH is as in flask images forget, which this takes back. The exit code is 1 if a PATH was not forgotten. Caches may
    keep answering 410 for a minute.
    """
    here = current_images()
    refs = [checked_path(path) for path in paths]
    check_user(here.pipeline)
    unknown = []
    for ref in refs:
        if allow(here, ref):
            click.echo(f"{printable(ref)} is served again.")
        else:
            unknown.append(ref)
    if unknown:
        raise click.ClickException(f"Not forgotten: {', '.join(map(shown, unknown))}.")
