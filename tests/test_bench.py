"""The benchmark measures right: wrong answers fail it, its statistics and its report are held by value."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import ROOT
from PIL import Image

from bench import cold, engines, findings, load, mixed, quality, results, servers, sites, tables, traffic, workload
from bench.__main__ import PARTS, main
from bench.contenders import CONTENDERS, FULL, LIMIT, OURS, PILLOW
from bench.measure import Tree, Watch, Worker, WrongAnswer, check, interleaved
from bench.servers import Running
from bench.statistics import Spread, percentile, ratio, spread
from bench.workload import CROP, FIT, PAD, SHARPEN, TRANSFORM, Case, Picture

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmark reads Linux' accounts")

SMALL = Picture("a small JPEG", "small.jpg", (600, 400), save=(("quality", 85),))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "bench-cache"))


@pytest.fixture
def jpeg() -> bytes:
    return encoded((400, 266), "jpeg")


def encoded(size: tuple[int, int], format: str) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(file, format)
    return file.getvalue()


# Statistics.


def test_the_middle_of_measurements_goes_with_their_spread() -> None:
    assert spread([3, 1, 2]) == Spread(2, 1, 3, 3)
    assert spread([4, 1]).median == 2.5
    assert Spread(23.712, 22.6, 29.94, 3).text() == "23.7 (22.6–29.9)"
    assert Spread(1234.5, 1000, 2000, 3).text() == "1,234 (1,000–2,000)"
    assert Spread(0.5, 0.5, 0.5, 1).text() == "0.50"


def test_nothing_measured_has_no_median() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        spread([])


def test_a_ratio_is_that_of_the_rounds_and_not_of_the_medians() -> None:
    # A machine that was slower by the round does not change what two contenders are to each other.
    assert ratio([10, 20, 40], [5, 10, 20]) == Spread(2, 2, 2, 3)
    assert ratio([1, 9, 4], [1, 3, 2]) == Spread(2, 1, 3, 3)
    with pytest.raises(ValueError, match="3 and 2 rounds"):
        ratio([1, 2, 3], [1, 2])


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([5, 1, 3, 2, 4], share) for share in (0, 0.5, 0.95, 1)] == [1, 3, 5, 5]


# What is no right answer.


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no picture"),
        (b"<html>busy</html>", "no picture"),
        (encoded((400, 266), "jpeg")[:-500], "no picture .*truncated"),
        (encoded((400, 266), "png"), "in png, not in jpeg"),
        (encoded((3000, 2000), "jpeg"), "3000×2000, not of 400×266"),
        (encoded((400, 300), "jpeg"), "400×300, not of 400×266"),
    ],
)
def test_a_wrong_picture_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(WrongAnswer, match=f"somebody: .*{complaint}"):
        check("somebody", data, (400, 266), "jpeg")


def test_a_side_may_be_rounded_as_one_likes() -> None:
    check("somebody", encoded((400, 267), "jpeg"), (400, 266), "jpeg")


def test_a_contender_that_fails_or_does_something_else_fails_the_run() -> None:
    path = workload.write([SMALL])[SMALL.name]
    with pytest.raises(WrongAnswer, match="no such contender"), Worker("no such contender") as worker:
        worker.render(path, Case(SMALL))
    with pytest.raises(WrongAnswer, match=f"{OURS}: .*SourceNotFound"), Worker(OURS) as worker:
        worker.render(path.with_name("missing.jpg"), Case(SMALL))
    with pytest.raises(WrongAnswer, match=f"{FULL}: a picture of 400×266, not of 300×200"), Worker(FULL) as worker:
        worker.render(path, Case(replace(SMALL, size=(300, 200))))


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """The port of a server that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def here() -> Tree:
    return Tree(psutil.Process().pid)


def test_a_server_that_answers_errors_fails_the_run() -> None:
    with answering(503, b"busy") as port:
        with pytest.raises(WrongAnswer, match=r"a server: /x was answered 503: b'busy'"):
            load.ask_all("a server", port, here(), ["/x"] * 4, clients=2)
        with pytest.raises(WrongAnswer, match="answered 503"):
            load.ask_again("a server", port, here(), "/x", 1, 2)


