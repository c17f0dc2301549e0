"""Provide ``flask images migrate``, which plans the move of a site from Flask-Images.

The same command is called ``flask images-migrate`` where the site still imports Flask-Images: see pyproject.toml.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import Flask
from flask.cli import ScriptInfo

from ..errors import ImagesError, printable
from .quiet import no_log

if TYPE_CHECKING:
    from ..migrating.plan import Plan

_MOST_PLACES = 10


@click.command()
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Folder with the site's code, for the diff. The default is the current folder.",
)
@click.option(
    "--most", type=click.IntRange(0), default=2000, show_default=True, help="Look at no more than this many pictures."
)
@click.option(
    "--render",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Render this many pictures for the proof.",
)
@click.option("--diff", "only_diff", is_flag=True, help="Print only the diff, for `patch -p1` in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as a JSON object.")
@click.pass_context
def command(context: click.Context, folder: Path, most: int, render: int, only_diff: bool, as_json: bool) -> None:
    """Plan the move of this site from Flask-Images.

    The site may still import Flask-Images: this package answers these imports. Its templates, configuration and
    pictures are read, and nothing is changed. The plan has the code to change, as a diff, a list of what will differ,
    and a proof that the URLs and sizes of the site's own pictures stay the same.

    The exit code is 1 if something would break that the diff does not mend, or if the proof fails.
    """
    from ..migrating.plan import edits_of, make_plan  # noqa: PLC0415  (this module is imported with each command)
    from ..migrating.standing_in import standing_in  # noqa: PLC0415

    folder = folder.resolve()
    if only_diff:
        click.echo(edits_of(folder).diff(), nl=False)
        return
    try:
        with standing_in():
            app = _loaded(context.ensure_object(ScriptInfo))
            with no_log():  # what pages would log is in the plan
                plan = make_plan(app, folder, _progress, most=most, rendered=render)
    except ImagesError as error:
        raise click.ClickException(f"With flask_images_vips, the site does not work. {error}") from None
    click.echo(json.dumps(_as_json(plan), indent=2) if as_json else "\n".join(_lines(plan)))
    context.exit(0 if plan.is_safe else 1)


def _loaded(info: ScriptInfo) -> Flask:
    """Return the application, with the images of this package.

    Raises:
        ClickException: If it cannot be loaded, or has none.
        ConfigError: If its configuration cannot work.
    """
    app = info.load_app()
    if "flask_images_vips" not in app.extensions:
        raise click.ClickException(
            f"{app.name} uses neither Flask-Images nor flask_images_vips: no Images(app) or init_app(app) was called "
            "for it."
        )
    return app


def _progress(items: Iterable[Any], label: str, length: int | None) -> Iterator[Any]:
    """Yield *items*, and show the rate and the time left, if this is a terminal."""
    if not sys.stdout.isatty():
        yield from items
        return
    with click.progressbar(items, length=length, label=label, file=sys.stderr, show_pos=True) as bar:
        yield from bar


def _lines(plan: Plan) -> Iterator[str]:
    for level, title in (("change", "To change by hand"), ("differs", "What will differ")):
        found = [each for each in plan.differences if each.level == level]
        yield from ["", f"{title}: {len(found) or 'nothing'}"]
        for each in found:
            yield f"- {printable(each.text)}"
            yield from (f"    {printable(place)}" for place in each.places[:_MOST_PLACES])
            if len(each.places) > _MOST_PLACES:
                yield f"    and {len(each.places) - _MOST_PLACES} more"
    proof = plan.proof
    yield from ["", "Proof"]
    yield (
        f"- pictures: {proof.pictures}, each with {proof.options} sets of options ({proof.calls} from the site's "
        f"templates: {plan.templates})"
    )
    yield f"- URLs compared with those of Flask-Images 3.0.2: {proof.urls}"
    yield f"- URLs that Flask-Images signed, and that are accepted: {proof.accepted}"
    yield f"- sizes compared with those of Flask-Images 3.0.2: {proof.sizes}"
    yield f"- pictures rendered, and their sizes compared: {proof.rendered}"
    if not proof.pictures:
        yield "There are no pictures in IMAGES_PATH, so nothing is proved."
    elif proof.holds:
        yield "Everything is the same."
    yield from (f"DIFFERENT: {printable(sentence)}" for sentence in proof.different)
    diff = plan.edits.diff()
    files = len(plan.edits.changed)
    yield from ["", f"The diff: {files or 'no'} file{'' if files == 1 else 's'}", *([diff] if diff else [])]


def _as_json(plan: Plan) -> dict[str, Any]:
    return {
        "safe": plan.is_safe,
        "differences": [each._asdict() for each in plan.differences],
        "proof": asdict(plan.proof) | {"holds": plan.proof.holds},
        "templates": plan.templates,
        "diff": plan.edits.diff(),
    }
