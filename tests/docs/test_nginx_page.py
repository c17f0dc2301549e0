"""A real nginx with the files of docs/deploying/nginx.md ends TLS, and tells the application so."""

from __future__ import annotations

import http.client
import re
import shutil
import ssl
import subprocess
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
    (text,) = (block.code for block in blocks_of("docs/deploying/nginx.md") if block.language == "nginx")
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


def test_the_page_names_every_option_of_the_command() -> None:
    from flask_images_vips.operating.nginx import command

    named = set(re.findall(r"^\| `(--[\w-]+)`", PAGE.read_text("utf-8"), re.MULTILINE))
    assert named == {option for parameter in command.params for option in parameter.opts}
