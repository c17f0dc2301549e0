"""Options of object stores, as the owner of a site may write them."""

from __future__ import annotations

import pytest
from real_servers import StoreServer

from flask_images_vips.errors import ConfigError
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore, StoreFailed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"endpoint": "127.0.0.1:9000"}, r"endpoint = '127\.0\.0\.1:9000': expected a URL"),
        ({"endpoint": 9000}, "endpoint = 9000: expected a URL"),
        ({"timeout": "9s"}, "set IMAGES_STORE_TIMEOUT instead of 'timeout'"),
        ({"region": 5}, "not an instance of 'str'"),
        ({"root_certificate": "none"}, "No certificates found"),
    ],
)
def test_options_that_obstore_does_not_take_are_errors_of_the_configuration(
    store_url: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=rf"IMAGES_STORE_OPTIONS of {store_url}: .*{said}"):
        ObjectStore(parse_location(store_url), options, timeout=5).check()


def test_options_of_connections_are_taken_too(store_server: StoreServer, store_url: str) -> None:
    options = {**store_server.options, "user_agent": "site", "allow_http": True, "token": None}
    assert ObjectStore(parse_location(store_url), options, timeout=5).get("missing") is None


def test_an_endpoint_may_come_from_the_environment(
    store_server: StoreServer, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = dict(store_server.options)
    monkeypatch.setenv("AWS_ENDPOINT_URL", options.pop("endpoint"))
    assert ObjectStore(parse_location(store_url), options, timeout=5).get("missing") is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9000")
    with pytest.raises(StoreFailed, match="obstore crashed"):
        ObjectStore(parse_location(store_url), options, timeout=5).get("missing")
