"""Start what `docker/compose.yaml` describes, without Docker: the same files, with ports and folders of the test.

Two hosts, each with nginx, a gunicorn for pages and one for images around a disk cache of its own; HAProxy or nginx in
front of them; an object store and Redis behind them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
from pathlib import Path

from nginx.test_nginx import Answer, ask
from pool.shared import processes
from real_servers import RedisServer, StoreServer
from servers import environment, until

from topology.fronts import DOCKER, FRONTS, Haproxy, Nginx, Process, start_front

_RENDERED = re.compile(r"^images_rendered_total\{[^}]*\} ([0-9.]+)$", re.MULTILINE)


class Pool:
    """One gunicorn of a host, with `docker/app.py` and `docker/gunicorn.conf.py`. It keeps its port."""

    def __init__(self, folder: Path, name: str, variables: dict[str, str]) -> None:
        self._log = folder / f"{name}.log"
        self._variables = variables
        self.port = 0
        self.start()

    def start(self, **variables: str) -> None:
        """Start it, without waiting until it answers. *variables* are added to its environment."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=511)
        self.port = self._listener.getsockname()[1]
        # Docker's file binds an address. The socket of the test has that address already.
        bind = f"fd://{self._listener.fileno()}"
        self._process = Process(
            [sys.executable, "-m", "gunicorn", "app:app"],
            self._log,
            self._listener,
            cwd=DOCKER,
            **environment(BIND=bind, PYTHONDONTWRITEBYTECODE="1", **{**self._variables, **variables}),
        )

    def wait(self) -> None:
        self._process.wait(self.port)

    def kill(self) -> None:
        """Kill it, and refuse connections until it is started again."""
        self._process.stop()
        self._listener.close()
        until(self._is_free, "its workers have ended too")

    def _is_free(self) -> bool:
        try:
            socket.create_server(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        return self._log.read_text()


class Host:
    """nginx with its front door, and two pools behind it."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        folder.mkdir()
        self.runtime = folder / "run"
        self.runtime.mkdir(mode=0o700)
        cache = folder / "cache"
        variables = {
            **settings,
            "FLASK_IMAGES_CACHE_LOCAL" if "FLASK_IMAGES_CACHE" in settings else "FLASK_IMAGES_CACHE": str(cache),
            "XDG_RUNTIME_DIR": str(self.runtime),
        }
        self.pages = Pool(folder, "pages", variables | {"GUNICORN_CMD_ARGS": "--workers=1"})  # starts in less time
        self.images = Pool(folder, "images", variables)
        self.door = Nginx(  # which waits until it answers, with an error while the pools start
            folder,
            "nginx.conf",
            {
                "127.0.0.1:8000;": f"127.0.0.1:{self.pages.port};",
                "127.0.0.1:8001;": f"127.0.0.1:{self.images.port};",
                "/var/cache/images/": f"{cache}/",
            },
        )

    def wait(self) -> None:
        self.pages.wait()
        self.images.wait()

    def rendered(self) -> int:
        """How many images it has rendered since its first start, as Prometheus hears it."""
        answer = ask(self.door.port, "/metrics/images")
        assert answer.status == 200
        return round(sum(float(value) for value in _RENDERED.findall(answer.body.decode())))

    def signal_renderers(self, number: int) -> None:
        for process in processes(self.runtime):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def stop(self) -> None:
        self.door.stop()
        for pool in (self.pages, self.images):
            pool.kill()


class Topology:
    """All of it, with both kinds of front before the same hosts. Requests go through `front`.

    *store* and *redis* may be None: then the hosts have only their disks.
    """

    def __init__(self, folder: Path, store: StoreServer | None, redis: RedisServer | None) -> None:
        settings = {"FLASK_SECRET_KEY": "a secret"}
        if store is not None:
            settings["FLASK_IMAGES_CACHE"] = f"s3://bucket/{folder.name.replace('_', '-').lower()}"
            settings["FLASK_IMAGES_STORE_OPTIONS"] = json.dumps(store.options)
        if redis is not None:
            settings["FLASK_IMAGES_REDIS"] = redis.url
        self.hosts = [Host(folder / name, settings) for name in ("host-a", "host-b")]
        for host in self.hosts:
            host.wait()
        doors = [host.door.port for host in self.hosts]
        self.fronts: dict[str, Haproxy | Nginx] = {kind: start_front(kind, folder / kind, doors) for kind in FRONTS}
        self.front = self.fronts["haproxy"]

    def get(self, url: str, **headers: str) -> Answer:
        """The answer through the front."""
        return ask(self.front.port, url, **headers)

    def rendered(self) -> list[int]:
        return [host.rendered() for host in self.hosts]

    def stop(self) -> None:
        for front in self.fronts.values():
            front.stop()
        for host in self.hosts:
            host.stop()
