"""Check the web workers that run now, by the notes that they have left: see `workers`."""

from __future__ import annotations

from collections.abc import Iterator

from ...workers import Worker, this_worker
from .finding import Finding, error, ok, warning
from .site import Site
from .users import name_of, own_user

_ENOUGH, _TOO_FEW = 64, 16  # threads of a worker, see `python -m bench burst`
_MIN_FILES = 512
_PRODUCTION = ("gunicorn", "waitress")


def running(site: Site) -> Iterator[Finding]:
    """Tell which workers run."""
    workers = site.workers
    if not workers:
        yield ok("workers", "none has answered a request with images yet, so nothing is known of the server")
        return
    kinds = {" ".join(filter(None, (worker.server, worker.kind))) for worker in workers}
    preloaded = any(worker.preloaded for worker in workers)
    yield ok("workers", f"{len(workers)} of {', '.join(sorted(kinds))}{', preloaded' if preloaded else ''}")


def threads(site: Site) -> Iterator[Finding]:
    """Find workers whose pages wait for new pictures, because they have few threads."""
    few = [worker for worker in site.workers if worker.threads is not None and worker.threads < _TOO_FEW]
    if few:
        kind = f", of the class {few[0].kind}" if few[0].kind else ""
        requests = f"{few[0].threads} request{'s' if few[0].threads != 1 else ''}"
        yield warning(
            "threads",
            f"Each web worker handles {requests} at a time{kind}. A request for a new picture "
            "holds one until the picture is rendered, and pages and cached images wait behind it.",
            f"gunicorn --worker-class=gthread --threads={_ENOUGH}, uwsgi --threads {_ENOUGH}, or waitress-serve "
            f"--threads={_ENOUGH}",
        )
    elif known := {worker.threads for worker in site.workers if worker.threads is not None}:
        yield ok("threads", f"{min(known)} in each worker")


def timeouts(site: Site) -> Iterator[Finding]:
    """Find servers that kill a worker before its image is made."""
    longest = site.config.lock_timeout + site.config.render_timeout
    for worker in site.workers:
        seconds, config = worker.timeout_seconds, site.config
        if worker.kind in ("sync", "SyncWorker") and seconds and seconds <= longest:
            yield warning(
                "timeout",
                f"gunicorn kills a sync worker after {seconds:g} s, but an image may wait for "
                f"{config.lock_timeout:g} s and be rendered for {config.render_timeout:g} s.",
                "Raise gunicorn's --timeout, lower IMAGES_LOCK_TIMEOUT, or use --worker-class=gthread.",
            )
            return


def forks(site: Site) -> Iterator[Finding]:
    """Find workers that cannot use libvips, because their parent had rendered before it forked them."""
    if site.config.max_renders != 0 and not site.pipeline.producer.renderers.without_pool:
        return
    if any(worker.late_fork for worker in site.workers):
        yield error(
            "preload",
            "Web workers were forked after libvips had rendered in their parent, so they render with Pillow, slowly.",
            "Render no image while the application is loaded, or leave out --preload; with uWSGI, set lazy-apps.",
        )


def secret(site: Site) -> Iterator[Finding]:
    """Find workers that sign URLs with different keys."""
    keys = {worker.key for worker in site.workers}
    own = this_worker(site.app, site.config)
    if len(keys) > 1:
        yield error(
            "secret-key",
            f"The {len(site.workers)} web workers sign URLs with {len(keys)} keys, so images of one are 404 at "
            "another.",
            "Read SECRET_KEY from a file or the environment, instead of making a new one at each start.",
        )
    elif keys and keys != {own.key}:
        yield error(
            "secret-key",
            "The web workers sign URLs with another key than this command.",
            "Run this command with the environment of the site. If the key was changed, restart the site.",
        )


def configuration(site: Site) -> Iterator[Finding]:
    """Find workers that have another configuration, version or user than this command."""
    own = this_worker(site.app, site.config)
    if any(worker.version != own.version for worker in site.workers):
        yield warning(
            "restart",
            f"Web workers run version {_other(site.workers, 'version', own)} of flask-images-vips, and "
            f"{own.version} is installed.",
            "Restart the site.",
        )
    if any(worker.settings != own.settings for worker in site.workers):
        yield warning(
            "restart",
            "Web workers have other values of IMAGES_… keys than this command.",
            "Restart the site, or run this command with the environment of the site.",
        )
    others = {worker.user for worker in site.workers} - {own_user()}
    if others:
        yield warning(
            "user",
            f"The web workers run as {name_of(others.pop())}, and this command as {name_of(own_user())}.",
            "Run the commands flask images as the user of the site.",
        )


def production(site: Site) -> Iterator[Finding]:
    """Find what is right on a developer's machine only."""
    for worker in site.workers:
        if worker.debug and worker.server.startswith(_PRODUCTION):
            yield error(
                "debug",
                f"{worker.server} serves the application in debug mode, which shows errors to visitors.",
                "Start the site without FLASK_DEBUG and app.debug.",
            )
            break
    for worker in site.workers:
        if not worker.background:
            yield warning(
                "background",
                "uWSGI runs no threads, so placeholders of pictures that come from the cache are never made.",
                "Start it with --enable-threads.",
            )
            break
    for worker in site.workers:
        if worker.files is not None and worker.files < _MIN_FILES:
            yield warning(
                "open-files",
                f"A web worker may open only {worker.files} files. If none is left, images answer 503.",
                "Raise the limit, such as by LimitNOFILE=65536 in systemd, or ulimit -n 65536.",
            )
            break


def _other(workers: tuple[Worker, ...], attribute: str, own: Worker) -> str:
    values = (getattr(worker, attribute) for worker in workers)
    return next(str(value) for value in values if value != getattr(own, attribute)) or "another"
