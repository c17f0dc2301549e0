"""Write the parts of docs/ that follow from the code: options, keys, helpers, signals, commands, errors, messages.

A page has a pair of comments for each part, ``<!-- name -->`` and ``<!-- /name -->``. `PARTS` names the function that
writes the text between them. `test_reference` compares the pages, and writes them when it is run as a script.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from conftest import ROOT

from . import commands, configuration, errors, helpers, messages, options, signals
from .markup import wrapped

DOCS = ROOT / "docs"

PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "reference/options.md": {"list": options.overview, "options": options.text},
    "reference/configuration.md": {"list": configuration.overview, "configuration": configuration.text},
    "reference/helpers.md": {"helpers": helpers.text},
    "reference/signals.md": {"signals": signals.text},
    "reference/commands.md": {"commands": commands.text},
    "reference/errors.md": {"answers": errors.answers, "errors": errors.text},
    "operating/messages.md": {"messages": messages.text},
    "operating/commands.md": {"commands": commands.tour},
}


def up_to_date(page: str) -> str:
    """Return *page*, a path in docs/, with each part as the code says."""
    text = (DOCS / page).read_text("utf-8")
    for name, part in PARTS[page].items():
        pattern = re.compile(rf"(?<=<!-- {name} -->\n).*(?=^<!-- /{name} -->$)", re.DOTALL | re.MULTILINE)
        written = part().replace("](../reference/", "](") if page.startswith("reference/") else part()
        new = f"\n{wrapped(written.strip())}\n\n"
        text, found = pattern.subn(lambda _, new=new: new, text)  # type: ignore[misc]
        assert found == 1, f"{page} has no place for {name}"
    return text


def write() -> None:
    """Write all pages again."""
    for page in PARTS:
        (DOCS / page).write_text(up_to_date(page), "utf-8")
