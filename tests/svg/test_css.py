"""Style sheets are written anew from tokens, so no trick of writing hides a reference."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_images_vips.errors import LimitExceeded
from flask_images_vips.svg.css import Styles, tokens


def sheet(text: str) -> str:
    return Styles().sheet(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (".a, g > #b.c { fill : red ; stroke:#fff }", ".a, g > #b.c{fill:red;stroke:#fff}"),
        ("/* x */.a{/* ; */fill:red!important/* */}", ".a{fill:red!important}"),
        ("<!-- .a{FILL:Red} -->", ".a{fill:Red}"),
        ("path:not(.a):nth-child(2n+1),[id^='x']{fill:red}", "path:not(.a):nth-child(2n+1),[id^='x']{fill:red}"),
        (".a{fill:url( '#b' )}", ".a{fill:url(#b)}"),
        (":root{--c:rgb(1 2 3 / 50%)}.a{fill:var(--c, red)}", ":root{--c:rgb(1 2 3 / 50%)}.a{fill:var(--c, red)}"),
        ("@media(max-width:9px){.a{fill:red}}", "@media (max-width:9px){.a{fill:red}}"),
        ("@keyframes k{from{opacity:0}50%,to{opacity:1}}", "@keyframes k{from{opacity:0}50%,to{opacity:1}}"),
        (".a{font:bold 12px/1.5 'Open Sans', sans-serif}", ".a{font:bold 12px/1.5 'Open Sans', sans-serif}"),
        (".a{transform:translate(calc((1px + 2px) * 3), 0)}", ".a{transform:translate(calc((1px + 2px) * 3), 0)}"),
        (".a{fill:red", ".a{fill:red}"),
        (".a{fill:red ! important }", ".a{fill:red!important}"),
        (".a{font-family:\"A B\",'Ü-1'}", ".a{font-family:\"A B\",'Ü-1'}"),
    ],
)
def test_what_is_allowed_is_kept(text: str, written: str) -> None:
    assert sheet(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "@import 'a'; @import url(a); @charset 'x'; @namespace url(a);",
        "@font-face{font-family:x;src:url(a)} @page{fill:red} @layer a{.a{fill:red}} @property --x{syntax:'*'}",
        ".a{fill:url(a)} .a{fill:url('a')} .a{fill:url(//a#b)} .a{fill:URL(a)} .a{fill:url(#a b)} .a{fill:url()}",
        r".a{fill:u\72l(a)} .a{f\69ll:red} .\61{fill:red} .a{fill:'\27 ;x:url(a)'}",
        ".a{fill:image-set('a' 1x)} .a{fill:src('a')} .a{fill:image(a)} .a{fill:attr(x)} .a{fill:expression(a)}",
        ".a{behavior:url(#a)} .a{-moz-binding:url(#a)} .a{content:'a'} .a{background-image:url(#a)} .a{src:a}",
        ".a{fill:(red} .a{fill:red)} .a{fill:[red]} .a{--x:{}} .a{:red} .a{fill} .a{fill:} {fill:red}x",
        ".a{fill:url (#a)} .a{fill:'url(a)'} .a{font:'a:b'} a@b{fill:red}",
        "@{fill:red} @media \\61{.a{fill:red}} @media url(a){.a{fill:red}}",
        ".a{fill:'red\n'} .b{fill:\"red",
        "@media a{@media a{@media a{@media a{@media a{.a{fill:red}}}}}}",
    ],
)
def test_what_is_not_allowed_is_left_out(text: str) -> None:
    left = sheet(text)
    for empty in ("@media a{", "}", "{fill:red", "x"):
        left = left.replace(empty, "")
    assert left == ""


def test_blocks_within_blocks_end_where_they_end() -> None:
    assert sheet("@x{a{b{c{}}}} .a{fill:red;g{fill:url(a)}stroke:red} .b{fill:red}") == (
        ".a{fill:red;stroke:red}.b{fill:red}"
    )


def test_declarations_of_an_attribute() -> None:
    assert Styles().declarations("fill:red; ;q:y; stroke : url(#a) ;fill:url(a)") == "fill:red;stroke:url(#a)"


def test_values_of_attributes() -> None:
    for text in ("red", "url(#a) red", "1;2", "translate(1,2)", "#fff", ""):
        assert Styles().value("fill", text) == text
    for text in ("javascript:x", "url(a)", "x\\", "a{", "@x", "url(#a", "'"):
        assert Styles().value("fill", text) is None


def test_what_many_elements_may_take_over_refers_to_nothing() -> None:
    assert sheet(":root{--m:url(#a)}@keyframes k{to{mask:url(#a)}}.a{mask:inherit}.b{filter:var(--q,INHERIT)}") == (
        "@keyframes k{}"
    )
    assert sheet(".a{fill:inherit}") == ".a{fill:inherit}"
    assert Styles().value("to", "url(#a)", links=False) is None
    assert Styles().value("mask", "inherit") is None


@pytest.mark.parametrize(
    "lost",
    [
        "@import url('https://a/b?c=d;e');",
        '@import "//a/{b";',
        "@import url(https://a/b?c='d;{);",
        '@font-face{font-family:x;src:url("data:;base64,\\\nAA//+\\\n==")}',
        "@font-face{src:url(data:font/woff2;base64,d09//GMg==)}",
        '.b:before{content:"\\f101"}',
        ".c{font-family:'A:b';}",
        ".d{content:'unclosed\n}",
    ],
)
def test_what_is_left_out_ends_where_a_browser_ends_it(lost: str) -> None:
    assert sheet(f"{lost}.a{{fill:red}}") == ".a{fill:red}"


def test_references_are_noted() -> None:
    styles = Styles()
    styles.declarations("fill:url(#a);stroke:url(#b)")
    styles.value("fill", "url(#c)")
    styles.sheet("g.d>path,#e{fill:url(#f)}*{mask:url(#g)}.h{fill:red}")
    assert styles.fragments == ["a", "b", "c"]
    assert styles.rules == [(frozenset({"g", "d", "path", "e"}), ["f"]), (frozenset("*"), ["g"])]


def test_rules_of_all_style_sheets_count_together() -> None:
    styles = Styles()
    for _ in range(5):
        styles.sheet("a{}" * 1000)
    with pytest.raises(LimitExceeded, match="5,001 rules"):
        styles.sheet("a{}")


@given(st.text(st.sampled_from("ab#.{}()[];:@/*\\'\"<!-> \nurl()urlimport,"), max_size=60))
def test_whatever_is_written_is_read_the_same_again(text: str) -> None:
    once = sheet(text)
    assert sheet(once) == once
    assert "bad" not in {token.kind for token in tokens(once)}


@pytest.mark.parametrize("text", ["/*", "'", "url(", "(", "{", "a{", "@media a{", "[", "\\", "--", "a:", ";", " "])
def test_reading_takes_linear_time(text: str) -> None:
    def seconds(count: int) -> float:
        begin = time.thread_time()
        with contextlib.suppress(LimitExceeded):
            sheet(text * count)
        return time.thread_time() - begin

    assert min(seconds(8000) / max(seconds(2000), 1e-4) for _ in range(4)) < 12
