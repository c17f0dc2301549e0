"""Provide ``flask images stats``, which prints what is in the cache, and what was asked for, rendered and refused."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext

from ..state import current_images
from .object_store import contents, excused, object_cache_of
from .statistics import gather
from .statistics_text import lines


@click.command()
@click.option(
    "--days",
    type=click.IntRange(1, 31),
    default=7,
    show_default=True,
    help="Count the requests of this many days, until today (UTC).",
)
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Length of the lists.")
@click.option(
    "--store",
    "in_store",
    is_flag=True,
    help="Also count the objects in the store of IMAGES_CACHE. It lists all of them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@with_appcontext
def command(days: int, top: int, in_store: bool, as_json: bool) -> None:
    """Print what the cache holds, and what was asked for, rendered and refused.

    The numbers of requests come from all processes of this host. Each process
    writes them after each render, and otherwise every ten seconds while it has
    requests. Those that nginx answers by itself are not in them.
    """
    here = current_images()
    try:
        found = gather(here.pipeline, days, top)
        if in_store:
            with excused():
                found["store"] = contents(object_cache_of(here.pipeline))
    except FileNotFoundError:
        raise click.ClickException(
            f"There is no cache in {here.pipeline.cache.folder}. Run this command as the same user as the site."
        ) from None
    except PermissionError as error:
        raise click.ClickException(
            f"{error.filename} belongs to another user. Run this command as the same user as the site."
        ) from None
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines(found)))