def test_a_server_that_is_not_there_fails_the_run() -> None:
    with pytest.raises(WrongAnswer, match="was not answered"):
        load.ask_all("nobody", traffic.free_port(), here(), ["/x"], clients=1)


def test_a_server_that_answers_another_size_fails_the_run() -> None:
    with answering(200, encoded((300, 200), "jpeg")) as port:
        started = {"small pictures": Running(port, here(), lambda name, width, height: "/x")}
        with pytest.raises(WrongAnswer, match="small pictures: a picture of 300×200, not of 400×266"):
            cold.measured(SMALL, started, rounds=1, requests=2, clients=1)


def test_every_answer_is_counted_and_kept_in_order(jpeg: bytes) -> None:
    with answering(200, jpeg) as port:
        found, bodies = load.ask_all("a server", port, here(), [f"/{number}" for number in range(20)], clients=3)
    assert (found.requests, bodies) == (20, [jpeg] * 20)
    assert all(wait > 0 for wait in found.waits)
    assert found.per_second == 20 / found.wall


WRK = """Running 2s test @ http://127.0.0.1:1/
  Latency Distribution
     50%  250.00us
     75%    1.00ms
     90%    2.00ms
     99%    1.50s
  {requests} requests in 2.00s, 20.00MB read
{trouble}Requests/sec:   1000.00
"""


def test_what_wrk_reports_is_read() -> None:
    found = load.read_wrk("a server", WRK.format(requests=2000, trouble=""), 10_000, server_cpu=1, client_cpu=0.5)
    assert (found.requests, found.wall, found.waits) == (2000, 2.0, [0.00025, 1.5])
    assert (found.per_second, found.server_ms, found.client_ms) == (1000, 0.5, 0.25)


@pytest.mark.parametrize(
    ("requests", "trouble"),
    [
        (2000, "  Non-2xx or 3xx responses: 3\n"),
        (2000, "  Socket errors: connect 4, read 0, write 0, timeout 0\n"),
        (2000, "  Socket errors: connect 0, read 0, write 0, timeout 2\n"),
        (0, ""),
    ],
)
def test_what_wrk_met_of_errors_fails_the_run(requests: int, trouble: str) -> None:
    with pytest.raises(WrongAnswer, match="a server: "):
        load.read_wrk("a server", WRK.format(requests=requests, trouble=trouble), 10_000, 1, 1)


def test_answers_that_wrk_did_not_get_whole_fail_the_run() -> None:
    with pytest.raises(WrongAnswer, match="2000 answers of 13000 bytes, but 20971520 bytes read"):
        load.read_wrk("a server", WRK.format(requests=2000, trouble=""), 13_000, 1, 1)


@pytest.fixture
def small_originals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mixed, "PICTURES", (SMALL,))
    monkeypatch.setattr(mixed, "WIDTHS", (100, 200, 300))
    workload.copy_into(tmp_path / "originals", SMALL, [SMALL.file])
    return tmp_path / "originals"


def test_traffic_is_counted_with_what_is_kept_of_it(small_originals: Path) -> None:
    asked = [(0, 100), (1, 300), (0, 100), (1, 200)]
    cost, found = mixed.served(servers.threaded(), small_originals, asked, clients=2)
    assert cost.requests == 4
    assert cost.server_cpu > 0
    # Three files are kept, one of the four answers came of a file; no copies of sources so small.
    assert 2 < 1000 * found["disk_mb"] / found["answer_kb"] < 4
    assert found["copies_mb"] == 0


def test_traffic_that_is_answered_in_another_width_fails_the_run(small_originals: Path) -> None:
    signed = servers.signed

    def narrower(folder: Path) -> servers.Urls:
        return lambda name, width, height, format="": signed(folder)(name, width - 2, height, format)

    with pytest.raises(WrongAnswer, match="this package, gthread: a picture of 198×132, not of 200×134"):
        mixed.served(replace(servers.threaded(), urls=narrower), small_originals, [(0, 200)], clients=1)


