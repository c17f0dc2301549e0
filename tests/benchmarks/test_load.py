"""Every answer is counted, and a wrong one fails the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import load, servers, workload
from bench.measure import WrongAnswer
from benchmarks.conftest import SMALL, answering, here


def test_a_server_that_answers_errors_fails_the_run() -> None:
    with answering(503, b"busy") as port:
        with pytest.raises(WrongAnswer, match=r"a server: /x was answered 503: b'busy'"):
            load.ask_all("a server", port, here(), ["/x"] * 4, clients=2)
        with pytest.raises(WrongAnswer, match="answered 503"):
            load.ask_again("a server", port, here(), "/x", 1, 2)


def test_a_server_that_is_not_there_fails_the_run() -> None:
    with pytest.raises(WrongAnswer, match="was not answered"):
        load.ask_all("nobody", servers.free_port(), here(), ["/x"], clients=1)


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


def test_requests_that_are_sent_at_once_are_counted_by_status(tmp_path: Path) -> None:
    workload.copy_into(tmp_path / "static", SMALL, [SMALL.file])
    server = servers.threaded()
    with servers.running(server, tmp_path) as running:
        urls = [running.url(SMALL.file, 90, 60), "/missing"] * 8
        assert load.ask_at_once(running.port, running.tree, urls) == {"200": 8, "404": 8}
