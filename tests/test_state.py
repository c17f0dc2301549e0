"""What one application's images share."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import pytest
from flask import Flask

from flask_images_vips.nginx.front_door import FrontDoor
from flask_images_vips.nginx.switch import CLOSED
from flask_images_vips.parts import Parts
from flask_images_vips.pipeline import Pipeline
from flask_images_vips.state import EXTENSION, AppImages, current_images, images_of


def images(app: Flask, built: list[tuple[Flask, str, str]]) -> AppImages:
    def build(*arguments: Any) -> Parts:
        built.append(arguments)
        time.sleep(0.05)
        return Parts(cast(Pipeline, object()), FrontDoor("door", lambda: CLOSED))

    return AppImages(app, "/imgsizer", "images", lambda app: None, build, lambda: None)


def test_the_parts_are_built_at_first_use_and_once(app: Flask) -> None:
    built: list[Any] = []
    here = images(app, built)
    assert not here.early_hits
    assert built == []
    found: list[Pipeline] = []
    threads = [threading.Thread(target=lambda: found.append(here.pipeline)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [(app, "/imgsizer", "images")]
    assert found == [here.pipeline] * 4
    assert (here.front_door, here.recompressor) == (None, None)


def test_building_that_failed_is_tried_again(app: Flask) -> None:
    def build(*_: Any) -> Parts:
        raise RuntimeError("not configured yet")

    here = AppImages(app, "/imgsizer", "images", lambda app: None, build, lambda: None)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            _ = here.pipeline


def test_there_is_one_instance_per_application(app: Flask) -> None:
    class Counted:
        def __init__(self, images: AppImages) -> None:
            self.images = images

    one, other = images(app, []), images(app, [])
    assert one.instance(Counted) is one.instance(Counted)
    assert one.instance(Counted) is not other.instance(Counted)
    assert one.instance(Counted).images is one


def test_the_secrets_are_those_of_this_moment(app: Flask) -> None:
    here = images_of(app)
    app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"])
    assert here.secrets == ("new", "old")


def test_the_images_are_those_of_the_current_application(app: Flask, make_app: Any) -> None:
    other = make_app()
    with app.app_context():
        assert current_images() is app.extensions[EXTENSION]
    with other.app_context():
        assert current_images() is images_of(other)
