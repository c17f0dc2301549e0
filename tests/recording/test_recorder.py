"""The recorder: what it counts of real requests, that it samples hits without losing any, and that it costs little."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from conftest import fetch, gradient, url_of
from flask import Flask
from servers import Server, cache_folder, site

import flask_images_vips
from flask_images_vips.asked import read_asked
from flask_images_vips.events import Events
from flask_images_vips.formats import PNG
from flask_images_vips.options.options import Options
from flask_images_vips.recording import recorder as module
from flask_images_vips.recording.counts import Counts, Measure
from flask_images_vips.recording.journal import Journal
from flask_images_vips.recording.recorder import HITS, MISSES, RENDERS, Recorder
from flask_images_vips.state import images_of
from flask_images_vips.urls import ImageUrl

PACKAGE = str(Path(flask_images_vips.__file__).parent)


def recorder_of(app: Flask) -> Recorder:
    own = [getattr(function, "__self__", None) for function in images_of(app).events.served]
    (recorder,) = {each for each in own if isinstance(each, Recorder)}
    return recorder


def written(app: Flask) -> Counts:
    """All that *app* has counted."""
    recorder_of(app).write_at_exit()
    return Journal(images_of(app).pipeline.cache.folder).read()


def total(counts: Counts, measure: Measure) -> float:
    return sum(day[measure] for day in counts.days.values())


def test_hits_misses_and_renders_are_counted(app: Flask, draw: Any) -> None:
    draw("a.png")
    client, url = app.test_client(), url_of(app, "a.png", width=10)
    for _ in range(5):
        assert client.get(url).status_code == 200
    client.get(url_of(app, "a.png", width=20, format="webp"))
    counts = written(app)
    assert (total(counts, MISSES), total(counts, HITS), total(counts, RENDERS)) == (2, 4, 2)
    assert total(counts, Measure("format", "png", "asked")) == 5
    assert total(counts, Measure("format", "webp", "renders")) == 1
    source = counts.sources["a.png"]
    assert {key: asked.count for key, asked in source.asked.items()} == {
        ("w=10", "png"): pytest.approx(5, abs=0.01),
        ("f=webp&w=20", "webp"): pytest.approx(1, abs=0.01),
    }
    assert source.renders == pytest.approx(2, abs=0.01)
    assert source.cpu_seconds > 0
    assert source.slowest is not None
    assert source.slowest.options in ("w=10", "w=20")


def test_a_miss_is_written_at_once_and_hits_are_written_later(
    app: Flask, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    folder = images_of(app).pipeline.cache.folder
    for width in (10, 20):
        fetch(app, "a.png", width=width)
        assert {round(each.count) for each in read_asked(folder)} == {1}
    for _ in range(3):
        fetch(app, "a.png", width=10)
    assert [round(each.count) for each in read_asked(folder)] == [1, 1]
    monkeypatch.setattr(module, "_WRITE_SECONDS", 0.0)
    fetch(app, "a.png", width=10)
    assert [round(each.count) for each in read_asked(folder)] == [5, 1]


def test_the_file_of_a_rendition_is_known(app: Flask, draw: Any) -> None:
    draw("a.png")
    fetch(app, "a.png", width=10)
    (asked,) = written(app).sources["a.png"].asked.values()
    assert [*Path(images_of(app).pipeline.cache.folder).glob(f"??/*/{asked.file}")]


def test_what_must_not_be_cached_is_only_counted(app: Flask, draw: Any) -> None:
    draw("a.png")
    fetch(app, "a.png", width=10, cache=False)
    counts = written(app)
    assert total(counts, MISSES) == 1
    assert counts.sources["a.png"].asked == {}


def test_refusals_are_counted_and_those_of_signed_urls_by_source(app: Flask, static: Path) -> None:
    (static / "b.png").write_bytes(b"not a picture")
    client = app.test_client()
    for _ in range(3):
        client.get("/imgsizer/a.png?w=10&s=wrong")
    client.get("/imgsizer/<script>?w=10&s=wrong")
    client.get(url_of(app, "gone.png", width=10))
    client.get(url_of(app, "b.png", width=10))
    counts = written(app)
    assert total(counts, Measure("refused", "404 WrongSignature", "times")) == 4
    assert {ref: dict(source.refused) for ref, source in counts.sources.items()} == {
        "gone.png": {"404 SourceNotFound": pytest.approx(1, abs=0.01)},
        "b.png": {"422 UnsupportedSource": pytest.approx(1, abs=0.01)},
    }


def test_a_source_that_is_gone_for_good_is_not_named(app: Flask, tmp_path: Path) -> None:
    url = url_of(app, "secret.png", width=10, expires=1_000_000_000)
    assert app.test_client().get(url).status_code == 410
    counts = written(app)
    assert total(counts, Measure("refused", "410 Expired", "times")) == 1
    assert counts.sources == {}


def test_a_purged_source_is_recorded_no_more_until_it_is_asked_for_again(app: Flask, draw: Any) -> None:
    draw("photos/a.png")
    for width in (10, 20, 10):
        fetch(app, "photos/a.png", width=width)
    pipeline = images_of(app).pipeline
    pipeline.purge("photos/a.png")
    recorder_of(app).write_at_exit()  # with the hit of before
    files = [path for path in Path(pipeline.cache.folder).rglob("*") if path.is_file()]
    assert not [path for path in files if b"a.png" in path.read_bytes()]
    fetch(app, "photos/a.png", width=10)
    assert len(written(app).sources["photos/a.png"].asked) == 1


def test_nothing_is_recorded_if_it_is_turned_off(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_RECORD=False)
    functions = len(images_of(app).events.served)
    fetch(app, "a.png", width=10)
    assert len(images_of(app).events.served) == functions
    assert not os.path.exists(Journal(images_of(app).pipeline.cache.folder).folder)


class AnyHit:
    """A hit of the rendition *number*."""

    class rendition:  # noqa: N801
        format = PNG

    def __init__(self, number: int) -> None:
        self.path = f"/cache/ab/ab01/{number}.png"
        self.url = ImageUrl(f"{number}.png", Options(width=50), None, default_quality=True)


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(Journal(str(tmp_path)), lambda: True, lambda: "")


def hit(recorder: Recorder, number: int) -> None:
    recorder._served(AnyHit(number), None, True)  # type: ignore[arg-type]


def test_few_of_many_hits_are_looked_at_and_none_is_lost(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    look = recorder._look
    monkeypatch.setattr(recorder, "_look", lambda *event: (looked.append(event), look(*event)))
    monkeypatch.setattr(module, "_WRITE_SECONDS", 3600.0)
    for number in range(50_000):
        hit(recorder, number % 5)  # a fifth each, in turn
    recorder.write_at_exit()
    assert 100 < len(looked) < 1000
    counts = Journal(str(tmp_path)).read()
    assert total(counts, HITS) == 50_000
    shares = [source.count for source in counts.sources.values()]
    assert sum(shares) == pytest.approx(50_000, rel=0.06)  # all but the last ones, which nobody looked at
    assert all(3000 < share < 20_000 for share in shares)


def test_few_hits_are_all_looked_at(recorder: Recorder, tmp_path: Path) -> None:
    for number in range(30):
        hit(recorder, number)
    recorder.write_at_exit()
    assert len(Journal(str(tmp_path)).read().sources) == 30


def test_a_hit_that_is_not_looked_at_runs_three_lines(recorder: Recorder) -> None:
    hit(recorder, 1)
    recorder._due = 1_000_000
    lines = 0

    def count(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    def enter(frame: FrameType, event: str, argument: object) -> Any:
        return count if frame.f_code.co_filename.startswith(PACKAGE) else None

    before, some = sys.gettrace(), AnyHit(1)
    sys.settrace(enter)
    try:
        recorder._served(some, None, True)  # type: ignore[arg-type]
    finally:
        sys.settrace(before)
    assert 0 < lines <= 5


def test_hits_of_many_threads_are_all_counted(recorder: Recorder, tmp_path: Path) -> None:
    def work() -> None:
        for number in range(2000):
            hit(recorder, number % 7)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.write_at_exit()
    assert total(Journal(str(tmp_path)).read(), HITS) == 8000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_counts_only_its_own_hits(recorder: Recorder, tmp_path: Path) -> None:
    for _ in range(3):
        hit(recorder, 1)
    child = os.fork()
    if not child:
        for _ in range(4):
            hit(recorder, 1)
        recorder.write_at_exit()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    recorder.write_at_exit()
    assert total(Journal(str(tmp_path)).read(), HITS) == 7


def test_what_cannot_be_written_now_is_written_later(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **keywords: Any) -> bool:
        raise TimeoutError("another process is writing")

    with monkeypatch.context() as patch:
        patch.setattr(recorder._journal, "append", refuse)
        hit(recorder, 1)
        hit(recorder, 2)
    recorder.write_at_exit()
    assert total(Journal(str(tmp_path)).read(), HITS) == 2


def test_a_cache_that_cannot_be_used_is_not_written(tmp_path: Path) -> None:
    recorder = Recorder(Journal(str(tmp_path)), lambda: False, lambda: "")
    hit(recorder, 1)
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_is_gone_is_no_error(recorder: Recorder, tmp_path: Path) -> None:
    hit(recorder, 1)
    shutil.rmtree(tmp_path)
    hit(recorder, 2)
    recorder.write_at_exit()
    assert not tmp_path.exists()


def test_a_long_log_is_added_to_the_summary(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_images_vips.recording.journal._LONGEST_LOG", 10)
    monkeypatch.setattr(module, "threads_run", lambda: False)
    hit(recorder, 1)
    assert os.listdir(tmp_path / "asked") == ["summary-1"]


def test_renders_without_a_request_write_nothing(tmp_path: Path, make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app()
    with app.test_request_context():
        pipeline = images_of(app).pipeline
        pipeline.entry(ImageUrl("a.png", Options(width=10), None))[1].close()
    recorder_of(app).write_at_exit()
    assert not os.path.exists(Journal(pipeline.cache.folder).folder)
    assert Events().served == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The root of a `servers.site` with three pictures."""
    (tmp_path / "static").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        gradient((64, 48)).save(tmp_path / "static" / name)
    return tmp_path


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: gunicorn")
def test_the_sums_are_right_with_two_workers_and_after_a_restart(serve: Any, folder: Path) -> None:
    app, asked = site(folder), 0
    urls = [url_of(app, name, width=10) for name in ("a.png", "b.png", "c.png")]
    for _ in range(2):
        server: Server = serve("--workers=2", "--threads=4", IMAGES_MAX_RENDERS=0)
        for url in urls * 10:
            assert server.get(url).status == 200
            asked += 1
        server.stop()
    counts = Journal(str(cache_folder(folder))).read()
    assert total(counts, HITS) + total(counts, MISSES) == asked
    assert total(counts, RENDERS) == 3
    assert {each.url.ref for each in read_asked(str(cache_folder(folder)))} == {"a.png", "b.png", "c.png"}
