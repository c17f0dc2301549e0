"""Every code block of the README and of docs/ runs: here by its language, or in the test that claims it."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from conftest import ROOT

from docs import commands
from docs.blocks import Block, blocks_of, claims, pages, unclaimed
from docs.settings_files import PARSERS
from docs.site_of_page import SiteOfPage
from flask_images_vips.operating.cli import images

PROGRAM_OUTPUT = ("text", "", "console")
LANGUAGES = {"python", "pycon", "jinja", "sh", *PROGRAM_OUTPUT, *PARSERS}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SiteOfPage]:
    made = SiteOfPage(tmp_path, monkeypatch)
    yield made
    made.forget()


def with_code(languages: set[str]) -> list[str]:
    """The pages that have blocks of these *languages* for the tests here."""
    return [page for page in pages() if languages & {block.language for block in unclaimed(page)}]


@pytest.mark.parametrize("page", pages())
def test_each_block_is_run_by_a_test(page: str) -> None:
    for block in unclaimed(page):
        assert block.language in LANGUAGES, (
            f"{block.where}: no test runs this language. Use one of {', '.join(sorted(LANGUAGES - {''}))}, or say "
            f'@runs("{page}", "{block.language}") on the test that runs it'
        )
        output = block.language in ("text", "") or (block.language == "console" and commands.of_console(block.code)[1])
        assert not output, (
            f"{block.where}: no test compares this output with that of the program. Write a test that does, and say "
            f'@runs("{page}", "{block.language}") on it'
        )


def test_each_claim_selects_a_block() -> None:
    for claim in claims():
        assert (ROOT / claim.page).is_file(), f"{claim.test} claims {claim.page}, which is not a page"
        assert any(claim.selects(block) for block in blocks_of(claim.page)), (
            f"{claim.test} claims {claim.selector!r} of {claim.page}, which has no such block"
        )


@pytest.mark.parametrize("page", with_code({"python", "jinja", "pycon"}))
def test_the_code_of_the_page_runs_and_serves_pictures(page: str, site: SiteOfPage) -> None:
    blocks = unclaimed(page)
    site.write(list(blocks_of(page)))
    site.import_files([block for block in blocks if block.language == "python" and block.file])
    for block in blocks:
        with told(block):
            if block.language == "python" and not block.file:
                site.run(block)
            elif block.language == "jinja":
                site.render(block)
            elif block.language == "pycon":
                test = doctest.DocTestParser().get_doctest(block.code, site.names, page, page, block.line)
                assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


@pytest.mark.parametrize("page", with_code({"sh", "console"}))
def test_the_commands_of_the_page_are_right(page: str) -> None:
    for block in unclaimed(page):
        with told(block):
            if block.language == "sh":
                commands.check(block.code)
            elif block.language == "console":
                commands.check(commands.of_console(block.code)[0])


@pytest.mark.parametrize("page", pages())
def test_the_commands_within_sentences_exist(page: str) -> None:
    text = re.sub(r"^ *(`{3,}).*?^ *\1 *$", "", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for said in re.findall(r"(?<!`)`((?:flask images|pip install) [^`]*)`", text):
        program, _, name, *words = said.split()
        if program == "pip":
            commands.check(said)
        elif name.isalpha():  # not "flask images …"
            found = images.get_command(click.Context(images), name)
            assert found is not None, f"{page}: {said}"
            known = {option for parameter in found.params for option in parameter.opts} | {"--help"}
            assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, f"{page}: {said}"


@pytest.mark.parametrize("page", with_code(set(PARSERS)))
def test_the_programs_accept_the_files_of_the_page(page: str, tmp_path: Path) -> None:
    for number, block in enumerate(unclaimed(page)):
        if block.language in PARSERS:
            folder = tmp_path / str(number)
            folder.mkdir()
            with told(block):
                PARSERS[block.language](block.code, folder)


class told:  # noqa: N801
    """Add to an error which block it comes from."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(f"In the block {self.block.where}:\n{self.block.code}")
