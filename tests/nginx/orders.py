"""A model of the front door, and all that may happen to it, in any order."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from conftest import share
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flask_images_vips.hashing import digest
from flask_images_vips.nginx.front_door import FrontDoor
from flask_images_vips.nginx.switch import CLOSED, FOLDER_NAME
from flask_images_vips.options.options import Options
from flask_images_vips.urls import ImageUrl

STEPS = 50
SOURCES = st.sampled_from("ab")
ANY = st.integers(0, 99)  # an index, modulo the number of things
SHARDS = ("aa", "bb")


@dataclass
class Source:
    """A picture of the site. *content* is None if it was taken down. *sent* are the contents of each version that nginx
    may send: those that it was before, if nothing has noticed a change yet."""

    name: str
    content: int | None = None
    version: int = 0
    private: bool = False
    sent: dict[int, set[int]] = field(default_factory=dict)

    def forget(self) -> None:
        """Nginx may send what the application would, and nothing else."""
        self.sent.clear()
        if self.content is not None and not self.private:
            self.sent[self.version] = {self.content}


@dataclass
class Worker:
    """A process. *known* are the contents and versions of the sources that it has seen."""

    door: FrontDoor
    setting: str
    started: int
    opened: bool = False
    known: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass
class Render:
    """What a worker makes. The source and the permission may change before it ends."""

    worker: Worker
    source: Source
    content: int
    version: int
    shard: str


class Orders(RuleBasedStateMachine):
    """Workers of changing configurations, renders that end late, purges, replaced sources, and files of others.

    The invariant: for each URL, which names a source and a version, nginx sends what the configuration in force would
    send, or asks the application. In force is the one whose process was started last, once it has handled a request.
    """

    TestCase: type

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="images-orders-")).resolve()
        self.base.chmod(0o755)
        self.cache = self.base / "cache"
        self.places = (self.cache / "front", self.base / "elsewhere" / FOLDER_NAME)
        self.lock = self.cache / "locks" / "front.lock"
        self.lock.parent.mkdir(parents=True)
        self.foreign = self.base / "foreign"
        self.foreign.mkdir()
        (self.foreign / "kept").symlink_to("nowhere")
        self.workers: list[Worker] = []
        self.renders: list[Render] = []
        self.contents = itertools.count(1)
        self.sources = {name: Source(name) for name in "ab"}
        for name in self.sources:
            self.replace(name, same_second=False)
        self.start_worker("one")
        self.worker(0)

    def teardown(self) -> None:
        try:
            assert [path.name for path in self.foreign.iterdir()] == ["kept"]
        finally:
            shutil.rmtree(self.base)

    # Processes.

    @rule(setting=st.sampled_from(("one", "one", "two", "moved", "off")))
    def start_worker(self, setting: str) -> None:
        stamp = CLOSED if setting == "off" else digest(setting, 16)
        folder = self.places[setting == "moved"]
        started = len(self.workers) + 1
        self.clean_up()
        files = {"lock": str(self.lock), "record": str(self.places[0])}
        door = FrontDoor(str(folder), lambda: stamp, started_ns=started, **files)
        self.workers.append(Worker(door, setting, started))

    def worker(self, index: int) -> Worker:
        """A worker that handles a request, which may be its first one. Every other time, it is the newest."""
        worker = self.workers[-1 if index % 2 else index % len(self.workers)]
        if not worker.opened:
            worker.opened = True
            worker.door.open()
        return worker

    @property
    def in_force(self) -> str:
        return max((worker for worker in self.workers if worker.opened), key=lambda worker: worker.started).setting

    # Requests.

    @rule(index=ANY, name=SOURCES, shard=st.sampled_from(SHARDS), stays=st.booleans())
    def respond(self, index: int, name: str, shard: str, stays: bool) -> None:
        before = list(self.renders)
        self.begin_render(index, name, shard)
        if self.renders != before:
            self.end_render(len(self.renders) - 1, stays)

    @rule(index=ANY, name=SOURCES, shard=st.sampled_from(SHARDS))
    def begin_render(self, index: int, name: str, shard: str) -> None:
        source, worker = self.sources[name], self.worker(index)
        if source.content is None or source.private:
            self.replace(name, same_second=False)
        self.look(index, name)
        if source.content is not None and worker.setting != "off":
            del self.renders[:-2]
            self.renders.append(Render(worker, source, source.content, source.version, shard))

    @precondition(lambda self: self.renders)
    @rule(index=ANY, stays=st.booleans())
    def end_render(self, index: int, stays: bool) -> None:
        """If it stays, the same response is given once more later."""
        render = self.renders[index % len(self.renders)]
        if not stays:
            self.renders.remove(render)
        source, worker = render.source, render.worker
        entry = self.entries(source) / f"{render.content}-{worker.setting}.png"
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(f"{render.content} by {worker.setting}")

        def confirm() -> bool:
            return (source.content, source.version, source.private) == (render.content, render.version, False)

        url = ImageUrl(source.name, Options(), "1", canonical=canonical(source.name, render.version, render.shard))
        path = worker.door.link_path(url, ".png", current=True)
        assert path is not None
        worker.door.link(path, str(entry), public=True, settled=True, confirm=confirm)

    @rule(index=ANY, name=SOURCES)
    def look(self, index: int, name: str) -> None:
        """A page shows a source. The worker may notice that it was replaced without getting another version."""
        worker, source = self.worker(index), self.sources[name]
        content, version = worker.known.pop(name, (None, None))
        if source.content is not None:
            worker.known[name] = source.content, source.version
            if version == source.version and content != source.content:
                worker.door.purge(self.entries(source).name)
                source.forget()

    # Sources.

    @rule(name=SOURCES, same_second=st.booleans())
    def replace(self, name: str, same_second: bool) -> None:
        source = self.sources[name]
        if not same_second or source.content is None:
            source.version += 1
        source.content, source.private = next(self.contents), False
        source.sent.setdefault(source.version, set()).add(source.content)

    @rule(index=ANY, name=SOURCES)
    def take_down(self, index: int, name: str) -> None:
        self.sources[name].content = None
        self.purge(index, name)

    @rule(index=ANY, name=SOURCES)
    def forbid(self, index: int, name: str) -> None:
        self.sources[name].private = True
        self.purge(index, name)

    @rule(index=ANY, name=SOURCES)
    def purge(self, index: int, name: str) -> None:
        """By a process that may not have handled a request."""
        source = self.sources[name]
        self.workers[index % len(self.workers)].door.purge(self.entries(source).name)
        shutil.rmtree(self.entries(source), ignore_errors=True)
        source.forget()

    @rule(index=ANY)
    def empty(self, index: int) -> None:
        self.workers[index % len(self.workers)].door.empty()
        for source in self.sources.values():
            source.forget()

    # Files.

    @rule(name=SOURCES)
    def evict(self, name: str) -> None:
        self.clean_up()
        shutil.rmtree(self.entries(self.sources[name]), ignore_errors=True)

    @rule(what=st.sampled_from(("lock", "folder", "shard", "link")))
    def plant(self, what: str) -> None:
        """Put a symbolic link to a foreign folder, or a foreign folder, in place of a file of the door."""
        for folder in self.folders():
            if what == "folder":
                shutil.rmtree(folder)
                folder.symlink_to(self.foreign)
            elif what == "shard" and not folder.is_symlink():
                shutil.rmtree(folder / "aa", ignore_errors=True)
                with suppress(FileExistsError):
                    (folder / "aa").symlink_to(self.foreign)
            elif what == "link":
                for path in filter(Path.is_symlink, folder.glob("??/*")):
                    path.unlink()
                    path.mkdir()
                    break
        if what == "lock":
            self.lock.unlink(missing_ok=True)
            self.lock.symlink_to(self.foreign / "lock")

    def clean_up(self) -> None:
        """Remove what is foreign."""
        for place in self.places:
            for pattern in (f"{place.name}.*", f"{place.name}.*/*", f"{place.name}.*/??/*"):
                for path in place.parent.glob(pattern):
                    if path.is_symlink() and path.readlink() == self.foreign:
                        path.unlink()
                    elif path.is_dir() and not path.is_symlink() and path.suffix == ".png":
                        path.rmdir()
        if self.lock.is_symlink():
            self.lock.unlink()

    def folders(self) -> list[Path]:
        found = (path for place in self.places for path in place.parent.glob(f"{place.name}.*"))
        return [path for path in found if path.is_dir() and not path.is_symlink()]

    def entries(self, source: Source) -> Path:
        return self.cache / "ee" / f"folder-of-{source.name}"

    # What nginx sends.

    def urls(self) -> Iterator[tuple[Source, int, str]]:
        for source in self.sources.values():
            for version, shard in itertools.product(range(source.version + 1), SHARDS):
                yield source, version, canonical(source.name, version, shard)

    def allowed(self, source: Source, version: int) -> set[str]:
        if self.in_force == "off":
            return set()
        return {f"{content} by {self.in_force}" for content in source.sent.get(version, ())}

    @invariant()
    def nginx_sends_what_the_application_would_send(self) -> None:
        for source, version, url in self.urls():
            path, _, query = url.partition("?")
            for place in self.places:
                name = f"{path}@@@@@?{query}.png"
                with suppress(OSError):
                    sent = (place / query.rpartition("=")[2][:2] / name).read_text()
                    assert sent in self.allowed(source, version), (url, place)


def canonical(source: str, version: int, shard: str) -> str:
    return f"{source}.png?v={version}&w=10&s={shard}cdefghijklmnopqrstuvwxyzA"


Orders.TestCase.settings = settings(max_examples=share(10_000) // STEPS, stateful_step_count=STEPS)
