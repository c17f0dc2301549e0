"""Refuse to change the cache as another user than the site's."""

from __future__ import annotations

import os

import click

from ..pipeline import Pipeline


def check_user(pipeline: Pipeline) -> None:
    """Check that the cache exists and belongs to the user of this command.

    What another user writes there, the site could neither read nor remove. Without ``IMAGES_CACHE``, each user has
    another cache.

    Raises:
        ClickException: If it is missing, or somebody else's.
    """
    folder = pipeline.cache.folder
    try:
        owner = os.stat(folder).st_uid
    except OSError:
        raise click.ClickException(
            f"There is no cache in {folder}. Run this command as the same user as the site, on a host that has served "
            "an image."
        ) from None
    if hasattr(os, "geteuid") and owner != os.geteuid():
        here = _name(os.geteuid())
        raise click.ClickException(
            f"The cache in {folder} belongs to the user {_name(owner)}, but this command runs as {here}. "
            "Run it as the same user as the site, for example with sudo -u."
        )


def _name(user: int) -> str:
    try:
        import pwd  # noqa: PLC0415  (Windows lacks it)

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):
        return str(user)
