"""Everything that a site can use is described: options, keys, helpers, signals, commands, errors, names of messages.

The names come from the declarations in the code, and not from what writes the pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from conftest import ROOT

import flask_images_vips
import flask_images_vips.errors
from docs.blocks import pages
from flask_images_vips import Images, signals
from flask_images_vips.audit.findings import KINDS
from flask_images_vips.config.keys import _IGNORED, KEYS
from flask_images_vips.operating.cli import images
from flask_images_vips.options.options import DECLARED
from flask_images_vips.uploads import refusals

DOCS = ROOT / "docs"
PACKAGE = ROOT / "flask_images_vips"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def headings(name: str) -> set[str]:
    """The names in code type in the headings of a page."""
    lines = re.findall(r"^#+ (.*)$", page(name), re.MULTILINE)
    return {found for line in lines for found in re.findall(r"`([^`]+)`", line)}


def all_pages() -> str:
    return "\n".join(path.read_text("utf-8") for path in DOCS.rglob("*.md") if "_build" not in path.parts)


def test_every_option_has_a_heading() -> None:
    assert {*DECLARED} - headings("reference/options") == set()


def test_every_key_of_the_configuration_has_a_heading() -> None:
    assert {*KEYS} - headings("reference/configuration") == set()


@pytest.mark.parametrize("name", pages())
def test_a_page_names_only_keys_that_exist(name: str) -> None:
    """Also in the environment of a container, where a wrong name would have no effect."""
    text = re.sub(r"`IMAGES_PATHS.*", "", (ROOT / name).read_text("utf-8"))  # one of the typical mistakes
    found = set(re.findall(r"\b(?:FLASK_)?(IMAGES_[A-Z0-9_]*[A-Z0-9])\b(?!_)", text))
    beginnings = {each for each in found if any(key.startswith(f"{each}_") for key in KEYS)}  # IMAGES_REMOTE…
    assert found - {*KEYS, *_IGNORED} - beginnings == set()


def test_every_public_name_is_described() -> None:
    known = {
        name
        for folder in ("helpers", "api", "signals", "errors", "options")
        for name in headings(f"reference/{folder}")
    }
    text = "\n".join(page(f"reference/{name}") for name in ("helpers", "api", "signals", "errors"))
    directives = set(re.findall(r"auto\w+:{1,2}\}?\s+([\w.]+)", text)) | set(re.findall(r"`([\w.]+)[`(]", text))
    described = {name.rpartition(".")[2] for name in known | directives}
    assert {*flask_images_vips.__all__} - described == set()


def test_every_method_of_images_is_described() -> None:
    own = {name for name in vars(Images) if not name.startswith("_")} - {"pipeline"}  # which is not for sites
    text = page("reference/api")
    assert {name for name in own if not re.search(rf"\b{name}\b", text)} == set()


def test_every_signal_has_a_heading() -> None:
    assert {name for name in vars(signals) if name.startswith("image_")} - headings("reference/signals") == set()


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")


COMMANDS = dict(commands(images, "flask images"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_heading_and_all_its_options(name: str) -> None:
    text = page("reference/commands")
    section = re.search(rf"^#+ `{name}`$\n(.*?)(?=^#+ `flask |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, f"reference/commands.md has no heading `{name}`"
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if not re.search(rf"{option}\b", section[1])] == []


def test_every_error_has_a_heading() -> None:
    found = {
        name
        for name, value in vars(flask_images_vips.errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and not name.startswith("_")
    }
    assert found - headings("reference/errors") == set()


def test_every_name_of_a_message_is_described() -> None:
    code = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    events = set(re.findall(r'\bfields\(\s*"([^"]+)",', code))
    examined = "".join(path.read_text("utf-8") for path in (PACKAGE / "operating" / "checking").glob("*.py"))
    checks = set(re.findall(r'\b(?:ok|warning|error)\(\s*"([a-z-]+)"', examined))
    reasons = {value for name, value in vars(refusals).items() if name.isupper() and isinstance(value, str)}
    reasons = {value for value in reasons if not value.startswith("of ")}
    assert min(map(len, (events, checks, reasons, KINDS))) > 3
    text = all_pages()
    assert {name for name in events | checks | reasons | {*KINDS} if f"`{name}`" not in text} == set()
