"""Making what a plan lists: once, in several threads, until Ctrl-C, and again after a kill."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Start, cached_files, url_of
from flask import Flask, g, request
from servers import site

from flask_images_vips.errors import Busy
from flask_images_vips.events import Rendered
from flask_images_vips.formats import by_name
from flask_images_vips.nginx.links import leads_to
from flask_images_vips.operating.warming.plan import Plan, plan
from flask_images_vips.operating.warming.runner import CannotStore, Result, Run
from flask_images_vips.operating.warming.wanted import Placeholder, Wanted
from flask_images_vips.operating.warming.wanted import url_of as today
from flask_images_vips.pipeline import Pipeline
from flask_images_vips.state import images_of


def plan_of(app: Flask, names: list[str], widths: list[int], placeholders: tuple[Placeholder, ...] = ()) -> Plan:
    images, found = images_of(app), []
    for name in names:
        for width in widths:
            path, _, query = url_of(app, name, width=width).removeprefix("/imgsizer/").partition("?")
            with app.app_context():
                found.append(Wanted(today(images, path, query.encode()), f"{name} {width}"))
    with app.app_context():
        return plan(images, found, placeholders, [by_name("webp")])


def run(app: Flask, todo: Plan, tell: Callable[[Result], object] = lambda result: None, workers: int = 2) -> Result:
    with app.app_context():
        return Run(app, images_of(app), todo, workers, yields=False).run(tell)


@pytest.fixture
def names(draw: Any) -> list[str]:
    """Pictures of an hour ago, whose URLs may have links."""
    found = [f"p{number}.png" for number in range(4)]
    for name in found:
        os.utime(draw(name), (1_700_000_000, 1_700_000_000))
    return found


def rendered(app: Flask) -> list[Rendered]:
    """A list of everything that *app* renders from now on."""
    found: list[Rendered] = []
    images_of(app).events.rendered.append(found.append)
    return found


def test_everything_is_made_once_and_for_no_visitor(app: Flask, names: list[str], tmp_path: Path) -> None:
    made = rendered(app)
    result = run(app, plan_of(app, names, [10, 20]))
    assert (result.made, result.found, result.left, result.problems) == (8, 0, 0, [])
    assert len(cached_files(tmp_path / "cache")) == len(made) == 8
    assert not any(event.visitor for event in made)
    again = plan_of(app, names, [10, 20])
    assert (again.missing, again.cached) == ([], 8)


def test_ctrl_c_ends_with_what_is_begun_and_the_next_run_makes_the_rest(app: Flask, names: list[str]) -> None:
    made = rendered(app)

    def interrupt(result: Result) -> None:
        if not stopped:
            stopped.append(result)
            raise KeyboardInterrupt

    stopped: list[Result] = []
    first = run(app, plan_of(app, names, [*range(10, 40)]), interrupt)
    assert first.stopped
    assert first.left == 120 - first.made > 0
    second = run(app, plan_of(app, names, [*range(10, 40)]))
    assert (second.made, second.left, second.stopped) == (first.left, 0, False)
    assert set(Counter(event.rendition.key for event in made).values()) == {1}


def warm_until_killed(folder: str) -> None:
    app = site(folder)
    app.logger.disabled = True
    run(app, plan_of(app, [f"p{number}.png" for number in range(4)], [*range(10, 35)]))


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: kill")
def test_after_a_kill_nothing_is_made_twice(make_app: Any, names: list[str], tmp_path: Path, elsewhere: Start) -> None:
    process = elsewhere(warm_until_killed, tmp_path)
    end = time.monotonic() + 60
    while len(cached_files(tmp_path / "cache")) < 10 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_ino for path in cached_files(tmp_path / "cache")}
    assert 10 <= len(kept) < 100
    app = make_app()
    made = rendered(app)
    result = run(app, plan_of(app, names, [*range(10, 35)]))
    assert result.made == len(made) == 100 - len(kept)
    assert {path: path.stat().st_ino for path in kept} == kept
    assert len(cached_files(tmp_path / "cache")) == 100


@pytest.mark.parametrize("answer", [None, "public", "private", "refuses"])
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")
def test_nginx_gets_links_to_what_every_visitor_may_see(answer: str | None, make_app: Any, names: list[str]) -> None:
    app, asked = make_app(IMAGES_FRONT_DOOR=True), list[str]()
    images = app.extensions["images"]
    if answer is not None:

        @images.authorize
        def may_see(ref: str, options: object) -> object:
            asked.append(request.path)
            return {"public": images.PUBLIC, "private": True, "refuses": False}[answer]

    result = run(app, plan_of(app, names, [10]))
    expected = 4 if answer in (None, "public") else 0
    assert (result.made, result.linked, result.problems) == (4, expected, [])
    assert {*asked} == ({f"/imgsizer/{name}" for name in names} if answer else set())
    for name in names:
        path, _, query = url_of(app, name, width=10).removeprefix("/imgsizer/").partition("?")
        with app.app_context():
            hit = plan(images_of(app), [Wanted(today(images_of(app), path, query.encode()), "")], (), [])
        assert len(hit.linkless) == (0 if expected else 1)
        assert hit.cached == 1


@pytest.mark.parametrize(("fault", "problems"), [("callback", 4), ("before", 4), ("refuses", 0)])
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")
def test_no_link_is_made_if_the_site_fails_or_refuses_the_visitor(
    fault: str, problems: int, make_app: Any, names: list[str]
) -> None:
    app = make_app(IMAGES_FRONT_DOOR=True)
    images = app.extensions["images"]

    @images.authorize
    def may_see(ref: str, options: object) -> object:
        return images.PUBLIC if fault != "callback" else g.user

    @app.before_request
    def before() -> str | None:
        if fault == "before":
            raise KeyError("user")
        return "Log in." if fault == "refuses" else None

    result = run(app, plan_of(app, names, [10]))
    assert (result.linked, len(result.problems), result.left) == (0, problems, 0)
    assert all("it is made, but nginx gets no link" in problem.reason for problem in result.problems)
    assert plan_of(app, names, [10]).cached == 4


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")
def test_a_link_to_a_cached_rendition_is_made_too(make_app: Any, names: list[str]) -> None:
    run(make_app(), plan_of(make_app(), names, [10]))
    app = make_app(IMAGES_FRONT_DOOR=True)
    todo = plan_of(app, names, [10])
    assert (len(todo.missing), len(todo.linkless)) == (0, 4)
    hit = todo.linkless[0].verified.hit()
    result = run(app, todo)
    assert (result.made, result.found, result.linked) == (0, 4, 4)
    assert hit.link is not None
    assert hit.path is not None
    assert leads_to(hit.link, hit.path)


def test_placeholders_are_made_on_the_way(app: Flask, names: list[str]) -> None:
    made = rendered(app)
    placeholders = (Placeholder("p0.png", "color", "here"), Placeholder("p0.png", "lqip", "here"))
    result = run(app, plan_of(app, names[:1], [60], placeholders))
    assert (result.made, result.found, result.left, len(made)) == (1, 2, 0, 1)
    with app.app_context():
        pipeline = images_of(app).pipeline
        source = pipeline.sources.local.find("p0.png")
        assert None not in [pipeline.facts.pixels.placeholder(source, kind) for kind in ("color", "lqip")]


def test_a_source_that_cannot_be_read_is_a_problem_and_the_others_are_made(
    app: Flask, names: list[str], static: Path
) -> None:
    (static / "p1.png").write_bytes(b"not a picture")
    result = run(app, plan_of(app, names, [10]))
    assert result.made == 3
    assert [problem.origin for problem in result.problems] == ["p1.png 10"]


def test_a_busy_host_is_asked_again(app: Flask, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    entry, refused = Pipeline.entry, []

    def busy_at_first(pipeline: Pipeline, *arguments: Any) -> Any:
        if len(refused) < 2:
            refused.append(arguments)
            raise Busy("too much to do", retry_after=0)
        return entry(pipeline, *arguments)

    monkeypatch.setattr(Pipeline, "entry", busy_at_first)
    result = run(app, plan_of(app, names, [10]))
    assert (result.made, result.problems, len(refused)) == (4, [], 2)


def test_a_cache_that_takes_nothing_ends_the_run(make_app: Any, names: list[str]) -> None:
    app = make_app(IMAGES_CACHE_MIN_FREE=0.9999)
    made = rendered(app)
    with pytest.raises(CannotStore, match="IMAGES_CACHE_MIN_FREE"):
        run(app, plan_of(app, names, [*range(10, 30)]))
    assert 3 <= len(made) <= 5
