"""The project's common commands. ``nox -l`` lists them; ``nox -s lint`` runs one; ``-R`` reuses its environment."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, import rules and dead names: the checks of CI before the tests."""
    session.install("-e", ".[lint,binary,remote]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")
    session.run("vulture")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests. Arguments after ``--`` go to pytest, such as ``nox -s tests -- tests/test_urls.py -k version``."""
    session.install("-e", ".[tests]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def long(session: nox.Session) -> None:
    """Run all cases of all tests. CI runs only some cases of tests with very many, always the same ones."""
    session.install("-e", ".[tests]")
    session.run("python", "-m", "pytest", *session.posargs, env={"IMAGES_TESTS_LONG": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Run a benchmark, such as ``nox -s bench -- warm``. Without arguments it lists them."""
    session.install("-e", ".[bench]")
    session.run("python", "-m", "bench", *(session.posargs or ["--help"]))


@nox.session
def demo(session: nox.Session) -> None:
    """Start the demo on http://127.0.0.1:5000."""
    session.install("-e", ".[demo]")
    session.run("flask", "--app", "flask_images_vips.demo", "run", *session.posargs)
