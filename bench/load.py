"""Who asks? A client that reads every answer whole and keeps it to be checked, and wrk where answers are all one."""

from __future__ import annotations

import http.client
import re
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.measure import Tree, WrongAnswer

TIMEOUT_SECONDS = 60
WRK = shutil.which("wrk")
# Errors of reading are left out: so some versions of wrk count the end of a connection that the server announced.
_TROUBLE = re.compile(
    r"Non-2xx or 3xx responses: \d+|Socket errors: (?:connect [1-9].*|.*write [1-9].*|.*timeout [1-9].*)"
)


@dataclass(frozen=True, slots=True)
class Load:
    """What *requests* cost: seconds by the clock, CPU of the server's tree and of the client, and each one's wait."""

    requests: int
    wall: float
    server_cpu: float
    client_cpu: float
    waits: list[float]

    @property
    def per_second(self) -> float:
        return self.requests / self.wall

    @property
    def server_ms(self) -> float:
        return 1000 * self.server_cpu / self.requests

    @property
    def client_ms(self) -> float:
        return 1000 * self.client_cpu / self.requests


class Client:
    """One connection, kept where the server keeps it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)

    def get(self, url: str) -> tuple[int, bytes]:
        self._connection.request("GET", url)
        response = self._connection.getresponse()
        body = response.read()
        if response.will_close:
            self._connection.close()
        return response.status, body

    def close(self) -> None:
        self._connection.close()


def get(name: str, port: int, url: str) -> bytes:
    """The answer of the contender *name* to *url*.

    Raises:
        WrongAnswer: it is none, or no 200.
    """
    client = Client(port)
    try:
        status, body = client.get(url)
    except (OSError, http.client.HTTPException) as error:
        raise WrongAnswer(f"{name}: {url} was not answered ({type(error).__name__}: {error})") from error
    finally:
        client.close()
    if status != 200:
        raise WrongAnswer(f"{name}: {url} was answered {status}: {body[:200]!r}")
    return body


def ask_all(name: str, port: int, tree: Tree, urls: Sequence[str], clients: int) -> tuple[Load, list[bytes]]:
    """Each of *urls* once, by so many *clients*, and the answers in the order of *urls*.

    Raises:
        WrongAnswer: one is not answered with 200.
    """
    bodies: list[bytes] = [b""] * len(urls)
    waits = [0.0] * len(urls)
    wrong: list[str] = []
    turns = iter(range(len(urls)))
    lock = threading.Lock()

    def work() -> None:
        client = Client(port)
        while not wrong:
            with lock:
                index = next(turns, None)
            if index is None:
                break
            begin = time.perf_counter()
            try:
                status, bodies[index] = client.get(urls[index])
            except (OSError, http.client.HTTPException) as error:
                wrong.append(f"{urls[index]} was not answered ({type(error).__name__}: {error})")
                break
            waits[index] = time.perf_counter() - begin
            if status != 200:
                wrong.append(f"{urls[index]} was answered {status}: {bodies[index][:200]!r}")
        client.close()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    server, client, begin = tree.cpu_seconds(), time.process_time(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - begin
    load = Load(len(urls), wall, tree.cpu_seconds() - server, time.process_time() - client, waits)
    if wrong:
        raise WrongAnswer(f"{name}: {wrong[0]}")
    return load, bodies


def ask_again(name: str, port: int, tree: Tree, url: str, seconds: float, clients: int) -> Load:
    """One *url* for so many *seconds*, by wrk, or by `ask_all` where it is missing. *waits* are the median and p99.

    Raises:
        WrongAnswer: an answer is no 200.
    """
    expected = get(name, port, url)
    if WRK is None:
        urls = [url] * max(50, round(400 * seconds))
        load, bodies = ask_all(name, port, tree, urls, clients)
        if any(body != expected for body in bodies):
            raise WrongAnswer(f"{name}: {url} has several answers")
        waits = sorted(load.waits)
        return Load(
            load.requests,
            load.wall,
            load.server_cpu,
            load.client_cpu,
            [waits[len(waits) // 2], waits[len(waits) * 99 // 100]],
        )
    command = [WRK, "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--latency", f"http://127.0.0.1:{port}{url}"]
    server, client = tree.cpu_seconds(), _children_cpu()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + TIMEOUT_SECONDS, check=True)
    return read_wrk(name, done.stdout, len(expected), tree.cpu_seconds() - server, _children_cpu() - client)


def read_wrk(name: str, text: str, body_bytes: int, server_cpu: float, client_cpu: float) -> Load:
    """What wrk reports of answers that have *body_bytes* each.

    Raises:
        WrongAnswer: it met errors, nothing was answered, or less than whole answers.
    """
    if trouble := _TROUBLE.search(text):
        raise WrongAnswer(f"{name}: {trouble[0]}")
    done = re.search(r"(\d+) requests in ([\d.]+)(m?s), ([\d.]+)([KMG]?)B read", text)
    if done is None or int(done[1]) == 0:
        raise WrongAnswer(f"{name}: wrk had no answer: {text[-300:]}")
    read = float(done[4]) * 1024 ** " KMG".index(done[5] or " ")
    if read < 0.98 * int(done[1]) * body_bytes:  # wrk rounds what it read
        raise WrongAnswer(f"{name}: {int(done[1])} answers of {body_bytes} bytes, but {read:.0f} bytes read")
    wall = float(done[2]) / (1000 if done[3] == "ms" else 1)
    waits = [
        float(value) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]
        for value, unit in re.findall(r"(?:50|99)%\s+([\d.]+)(us|ms|s)", text)
    ]
    return Load(int(done[1]), wall, server_cpu, client_cpu, waits)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
