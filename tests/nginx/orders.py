"""All that may happen to the front door, in any order: real applications, and an nginx that tells what it sends."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from conftest import share, url_of
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from PIL import Image
from servers import IN_THREAD

from flask_images_vips import Images
from flask_images_vips.cache.entry import Entry
from flask_images_vips.nginx import front_door
from flask_images_vips.nginx.switch import FOLDER_NAME
from flask_images_vips.serving.hit import Hit, verify
from flask_images_vips.serving.responses import respond
from flask_images_vips.state import AppImages, images_of

STEPS = 50
EXAMPLES = max(1, share(10_000, 40) // STEPS)
SOURCES = ("a.png", "b.png")
ANY = st.integers(0, 99)  # an index, modulo the number of things
ASKED = 299  # the status by which nginx tells that it asked the application
CHECKED_URLS = 24
LONG_AGO = 1_700_000_000

Meanwhile = st.sampled_from(("nothing", "nothing", "purge", "take down", "forbid", "deploy", "look", "empty"))


@dataclass
class Worker:
    """A process with the configuration *setting*. It is *opened* by its first request."""

    app: Flask
    setting: str
    opened: bool = False

    @property
    def images(self) -> AppImages:
        return images_of(self.app)


@dataclass
class Render:
    """A request whose response is not made yet. The source and the permission may change before it is."""

    worker: Worker
    url: str
    name: str
    hit: Hit
    data: bytes

    def entry(self) -> Entry:
        """The entry of the response, stored now, as by a render that began before a purge."""
        path, mtime_ns = self.hit.path, self.hit.rendition.mtime_ns
        assert path is not None
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
            Path(path).write_bytes(self.data)
            os.utime(path, ns=(mtime_ns, mtime_ns))
        entry = self.hit.entry()
        assert entry is not None
        return entry


@dataclass
class Url:
    """A URL that was requested. *sent* are the bodies of the responses of the configuration that it was made for."""

    setting: str
    sources: tuple[str, ...]
    sent: set[bytes] = field(default_factory=set)


class Orders(RuleBasedStateMachine):
    """Workers of changing configurations, renders that end late, purges, replaced sources, and files of others.

    The invariant: for each URL, nginx sends what the configuration in force would send, or asks the application. In
    force is the one whose process was started last, once it has handled a request. A source that was replaced may be
    sent as it was until a process in force looks at it, or somebody purges it.
    """

    folder: ClassVar[Path]
    ask: ClassVar[Callable[[str, str], tuple[int, bytes]]]  # a host and a URL → what nginx sends

    def __init__(self) -> None:
        super().__init__()
        self.cache, self.elsewhere = self.folder / "cache", self.folder / "elsewhere"
        self.static, self.foreign = self.folder / "static", self.folder / "foreign"
        for path in (self.cache, self.elsewhere, self.static, self.foreign, self.folder / "judge"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.static, self.elsewhere, self.foreign / "aa"):
            path.mkdir(parents=True)
        (self.foreign / "aa" / "kept").symlink_to("nowhere")
        self.number = itertools.count(1)
        self.seconds = defaultdict(lambda: LONG_AGO)
        self.private: set[str] = set()
        self.unseen: set[str] = set()  # replaced, and nobody has looked at them since
        self.workers: list[Worker] = []
        self.renders: list[Render] = []
        self.urls: dict[str, Url] = {}
        self.judges: dict[str, Flask] = {}
        for name in SOURCES:
            self.replace(name, same_second=False)

    @initialize()
    def begin(self) -> None:
        self.start_worker("one")
        self.worker(0)

    def teardown(self) -> None:
        assert [str(path.relative_to(self.foreign)) for path in self.foreign.rglob("*")] == ["aa", "aa/kept"]

    # Processes.

    def application(self, setting: str, cache: Path) -> Flask:
        app = Flask("site", root_path=str(self.folder))
        app.config.update({"SECRET_KEY": "any", "IMAGES_CACHE": str(cache), "IMAGES_ENGINE": "pillow", **IN_THREAD})
        app.config.update({"IMAGES_FRONT_DOOR": True, **self.configurations()[setting]})
        images = Images(app)
        images.authorize(lambda name, options: name not in self.private and images.PUBLIC)
        return app

    def configurations(self) -> dict[str, dict[str, Any]]:
        return {
            "one": {},
            "two": {"IMAGES_ALLOWED_WIDTHS": [4]},
            "hash": {"IMAGES_VERSION": "hash"},
            "moved": {"IMAGES_FRONT_DOOR": str(self.elsewhere)},
            "off": {"IMAGES_FRONT_DOOR": False},
        }

    @rule(setting=st.sampled_from(("one", "one", "two", "hash", "moved", "off")))
    def start_worker(self, setting: str) -> None:
        self.clean_up()
        self.workers.append(Worker(self.application(setting, self.cache), setting))

    def worker(self, index: int) -> Worker:
        """A worker that handles a request, which may be its first one. Every other time, it is the newest."""
        worker = self.workers[-1 if index % 2 else index % len(self.workers)]
        if not worker.opened:
            worker.opened = True
            with worker.app.test_request_context():
                assert worker.images.pipeline
        return worker

    @property
    def in_force(self) -> Worker:
        return max((worker for worker in self.workers if worker.opened), key=lambda worker: worker.images.started_ns)

    # Requests.

    @rule(index=ANY, name=st.sampled_from(SOURCES), width=st.sampled_from((4, 6)), marked=st.booleans())
    def respond(self, index: int, name: str, width: int, marked: bool) -> None:
        if self.has_begun(index, name, width, marked):
            self.end_render(len(self.renders) - 1, "nothing")

    @rule(index=ANY, name=st.sampled_from(SOURCES), width=st.sampled_from((4, 6)), marked=st.booleans())
    def begin_render(self, index: int, name: str, width: int, marked: bool) -> None:
        self.has_begun(index, name, width, marked)

    def has_begun(self, index: int, name: str, width: int, marked: bool) -> bool:
        if name in self.private or not (self.static / name).exists():
            self.replace(name, same_second=False)
        worker, other = self.worker(index), SOURCES[name == SOURCES[0]]
        sources = (name, other) if marked else (name,)
        if any(source in self.private or not (self.static / source).exists() for source in sources):
            return False
        if worker.setting == "two" and width != 4:
            return False
        options = {"watermark": f"{other},center,0,1,0.5"} if marked else {}
        url = url_of(worker.app, name, width=width, format="png", **options)
        self.urls.setdefault(url, Url(worker.setting, sources))
        with worker.app.test_request_context(url):
            path, _, query = url.removeprefix("/imgsizer/").partition("?")
            hit = verify(worker.images, path, query.encode(), "").hit()
            rendition, entry = worker.images.pipeline.entry(hit.url, hit.rendition)
            assert rendition == hit.rendition
            with entry:
                self.renders.append(Render(worker, url, name, hit, entry.read()))
        self.noticed(worker, *sources)
        del self.renders[:-3]
        return True

    @precondition(lambda self: self.renders)
    @rule(index=ANY, meanwhile=Meanwhile)
    def end_render(self, index: int, meanwhile: str) -> None:
        """Make the response. *meanwhile* happens at the last moment before the link is made."""
        render = self.renders.pop(index % len(self.renders))
        make_link = front_door.make_link

        def late(*arguments: Any) -> None:
            self.do(meanwhile, index, render.name)
            render.entry().close()
            make_link(*arguments)

        with mock.patch.object(front_door, "make_link", late), render.worker.app.test_request_context(render.url) as to:
            response = respond(render.hit, render.entry(), "public", to.request.environ)
            self.urls[render.url].sent.add(response.get_data())

    def do(self, what: str, index: int, name: str) -> None:
        actions: dict[str, Callable[[], object]] = {
            "purge": lambda: self.purge(index, name),
            "take down": lambda: self.take_down(index, name),
            "forbid": lambda: self.forbid(index, name),
            "deploy": lambda: (self.start_worker("two" if index % 3 else "one"), self.worker(1)),
            "look": lambda: (self.replace(name, same_second=bool(index % 3)), self.look(index, name)),
            "empty": lambda: self.empty(index),
        }
        actions.get(what, lambda: None)()

    @rule(index=ANY, name=st.sampled_from(SOURCES))
    def look(self, index: int, name: str) -> None:
        """A page shows a source, or would if it were there."""
        worker = self.worker(index)
        with worker.app.test_request_context(), contextlib.suppress(Exception):
            url_of(worker.app, name, width=4)
        self.noticed(worker, name)

    def noticed(self, worker: Worker, *names: str) -> None:
        if worker.setting == self.in_force.setting:
            self.unseen.difference_update(names)

    # Sources.

    @rule(name=st.sampled_from(SOURCES), same_second=st.booleans())
    def replace(self, name: str, same_second: bool) -> None:
        """By a picture of another colour, and allow it again."""
        number = next(self.number)
        if not same_second:
            self.seconds[name] += 1
        Image.new("RGB", (8, 8), (number % 256, number // 256, len(self.private))).save(self.folder / "new.png")
        time_ns = self.seconds[name] * 1_000_000_000 + number
        os.utime(self.folder / "new.png", ns=(time_ns, time_ns))
        (self.folder / "new.png").replace(self.static / name)
        self.unseen.add(name)
        self.private.discard(name)

    @rule(index=ANY, name=st.sampled_from(SOURCES))
    def take_down(self, index: int, name: str) -> None:
        (self.static / name).unlink(missing_ok=True)
        self.purge(index, name)

    @rule(index=ANY, name=st.sampled_from(SOURCES))
    def forbid(self, index: int, name: str) -> None:
        self.private.add(name)
        self.purge(index, name)

    @rule(index=ANY, name=st.sampled_from(SOURCES))
    def purge(self, index: int, name: str) -> None:
        """By the command of any configuration."""
        self.command(index, name)
        self.unseen.discard(name)

    @rule(index=ANY)
    def empty(self, index: int) -> None:
        self.command(index, "--front")
        self.unseen.clear()

    def command(self, index: int, what: str) -> None:
        (self.cache / FOLDER_NAME).mkdir(parents=True, exist_ok=True)
        worker = self.workers[index % len(self.workers)]
        # A process of its own, which has seen nothing.
        closed = worker.setting == "off" and what == "--front"  # the command says that there are no links to remove
        app = self.application("one" if closed else worker.setting, self.cache)
        images_of(app).started_ns = worker.images.started_ns
        result = app.test_cli_runner().invoke(args=["images", "purge", what])
        assert result.exit_code == 0 or "Nothing is cached" in result.output, result.output

    # Files.

    @rule()
    def evict(self) -> None:
        self.clean_up()
        for path in (self.cache / FOLDER_NAME).glob("??/*/*"):
            path.unlink()

    @rule(what=st.sampled_from(("lock", "folder", "shard", "gates", "link", ".stamp")))
    def plant(self, what: str) -> None:
        """Put a symbolic link to a foreign folder, or another foreign file, in place of a file of the door."""
        patterns = {"folder": "", "shard": "??", "gates": "of-*", "link": "??/*"}
        for folder in self.folders():
            if what == ".stamp":
                with contextlib.suppress(FileExistsError):
                    os.mkfifo(folder / what)
            found = [folder] if what == "folder" else sorted(folder.glob(patterns.get(what, "nothing")))
            for path in (path for path in found if not path.parent.is_symlink()):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                path.mkdir() if what == "link" else path.symlink_to(self.foreign)
                break
        if what == "lock":
            (self.cache / FOLDER_NAME / "locks").mkdir(parents=True, exist_ok=True)
            lock = self.cache / FOLDER_NAME / "locks" / "front.lock"
            lock.unlink(missing_ok=True)
            lock.symlink_to(self.foreign / "lock")

    def clean_up(self) -> None:
        """Remove what is foreign."""
        for path in (*self.cache.rglob("*"), *self.elsewhere.rglob("*")):
            if path.is_symlink() and str(path.readlink()).startswith(str(self.foreign)):
                path.unlink()
            elif path.name.endswith(".png") and path.is_dir() and not path.is_symlink():
                path.rmdir()

    def folders(self) -> list[Path]:
        """The folders of links."""
        found = (*(self.cache / FOLDER_NAME).glob("front.*"), *self.elsewhere.glob(f"{FOLDER_NAME}.*"))
        return [path for path in found if path.is_dir() and not path.is_symlink()]

    # What nginx sends.

    def answers(self) -> Iterator[tuple[str, Url, int, bytes]]:
        for url, known in list(self.urls.items())[-CHECKED_URLS:]:
            for host in ("own.example", "moved.example"):
                status, body = type(self).ask(host, url)
                if status != ASKED:
                    yield url, known, status, body

    def would_send(self, url: str) -> tuple[int, bytes]:
        """The response of the configuration in force, in a process that sees how all is now."""
        setting = self.in_force.setting
        judge = self.judges.get(setting)
        if judge is None:
            judge = self.judges[setting] = self.application(setting, self.folder / "judge" / setting)
            judge.config["IMAGES_FRONT_DOOR"] = False
        response = judge.test_client().get(url)
        return response.status_code, response.data

    @invariant()
    def nginx_sends_what_the_application_would_send(self) -> None:
        for url, known, status, body in self.answers():
            assert self.in_force.setting != "off", url
            right = self.would_send(url)
            if self.unseen.intersection(known.sources):
                assert (status, body in known.sent) == (right[0], True), url
            else:
                assert (status, body) == right, url


SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # shrinking would take minutes
    suppress_health_check=list(HealthCheck),
)
