"""Start what `docker/` puts in front of the hosts: HAProxy or nginx, with the very files that are there."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from conftest import ROOT, needs
from nginx.test_nginx import NGINX, listening, written_configuration
from real_servers import until

DOCKER = ROOT / "docker"
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
FRONTS = ("haproxy", "nginx")


class Process:
    """A server with a log of its own, in a process group of its own. It inherits the sockets *listeners*."""

    def __init__(
        self, command: list[str], log: Path, *listeners: socket.socket, cwd: Path | None = None, **variables: str
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=cwd or log.parent,
                env={**os.environ, **variables},
                pass_fds=[listener.fileno() for listener in listeners],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """Kill it and its workers."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()

    def wait(self, port: int) -> None:
        """Wait until it accepts connections and answers the first byte of a response."""
        until(lambda: answers(port), self.process, self.log)


def answers(port: int, timeout: float = 5) -> bool:
    """Whether the server at *port* begins to answer within *timeout* seconds."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.sendall(b"GET /up HTTP/1.0\r\n\r\n")
            return bool(connection.recv(1))
    except OSError:
        return False


def replaced(text: str, values: Mapping[str, str]) -> str:
    """Replace addresses and folders of the configuration *text*. Each must be there."""
    for old, new in values.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


class Nginx:
    """An nginx with one of the configurations of `docker/`, in which *values* are replaced."""

    def __init__(self, folder: Path, name: str, values: Mapping[str, str]) -> None:
        needs("nginx", NGINX, "apt-get install nginx-light")
        folder.mkdir(parents=True, exist_ok=True)
        self._listener = listening()
        self.port: int = self._listener.getsockname()[1]
        here = folder / f"printed-{name}"
        text = (DOCKER / name).read_text()
        here.write_text(replaced(text, {"listen 8080;": f"listen 127.0.0.1:{self.port};", **values}))
        assert NGINX is not None
        descriptor = self._listener.fileno()
        command = [NGINX, "-c", str(written_configuration(folder, here))]
        self._process = Process(command, folder / "nginx.out", self._listener, NGINX=f"{descriptor};")
        self._process.wait(self.port)

    def stop(self) -> None:
        self._process.stop()
        self._listener.close()


class Haproxy:
    """A HAProxy with `docker/haproxy.cfg`, in which *values* are replaced, in front of two hosts."""

    def __init__(self, folder: Path, hosts: list[int], values: Mapping[str, str] | None = None) -> None:
        needs("HAProxy", HAPROXY, "apt-get install haproxy")
        folder.mkdir(parents=True, exist_ok=True)
        self._listeners = [listening(), listening()]
        self.port, self.metrics_port = (int(each.getsockname()[1]) for each in self._listeners)
        here = folder / "haproxy.cfg"
        here.write_text(replaced((DOCKER / "haproxy.cfg").read_text(), values or {}))
        front, metrics = (f"fd@{each.fileno()}" for each in self._listeners)
        assert HAPROXY is not None
        self._process = Process(
            [HAPROXY, "-f", str(here)],
            folder / "haproxy.out",
            *self._listeners,
            FRONT=front,
            METRICS=metrics,
            HOST_A=f"127.0.0.1:{hosts[0]}",
            HOST_B=f"127.0.0.1:{hosts[1]}",
        )
        self._process.wait(self.port)

    def stop(self) -> None:
        self._process.stop()
        for listener in self._listeners:
            listener.close()


def start_front(kind: str, folder: Path, hosts: list[int]) -> Haproxy | Nginx:
    """Start a front of a *kind* of `FRONTS` before two hosts, whose nginx listen at the ports *hosts*."""
    if kind == "haproxy":
        return Haproxy(folder, hosts)
    addresses = {f"host-{name}:8080": f"127.0.0.1:{port}" for name, port in zip("ab", hosts, strict=True)}
    return Nginx(folder, "nginx-front.conf", addresses)
