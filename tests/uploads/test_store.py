"""Uploads in an object store: stored once, shown, removed. A store that fails is no fault of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import gradient
from flask import Flask

pytest.importorskip("obstore")

from headers.containers import saved
from real_servers import StoreServer
from store_stub import Stub

from flask_images_vips.errors import NotStored
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore
from uploads.conftest import Door

JPEG = saved(gradient((64, 48)), "JPEG")


@pytest.fixture
def stored(make_app: Callable[..., Flask], store_server: StoreServer, store_url: str, tmp_path: Path) -> Door:
    config = {"IMAGES_PATH": ["static", store_url], "IMAGES_UPLOADS": f"{store_url}/uploads"}
    return Door(make_app(IMAGES_STORE_OPTIONS=store_server.options, **config), tmp_path)


@pytest.fixture
def failing(make_app: Callable[..., Flask], stub: Stub, tmp_path: Path) -> Door:
    """An application whose store answers all requests that write with an error."""
    config = {"IMAGES_PATH": "s3://bucket/site", "IMAGES_UPLOADS": "s3://bucket/site", "IMAGES_STORE_TIMEOUT": 2}
    return Door(make_app(IMAGES_STORE_OPTIONS=stub.options, **config), tmp_path)


def objects(server: StoreServer, url: str) -> list[str]:
    return [found.path for found in ObjectStore(parse_location(url), server.options, timeout=5).list()]


def test_an_upload_in_a_store_is_shown_and_removed(stored: Door, store_server: StoreServer, store_url: str) -> None:
    accepted = stored.accept(JPEG, folder="photos")
    assert accepted.path.startswith("uploads/photos/")
    assert objects(store_server, store_url) == [accepted.path]
    with stored.app.test_request_context():
        url = stored.images.build_url(accepted, width=20)
    assert stored.app.test_client().get(url).status_code == 200
    with stored.app.app_context():
        assert stored.images.remove_upload(accepted)
    assert objects(store_server, store_url) == []


def test_an_upload_replaces_no_object(
    stored: Door, store_server: StoreServer, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    stored.accept(JPEG)
    with pytest.raises(NotStored, match=f"there is already uploads/{'0' * 32}.jpg"):
        stored.accept(JPEG)
    assert len(objects(store_server, store_url)) == 1


def test_a_store_that_fails_is_no_fault_of_the_file(failing: Door, stub: Stub) -> None:
    with pytest.raises(NotStored, match=r"An upload cannot be stored: s3://bucket/site.* Try again once the store"):
        failing.accept(JPEG)
    assert not stub.objects
