"""Provide ``flask images hosts``, which lists the hosts of a site."""

from __future__ import annotations

import json
import time

import click
from flask.cli import with_appcontext

from ..errors import printable
from ..fleet.connection import RedisFailed
from ..fleet.messages import Messages
from ..fleet.roster import Host
from ..state import current_images
from .columns import table, time_ago

_HEADINGS = ["host", "version", "workers", "last seen", "events behind"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for programs.")
@with_appcontext
def command(as_json: bool) -> None:
    """List the hosts of this site, which share IMAGES_REDIS.

    The host of this command is marked by (here). Events are what was purged, forgotten and allowed on some host. A host
    that is behind carries them out before it serves images. Below the list are the hosts whose configuration differs
    from that of this command. A host that was not seen for a week is not listed.
    """
    messages = messages_of_site()
    try:
        newest, hosts = messages.log.newest(), messages.roster.hosts()
    except RedisFailed as error:
        raise unreachable(error) from None
    settings = messages.about().settings
    differing = {host.name: host.differing(settings) for host in hosts}
    if as_json:
        click.echo(json.dumps([_fields(host, newest, differing[host.name]) for host in hosts], indent=2))
        return
    here = messages.files.known_host()
    rows = [
        [
            f"{printable(host.name)}{' (here)' if host.name == here else ''}",
            printable(host.version),
            str(host.workers),
            _seen(host),
            str(_behind(host, newest)),
        ]
        for host in hosts
    ]
    click.echo("\n".join(table([_HEADINGS, *rows], indent="")) if rows else "No host has served an image yet.")
    for name, keys in differing.items():
        if keys:
            click.echo(f"The configuration of {printable(name)} differs: {', '.join(map(printable, keys))}.")


def messages_of_site() -> Messages:
    """Return the messages of the current application.

    Raises:
        ClickException: If it has none.
    """
    messages = current_images().parts.messages
    if messages is None:
        raise click.ClickException("IMAGES_REDIS is not set, so this host knows of no other hosts.")
    return messages


def unreachable(error: RedisFailed) -> click.ClickException:
    """Return what to tell if Redis fails."""
    return click.ClickException(
        f"Redis cannot be used: {str(error).rstrip('.')}. Check IMAGES_REDIS, and that the server runs."
    )


def _behind(host: Host, newest: int) -> int:
    return max(0, newest - host.number)


def _seen(host: Host) -> str:
    return "now" if host.is_present else time_ago(time.time() - host.seen)


def _fields(host: Host, newest: int, differing: list[str]) -> dict[str, object]:
    return {
        "name": host.name,
        "version": host.version,
        "workers": host.workers,
        "seen": host.seen,
        "present": host.is_present,
        "event": host.number,
        "behind": _behind(host, newest),
        "differing": differing,
    }
