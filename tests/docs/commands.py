"""Is a command of the documentation one that a reader can run?

``flask images …`` is parsed by the real command, ``pip install`` names extras that exist, and ``python -m bench``,
gunicorn and waitress read their options. Of other programs, only the names are checked.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator

import click
from conftest import ROOT
from packaging.requirements import Requirement

from flask_images_vips.operating.cli import images
from flask_images_vips.operating.migrate import command as migrate
from flask_images_vips.options.options import DECLARED
from flask_images_vips.page.calls import URL_KEYWORDS

# fmt: off
PROGRAMS = {
    ".", "apk", "apt", "apt-get", "awk", "brew", "caddy", "cat", "cd", "certbot", "chmod", "chown", "cp", "cron",
    "crontab", "curl", "dnf", "docker", "docker-compose", "echo", "exec", "exiftool", "export", "flask", "git",
    "grep", "gunicorn", "hatch", "helm", "id", "install", "jq", "journalctl", "kill", "kubectl", "ln", "ls", "mkdir",
    "mv", "nginx", "nox", "npm", "npx", "openssl", "patch", "pip", "pipx", "printf", "ps", "python", "python3",
    "redis-cli", "rm", "rsync", "sed", "set", "sleep", "sort", "source", "sphinx-build", "ss", "sysctl", "systemctl",
    "systemd-analyze", "tail", "tar", "tee", "test", "touch", "true", "uniq", "useradd", "uv", "uwsgi", "varnishadm",
    "varnishd", "vips", "vipsheader", "waitress-serve", "wc", "wget", "xargs", "zcat",
}
# fmt: on
PREFIXES = {"sudo", "exec", "time", "env", "nohup", "command", "then", "do", "else", "if", "while", "!"}
KEYWORDS = {"done", "fi", "for", "{", "}", "case", "esac"}
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])


def check(script: str) -> None:
    """Check a script for the shell. Raise AssertionError with what a reader would stumble over."""
    run = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for words in commands(script):
        _check_command(words)


def of_console(text: str) -> tuple[str, bool]:
    """The commands of a *text* that shows a terminal, and whether it also shows their output."""
    lines = text.splitlines()
    typed = [line[2:] for line in lines if line.startswith(("$ ", "> "))]
    return "\n".join(typed), len(typed) < len([line for line in lines if line.strip()])


def commands(script: str) -> Iterator[list[str]]:
    """The words of each simple command in *script*, without redirections and variables."""
    script = re.sub(r"<<-? *['\"]?(\w+)['\"]?(.*)\n(?s:.*?)\n\s*\1\b", r"\2", script).replace("\\\n", " ")
    script = re.sub(r"^\s*#.*|\s#\s[^'\"\n]*$", "", script, flags=re.MULTILINE)
    lexer = shlex.shlex(script, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    skip = False  # the next token: the file after a redirection, or the user after sudo -u
    for token in lexer:
        if set(token) <= set("();|&\n") and token:
            yield from [words] if words else []
            words = []
        elif set(token) <= set("<>&"):
            skip = True
            if words and words[-1] in ("1", "2"):
                words.pop()
        elif skip:
            skip = False
        elif not words and token.startswith("-"):  # an option of sudo or env
            skip = token in ("-u", "-g")
        elif words or not (token in PREFIXES or re.match(r"\w+=", token)):
            words.append(token)
    yield from [words] if words else []


def _check_command(words: list[str]) -> None:
    program, arguments = words[0].rpartition("/")[2] or words[0], words[1:]
    if program in KEYWORDS or program.startswith("$"):
        return
    assert program in PROGRAMS, f"{program!r} is not in PROGRAMS of tests/docs/commands.py: {' '.join(words)}"
    if program == "flask":
        _check_flask(arguments)
    elif program in ("pip", "pipx") or (program == "uv" and arguments[:1] == ["pip"]) or arguments[:2] == ["-m", "pip"]:
        _check_pip(arguments)
    elif arguments[:2] == ["-m", "bench"]:
        from bench.__main__ import parser

        parser().parse_args(arguments[2:])
    elif program == "gunicorn":
        _check_gunicorn(arguments)
    elif program == "waitress-serve":
        _check_waitress(arguments)


def _check_flask(arguments: list[str]) -> None:
    """Parse the arguments of ``flask``, those after its own options by the command of this package."""
    position = 0
    while position < len(arguments) and arguments[position].startswith("-"):
        position += 1 if "=" in arguments[position] or arguments[position] in ("--debug", "--no-debug") else 2
    name, *rest = arguments[position:] or [""]
    if name == "images-migrate":
        _parse(migrate, name, rest)
    elif name == "images":
        _parse(images, name, rest)
        if rest[:1] == ["url"]:
            _check_options(rest[1:])
    else:
        assert name in ("run", "shell", "routes", "--version"), (
            f"flask {name} is not a command of Flask or of this package"
        )


def _check_options(arguments: list[str]) -> None:
    """Check the names of ``OPTION=VALUE`` after ``flask images url``."""
    found = {word.partition("=")[0] for word in arguments if re.match(r"[a-z_]+=", word)}
    known = {*DECLARED, *URL_KEYWORDS}
    assert found <= known, f"{sorted(found - known)} is not an option of an image"


def _parse(command: click.Command, name: str, arguments: list[str], parent: click.Context | None = None) -> None:
    try:
        context = command.make_context(name, list(arguments), parent=parent)
    except click.exceptions.Exit:  # --help
        return
    except click.BadParameter as error:
        if "does not exist" in error.message:  # a file of the reader
            return
        raise AssertionError(f"{name} {arguments}: {error.format_message()}") from error
    except click.ClickException as error:
        raise AssertionError(f"{name} {arguments}: {error.format_message()}") from error
    if isinstance(command, click.Group):
        own = vars(context)  # click 8.2 has renamed it
        rest = [*(own.get("_protected_args") or own.get("protected_args") or []), *context.args]
        if rest:
            found = command.get_command(context, rest[0])
            assert found is not None, f"{name} has no command {rest[0]}"
            _parse(found, rest[0], rest[1:], context)


def _check_pip(arguments: list[str]) -> None:
    for word in arguments:
        found = re.search(r"\[([\w,\s-]+)\]", word)
        if found and re.match(r"flask-images-vips|\.|/|\"?flask_images_vips|git\+", word.strip("'\"")):
            extras = {extra.strip() for extra in found[1].split(",")}
            assert extras <= EXTRAS, f"{word}: {sorted(extras - EXTRAS)} is not an extra in pyproject.toml"
        if word.startswith("flask-images-vips"):
            assert Requirement(word).name == "flask-images-vips"


def _check_gunicorn(arguments: list[str]) -> None:
    config = __import__("gunicorn.config", fromlist=["Config"])
    try:
        config.Config().parser().parse_args(arguments)
    except SystemExit as error:
        raise AssertionError(f"gunicorn does not know {' '.join(arguments)}") from error


def _check_waitress(arguments: list[str]) -> None:
    waitress = __import__("waitress.adjustments", fromlist=["Adjustments"])
    try:
        waitress.Adjustments.parse_args(arguments)
    except Exception as error:
        raise AssertionError(f"waitress does not know {' '.join(arguments)}: {error}") from error
