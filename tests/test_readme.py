"""The README is short, its links lead somewhere, its figures are measured, and its ten lines serve a photograph."""

from __future__ import annotations

import html
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from conftest import PHOTOGRAPHS, ROOT
from docs.blocks import blocks_of, runs
from PIL import Image

from bench import results
from bench.contenders import BARE, FULL, OURS
from bench.measure import spread
from bench.workload import LARGE

TEXT = (ROOT / "README.md").read_text("utf-8")
CODE = next(block.code for block in blocks_of("README.md") if block.language == "python")


@runs("README.md", "# app.py")
def test_the_ten_lines_serve_a_photograph_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CODE)
    (own,) = re.findall(r" && cp ~/Pictures/'.+' (static/\S+\.jpg)$", TEXT, re.MULTILINE)
    (tmp_path / own).parent.mkdir(parents=True)
    shutil.copy2(PHOTOGRAPHS / "cat.jpg", tmp_path / own)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = re.findall(r"^\.venv/bin/(flask --app app run) --port", TEXT, re.MULTILINE)[0].split()
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as server:
        try:
            page = get(f"http://127.0.0.1:{port}/").decode()
            tag = re.search(r'<img alt="A cat" .* height="300" src="([^"]+)" width="400"/>', page)
            assert tag is not None, page
            picture = Image.open(io.BytesIO(get(f"http://127.0.0.1:{port}{html.unescape(tag[1])}")))
            assert (picture.size, picture.format) == ((400, 300), "JPEG")
        finally:
            server.terminate()


def test_calls_of_several_lines_can_be_pasted_into_the_ten_lines(tmp_path: Path) -> None:
    (tmp_path / "static" / "photos").mkdir(parents=True)
    shutil.copy2(PHOTOGRAPHS / "cat.jpg", tmp_path / "static" / "photos")
    call = next(block.code for block in blocks_of("docs/guides/responsive-images.md") if block.language == "jinja")
    assert len(call.splitlines()) > 1
    pasted = re.sub(r'(?<=^PAGE = """).*(?="""$)', call.replace("earth", "cat"), CODE, count=1, flags=re.MULTILINE)
    assert pasted != CODE
    file = tmp_path / "app.py"
    site: dict[str, Any] = {"__name__": "app", "__file__": str(file)}
    code = compile(pasted.replace("Flask(__name__)", f"Flask('site', root_path={str(tmp_path)!r})"), str(file), "exec")
    exec(code, site)
    page = site["app"].test_client().get("/").text
    assert "srcset=" in page
    assert 'height="' in page  # the file was found


def get(url: str) -> bytes:
    """Request *url* and return the body. The server may still be starting."""
    last: Exception | None = None
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                body: bytes = response.read()
                return body
        except urllib.error.URLError as error:
            last = error
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer") from last


def test_the_ten_lines_are_about_ten_and_the_readme_is_short() -> None:
    lines = [line for line in CODE.splitlines()[1:] if line.strip()]
    assert len(lines) <= 10
    assert len(TEXT.splitlines()) <= 170


def test_the_two_commands_begin_it() -> None:
    demo, tests = (block.code for block in blocks_of("README.md")[:2])
    assert demo.endswith("flask --app flask_images_vips.demo run\n")
    assert tests.endswith(" -m pytest\n")  # .ci/run runs the first line of the README that ends so


def slugs(page: Path) -> set[str]:
    """The anchors that code hosts give to the headings of *page*."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_its_links_and_pictures_exist() -> None:
    assert len(assert_links(ROOT / "README.md")) > 40
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docker/README.md"):
        assert_links(ROOT / name)


def assert_links(page: Path) -> list[str]:
    """Check that the links and pictures of *page* exist, with the headings that links name."""
    text = re.sub(r"`[^`\n]*`", "", page.read_text("utf-8"))
    targets = [*re.findall(r"\]\((?!https?:)([^)\s]+)\)", text), *re.findall(r'(?:src|srcset)="([^"]+)"', text)]
    for target in targets:
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in slugs(linked), f"{page.name}: {target}"
    return targets


def test_from_it_a_stranger_gets_to_responsive_markup_and_to_nginx() -> None:
    steps = re.findall(r"^\d\. \[.*?\]\((docs/[^)]+)\)", TEXT, re.MULTILINE)
    assert [Path(step).stem for step in steps] == ["quick-start", "responsive-images", "nginx"]
    sections = {path.parent.name for path in (ROOT / "docs").glob("*/index.md")}
    assert {section for section in sections if f"(docs/{section}/index.md)" not in TEXT} == set()


def test_its_figures_are_the_stored_results() -> None:
    stored = results.load()
    case = next(case for case in stored["engines"]["cases"] if case["picture"] == LARGE.name)
    load = next(load for load in stored["mixed"]["cases"] if load["load"] == "all requests")

    def cpu(row: Any, key: str) -> str:
        return f"{spread(row[key]).median:.0f}"

    ours, bare, full = (cpu(case["contenders"][name], "cpu_ms") for name in (OURS, BARE, FULL))
    assert f"takes {ours} ms of CPU time. Flask-Images' method takes {full} ms" in TEXT
    landing = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert f"takes **{ours} ms** of CPU time. Flask-Images' method takes **{full} ms**" in landing
    alternative = f"this package {ours}, bare pyvips {bare}, Flask-Images' way {full} ms"
    assert alternative in TEXT
    servers = ("this package", "thumbor", "imgproxy", "ipx", "imagor")
    told = ", ".join(f"{name} {cpu(load['contenders'][name], 'cpu_s')}" for name in servers)
    assert f"Site: {told} s" in TEXT
    assert f"first {load['requests']} requests" in TEXT


def test_its_figure_is_small() -> None:
    for name in ("benchmark.png", "benchmark-dark.png"):
        assert (ROOT / "docs" / "pictures" / name).stat().st_size < 60_000


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text("utf-8")
