"""Provide ``flask images forget``, which takes pictures down for good."""

from __future__ import annotations

import json
from contextlib import suppress

import click
from flask.cli import with_appcontext

from ..errors import ImagesError, NotForgotten, printable
from ..forgetting import Receipt, forget
from ..state import AppImages, current_images
from ..urls import checked_path
from .purging import is_known, nothing_cached
from .site_user import check_user

_NAMES = {
    "renditions": ("rendition", "renditions"),
    "marked": ("rendition with it as a watermark", "renditions with it as a watermark"),
    "facts": ("fact", "facts"),
    "copies": ("copy or set", "copies and sets"),
    "fetched": ("fetched file", "fetched files"),
    "links": ("link of nginx", "links of nginx"),
    "unfinished": ("unfinished file", "unfinished files"),
    "objects": ("object in the store", "objects in the store"),
}


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--source", is_flag=True, help="Remove the original in IMAGES_PATH too, a file or an object.")
@click.option("--yes", is_flag=True, help="Do not ask before an original is removed.")
@click.option("--anyway", is_flag=True, help="Also forget a PATH of which nothing is found, in case it appears later.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipts as a JSON list.")
@with_appcontext
def command(paths: tuple[str, ...], source: bool, yes: bool, anyway: bool, as_json: bool) -> None:
    """Take pictures down for good, and print what was removed.

    PATH is that of the picture in IMAGES_PATH, as templates name it, or the URL of a remote picture. Everything that
    this host has of it is removed, except the original. From then on, its URLs answer 410 (gone). If another picture is
    stored under its path one day, run flask images allow PATH. If nothing is found of a PATH, it is not forgotten, and
    the exit code is 1. The caches of IMAGES_CDN are purged too. Browsers keep their copies. With IMAGES_REDIS, all
    hosts do the same. Without it, run this on each host that has a cache.
    """
    here = current_images()
    refs = [checked_path(path) for path in paths]
    check_user(here.pipeline)
    if source and not yes:
        click.confirm(f"Remove {', '.join(map(printable, refs))} and what is made of it?", abort=True, err=True)
    receipts, problems = [], []
    for ref in refs:
        if not (anyway or is_known(ref, here.pipeline) or _is_forgotten(ref, here)):
            problems.append(f"{nothing_cached(ref, here.pipeline, here.url)} Use --anyway to forget it nevertheless.")
            continue
        try:
            receipts.append(forget(here, ref, source=source))
        except NotForgotten as error:
            problems.append(str(error))
    if as_json:
        click.echo(json.dumps([receipt.to_json() for receipt in receipts], indent=2))
    else:
        for receipt in receipts:
            click.echo(_told(receipt))
    if problems:
        raise click.ClickException("\n".join(problems))


def _is_forgotten(ref: str, here: AppImages) -> bool:
    """Return whether *ref* is forgotten already, so that there is nothing left to find."""
    with suppress(ImagesError):
        here.pipeline.sources.check_not_forgotten([ref])
        return False
    return True


def _told(receipt: Receipt) -> str:
    """Return the sentences that tell of *receipt*."""
    counts = [f"{number} {names[number > 1]}" for field, names in _NAMES.items() if (number := getattr(receipt, field))]
    removed = ", ".join(counts) or "nothing was left of it"
    again = "" if receipt.is_new else " again"
    original = "" if receipt.original is None else f" The original {printable(receipt.original)} is removed too."
    cdn = f" Also purged in {' and '.join(receipt.cdn)}." if receipt.cdn else ""
    return f"{printable(receipt.ref)} is forgotten{again}: {removed}.{original}{_elsewhere(receipt)}{cdn}"


def _elsewhere(receipt: Receipt) -> str:
    """Return the sentences that tell of other hosts."""
    if not receipt.told:
        return " Redis is away, so other hosts still show it. They are told when Redis is back."
    done = f" Forgotten on {', '.join(map(printable, receipt.hosts))} too." if receipt.hosts else ""
    pending = ", ".join(map(printable, receipt.pending))
    return f"{done} Not yet on {pending}: a host that is back does so before it serves images." if pending else done
