"""What joins the hosts of a site is built from its configuration, without a request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from flask_images_vips.errors import ConfigError
from flask_images_vips.state import images_of


def test_a_site_without_redis_has_no_fleet(app: Flask) -> None:
    assert images_of(app).fleet is None


def test_a_fleet_is_built_though_redis_is_away(make_app: Callable[..., Flask]) -> None:
    fleet = images_of(make_app(IMAGES_REDIS="valkey://127.0.0.1:1/0", IMAGES_REDIS_PREFIX="site")).fleet
    assert fleet is not None
    assert fleet.connection.key("lock", "a") == "site:lock:a"
    assert not fleet.listener.is_connected


def test_a_wrong_url_is_found_at_start(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(ConfigError, match="IMAGES_REDIS") as raised:
        make_app(IMAGES_REDIS="redis://user:secret@127.0.0.1:port/0")
    assert "secret" not in str(raised.value)


def test_slots_over_hosts_need_redis(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(ConfigError, match="IMAGES_MAX_RENDERS_IN_ALL needs IMAGES_REDIS"):
        make_app(IMAGES_MAX_RENDERS_IN_ALL=4)
