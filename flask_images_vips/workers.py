"""Note what each web worker of a site is like, for commands, which run in another process.

A worker writes its note once, at its first request for an image. Notes are small files beside the locks of the
cache. Those of processes that have ended are removed when the next worker signs in. A note holds no secret: it names
the key of signatures by a digest.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import Any

from flask import Flask, has_request_context, request

from .background_thread import threads_run
from .cache.disk import DiskCache
from .config.keys import Config, secret_keys
from .engines.vips.fork_safety import forked_after_pixels
from .events import Events
from .hashing import digest
from .installed import own_version
from .serving.server_threads import gunicorn_settings, gunicorn_worker, server_threads

_IMPORTED_IN = os.getpid()
_MOST_NOTES = 1000
_MAX_BYTES = 10_000
_KEY_LETTERS = 16


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of a web server, as it was at its first request for an image.

    *born* tells the process from a later one with the same *pid*. *site* identifies the application. *server* is the
    software, and *kind* gunicorn's worker class. *threads* and *timeout_seconds* are None if the server does not tell.
    *preloaded* means that it was forked after the application was loaded, *late_fork* that libvips had rendered by
    then, and *background* that it runs background threads. *arenas* is its ``MALLOC_ARENA_MAX``, and *files* the
    number of files that it may open. *key* and *settings* differ if those of another process do, and *version* is that
    of this package.
    """

    pid: int
    born: str
    site: str
    user: int
    server: str
    kind: str
    threads: int | None
    timeout_seconds: float | None
    preloaded: bool
    late_fork: bool
    background: bool
    debug: bool
    arenas: str
    files: int | None
    key: str
    settings: str
    version: str


def sign_in_at_first_image(app: Flask, config: Config, cache: DiskCache, events: Events) -> None:
    """Let each process `sign_in` at the first of *events*. A page is not enough: it may be built by a command."""

    def first(*event: object) -> None:
        # Replace the lists: somebody is going through one of them.
        events.served = [function for function in events.served if function is not first]
        events.failed = [function for function in events.failed if function is not first]
        sign_in(app, config, cache)

    events.served.append(first)
    events.failed.append(first)


def sign_in(app: Flask, config: Config, cache: DiskCache) -> None:
    """Write the note of this process. Without a cache that can be written, there is none."""
    if not cache.usable():  # which creates its folders, with the right modes
        return
    folder = _folder(cache)
    with suppress(OSError):
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        for pid, note in list(_notes(folder).items())[:_MOST_NOTES]:
            if note is None or not _runs(note):
                with suppress(OSError):
                    os.unlink(os.path.join(folder, f"{pid}.json"))
        worker = this_worker(app, config)
        temporary = os.path.join(folder, f".{worker.pid}-{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(worker), file)
        os.replace(temporary, os.path.join(folder, f"{worker.pid}.json"))


def running_workers(app: Flask, cache: DiskCache) -> list[Worker]:
    """Return the web workers of *app* that use *cache* now, as far as they have signed in on this host."""
    site = _site(app)
    found = (note for note in _notes(_folder(cache)).values() if note is not None)
    return sorted((note for note in found if note.site == site and _runs(note)), key=lambda worker: worker.pid)


def this_worker(app: Flask, config: Config) -> Worker:
    """Describe this process as a web worker of *app* with *config*."""
    gunicorn = gunicorn_settings()
    return Worker(
        pid=os.getpid(),
        born=_born(os.getpid()),
        site=_site(app),
        user=os.geteuid() if hasattr(os, "geteuid") else 0,
        server=str(request.environ.get("SERVER_SOFTWARE", "")) if has_request_context() else "",
        kind="uwsgi" if "uwsgi" in sys.modules else gunicorn_worker(gunicorn),
        threads=server_threads(),
        timeout_seconds=float(gunicorn.timeout) if gunicorn is not None else None,
        preloaded=os.getpid() != _IMPORTED_IN,
        late_fork=forked_after_pixels(),
        background=threads_run(),
        debug=app.debug,
        arenas=os.environ.get("MALLOC_ARENA_MAX", ""),
        files=_open_files(),
        key=key_fingerprint(app),
        settings=digest(repr(replace(config, secret_key=())), 8),
        version=own_version(),
    )


def _folder(cache: DiskCache) -> str:
    return os.path.join(cache.folder, "locks", "workers")


def _notes(folder: str) -> dict[str, Worker | None]:
    """Return the notes in *folder* by the names of their processes. None stands for a damaged one."""
    try:
        names = [name.removesuffix(".json") for name in os.listdir(folder) if name.endswith(".json")]
    except OSError:
        return {}
    return {name: _read(os.path.join(folder, f"{name}.json")) for name in names}


def _read(path: str) -> Worker | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                found = json.loads(file.read(_MAX_BYTES))
                return Worker(**{field.name: _checked(field.type, found[field.name]) for field in fields(Worker)})
    return None


def _checked(kind: object, value: Any) -> Any:
    """Return *value*, which must be of the *kind* of a field of `Worker`.

    Raises:
        ValueError: If it is of another kind.
    """
    if type(value).__name__ not in str(kind).replace("None", "NoneType").split(" | "):
        raise ValueError(f"{value!r} is no {kind}")
    return value


def _runs(worker: Worker) -> bool:
    """Return whether the process of *worker* still runs on this host."""
    with suppress(OSError, OverflowError):
        with suppress(PermissionError):  # it belongs to another user
            os.kill(worker.pid, 0)
        return _born(worker.pid) == worker.born
    return False


def _born(pid: int) -> str:
    """Return the start of the process *pid* as the kernel tells it, in a form of its own, or an empty string."""
    with suppress(OSError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
        # The name of the program, which may contain anything, is in brackets.
        return file.read().rpartition(b")")[2].split()[19].decode("ascii")
    return ""


def _site(app: Flask) -> str:
    return digest(f"{app.import_name}\n{app.root_path}", 8)


def key_fingerprint(app: Flask) -> str:
    """Return a digest of the key that signs URLs. The key cannot be computed from it."""
    secret = secret_keys(app.config)[0]
    secret = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(secret, b"flask images check", sha256).hexdigest()[:_KEY_LETTERS]


def _open_files() -> int | None:
    try:
        import resource  # noqa: PLC0415  (POSIX only)
    except ImportError:
        return None
    return int(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
