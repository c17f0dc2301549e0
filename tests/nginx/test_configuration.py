"""What ``flask images nginx`` prints."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, needs
from flask import Flask

from flask_images_vips import Images
from flask_images_vips.config.keys import Config
from flask_images_vips.nginx.configuration import Server, nginx_configuration
from nginx.test_nginx import (
    NGINX,
    Process,
    ask,
    assert_accepted,
    listening,
    open_folder,
    written_configuration,
)

DOCKER = ROOT / "docker"
HEADERS = [("Cache-Control", "public, max-age=9"), ("X-Content-Type-Options", "nosniff")]


SERVER = Server("127.0.0.1:8000", ("8080",))
CONFIG = replace(Config.read({}), url="/imgsizer", accel_redirect="/_images/")


def printed(config: Config, front: str | None = None, server: Server = SERVER) -> str:
    return nginx_configuration(config, "/cache", front, HEADERS, server)


def locations(text: str) -> list[str]:
    return re.findall(r"location (.*) {", re.sub("images_[0-9a-f]{6}", "images", text))


def test_only_what_is_configured_is_printed() -> None:
    config = replace(Config.read({}), url="/imgsizer")
    accel = replace(config, accel_redirect="/_images/")
    assert locations(printed(config, "/front")) == ["^~ /imgsizer/", "@images_app", "/"]
    assert locations(printed(accel)) == ["^~ /_images/", "@images_again", "/"]
    assert locations(printed(accel, "/front")) == ["^~ /imgsizer/", "@images_app", "^~ /_images/", "@images_again", "/"]
    assert "map " not in printed(accel)


def test_the_timing_of_the_application_is_passed_on_where_it_is_configured() -> None:
    line = "add_header Server-Timing $upstream_http_server_timing;\n"
    assert line in printed(replace(CONFIG, server_timing=True))
    assert line not in printed(CONFIG)


def test_without_a_prefix_the_location_of_the_door_is_that_of_all_other_requests() -> None:
    assert locations(printed(replace(Config.read({}), url=""), "/front")) == ["^~ /", "@images_app"]


def test_a_second_server_gets_the_images_and_nothing_else() -> None:
    apart = replace(SERVER, images_upstream="127.0.0.1:8001")
    for config, front in ((CONFIG, "/front"), (CONFIG, None), (replace(CONFIG, accel_redirect=None), "/front")):
        text = printed(replace(config, health="/health"), front, apart)
        assert text.count("server 127.0.0.1:8000;") == text.count("server 127.0.0.1:8001;") == 1
        upstreams = dict(re.findall(r"location ([^{]+) {[^}]*?proxy_pass http://images_[0-9a-f]{6}_(\w+)", text))
        assert upstreams.pop("/") == "app"
        assert upstreams.pop('= "/health"') == "images"
        assert set(upstreams.values()) == {"images"}


def test_the_images_have_a_server_of_their_own_only_where_their_urls_have_a_prefix(make_app: Any) -> None:
    app = make_app(IMAGES_FRONT_DOOR=True, IMAGES_URL="/")
    result = app.test_cli_runner().invoke(args=["images", "nginx", "--images-upstream", "127.0.0.1:8001"])
    assert result.exit_code != 0
    assert "IMAGES_URL" in result.output


def test_the_scheme_of_a_proxy_in_front_is_passed_on_where_it_is_asked_for() -> None:
    text = printed(CONFIG, "/front", replace(SERVER, scheme="$http_x_forwarded_proto"))
    assert set(re.findall("X-Forwarded-Proto (.*);", text)) == {"$http_x_forwarded_proto"}
    assert set(re.findall("X-Forwarded-Proto (.*);", printed(CONFIG, "/front"))) == {"$scheme"}


def test_the_addresses_and_folders_are_those_given() -> None:
    text = printed(replace(Config.read({}), accel_redirect="/_images/"), "/front")
    for line in ("server 127.0.0.1:8000;", "listen 8080;", 'root "/front";', 'alias "/cache/";'):
        assert line in text


def test_a_file_that_is_handed_over_keeps_the_cache_control_of_the_application() -> None:
    door, _, accel = printed(replace(Config.read({}), accel_redirect="/_images/"), "/front").partition(
        "_app {\n        proxy_pass"
    )
    assert 'add_header Cache-Control "public, max-age=9";' in door
    assert 'add_header X-Content-Type-Options "nosniff";' in accel
    assert "add_header Cache-Control" not in accel


def test_only_the_formats_of_the_application_are_negotiated() -> None:
    text = printed(replace(Config.read({}), formats=("webp",)), "/front")
    assert "image/webp[" in text
    assert "image/avif[" not in text


def test_drawings_are_sent_by_nginx_only_if_they_are_passed_through() -> None:
    text = printed(replace(CONFIG, svg="pass"), "/front")
    for line in ("image/svg+xml svg;", '"~*\\.svg$" .svg;', "\n    .svg .svg;"):
        assert line in text
        assert line not in printed(replace(CONFIG, svg=True), "/front")


def test_without_anything_for_nginx_to_do_the_command_says_what_to_set(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["images", "nginx"])
    assert result.exit_code != 0
    assert "IMAGES_FRONT_DOOR" in result.output
    assert "IMAGES_ACCEL_REDIRECT" in result.output


def test_the_configuration_for_docker_is_what_the_command_prints() -> None:
    options = ["--listen", "8080", "--images-upstream", "127.0.0.1:8001", "--scheme", "$http_x_forwarded_proto"]
    command = [sys.executable, "-m", "flask", "--app", "app", "images", "nginx", *options]
    environment = {
        **os.environ,
        "FLASK_SECRET_KEY": "any",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    printed = subprocess.run(command, cwd=DOCKER, env=environment, capture_output=True, text=True, check=True).stdout
    assert (DOCKER / "nginx.conf").read_text() == printed


def test_nginx_accepts_the_configuration_for_docker() -> None:
    needs("nginx", NGINX, "apt-get install nginx-light")
    with open_folder() as folder:
        printed = folder / "printed.conf"
        printed.write_text((DOCKER / "nginx.conf").read_text())
        assert_accepted(written_configuration(folder, printed))


# The server.


def test_the_server_is_that_of_the_site(make_app: Any) -> None:
    app = make_app(IMAGES_FRONT_DOOR=True, SERVER_NAME="example.com:8000", MAX_CONTENT_LENGTH=5_000_000)
    text = app.test_cli_runner().invoke(args=["images", "nginx", "--listen", "80", "--listen", "[::]:80"]).output
    for line in ("listen 80;", "listen [::]:80;", "server_name example.com;", "client_max_body_size 5000000;"):
        assert line in text
    named = ["--server-name", "a.example", "--server-name", "b.example"]
    assert "server_name a.example b.example;" in app.test_cli_runner().invoke(args=["images", "nginx", *named]).output


@pytest.mark.parametrize(
    ("routing", "name"), [({"subdomain_matching": True}, ".example.com"), ({"host_matching": True}, "~.")], ids=str
)
def test_the_server_is_that_of_all_hosts_that_the_site_routes(routing: dict[str, bool], name: str) -> None:
    app = Flask("site", static_host="static.example.com" if "host_matching" in routing else None, **routing)  # type: ignore[arg-type]
    app.config.update(SECRET_KEY="any", SERVER_NAME="example.com", IMAGES_FRONT_DOOR=True)
    Images(app)
    assert f"server_name {name};" in app.test_cli_runner().invoke(args=["images", "nginx"]).output


def test_uploads_are_limited_by_the_application_alone(make_app: Any) -> None:
    text = make_app(IMAGES_FRONT_DOOR=True).test_cli_runner().invoke(args=["images", "nginx"]).output
    assert "client_max_body_size 0;" in text


def names(text: str) -> set[str]:
    """All names that a configuration gives to upstreams, variables and places."""
    found = re.findall(r"^upstream (\S+)|^map .* (\$\S+) {|\(\?<(\w+)>|location (@\S+)", text, re.MULTILINE)
    return {name for group in found for name in group if name}


def test_two_applications_share_no_name() -> None:
    texts = [
        printed(CONFIG, "/front"),
        printed(CONFIG, "/front", Server("127.0.0.1:8001")),
        printed(replace(CONFIG, url="/other"), "/front"),
    ]
    assert len(names(texts[0])) > 15
    for one, other in itertools.combinations(texts, 2):
        assert names(one) & names(other) == set()


@pytest.fixture
def shared() -> Iterator[int]:
    """The port of an nginx with two applications, which do not run, and Debian's default site."""
    needs("nginx", NGINX, "apt-get install nginx-light")
    with open_folder() as folder, contextlib.closing(listening()) as listener:
        port = listener.getsockname()[1]
        listen = (f"127.0.0.1:{port}",)
        servers = [Server("127.0.0.1:9", listen, ("shop.example",)), Server("127.0.0.1:7", listen)]
        text = f"server {{ listen {listen[0]} default_server; server_name _; return 200 'Welcome to nginx!'; }}\n"
        text += "".join(printed(CONFIG, str(folder / f"front{server.upstream}"), server) for server in servers)
        (folder / "printed.conf").write_text(text)
        main = written_configuration(folder, folder / "printed.conf")
        assert_accepted(main)
        assert NGINX is not None
        nginx = Process([NGINX, "-c", str(main)], listener, folder / "nginx.log", NGINX=f"{listener.fileno()};")
        try:
            yield port
        finally:
            nginx.stop()


