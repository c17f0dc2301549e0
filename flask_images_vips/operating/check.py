"""Provide ``flask images check``, which describes the image libraries."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..errors import ImagesError
from ..report import report
from ..state import current_images


@click.command()
@with_appcontext
def command() -> None:
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