def test_traffic_is_the_same_each_time_and_half_of_it_repeats() -> None:
    asked = mixed.load_of(mixed.REQUESTS, mixed.SOURCES)
    assert asked == mixed.load_of(mixed.REQUESTS, mixed.SOURCES)
    assert 0.3 < len(set(asked)) / len(asked) < 0.6
    assert max(source for source, _ in asked) < mixed.SOURCES


def test_a_failed_part_keeps_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")

    def fails(quick: bool, told: object) -> dict[str, Any]:
        raise WrongAnswer("somebody: too quick")

    monkeypatch.setitem(PARTS, "cold", PARTS["cold"].__class__(fails, lambda quick: 1, ""))
    assert main(["--results", str(tmp_path), "cold", "--quick"]) == 1
    assert not list(tmp_path.glob("*.json"))


# The kernel's account, and turns.


def test_the_cpu_of_another_process_is_counted() -> None:
    with Worker(FULL) as worker:
        tree = Tree(worker._process.pid or 0)
        path = workload.write([SMALL])[SMALL.name]
        worker.render(path, Case(SMALL))
        before = tree.cpu_seconds()
        samples = [worker.render(path, Case(SMALL)) for _ in range(5)]
        spent = 1000 * (tree.cpu_seconds() - before)
    assert spent >= sum(sample.cpu_ms for sample in samples) > 0


def test_the_peak_of_a_process_is_that_since_the_last_question() -> None:
    large = Picture("a large JPEG", "large.jpg", (3000, 2000), grain=0, save=(("quality", 50),))
    path = workload.write([large])[large.name]
    with Worker(FULL) as worker:
        idle = worker.peak_mb()
        worker.render(path, Case(large))
        assert worker.peak_mb() > idle + 18  # MB that 6 Mpx take
        assert worker.peak_mb() < idle + 18


class Disturbed(Watch):
    """Says that the first rounds were disturbed, so many as `shares` has."""

    shares: list[float]

    def __exit__(self, *_: object) -> None:
        self.share = self.shares.pop(0) if self.shares else 0.0


def test_contenders_take_turns_in_another_order_each_round() -> None:
    order: list[str] = []
    Disturbed.shares = []
    found = interleaved({name: partial(order.append, name) for name in "abc"}, 3, watch=Disturbed)
    assert "".join(order) == "abcbcacab"
    assert found.noted() == {"disturbed": 0, "foreign_share": 0.0}


def test_a_disturbed_round_is_repeated() -> None:
    counted = iter(range(100))
    Disturbed.shares = [0.5, 0.0, 0.9]
    found = interleaved({"a": lambda: next(counted)}, 2, watch=Disturbed)
    assert found.samples == {"a": [1, 3]}
    assert found.disturbed == 0


def test_what_stays_disturbed_is_noted_and_ends() -> None:
    counted = iter(range(100))
    Disturbed.shares = [0.5] * 100
    found = interleaved({"a": lambda: next(counted)}, 3, watch=Disturbed)
    assert found.samples == {"a": [3, 4, 5]}  # three repetitions, and no more
    assert found.noted() == {"disturbed": 3, "foreign_share": 0.5}
    assert interleaved({"a": lambda: next(counted)}, 1, watch=Disturbed, spare=0).samples == {"a": [6]}


def test_a_worker_that_its_server_left_behind_is_adopted() -> None:
    code = """
import os, psutil, subprocess
from bench.measure import adopt_orphans
adopt_orphans()
with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!"], stdout=subprocess.PIPE) as server:
    worker = psutil.Process(int(server.stdout.readline()))
    server.wait()
    try:
        print(worker.ppid() == os.getpid())
    finally:
        worker.kill()
"""
    assert results.output_of(sys.executable, "-c", code) == "True"


# The workload and the contenders.


