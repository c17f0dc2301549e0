"""Build the documentation: ``nox -s docs``, or ``sphinx-build -W --keep-going -b html docs FOLDER``.

Sphinx, with MyST for Markdown and the theme furo: it reads docstrings, it checks links and references strictly, and its
search needs no server. Nothing in the built pages comes from another host.
"""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "flask_images_vips"
author = "The developers of flask_images_vips"
copyright = author
version = release = version_of("flask-images-vips")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
]
nitpicky = True
# Signatures name types of other projects, whose documentation is on other hosts, and types of this package that are no
# part of its API. Both are shown as they are, without a link.
nitpick_ignore_regex = [("py:.*", ".*")]
exclude_patterns = ["_build"]
suppress_warnings: list[str] = []

# Headings are link targets, as they are on code hosts.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist", "attrs_block"]

# In docstrings, `name` is code, as in Markdown.
default_role = "code"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = "flask_images_vips"
pygments_dark_style = "github-dark"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_js_files = ["docs.js"]
html_copy_source = False
html_show_sphinx = False


def list_errors(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Turn the section ``Raises:`` of a docstring into a list, with a link to each error of this package."""
    if "Raises:" not in lines:
        return
    start = lines.index("Raises:")
    entries: list[str] = []
    for line in filter(None, lines[start + 1 :]):
        if re.match(r"    \S", line):
            entries.append(line.strip())
        else:
            entries[-1] += f" {line.strip()}"
    lines[start:] = ["**Raises**", "", *(f"- {_with_links(*entry.split(': ', 1))}" for entry in entries), ""]


def _with_links(names: str, explained: str) -> str:
    from flask_images_vips import errors  # noqa: PLC0415  (only when the package is documented)

    links = [
        f"`{name} <errors.html#{name.lower()}>`__" if hasattr(errors, name) else f"`{name}`"
        for name in names.split(", ")
    ]
    return f"{', '.join(links)}: {explained}"


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", list_errors)
