"""File systems that refuse calls: images are rendered nevertheless, and stored without what they can do without."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import cached_files, sample, url_of
from flask import Flask
from PIL import Image

from flask_images_vips import resized_img_src, resized_img_tag

fcntl = pytest.importorskip("fcntl")

# What mounted file systems answer: CIFS, NFS, FUSE, FAT, overlays, and those of another user, full or out of order.
REFUSED = (
    *(errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK),
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EBUSY, errno.ETIMEDOUT, errno.ENOTCONN),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
)
WRITING = os.O_WRONLY | os.O_RDWR

LACK = "The image cache in "  # nothing can be stored
MODES, TIMES, LOCKS, COUNTS = "Modes cannot be set", "Times cannot be set", "Locks cannot be", "Sizes cannot be"
LOCKS_AND_COUNTS = "Locks cannot be used and sizes cannot be counted"


def kind(message: str) -> str:
    """Return which of the constants above begins *message*, or all of it."""
    kinds = (LACK, MODES, TIMES, LOCKS_AND_COUNTS, LOCKS, COUNTS)
    return next((each for each in kinds if message.startswith(each)), message)


def of_locks(path: str, arguments: Any) -> bool:
    return "/locks" in path


def of_others(path: str, arguments: Any) -> bool:
    return not of_locks(path, arguments)


def to_write(path: str, arguments: Any) -> bool:
    return bool(arguments[1] & WRITING) and of_others(path, arguments)


def to_read(path: str, arguments: Any) -> bool:
    return not arguments[1] & WRITING


# Which calls are refused, what is logged (None: not tested), and how many renditions are kept.
CASES: dict[str, tuple[str, Any, tuple[str, ...] | None, int]] = {
    # Niceties
    "modes": ("chmod", None, (MODES,), 2),
    "times": ("utime", None, (TIMES,), 2),
    "locks": ("flock", None, (LOCKS,), 2),
    "lock files": ("open", of_locks, (LOCKS_AND_COUNTS,), 2),
    "folders of locks": ("mkdir", of_locks, (LOCKS_AND_COUNTS,), 2),
    "positions": ("lseek", of_locks, (COUNTS,), 2),
    "counts": ("write", of_locks, (COUNTS,), 2),
    **{name: (name, None, (), 2) for name in ("statvfs", "scandir", "listdir", "unlink", "rmdir")},
    # Without these, nothing is stored.
    "folders": ("mkdir", of_others, (LACK,), 0),
    "files": ("open", to_write, (LACK,), 0),
    "names": ("replace", None, (LACK,), 0),
    # Without these, what is stored is not found.
    "stored files": ("open", to_read, (), 2),
    "their status": ("fstat", None, (LACK,), 0),
    "status of paths": ("stat", None, None, 2),
    "status of links": ("lstat", None, (), 2),
}


class Refusing:
    """Refuses the call *name* with *error*, for the files below *folder* for which *wanted* is true."""

    def __init__(self, folder: Path, name: str, error: int, wanted: Callable[[str, Any], bool] | None) -> None:
        self.folder = str(folder)
        self.error = error
        self.wanted = wanted
        self.module = fcntl if name == "flock" else os
        self.name = name
        self.call = getattr(self.module, name)

    def __call__(self, first: Any, *rest: Any, **keywords: Any) -> Any:
        path = os.fsdecode(os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else first)
        if keywords.get("dir_fd") is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{keywords['dir_fd']}"), path)
        if path.startswith(self.folder) and (self.wanted is None or self.wanted(path, (first, *rest))):
            raise OSError(self.error, os.strerror(self.error))
        return self.call(first, *rest, **keywords)


@contextlib.contextmanager
def refusing(*arguments: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        refusal = Refusing(*arguments)
        patch.setattr(refusal.module, refusal.name, refusal)
        yield


@pytest.fixture
def site(make_app: Any, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Flask]:
    """A function that creates an application with an empty cache of its own, in whose `folder` it is."""
    from flask_images_vips.shared_decode import copies, prices

    for name, value in (("_MIN_PIXELS", 1000), ("_SIDES", (64, 32))):
        monkeypatch.setattr(copies, name, value)
    monkeypatch.setattr(prices, "_EXPECTED_OF_LONE", 1e6)
    draw("a.png", (160, 120))
    made = []

    def make(**config: Any) -> Flask:
        made.append(config)
        cache = tmp_path / f"cache{len(made)}"
        return make_app(IMAGES_CACHE=str(cache), IMAGES_MAX_RENDERS=0, IMAGES_CACHE_MIN_FREE=0.001, **config)

    return make


def ask(app: Flask) -> None:
    """Ask for two renditions twice. All must be right."""
    client = app.test_client()
    for width in (16, 24, 16, 24):
        response = client.get(url_of(app, "a.png", width=width), headers={"X-Images-Here": "1"})
        assert response.status_code == 200
        assert Image.open(io.BytesIO(response.data)).width == width


@pytest.mark.parametrize("readable", [False, True], ids=["private", "readable"])
@pytest.mark.parametrize("case", CASES)
def test_a_refused_call_costs_no_more_than_it_was_made_for(site: Any, caplog: Any, case: str, readable: bool) -> None:
    name, wanted, losses, kept = CASES[case]
    if case == "modes" and not readable:
        losses = ()  # they are right from the beginning
    umask = os.umask(0o077)
    try:
        for error in sample(REFUSED, 6):
            caplog.clear()
            app = site(IMAGES_ACCEL_REDIRECT="/here" if readable else None)
            folder = Path(app.config["IMAGES_CACHE"])
            with refusing(folder, name, error, wanted):
                ask(app)
            assert len(cached_files(folder)) == kept, os.strerror(error)
            if losses is not None:
                assert sorted(map(kind, caplog.messages)) == sorted(losses), os.strerror(error)
    finally:
        os.umask(umask)


# Errors of a source that say nothing about it.

PASSING = (errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE, errno.ENOMEM, errno.ETIMEDOUT)
ALWAYS_CALLED = ("lstat", "open", "fstat", "pread")


@pytest.mark.parametrize("config", [("vips", "mtime"), ("pillow", "hash")], ids="-".join)
@pytest.mark.parametrize("name", [*ALWAYS_CALLED, "preadv", "dup", "lseek"])
def test_a_source_that_cannot_be_read_now_is_busy_and_nothing_is_remembered(
    site: Any, static: Path, name: str, config: tuple[str, str]
) -> None:
    (static / "link.png").symlink_to("a.png")
    refs = "a.png", "link.png"
    for error in sample(PASSING, 6):
        app = site(IMAGES_ENGINE=config[0], IMAGES_VERSION=config[1])
        client = app.test_client()
        with refusing(static, name, error, None):
            with app.test_request_context():
                urls = [resized_img_src(ref, width=10) for ref in refs]
                for ref in refs:
                    assert "<img" in resized_img_tag(ref, width=10, layout="constrained", placeholder="color")
            for response in map(client.get, urls):
                assert response.status_code == (503 if name in ALWAYS_CALLED else response.status_code)
                assert response.status_code == 200 or response.headers["Cache-Control"] == "no-store"
        assert [client.get(url).status_code for url in urls] == [200] * 2
        with app.test_request_context():
            for ref in refs:
                assert 'height="7"' in resized_img_tag(ref, width=10)
