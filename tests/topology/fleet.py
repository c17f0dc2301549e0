"""Start a fleet: several hosts of one site, which share an object store and Redis, and nothing else.

A host is a gunicorn whose disk cache, renderers and log are its own, in a folder that stands for its disk. A test can
start, stop, kill and pause each part, ask each host, and count what each has rendered.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conftest import gradient, url_of
from pool.shared import processes
from real_servers import RedisServer, StoreServer
from servers import PATIENCE_SECONDS, Answer, Server, asked, site

OPTIONS = ("--workers=2", "--threads=40", "--graceful-timeout=5")


class Host:
    """One host. Its *folder* is its disk."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        folder.mkdir()
        self.name = folder.name
        self.folder = folder
        self.runtime = folder / "run"
        self.runtime.mkdir(mode=0o700)
        self._server = Server(folder, config, "")

    def start(self, *options: str, **variables: str) -> None:
        """Start gunicorn, at the same port as before."""
        self._server.start_gunicorn(*OPTIONS, *options, XDG_RUNTIME_DIR=str(self.runtime), **variables)
        self._server.wait()

    @property
    def port(self) -> int:
        return self._server.port

    def get(self, url: str, **headers: str) -> Answer:
        return self._server.get(url, **headers)

    def asked(self, url: str) -> Answer | BaseException:
        """The answer to *url*, or the error of the connection."""
        return asked(self._server, url)

    def rendered(self) -> list[str]:
        """The lines of its log that tell of renders, in the order in which they ended."""
        return self._server.rendered() if self._server.log.exists() else []

    def warnings(self) -> Counter[str]:
        """How often it has logged each warning and error, in all of its processes."""
        kinds: Counter[str] = Counter()
        for (_, message), count in self._server.warnings().items():
            kinds[message] += count
        return kinds

    def log(self) -> str:
        return self._server.log.read_text()

    def pause(self) -> None:
        """Stop all of its processes, as a machine that hangs: its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill all of its processes at once, as when the power fails. Its disk stays."""
        process = self._server.process
        if process is not None:
            self._signal(signal.SIGKILL)
            process.wait()
            self._server.process = None

    def stop(self) -> None:
        """Let it end in an orderly way. It must not be paused."""
        self._server.stop()
        self._server.process = None

    def _signal(self, number: int) -> None:
        if self._server.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._server.process.pid, number)
        for process in processes(self.runtime):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


class Fleet:
    """Hosts that share the originals in *pictures*, the bucket of *store* and *redis*, each of which may be None.

    The keywords are the configuration of each host. *app* is the same site in this process, to build URLs; it has
    neither store nor Redis.
    """

    def __init__(self, folder: Path, store: StoreServer | None, redis: RedisServer | None, **config: Any) -> None:
        self.folder = folder
        self.pictures = folder / "pictures"
        self.pictures.mkdir()
        self.hosts: list[Host] = []
        shared: dict[str, Any] = {"IMAGES_PATH": [str(self.pictures)]}
        if store is not None:
            prefix = f"s3://bucket/{folder.name.replace('_', '-').lower()}"
            shared |= {"IMAGES_CACHE": prefix, "IMAGES_CACHE_LOCAL": "cache", "IMAGES_STORE_OPTIONS": store.options}
        if redis is not None:
            shared |= {"IMAGES_REDIS": redis.url}
        self.config = {**shared, **config}
        local = {key: value for key, value in self.config.items() if key not in ("IMAGES_CACHE", "IMAGES_REDIS")}
        self.app = site(folder, **{**local, "IMAGES_CACHE": "urls"})

    def add_host(self, *options: str, **config: Any) -> Host:
        """Start another host, whose disk is empty. The keywords differ from the configuration of the others."""
        host = Host(self.folder / f"host-{len(self.hosts) + 1}", {**self.config, **config})
        self.hosts.append(host)
        host.start(*options)
        return host

    def draw(self, name: str, size: tuple[int, int] = (64, 48)) -> str:
        """Draw an original that all hosts have, and return its name."""
        gradient(size).save(self.pictures / name)
        return name

    def url(self, name: str, **keywords: Any) -> str:
        return url_of(self.app, name, **keywords)

    def rendered(self) -> dict[str, int]:
        """The number of renders of each host."""
        return {host.name: len(host.rendered()) for host in self.hosts}

    def stop(self) -> None:
        for host in self.hosts:
            host.resume()
            host.stop()


def all_at_once(requests: Iterable[tuple[Host, str]]) -> list[Answer | BaseException]:
    """Send each request in its own thread, all at the same moment. Returns the answers in their order."""
    todo = list(requests)
    barrier = threading.Barrier(len(todo))
    answers: list[Answer | BaseException] = [TimeoutError("this request did not end")] * len(todo)

    def ask(index: int) -> None:
        host, url = todo[index]
        barrier.wait(PATIENCE_SECONDS)
        answers[index] = host.asked(url)

    threads = [threading.Thread(target=ask, args=(index,), daemon=True) for index in range(len(todo))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return answers
