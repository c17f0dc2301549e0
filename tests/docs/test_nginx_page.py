"""A real nginx with the files of docs/deploying/nginx.md ends TLS, and tells the application so."""

from __future__ import annotations

import html
import http.client
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from conftest import PHOTOGRAPHS, ROOT, needs, url_of
from flask import Flask, request
from nginx.test_nginx import NGINX, assert_accepted, written_configuration
from real_servers import free_port
from servers import IN_THREAD, until
from werkzeug.serving import make_server

from docs.blocks import blocks_of, runs
from flask_images_vips import Images

PAGE = ROOT / "docs" / "deploying" / "nginx.md"
SITE = """
from flask import Flask, render_template_string
from flask_images_vips import Images

app = Flask(__name__)
app.secret_key = "change me"
Images(app)
app.add_url_rule("/", view_func=lambda: render_template_string("{{ resized_img_tag('cat.jpg', width=64) }}"))
"""


class Site(NamedTuple):
    app: Flask
    http: int
    https: int
    authority: trustme.CA

    def ask(self, url: str, *, tls: bool = True) -> tuple[int, dict[str, str], bytes]:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        client: http.client.HTTPConnection = (
            http.client.HTTPSConnection("127.0.0.1", self.https, timeout=20, context=context)
            if tls
            else http.client.HTTPConnection("127.0.0.1", self.http, timeout=20)
        )
        try:
            client.request("GET", url)
            response = client.getresponse()
            return response.status, dict(response.headers), response.read()
        finally:
            client.close()


def made_app(folder: Path) -> Flask:
    """An application with the page's settings, and the folder of the cache in *folder*."""
    (folder / "static").mkdir()
    shutil.copyfile(PHOTOGRAPHS / "cat.jpg", folder / "static" / "cat.jpg")
    app = Flask("site", root_path=str(folder))
    app.config.update(SECRET_KEY="nginx", **IN_THREAD)
    for block in blocks_of("docs/deploying/nginx.md"):
        if block.language == "python":
            exec(block.code, {"app": app})
    app.config["IMAGES_CACHE"] = str(folder / "cache")
    Images(app)
    app.add_url_rule("/who", view_func=lambda: f"{request.scheme} {request.remote_addr}")
    return app


def tls_file(folder: Path, http_port: int, authority: trustme.CA) -> str:
    """The page's tls.conf, with a certificate for loopback."""
    (text,) = (block.code for block in blocks_of("docs/deploying/nginx.md") if block.file == "tls.conf")
    certificate = authority.issue_cert("127.0.0.1")
    for name, pem in (
        ("fullchain.pem", certificate.cert_chain_pems[0].bytes()),
        ("privkey.pem", certificate.private_key_pem.bytes()),
    ):
        (folder / name).write_bytes(pem)
    text = text.replace("/etc/letsencrypt/live/www.example.com", str(folder)).replace("www.example.com", "127.0.0.1")
    return text.replace("listen 80;", f"listen 127.0.0.1:{http_port};").replace("    listen [::]:80;\n", "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    needs("nginx", NGINX, "apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    app, authority = made_app(folder), trustme.CA()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made = Site(app, free_port(), free_port(), authority)
    options = ["--upstream", f"127.0.0.1:{server.server_port}", "--listen", f"127.0.0.1:{made.https} ssl"]
    printed = app.test_cli_runner().invoke(args=["images", "nginx", *options, "--server-name", "127.0.0.1"])
    assert printed.exit_code == 0, printed.output
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / "images.conf").write_text(printed.output)
    (folder / "conf.d" / "tls.conf").write_text(tls_file(folder, made.http, authority))
    configuration = written_configuration(folder, folder / "conf.d" / "*.conf")
    assert_accepted(configuration)
    process = subprocess.Popen([str(NGINX), "-c", str(configuration)])
    try:
        until(lambda: process.poll() is not None or answers(made), "nginx answers")
        yield made
    finally:
        process.terminate()
        process.wait(20)
        server.shutdown()
        thread.join(20)
        server.server_close()


def answers(site: Site) -> bool:
    try:
        return site.ask("/who")[0] == 200
    except OSError:
        return False


@runs("docs/deploying/nginx.md", "# tls.conf")
def test_images_and_pages_are_served_with_tls(site: Site) -> None:
    status, headers, body = site.ask(url_of(site.app, "cat.jpg", width=64))
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert body[:2] == b"\xff\xd8"
    assert site.ask("/who")[2] == b"https 127.0.0.1"


def test_the_other_port_leads_to_tls(site: Site) -> None:
    status, headers, _ = site.ask("/a?b=c", tls=False)
    assert (status, headers["Location"]) == (301, "https://127.0.0.1/a?b=c")


@runs("docs/deploying/nginx.md", "# nginx.conf")
def test_on_ones_own_computer_nginx_sends_a_picture_after_flask_has_stopped(tmp_path: Path) -> None:
    needs("nginx", NGINX, "apt-get install nginx-light")
    page = PAGE.read_text("utf-8").partition("\n## Set it up")[0]
    setting, configuration, starts, _, stop = re.findall(r"```\w+\n(.*?)```", page, re.DOTALL)
    user = "user root;\n" if os.geteuid() == 0 else ""  # others may not enter the folder of the test
    (tmp_path / "nginx.conf").write_text(user + configuration)
    (tmp_path / "app.py").write_text(f"{SITE}\n{setting}")
    (tmp_path / "static").mkdir()
    shutil.copy2(PHOTOGRAPHS / "cat.jpg", tmp_path / "static")
    ports = {"5001": str(free_port()), "8080": str(free_port())}
    printing, nginx, flask = re.sub("5001|8080", lambda port: ports[port[0]], starts).splitlines()
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])

    def run(command: str) -> None:
        subprocess.run(command, shell=True, cwd=tmp_path, env=environment, check=True)

    def status(url: str) -> int:
        client = http.client.HTTPConnection("127.0.0.1", int(ports["8080"]), timeout=20)
        try:
            client.request("GET", url)
            response = client.getresponse()
            found = re.search(rb"/imgsizer/[^\"]+", response.read())
            seen.update([html.unescape(found[0].decode())] if found else [])
            return response.status
        finally:
            client.close()

    seen: set[str] = set()
    run(printing)
    run(nginx)
    try:
        with subprocess.Popen([sys.executable, "-m", *flask.split()], cwd=tmp_path, env=environment) as server:
            try:
                until(lambda: status("/") == 200, "Flask answers")
                (url,) = seen
                assert status(url) == 200
            finally:
                server.send_signal(signal.SIGINT)
        assert status("/") == 502
        assert status(url) == 200
    finally:
        run(stop)


def test_the_page_names_every_option_of_the_command() -> None:
    from flask_images_vips.operating.nginx import command

    named = set(re.findall(r"^\| `(--[\w-]+)`", PAGE.read_text("utf-8"), re.MULTILINE))
    assert named == {option for parameter in command.params for option in parameter.opts}