def test_sizes_are_those_of_the_package() -> None:
    from flask_images_vips.geometry import Size, plan
    from flask_images_vips.options.options import Options
    from flask_images_vips.options.values import Mode

    for picture in workload.PICTURES:
        for width, height in ((400, 300), (300, 400), (97, 1000)):
            options = Options(width=width, height=height, mode=Mode.FIT)
            assert workload.fit(picture.size, (width, height)) == plan(Size(*picture.size), options).canvas


def test_no_size_is_asked_for_twice() -> None:
    asked = list(cold.sizes(SMALL))
    assert len(set(asked)) == len(asked) == 800


@pytest.mark.parametrize("operation", [FIT, CROP, PAD, SHARPEN, TRANSFORM], ids=lambda operation: operation.name)
def test_every_contender_makes_what_is_asked_for(operation: workload.Operation) -> None:
    case = Case(SMALL, operation)
    path = workload.write([SMALL])[SMALL.name]
    for contender in CONTENDERS.values():
        if contender.able(case):
            check(contender.name, contender.make()(path, case), case.size, "jpeg")


def test_a_picture_is_kept_between_runs_and_made_anew_when_its_recipe_changes() -> None:
    first = workload.write([SMALL])[SMALL.name]
    at = first.stat().st_mtime_ns
    assert workload.write([SMALL])[SMALL.name].stat().st_mtime_ns == at
    other = Picture(SMALL.name, SMALL.file, SMALL.size, grain=1, save=SMALL.save)
    assert workload.write([other])[SMALL.name] != first


def test_a_cut_out_is_clear_around_and_grainy_within() -> None:
    picture = Picture("cut out", "cut.png", (409, 374), "cup.png")
    with Image.open(workload.write([picture])[picture.name]) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (374, 409, 4)
    assert not pixels[pixels[..., 3] == 0].any()
    assert {0, 255} <= set(np.unique(pixels[..., 3]))


def test_engines_are_measured_with_all_that_a_report_needs() -> None:
    pytest.importorskip("skimage")
    row = engines.measured(Case(SMALL), [OURS, PILLOW, FULL, LIMIT], rounds=2)
    assert row["case"] == "a small JPEG, fit 400×300"
    for name in (OURS, PILLOW, FULL):
        found = row["contenders"][name]
        assert len(found["cpu_ms"]) == len(found["wall_ms"]) == 2
        assert min(found["cpu_ms"]) > 0
        assert found["peak_mb"] > 0 < found["bytes"]
        assert found["ssim"] > 0.9


# Servers that are there wherever this package is.


