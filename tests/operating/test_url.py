"""The command ``flask images url``: what it builds, what it explains, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import Result
from conftest import url_of
from flask import Flask


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["images", "url", *arguments])


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        (("width=40",), {"width": 40}),
        (
            ("width=40", "height=30", "mode=crop", "enlarge=true"),
            {"width": 40, "height": 30, "mode": "crop", "enlarge": True},
        ),
        (("preset=avatar",), {"preset": "avatar"}),
        (("focal=0.3,0.4", "padding=1,2,3,4"), {"focal": (0.3, 0.4), "padding": (1, 2, 3, 4)}),
    ],
)
def test_a_url_is_that_of_a_template(make_app: Any, draw: Any, arguments: tuple[str, ...], keywords: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_PRESETS={"avatar": {"width": 9}})
    assert run(app, "a.png", *arguments, "--only").output == url_of(app, "a.png", **keywords) + "\n"


def test_a_url_is_explained_line_by_line(app: Flask, draw: Any, caplog: Any) -> None:
    draw("a.png")
    result = run(app, "a.png", "width=40", "widht=3")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        *("url", "answer", "signature", "picture", "source", "version", "options", "notes", "plan", "key", "entry"),
        "headers",
    ]
    assert "answer     200, once it is rendered" in lines
    assert any(line.startswith("notes      widht='3' has no effect") for line in lines)
    assert lines[-1].endswith("are known once it is rendered: pass --render)")
    assert caplog.messages == []
    url = lines[0].split()[1]
    rendered = run(app, f"http://localhost{url}", "--render")
    assert "answer     200, from the cache" in rendered.output
    assert rendered.output.splitlines()[-1].strip().startswith("Content-Length: ")


def test_a_refused_url_fails_and_says_why(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = run(app, "a.png", "--only").output.strip()
    result = run(app, f"{url}x")
    assert result.exit_code == 1
    assert "answer     404, the signature is wrong" in result.output
    assert "signature  wrong: no key of this configuration has made it" in result.output


def test_a_url_that_was_written_by_hand_is_not_signed(app: Flask, draw: Any) -> None:
    draw("a.png")
    result = run(app, "/imgsizer/a.png?w=40")
    assert result.exit_code == 1
    assert "answer     404, the URL is not signed" in result.output
    assert "signature  none" in result.output


def test_programs_get_json(app: Flask, draw: Any) -> None:
    draw("a.png")
    found = json.loads(run(app, "a.png", "width=40", "format=auto", "--accept", "image/webp", "--json").output)
    assert found["options"] == {"format": "webp", "width": "40"}
    assert ["Content-Type", "image/webp"] in found["headers"]
    assert found["source"]["width"] == 64


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("a.png", "width"), 2, "'width': expected OPTION=VALUE, such as width=400"),
        (("a.png", "=9"), 2, "'=9': expected OPTION=VALUE, such as width=400"),
        (("a.png", "width=9", "width=8"), 2, "width is given twice"),
        (("a.png", "self=9"), 2, "'self=9': expected OPTION=VALUE"),
        (("../a.png",), 1, "path is not normalized"),
        (("a.png", "preset=avatar"), 1, "expected one of IMAGES_PRESETS"),
        (("a.png", "external=true"), 1, "needs SERVER_NAME or IMAGES_BASE_URL"),
        (("/imgsizer/a.png?s=x", "width=1"), 2, "has its options already"),
        (("/imgsizer/a.png", "width=1"), 2, "has its options already"),
        ((), 2, "Missing argument"),
    ],
)
def test_mistakes_are_answered_by_a_sentence(app: Flask, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = run(app, *arguments)
    assert result.exit_code == code
    assert words in result.output
    assert "Traceback" not in result.output


def test_what_controls_a_terminal_is_not_printed(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["images", "url", "/imgsizer/a%1b[2J.png?w=9&s=x"], color=True)
    assert "a\ufffd[2J.png" in result.output
    assert "\x1b" not in result.output
