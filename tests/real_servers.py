"""Start the servers that several hosts of a site share: an object store, Redis, and a proxy that cuts connections."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

PATIENCE_SECONDS = 60


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class StoreServer(NamedTuple):
    """A running object store that speaks the protocol of S3, with the bucket ``bucket``."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def options(self) -> dict[str, str]:
        """``IMAGES_STORE_OPTIONS`` for this server."""
        return store_options(self.port)


def store_options(port: int) -> dict[str, str]:
    """``IMAGES_STORE_OPTIONS`` for the store, or a proxy before it, on *port*."""
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key_id": "key",
        "secret_access_key": "secret",
        "region": "us-east-1",
    }


def weed() -> str | None:
    """The path of SeaweedFS, or None if it is not installed."""
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else shutil.which("weed")


@contextlib.contextmanager
def object_store() -> Iterator[StoreServer]:
    """Run SeaweedFS. It takes about three seconds to start."""
    command = weed()
    assert command is not None
    folder = Path(tempfile.mkdtemp(prefix="images-weed-"))
    keys = {"accessKey": "key", "secretKey": "secret"}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    (folder / "s3.json").write_text(
        json.dumps({"identities": [{"name": "tests", "credentials": [keys], "actions": actions}]})
    )
    # weed serves gRPC on each port plus 10,000 unless it is given another one.
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    grpc = {f"{name}.port.grpc": free_port() for name in ports}
    arguments = {
        **{f"{name}.port": port for name, port in ports.items()},
        **grpc,
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": folder / "s3.json",
        "filer.localSocket": folder / "filer.sock",
        "master.volumeSizeLimitMB": 64,
        "volume.max": 50,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [command, "server", "-filer", "-s3", *(f"-{name}={value}" for name, value in arguments.items())],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: _answers(f"http://127.0.0.1:{ports['s3']}/"), process, folder / "log")
        until(lambda: _makes_bucket(ports["filer"]), process, folder / "log")
        yield StoreServer(ports["s3"], process)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def until(
    condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None, log: Path | None = None
) -> None:
    """Wait until *condition* holds, while *process* runs. Its *log* is part of the error."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        ended = process is not None and process.poll() is not None
        text = log.read_text()[-2000:] if log is not None else ""
        assert not ended, f"the server has ended: {text}"
        assert time.monotonic() < end, f"waited for {PATIENCE_SECONDS} s: {text}"
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _makes_bucket(filer: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{filer}/buckets/bucket/", method="POST")
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except OSError:
        return False
    return True


class RedisServer:
    """A real redis-server on a port of its own, which can be stopped and started again with an empty memory."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        arguments = ["--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder), *self._more]
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), *arguments], stdout=subprocess.DEVNULL
        )
        until(self._listens, self._process)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def stall(self) -> None:
        """Let it answer nothing, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Proxy:
    """A TCP proxy on loopback in front of *port*, which can refuse, delay, stall or cut connections."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.refuses = False
        self.delay_seconds = 0.0
        self.passes = threading.Event()
        self.passes.set()
        self.connections = 0
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def cut(self) -> None:
        """End all connections."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.passes.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        for each in (self._listener, *self._sockets):
            each.close()

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self.connections += 1
                server = None
                with contextlib.suppress(OSError):
                    server = None if self.refuses else socket.create_connection(("127.0.0.1", self._target))
                if server is None:
                    client.close()
                    continue
                self._sockets.append(server)
                self._start(self._copy, client, server)
                self._start(self._copy, server, client)

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.passes.wait()
                time.sleep(self.delay_seconds)
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
