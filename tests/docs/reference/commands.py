"""The commands ``flask images``: what each does, its arguments and its options."""

from __future__ import annotations

import re

import click

from flask_images_vips.operating.cli import images

from .markup import linked_keys, table

PROGRAM = "flask images"

# For these words in a help text, Markdown has code.
_CODE = re.compile(
    r"(?<![`\w])(flask images [a-z]+(?: --?[a-z-]+)*(?: PATH)?|--[a-z][a-z-]+|IMAGES_[A-Z_]+[A-Z])(?![`\w])"
)


def commands() -> dict[str, click.Command]:
    """All commands by their names, and those of groups below them."""
    found: dict[str, click.Command] = {}

    def add(prefix: str, group: click.Group) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            found[f"{prefix} {name}"] = command
            if isinstance(command, click.Group):
                add(f"{prefix} {name}", command)

    add(PROGRAM, images)
    return found


def overview(page: str = "") -> str:
    """A table of the commands with links to *page*, which has all about them."""
    rows = [
        [f"[`{name}`]({page}#{name.replace(' ', '-')})", code(paragraphs(command)[0])]
        for name, command in commands().items()
        if name.count(" ") == 2
    ]
    return table(["command", "what it does"], rows)


def tour() -> str:
    return overview("../reference/commands.md")


def text() -> str:
    return "\n\n".join([overview(), *(entry(name, command) for name, command in commands().items())])


def entry(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"{'##' if name.count(' ') == 2 else '###'} `{name}`", f"```text\n{usage}\n```"]
    parts += [code(paragraph) for paragraph in paragraphs(command)]
    options = [line for parameter in command.params if (line := described(parameter, context))]
    if options:
        parts.append("\n".join(options))
    return "\n\n".join(parts)


def described(parameter: click.Parameter, context: click.Context) -> str:
    """A line about an option, or an empty string if there is nothing to say about it."""
    record = parameter.get_help_record(context)
    if record is None or record[0] == "--help" or not record[1]:
        return ""
    names, (sentences, _, range_) = record[0].replace("INTEGER RANGE", "N"), record[1].partition("  [")
    for pattern, words in ((r"(\d+)<=x<=(\d+)", r"\1 to \2"), (r"x>=(\d+)", r"at least \1"), (r"\]$", "")):
        range_ = re.sub(pattern, words, range_)
    return f"- `{names}`: {code(sentences)}" + (f" ({range_})" if range_ else "")


def paragraphs(command: click.Command) -> list[str]:
    help_text = (command.help or "").replace("\b\n", "").replace("``", "`")
    return [" ".join(paragraph.split()) for paragraph in help_text.strip().split("\n\n")]


def code(text: str) -> str:
    text = re.sub(r"(?<!\w)(\w+=)?'([^' ]+)'", _in_code, re.sub('"(flask images [a-z]+)"', r"\1", text))
    return linked_keys(_CODE.sub(r"`\1`", text))


def _in_code(match: re.Match[str]) -> str:
    return f"`{match[0] if match[1] else match[2]}`"