def test_applications_are_reached_beside_each_other_and_beside_a_default_site(shared: int) -> None:
    """They do not run, so nginx answers 502 in their place."""
    for host in ("shop.example", "any.example", "127.0.0.1"):
        for path in ("/", "/imgsizer/a.png"):
            answer = ask(shared, path, Host=host)
            assert (answer.status, b"Welcome" in answer.body) == (502, False), (host, path)


# Each is right here, and the reason is that of the test below.
EXPECTED = {
    "host_spoofing",  # $host has no port, and the application needs it for its own URLs
    "try_files_is_evil_too",  # open_file_cache would keep links that were removed
}


def test_gixy_finds_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("gixy")
    main, tagged = tmp_path / "nginx.conf", replace(CONFIG, cache_tags=("varnish", "cloudflare"))
    # Gixy does not parse possessive quantifiers.
    main.write_text(f"events {{}}\nhttp {{\n{printed(tagged, '/front').replace('*+', '*')}\n}}")
    command = [sys.executable, "-m", "gixy.cli.main", "--format", "json", str(main)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    assert {problem["plugin"] for problem in found} == EXPECTED, found


def test_images_have_the_tags_that_caches_in_front_read() -> None:
    text = printed(replace(CONFIG, cache_tags=("varnish", "fastly", "cloudflare", "cloudfront")), "/front")
    door, accel = re.findall(r"location \^~ (?:/imgsizer/|/_images/) \{.*?\n    \}", text, re.DOTALL)
    tags = re.findall(r'add_header (xkey|Surrogate-Key|Cache-Tag) "image([ ,])\$images_\w{6}_tag";', door)
    assert tags == [("xkey", " "), ("Surrogate-Key", " "), ("Cache-Tag", ",")]
    for name in ("xkey", "surrogate_key", "cache_tag"):
        assert f"$upstream_http_{name};" in accel
    assert "_tag" not in printed(CONFIG, "/front")


@pytest.mark.parametrize(
    ("formats", "has_two"),
    [(("jxl", "avif", "webp"), True), (("avif", "webp"), False), (("avif", "jxl"), False), (("jxl", "webp"), False)],
)
def test_a_second_link_is_looked_for_only_where_a_jpeg_xl_may_be_sent(formats: tuple[str, ...], has_two: bool) -> None:
    text = printed(replace(CONFIG, formats=formats), "/front")
    (line,) = [line for line in text.splitlines() if "try_files" in line]
    assert len(line.split()) == (4 if has_two else 3)
    assert ("_otherwise {" in text) == has_two
