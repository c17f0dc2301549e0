"""Make installations of image libraries in folders, right and wrong ones, and run a site with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from conftest import ROOT
from servers import without_outdated, without_overwritten

from flask_images_vips.engines.vips.abilities import is_overwritten

PYVIPS = ("pyvips", "pyvips-*")
LIBVIPS = ("_libvips*", "pyvips_binary*")

# What a site with one page does. It prints the statuses and media types of its images, and everything that is logged.
_SITE = """
import json, logging, os, sys
import flask_images_vips  # the code of the checkout
sys.path[:0] = json.loads(sys.argv[1])
{before}
from flask import Flask
from flask_images_vips import Images
from flask_images_vips.page.helpers import resized_img_src, resized_picture_tag

class Log(logging.Handler):
    def emit(self, record):
        lines.append(str(record.exc_info[1]) if record.exc_info else record.getMessage())

lines, answers, failure, tag = [], [], None, ""
for name in ("flask_images_vips", "site"):  # Flask logs errors of the application under its name
    logging.getLogger(name).addHandler(Log(logging.WARNING))

def work():
    app = Flask("site", root_path=sys.argv[2])
    app.secret_key = "a secret"
    app.config.update(IMAGES_CACHE="cache", **json.loads(sys.argv[3]))
    Images(app)
    with app.test_request_context():
        tag = str(resized_picture_tag("a.png", width=20))
        urls = [resized_img_src("a.png", width=20, format=name) for name in ("jpeg", "png", "webp", "avif", "auto")]
    for url in urls:
        response = app.test_client().get(url, headers={{"Accept": "image/avif,image/webp"}})
        answers.append([response.status_code, response.content_type])
    return tag

try:
    tag = work()
except Exception as error:
    failure = f"{{type(error).__name__}}: {{error}}"
print(json.dumps({{"tag": tag, "answers": answers, "lines": lines, "failure": failure}}))
"""


class Outcome(NamedTuple):
    """What a site has shown and said.

    *answers* are a status and a media type for JPEG, PNG, WebP, AVIF and auto. *failure* is the error with which the
    site did not start, if any.
    """

    tag: str
    answers: list[list[Any]]
    lines: list[str]
    failure: str | None

    @property
    def statuses(self) -> list[int]:
        return [status for status, _ in self.answers]


def installed(folder: Path, without: Sequence[str] = ()) -> Path:
    """A folder with links to all installed packages, except those whose names match *without*."""
    folder.mkdir()
    hidden = (*without, "__pycache__", "*.pth", "__editable__*")
    for path in {*map(Path, (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))}:
        for entry in path.iterdir():
            if not any(fnmatch(entry.name, pattern) for pattern in hidden):
                (folder / entry.name).symlink_to(entry)
    return folder


def stand_in(folder: Path, name: str, code: str) -> Path:
    """A folder with the module *name*, which consists of *code* and hides the installed one."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(code)
    return folder


def altered(name: str, code: str) -> str:
    """The code of a stand-in for the package *name* that is like it, but for what *code* changes afterwards."""
    return f"""
import importlib.machinery, os, sys
_here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_others = [path for path in sys.path if os.path.abspath(path or ".") != _here]
_spec = importlib.machinery.PathFinder.find_spec({name!r}, _others)
__path__, __file__ = list(_spec.submodule_search_locations), _spec.origin
exec(compile(open(_spec.origin).read(), _spec.origin, "exec"))
{code}
"""


def run(
    folder: Path,
    site_packages: Sequence[Path],
    *,
    before: str = "",
    variables: Mapping[str, str] | None = None,
    overwritten: bool = False,
    **config: Any,
) -> Outcome:
    """Run a site in *folder*, whose Python has the packages of *site_packages* and no others.

    Warnings about old libraries are left out if they are true of all tests here. So is the one about an overwritten
    wheel, unless *overwritten* is set.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_", "COV"))}
    command = [sys.executable, "-S", "-c", _SITE.format(before=before)]
    arguments = json.dumps([str(path) for path in site_packages]), str(folder), json.dumps(config)
    done = subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env={**environment, "XDG_RUNTIME_DIR": str(folder), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = Outcome(**json.loads(done.stdout.splitlines()[-1]))
    found = found._replace(lines=without_outdated(found.lines))
    if is_overwritten() and not overwritten:
        return found._replace(lines=without_overwritten(found.lines))
    return found
