"""Send requests to a server: with clients that keep every answer for checking, with wrk, or all at one moment."""

from __future__ import annotations

import http.client
import os
import re
import resource
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bench.measure import Tree, WrongAnswer, percentile

TIMEOUT_SECONDS = 60
ANSWER_BYTES = 1_000_000  # more than any answer has
WRK = shutil.which("wrk")
# Read errors are ignored, because some versions of wrk count one if a server closes a connection as it announced.
_TROUBLE = re.compile(
    r"Non-2xx or 3xx responses: \d+|Socket errors: (?:connect [1-9].*|.*write [1-9].*|.*timeout [1-9].*)"
)


@dataclass(frozen=True, slots=True)
class Load:
    """The cost of *requests*: wall seconds, CPU seconds of the server's processes and of the client, and each wait."""

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
    """A client with one connection, which it reuses unless the server closes it."""

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
    """Return the answer of the server *name* to *url*.

    Raises:
        WrongAnswer: If there is none, or its status is not 200.
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
    """Request each of *urls* once, by several *clients*. Returns the cost, and the answers in the order of *urls*.

    Raises:
        WrongAnswer: If one of them is not answered with 200.
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
    """Request *url* again and again for some *seconds*, by wrk or, if it is missing, by `ask_all`.

    The *waits* of the result are their median and 99th percentile.

    Raises:
        WrongAnswer: If the status of an answer is not 200.
    """
    expected = get(name, port, url)
    if WRK is None:
        urls = [url] * max(50, round(400 * seconds))
        load, bodies = ask_all(name, port, tree, urls, clients)
        if any(body != expected for body in bodies):
            raise WrongAnswer(f"{name}: {url} has several answers")
        return replace(load, waits=[percentile(load.waits, share) for share in (0.5, 0.99)])
    command = [WRK, "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--latency", f"http://127.0.0.1:{port}{url}"]
    server, client = tree.cpu_seconds(), _children_cpu()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + TIMEOUT_SECONDS, check=True)
    return read_wrk(name, done.stdout, len(expected), tree.cpu_seconds() - server, _children_cpu() - client)


def read_wrk(name: str, text: str, body_bytes: int, server_cpu: float, client_cpu: float) -> Load:
    """Read the report *text* of wrk about answers of *body_bytes* each.

    Raises:
        WrongAnswer: If wrk had errors, no answers, or incomplete ones.
    """
    if trouble := _TROUBLE.search(text):
        raise WrongAnswer(f"{name}: {trouble[0]}")
    done = re.search(r"(\d+) requests in ([\d.]+)(m?s), ([\d.]+)([KMG]?)B read", text)
    if done is None or int(done[1]) == 0:
        raise WrongAnswer(f"{name}: wrk had no answer: {text[-300:]}")
    read = float(done[4]) * 1024 ** " KMG".index(done[5] or " ")
    if read < 0.98 * int(done[1]) * body_bytes:  # wrk rounds the bytes that it reports
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


def ask_at_once(port: int, tree: Tree, urls: Sequence[str]) -> Counter[str]:
    """Do as `ask_all_at_once` with one server."""
    return ask_all_at_once([(port, tree, urls)])


def ask_all_at_once(requests: Sequence[tuple[int, Tree, Sequence[str]]]) -> Counter[str]:
    """Request all URLs at the same moment, each by a client of its own. Returns the number of answers per status.

    *requests* are the port and the processes of each server, and its URLs.

    In production, clients run on other machines and use none of the server's CPU time. Here, the workers are stopped
    until all requests are sent, each socket holds a whole answer, and one thread of low priority reads them all.
    """
    workers = [worker for _, tree, _ in requests for worker in tree.roots[0].children()]
    for worker in workers:
        worker.suspend()
    try:
        clients = [_send(port, url) for port, _, urls in requests for url in urls]
    finally:
        for worker in workers:
            worker.resume()
    with ThreadPoolExecutor(1, initializer=_lower_priority) as pool:
        return pool.submit(_statuses, clients).result()


def _send(port: int, url: str) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ANSWER_BYTES)
    client.settimeout(TIMEOUT_SECONDS)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {url} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
    return client


def _lower_priority() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # on Linux, of this thread alone


def _statuses(clients: Sequence[socket.socket]) -> Counter[str]:
    """Read all answers. Those that fail are counted by the name of the error."""
    found: Counter[str] = Counter()
    for client in clients:
        try:
            with client, http.client.HTTPResponse(client) as response:
                response.begin()
                response.read()
                found[str(response.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            found[type(error).__name__] += 1
    return found
