"""What ``flask images nginx`` prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

from conftest import ROOT, needs
from flask import Flask

from flask_images_vips.config.keys import Config
from flask_images_vips.nginx.configuration import nginx_configuration
from nginx.test_nginx import NGINX, assert_accepted, open_folder, written_configuration

DOCKER = ROOT / "docker"
HEADERS = [("Cache-Control", "public, max-age=9"), ("X-Content-Type-Options", "nosniff")]


def printed(config: Config, front: str | None = None) -> str:
    return nginx_configuration(config, "/cache", front, HEADERS, upstream="127.0.0.1:8000", listen="8080")


def locations(text: str) -> list[str]:
    return re.findall(r"location (.*) {", text)


def test_only_what_is_configured_is_printed() -> None:
    config = replace(Config.read({}), url="/imgsizer")
    accel = replace(config, accel_redirect="/_images/")
    assert locations(printed(config, "/front")) == ["^~ /imgsizer/", "@images_app", "/"]
    assert locations(printed(accel)) == ["/_images/", "@images_again", "/"]
    assert locations(printed(accel, "/front")) == ["^~ /imgsizer/", "@images_app", "/_images/", "@images_again", "/"]
    assert "map " not in printed(accel)


def test_without_a_prefix_the_location_of_the_door_is_that_of_all_other_requests() -> None:
    assert locations(printed(replace(Config.read({}), url=""), "/front")) == ["^~ /", "@images_app"]


def test_the_addresses_and_folders_are_those_given() -> None:
    text = printed(replace(Config.read({}), accel_redirect="/_images/"), "/front")
    for line in ("server 127.0.0.1:8000;", "listen 8080;", 'root "/front";', 'alias "/cache/";'):
        assert line in text


def test_a_file_that_is_handed_over_keeps_the_cache_control_of_the_application() -> None:
    door, _, accel = printed(replace(Config.read({}), accel_redirect="/_images/"), "/front").partition("@images_app {")
    assert 'add_header Cache-Control "public, max-age=9";' in door
    assert 'add_header X-Content-Type-Options "nosniff";' in accel
    assert "add_header Cache-Control" not in accel


def test_only_the_formats_of_the_application_are_negotiated() -> None:
    text = printed(replace(Config.read({}), formats=("webp",)), "/front")
    assert "image/webp[" in text
    assert "image/avif[" not in text


def test_without_anything_for_nginx_to_do_the_command_says_what_to_set(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["images", "nginx"])
    assert result.exit_code != 0
    assert "IMAGES_FRONT_DOOR" in result.output
    assert "IMAGES_ACCEL_REDIRECT" in result.output


def test_the_configuration_for_docker_is_what_the_command_prints() -> None:
    command = [sys.executable, "-m", "flask", "--app", "app", "images", "nginx", "--upstream", "app:8000"]
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
        # The name is known in its network alone, and the port is for root alone.
        text = (DOCKER / "nginx.conf").read_text().replace("server app:8000;", "server 127.0.0.1:8000;")
        printed.write_text(text.replace("listen 80;", "listen 127.0.0.1:8080;"))
        assert_accepted(written_configuration(folder, printed))