def test_the_package_and_the_reference_are_served_and_measured(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    folder = tmp_path / "served"
    workload.copy_into(folder / "static", SMALL, [f"{copy}-{SMALL.file}" for copy in range(cold.COPIES)])
    package = servers.ours()[0]
    reference = next(server for server in servers.views() if server.name == sites.FULL_DECODE)
    with servers.running(package, folder) as ours, servers.running(reference, folder) as theirs:
        started = {package.name: ours, reference.name: theirs}
        row = cold.measured(SMALL, started, rounds=1, requests=4, clients=2)
        pids = [pid for server in started.values() for pid in server.tree.pids()]
    assert all(not psutil.pid_exists(pid) for pid in pids)
    for found in row["contenders"].values():
        assert len(found["per_second"]) == 1
        assert found["cpu_ms"][0] > 0
        assert found["ssim"] > 0.9


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    broken = servers.Server("broken", lambda *_: ["sh", "-c", "echo no such thing; exit 3"], lambda _: lambda *_: "/")
    with pytest.raises(RuntimeError, match="broken does not start: no such thing"), servers.running(broken, tmp_path):
        pass


def test_a_server_that_answers_an_error_says_why(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "broken.jpg").write_text("no picture")
    server = servers.threaded()
    wrong = r"(?s)gthread: /imgsizer/broken.jpg.* was answered 422.* Its log: .*broken.jpg"
    with pytest.raises(WrongAnswer, match=wrong), servers.running(server, tmp_path) as here:
        load.get(server.name, here.port, here.url("broken.jpg", 40, 30))


def test_a_server_that_is_missing_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name in ("BENCH_THUMBOR", "BENCH_IPX", "BENCH_IMGPROXY"):
        monkeypatch.delenv(name, raising=False)
    for server in (servers.thumbor(), servers.ipx(), servers.imgproxy()):
        assert f"{server.name} is not installed: " in server.missing


# Nearness.


def test_nearness_is_held_by_value() -> None:
    pytest.importorskip("skimage")
    black, grey = np.zeros((16, 16, 3)), np.full((16, 16, 3), 25.5)
    assert quality.psnr(black, grey) == pytest.approx(20)
    assert quality.psnr(grey, grey) == 99
    assert quality.ssim(grey, grey) == pytest.approx(1)
    assert quality.ssim(black, grey) < 0.1


def test_the_reference_is_the_full_decode_before_its_encoder() -> None:
    pytest.importorskip("skimage")
    path = workload.write([SMALL])[SMALL.name]
    for operation in (FIT, CROP, PAD, SHARPEN):
        case = Case(SMALL, operation, "png")
        found = quality.compared(CONTENDERS[FULL].make()(path, case), path, case)
        assert (found["ssim"], found["psnr"]) == (1, 99)


# Findings and the report.


def results_of(**cpu: list[float]) -> dict[str, Any]:
    """Results of one case of a 6 Mpx JPEG, by what each contender's rounds took."""
    names = {"vips": OURS, "pillow": PILLOW, "full": FULL, "limit": LIMIT, "bare": "bare pyvips"}
    rows = {
        names[name]: {"cpu_ms": times, "wall_ms": times, "idle_mb": 40, "peak_mb": 60, "bytes": 20_000}
        | ({} if name == "limit" else {"ssim": 0.9, "psnr": 30.0})
        for name, times in cpu.items()
    }
    picture = {"name": "6 Mpx JPEG, camera", "size": [3000, 2000], "bytes": 1_500_000, "bits_per_pixel": 2.0}
    return {
        "engines": {
            **about(),
            "rounds": 3,
            "contenders": {},
            "pictures": [{**picture, "photograph": "coffee.jpg", "saved": {"quality": 92}}],
            "cases": [
                {"case": "6 Mpx JPEG, camera, fit 400×300", "picture": picture["name"], "contenders": rows}
                | {"output": "jpeg", "disturbed": 0, "foreign_share": 0.0}
            ],
            "densities": [],
        }
    }


def about() -> dict[str, Any]:
    machine = {"cores": 2, "processor": "a processor", "memory_gb": 8, "system": "Linux", "architecture": "x86_64"}
    return {
        "environment": {"date": "2026-01-02T03:04:05", "revision": "abc", "machine": machine, "versions": {"p": "1"}},
        "quick": False,
    }


def cold_results(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    def row(per_second: list[float], ssim: float) -> dict[str, Any]:
        times = [1000 / rate for rate in per_second]
        columns = dict.fromkeys(("cpu_ms", "client_ms", "median_ms", "p95_ms"), times)
        return {"per_second": per_second, **columns, "ssim": ssim, "psnr": 30.0, "bytes": 20_000}

    case = {"picture": "6 Mpx JPEG, camera", "disturbed": 1, "foreign_share": 0.25}
    contenders = {findings.SERVED: row(ours, 0.905), "thumbor": row(theirs, 0.9), "full decode": row([1, 1], 0.91)}
    served = {"rounds": 2, "clients": 4, "cores": 2, "skipped": ["ipx is not installed"], "servers": {}, "pictures": []}
    return {"cold": {**about(), **served, "cases": [{**case, "contenders": contenders}]}}


def mixed_results(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    def row(per_second: list[float], copies_mb: float) -> dict[str, Any]:
        seconds = [500 / rate for rate in per_second]
        waits = dict.fromkeys(("client_s", "median_ms", "p95_ms"), seconds)
        kept = {"disk_mb": [20 + copies_mb] * 2, "copies_mb": [copies_mb] * 2, "answer_kb": [46.0] * 2}
        return {"per_second": per_second, "cpu_s": seconds, **waits, **kept}

    contenders = {findings.PACKAGE: row(ours, 300.0), "thumbor": row(theirs, 0.0)}
    case = {"load": mixed.ALL, "requests": 750, "disturbed": 0, "foreign_share": 0.0, "contenders": contenders}
    about_all = {"rounds": 2, "clients": 4, "cores": 2, "sources": 200, "widths": [320, 640], "pictures": []}
    return {"mixed": {**about(), **about_all, "skipped": ["ipx is not installed"], "servers": {}, "cases": [case]}}


def found_goal(name: str, given: dict[str, Any]) -> findings.Goal:
    return next(goal for goal in findings.goals(given) if goal.name.startswith(name))


def test_a_goal_that_is_missed_gives_its_reason_in_figures() -> None:
    given = results_of(vips=[25, 25, 26], bare=[25, 25, 25], full=[75, 75, 75], limit=[20, 20, 20])
    goal = found_goal("CPU of a full decode ÷ ours, 6 Mpx JPEG, camera", given)
    assert goal.found == Spread(3, 75 / 26, 3, 3)
    assert (goal.wanted, goal.met) == ("≥ 4", False)
    assert "2.0 bits a pixel" in goal.reason
    assert "take 20.0 of our 25.0 ms, so nothing that makes a picture can gain more than 3.8" in goal.reason
    assert found_goal("CPU of ours ÷ bare pyvips, 6 Mpx JPEG, camera", given).met


def test_a_goal_that_was_not_measured_is_neither_met_nor_missed() -> None:
    goal = found_goal("CPU of a hit", results_of(vips=[1], full=[5], bare=[1], limit=[1]))
    assert (goal.found, goal.met, goal.reason) == (None, False, "")
    assert ("CPU of the front door ÷ nginx' static file", "≤ 1.5", "–", "not measured") in tables.goal_table({}).rows


def test_first_renditions_are_held_against_the_best_other_server() -> None:
    goal = found_goal("First renditions a second, 6 Mpx JPEG, camera", cold_results([90, 95], [100, 100]))
    assert "thumbor (SSIM 0.905 to 0.900)" in goal.name
    assert goal.found == Spread(0.925, 0.9, 0.95, 2)
    assert goal.met
    assert not found_goal("First renditions a second, 6 Mpx JPEG", cold_results([80, 80], [100, 100])).met


def test_where_another_is_better_stands_in_the_table_of_losses() -> None:
    given = results_of(vips=[200, 200], pillow=[100, 100], full=[300, 300], limit=[190, 190])
    (loss,) = findings.losses(given)
    assert (loss.to, loss.ours, loss.theirs, loss.times) == ("pillow", "200 (200–200) ms", "100 (100–100) ms", 2)
    assert loss.reason.startswith("libvips' decoder and encoder alone take 190.0 of our 200.0 ms.")
    assert findings.losses(results_of(vips=[100, 100], pillow=[99, 99], limit=[50, 50])) == []
    (loss,) = findings.losses(cold_results([50, 50], [100, 100]))
    assert (loss.to, loss.times) == ("thumbor", 2)
    assert len(tables.loss_table(cold_results([50, 50], [100, 100])).rows) == 1  # as the goal that it misses


def test_traffic_is_told_with_what_ours_is_of_each() -> None:
    table = tables.mixed_table(mixed_results([40, 50], [20, 20]), short=True)
    assert table.rows == [
        (
            "all requests, 750",
            "this package",
            "45.0 (40.0–50.0)",
            "11.2 (10.0–12.5)",
            "46.0",
            "320 (300 copies)",
            "–",
            "–",
        ),
        ("", "thumbor", "20.0 (20.0–20.0)", "25.0 (25.0–25.0)", "46.0", "20", "2.25 (2.00–2.50)", "0.45 (0.40–0.50)"),
    ]
    assert "ipx is not installed." in table.note
    assert findings.losses(mixed_results([40, 50], [20, 20])) == []
    (loss,) = findings.losses(mixed_results([20, 20], [40, 40]))
    assert (loss.where, loss.to, loss.times) == ("mixed traffic: all requests", "thumbor", 2)
    assert loss.reason.startswith("All took 25.0 s of CPU here and 12.5 s there, and left 320 and 20 MB")


def test_the_page_tells_goals_losses_disturbances_and_what_was_skipped() -> None:
    from bench.report import page

    given = results_of(vips=[25], bare=[25], full=[75], limit=[20]) | cold_results([50, 60], [100, 100])
    text = page(given, {})
    assert '<td class="lost"><span>not met</span></td>' in text
    assert "<tr><td>6 Mpx JPEG, camera, 2.0 bits a pixel</td>" in text  # a label, not a number: it may take two lines
    assert "others took up to 25 % of the processors in 6 Mpx JPEG, camera" in text
    assert "ipx is not installed." in text
    assert "2 cores (a processor)" in text
    assert "http" not in text  # it needs nothing from anywhere


def test_a_page_can_be_made_of_any_part_alone() -> None:
    from bench.report import page

    assert "First renditions, by each server" not in page(results_of(vips=[1], full=[4], bare=[1], limit=[1]), {})
    assert "One rendition, by each engine" not in page(cold_results([1, 1], [1, 1]), {})


def test_the_tables_of_the_readme_are_replaced_and_the_rest_stays() -> None:
    from bench.report import with_tables

    text = "before\n<!-- benchmark -->\nold\n<!-- /benchmark -->\nafter <!-- traffic -->\nkept\n<!-- /traffic -->\n"
    made = with_tables(text, results_of(vips=[25], bare=[25], full=[75], limit=[20]))
    assert made.startswith("before\n<!-- benchmark -->\n")
    assert "| 6 Mpx JPEG, camera, 2.0 bits a pixel | 25.0 | 25.0 | 75.0 | 20.0 | 3.00 | 1.00 |" in made
    assert "\nold\n" not in made
    assert made.endswith("\n<!-- /benchmark -->\nafter <!-- traffic -->\nkept\n<!-- /traffic -->\n")
    with pytest.raises(ValueError, match="no <!-- benchmark -->"):
        with_tables("nothing", results_of(vips=[1], full=[1], bare=[1], limit=[1]))


def test_the_readme_has_the_markers() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for marker in ("benchmark", "traffic"):
        assert readme.count(f"<!-- {marker} -->\n") == readme.count(f"\n<!-- /{marker} -->") == 1


def test_results_are_kept_with_their_machine_and_read_again(tmp_path: Path) -> None:
    path = results.save("cold", {"rounds": 2, "times": [1.5, 2, 3]}, quick=True, folder=tmp_path, thumbor="7")
    assert '"times": [1.5, 2, 3]' in path.read_text()  # a line, not one for each number
    found = results.load(tmp_path)
    assert found == {"cold": json.loads(path.read_text())}
    about = found["cold"]["environment"]
    assert about["versions"]["thumbor"] == "7"
    assert about["machine"]["cores"] >= 1
    assert about["versions"]["libvips"].count(".") == 2
    assert (about["date"][:2], found["cold"]["quick"]) == ("20", True)


def test_a_report_without_results_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run python -m bench all"):
        main(["--results", str(tmp_path), "report"])


def test_a_report_is_one_page_and_its_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    given = results_of(vips=[25, 26], pillow=[30, 31], bare=[25, 25], full=[75, 75], limit=[20, 20])
    for part, data in (given | cold_results([50, 60], [100, 100]) | mixed_results([50, 60], [100, 100])).items():
        (tmp_path / f"{part}.json").write_text(json.dumps(data))
    assert main(["--results", str(tmp_path), "report"]) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 6  # three plots, light and dark
    assert "A site's traffic, by each server" in page
    for name in ("engines", "engines-dark", "cold", "cold-dark", "mixed", "mixed-dark"):
        with Image.open(tmp_path / "plots" / f"{name}.png") as plot:
            assert plot.width > 500


def test_every_part_is_a_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*PARTS, "report", "all"))
