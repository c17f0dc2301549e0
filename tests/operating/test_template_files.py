"""Reading templates: whatever is in their files, there is either a tree or a reason."""

from __future__ import annotations

from typing import ClassVar

import pytest
from jinja2 import DictLoader, Environment, FunctionLoader, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from flask_images_vips.operating.template_files import UnreadableTemplate, read_template


class Failing(Extension):
    """An extension whose tag fails in its own way."""

    tags: ClassVar[set[str]] = {"fail"}

    def parse(self, parser: Parser) -> nodes.Node:
        raise LookupError("no such tag library")


def test_a_template_without_a_file_is_parsed() -> None:
    environment = Environment()
    found = read_template(environment, DictLoader({"a.html": "{{ a }}"}), "a.html")
    assert (found.source, found.path) == ("{{ a }}", None)
    assert found.tree.find(nodes.Name) is not None


@pytest.mark.parametrize(
    ("source", "place", "reason"),
    [
        ("\n{{ a(", "a.html:2", "unexpected 'end of template'"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "a.html", "nested too deeply"),
        ("{{ 1" + " + 1" * 300 + " }}", "a.html", "nested too deeply"),
        ("{% if a %}" * 120 + "{% endif %}" * 120, "a.html", "nested too deeply"),
        ("{% fail %}", "a.html", "LookupError: no such tag library"),
    ],
)
def test_a_template_that_cannot_be_parsed_has_a_place_and_a_reason(source: str, place: str, reason: str) -> None:
    environment = Environment(extensions=[Failing])
    with pytest.raises(UnreadableTemplate) as caught:
        read_template(environment, DictLoader({"a.html": source}), "a.html")
    assert (caught.value.place, caught.value.source) == (place, source)
    assert reason in caught.value.reason


def test_a_template_that_cannot_be_read_has_no_source() -> None:
    def fail(name: str) -> str | None:
        raise ConnectionError("the database is down")

    for loader, reason in ((FunctionLoader(fail), "ConnectionError: the database is down"), (DictLoader({}), "not a")):
        with pytest.raises(UnreadableTemplate, match=reason) as caught:
            read_template(Environment(), loader, "a.html")
        assert not caught.value.source
