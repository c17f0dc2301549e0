"""The built documentation: no warnings, no broken links, nothing from another host, and a search that needs no server.

In CI, the session `docs` of noxfile.py has built it, and ``IMAGES_DOCS_HTML`` names the folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from chromium import CHROMIUM, INSTALL, Chromium
from conftest import ROOT, needs
from filelock import FileLock

WORDS = {
    "start": "installing",
    "guides": "watermark",
    "deploying": "nginx",
    "operating": "dashboard",
    "security": "hostile",
    "reference": "IMAGES_MAX_AGE",
    "inside": "architecture",
}
"""A word of each section that a reader may look for."""

LOADED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "use": ("href",),
    "video": ("src", "poster"),
}
"""The attributes that make a browser load something."""

SEARCH = """
(async () => {
    while (typeof Search === "undefined" || !Search._index) await new Promise(resolve => setTimeout(resolve, 20));
    const found = query => Search._performSearch(...Search._parseQuery(query)).map(result => result[0]);
    while (!document.querySelector("#search-results li")) await new Promise(resolve => setTimeout(resolve, 20));
    const listed = [...document.querySelectorAll("#search-results li a")].map(link => link.getAttribute("href"));
    return [Object.fromEntries(WORDS.map(word => [word, found(word)])), listed];
})()
"""


class Page(HTMLParser):
    """The links, the targets of links, and what a browser loads of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.loads: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif not (tag == "link" and given.get("rel") == "canonical"):
            self.loads |= {
                part.split()[0]
                for name in LOADED.get(tag, ())
                if name in given
                for part in (given[name].split(",") if name == "srcset" else [given[name]])
                if part.strip()
            }
        self.loads |= addresses(given.get("style", ""))


def addresses(css: str) -> set[str]:
    """What a style sheet loads."""
    return {*re.findall(r"url\(\s*[\"']?([^\"')]+)", css), *re.findall(r"@import\s+[\"']([^\"']+)", css)}


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built documentation. It is built once for all workers."""
    if built := os.environ.get("IMAGES_DOCS_HTML"):
        return Path(built)
    needs("Sphinx", find_spec("sphinx") and find_spec("furo"), "pip install -e '.[docs]'")
    shared = tmp_path_factory.getbasetemp()
    folder = (shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared) / "documentation"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            command = (sys.executable, "-m", "sphinx", "-q", "-b", "html", str(ROOT / "docs"), str(folder))
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            (folder / "warnings.txt").write_text(run.stdout + run.stderr)
    return folder


@pytest.fixture(scope="session")
def pages(html: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in html.rglob("*.html")}


def test_the_build_has_no_warnings(html: Path) -> None:
    warnings = html / "warnings.txt"  # `nox -s docs`, which CI runs, fails for a warning
    assert not warnings.exists() or warnings.read_text() == ""


def test_every_page_is_built(html: Path) -> None:
    sources = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts}
    assert [source for source in sources if not (html / source.with_suffix(".html")).exists()] == []


def test_every_link_inside_leads_to_a_page_and_a_heading(pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link in ("#", ""):
                continue
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            missing = parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids
            if missing or not target.exists():
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_links_to_other_hosts_are_well_formed(pages: dict[Path, Page]) -> None:
    found = {link for page in pages.values() for link in page.links if urlsplit(link).scheme}
    for link in found:
        parts = urlsplit(link)
        assert parts.scheme in ("https", "http", "mailto"), link
        assert parts.scheme == "mailto" or re.fullmatch(r"[\w.-]+(:\d+)?", parts.netloc), link
        assert parts.scheme != "http" or parts.hostname in ("localhost", "127.0.0.1"), link


def test_no_page_loads_anything_from_another_host(html: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for address in page.loads:
            parts = urlsplit(address)
            assert parts.scheme == "data" or not (parts.scheme or parts.netloc), f"{path.name} loads {address}"
            if not parts.scheme and parts.path:
                assert (path.parent / unquote(parts.path)).exists(), f"{path.name} loads {address}, which is missing"
    for sheet in html.rglob("*.css"):
        for address in addresses(sheet.read_text("utf-8")):
            assert not re.match(r"(https?:)?//", address), f"{sheet.name} loads {address}"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    needs("chromium", CHROMIUM, INSTALL)
    made = Chromium(tmp_path)
    yield made
    made.close()


def test_the_search_finds_each_section_without_a_server(html: Path, browser: Chromium) -> None:
    sections = [path.parent.name for path in (ROOT / "docs").glob("*/index.md")]
    assert set(sections) <= set(WORDS)
    page = browser.page(f"{(html / 'search.html').as_uri()}?q=nginx", 1000)
    words = str([WORDS[section] for section in sections])
    results, listed = page.evaluate(SEARCH.replace("WORDS", words))
    for section in sections:
        assert any(name.startswith(f"{section}/") for name in results[WORDS[section]]), (section, results)
    assert any("nginx" in link or "serving" in link or "deploying" in link for link in listed)
