"""Each configuration in docs/deploying/servers.md starts a server, which serves a picture."""

from __future__ import annotations

import html
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import PHOTOGRAPHS, needs, uwsgi
from real_servers import free_port
from servers import Server, decoded_size

from docs.blocks import blocks_of, runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the servers of the page run on Linux")

PAGE = "docs/deploying/servers.md"
BEHIND_PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
SAY_SCHEME = """

@app.get("/scheme")
def scheme() -> str:
    from flask import request

    return request.scheme + " " + request.remote_addr
"""


def block(start: str) -> str:
    (found,) = (each.code for each in blocks_of(PAGE) if each.code.startswith(start))
    return found


def arguments(program: str) -> list[str]:
    """The arguments with which the page starts *program*, at a port of the test."""
    scripts = "".join(each.code for each in blocks_of(PAGE) if each.language == "sh").replace("\\\n", " ")
    (command,) = re.findall(rf"^{program} (.*)$", scripts, re.MULTILINE)
    return [each.replace(":8000", ":{port}") for each in shlex.split(command)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with the page's files, not started yet."""
    (tmp_path / "static" / "photos").mkdir(parents=True)
    shutil.copy2(PHOTOGRAPHS / "cat.jpg", tmp_path / "static" / "photos")
    made = Server(tmp_path, {}, "")
    (tmp_path / "app.py").write_text(block("# app.py") + SAY_SCHEME)
    (tmp_path / "gunicorn.conf.py").write_text(block("# gunicorn.conf.py"))
    yield made
    made.stop()


def start_gunicorn(server: Server) -> None:
    needs("gunicorn", importlib.util.find_spec("gunicorn"), "pip install gunicorn")
    server.start_python("gunicorn", "--bind=127.0.0.1:{port}", "--workers=1", *arguments("gunicorn"))


def start_uwsgi(server: Server) -> None:
    port = free_port()
    (server.folder / "uwsgi.ini").write_text(block("; uwsgi.ini").replace(":8000", f":{port}"))
    server._start([uwsgi(), *arguments("uwsgi")])
    server.port = port


def start_waitress(server: Server) -> None:
    needs("waitress", importlib.util.find_spec("waitress"), "pip install waitress")
    server.start_python("waitress", *arguments("waitress-serve"))


def start_development_server(server: Server) -> None:
    server.start_python("flask", *arguments("flask"), "--port={port}", "--no-reload")


@runs("docs/deploying/servers.md", "# app.py", "# gunicorn.conf.py", "; uwsgi.ini")
@pytest.mark.parametrize(
    "start", [start_gunicorn, start_uwsgi, start_waitress, start_development_server], ids=lambda start: start.__name__
)
def test_the_server_of_the_page_serves_pictures(server: Server, start: Callable[[Server], None]) -> None:
    start(server)
    server.wait()
    page = server.get("/").body.decode()
    (url,) = re.findall(r'src="([^"]+)"', page)
    answer = server.get(html.unescape(url))
    assert answer.status == 200
    assert decoded_size(answer.body)[0] == 300
    assert answer.headers["Cache-Control"].endswith("immutable")  # the server tells how the URL was spelled
    assert server.get("/scheme", **BEHIND_PROXY).body == b"https 192.0.2.1"


def test_waitress_hides_the_proxy_from_the_application_unless_it_is_told(server: Server) -> None:
    needs("waitress", importlib.util.find_spec("waitress"), "pip install waitress")
    server.start_python("waitress", *(each for each in arguments("waitress-serve") if "--trusted" not in each))
    server.wait()
    assert server.get("/scheme", **BEHIND_PROXY).body == b"http 127.0.0.1"


def unit() -> list[tuple[str, str]]:
    lines = block("; /etc/systemd/system").splitlines()
    return [(name, value) for name, equals, value in (line.partition("=") for line in lines) if equals]


def values(name: str) -> list[str]:
    return [word for key, value in unit() if key == name for word in value.split()]


def test_the_unit_leaves_renderers_what_they_need() -> None:
    assert "AF_UNIX" in values("RestrictAddressFamilies")
    assert values("RuntimeDirectory")
    assert values("SystemCallErrorNumber") == ["EPERM"]
    landlock = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}
    assert set(values("SystemCallFilter")) == {"@system-service", "seccomp"} | landlock
    assert not values("MemoryDenyWriteExecute")
    assert values("CacheDirectoryMode") == ["0711"]
    cache = dict(each.split("=") for each in values("Environment"))["FLASK_IMAGES_CACHE"]
    assert cache == f"/var/cache/{values('CacheDirectory')[0]}"


def test_the_filter_of_the_unit_lets_processes_start() -> None:
    analyze = shutil.which("systemd-analyze")
    needs("systemd-analyze", analyze, "apt-get install systemd")

    def calls(group: str) -> set[str]:
        run = subprocess.run([analyze, "syscall-filter", group], capture_output=True, text=True, check=True)
        names = {line.strip() for line in run.stdout.splitlines()[1:] if not line.strip().startswith("#")}
        return {call for name in names for call in (calls(name) if name.startswith("@") else {name}) if call}

    assert {"clone", "execve", "prctl", "setsid", "memfd_create", "kill", "setrlimit"} <= calls("@system-service")
