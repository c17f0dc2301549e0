"""The command says first what to try and where, prints no warning in red, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PHOTOGRAPHS, ROOT
from servers import PATIENCE_SECONDS

RED = "WARNING: This is a development server"
FIRST = re.compile(
    r"Open (https?://[^ ]+) in a browser, and drop in a photograph of your own\. Ctrl-C stops the server"
)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def command(folder: Path, *options: str, path: str = "", **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command with *options*. Its temporary files are in *folder*."""
    environment = {
        **os.environ,
        "TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, [path, str(ROOT)])),
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "flask_images_vips.demo", "run", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def get(url: str) -> str:
    """Request *url*. The server may still be starting."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                text: str = response.read().decode()
                return text
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def remainder(process: subprocess.Popen[str]) -> str:
    """Wait for the end of the process, and return what it has printed after its first line."""
    process.wait(PATIENCE_SECONDS)
    assert process.stdout is not None
    return process.stdout.read()  # `communicate` would lose what was read ahead with that line


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_line_says_what_to_try_and_the_end_is_quiet(end: signal.Signals) -> None:
    if signal.getsignal(end) is signal.SIG_IGN:
        pytest.skip(f"these tests run with {end.name} ignored, as by nohup, and the command inherits that")
    folder = Path(tempfile.mkdtemp())  # short, because renderers have a socket below it
    port = free_port()
    with command(folder, "--port", str(port)) as process:
        line = FIRST.match(first_line(process))
        assert line is not None
        assert line[1] == f"http://127.0.0.1:{port}"
        assert "Playground" in get(line[1])
        assert '"problem":""' in get(f"{line[1]}/render.json?photo=cat.jpg&width=90")
        upload(f"{line[1]}/upload")
        (scratch,) = folder.glob("flask-images-demo-*")
        assert [*(scratch / "uploads").iterdir()]
        process.send_signal(end)
        rest = remainder(process)
    assert rest == ""
    assert process.returncode == 0
    assert not scratch.exists()
    shutil.rmtree(folder, ignore_errors=True)


def upload(url: str) -> None:
    edge = "edge"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="photo"; filename="cat.jpg"\r\n\r\n'
    body = head.encode() + (PHOTOGRAPHS / "cat.jpg").read_bytes() + f"\r\n--{edge}--\r\n".encode()
    request = urllib.request.Request(url, body, {"Content-Type": f"multipart/form-data; boundary={edge}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--debug",), "debug mode is on"),
        (("--reload",), "it reloads code"),
        ((), "waitress is not installed: pip install 'flask-images-vips[demo]'"),
    ],
)
def test_flasks_own_server_runs_where_it_must_and_the_line_says_so(
    tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    path = ""
    if not options:
        (tmp_path / "waitress.py").write_text("raise ImportError")
        path = str(tmp_path)
    port = free_port()
    with command(tmp_path, "--host", "localhost", "--port", str(port), *options, path=path) as process:
        line = first_line(process)
        assert line.endswith(f"This is Flask's development server, because {reason}.\n")
        assert f"Open http://localhost:{port} in" in line
        assert "Playground" in get(f"http://localhost:{port}/upload")
        os.killpg(process.pid, signal.SIGTERM)
        rest = remainder(process)
    assert RED in rest


def test_on_a_network_the_line_says_who_sees_the_photographs(tmp_path: Path) -> None:
    port = free_port()
    with command(tmp_path, "--host", "0.0.0.0", "--port", str(port)) as process:
        line = first_line(process)
    assert f"Open http://127.0.0.1:{port} in" in line
    assert line.endswith("removes your photographs. Whoever reaches this port sees them until then.\n")


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with command(tmp_path, "--port", str(port)) as process:
            out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert out == f"Error: 127.0.0.1:{port} cannot be opened: Address already in use. Try another port, with --port.\n"
    assert process.returncode == 1
    assert [*tmp_path.glob("flask-images-demo-*")] == []


def test_an_import_in_another_way_replaces_nothing(tmp_path: Path) -> None:
    code = """
import flask.cli, werkzeug.serving
before = flask.cli.show_server_banner, flask.cli.run_simple, werkzeug.serving.run_simple
import flask_images_vips.demo
assert (flask.cli.show_server_banner, flask.cli.run_simple, werkzeug.serving.run_simple) == before
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    listed = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "flask_images_vips.demo", "routes"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "render_json" in listed.stdout
    assert "Open http" not in listed.stdout
