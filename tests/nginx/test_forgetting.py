"""A picture is taken down behind a real nginx, while it is rendered: nothing is left of it, and nobody gets it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from conftest import stopped_renderers
from PIL import Image
from servers import IN_THREAD, until
from test_forgetting import traces

from flask_images_vips import resized_img_placeholder, resized_img_tag
from nginx.test_nginx import Door, cache_folder, lay, opened

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: gunicorn, links, modes")


def pictures(folder: Path) -> list[Path]:
    """All files below *folder* that are pictures."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            try:
                with Image.open(path):
                    found.append(path)
            except OSError:
                pass
    return found


def used(door: Door) -> list[str]:
    """URLs of renditions, of a set and of a watermark, each requested, and known to nginx. A copy is made too."""
    with door.app.test_request_context():
        resized_img_tag("secret.jpg", layout="constrained", width=400, placeholder="lqip")
    # The tag announces a set, so a format that is slow to write leaves a copy.
    made = [door.warm("secret.jpg", width=width, format=format) for format in ("webp", "jpeg") for width in (400, 640)]
    urls = [*made, door.warm("cat.png", width=40, watermark="secret.jpg")]
    with door.app.app_context():
        assert resized_img_placeholder("secret.jpg", "lqip")
    assert [(answer.status, answer.from_app) for answer in map(door.get, urls)] == [(200, False)] * len(urls)
    return urls


def test_forget_against_a_running_render_an_open_door_a_copy_and_a_set() -> None:
    with opened(IMAGES_FRONT_DOOR=True) as door:
        lay(door.folder, "secret.jpg", (2600, 1950))
        lay(door.folder, "cat.png", (80, 60))
        cache = cache_folder(door.folder)
        urls, plain = used(door), door.warm("cat.png", width=40)
        late = door.url("secret.jpg", width=1234)
        stores = {path.relative_to(cache).parts[0] for path in map(Path, traces(cache, "secret.jpg"))}
        assert {"copies", "dependents", f"front.{os.readlink(cache / 'front').rpartition('.')[2]}"} <= stores
        assert len(pictures(cache)) > len(urls)

        statuses: list[int] = []
        thread = threading.Thread(target=lambda: statuses.append(door.get(late).status))
        if IN_THREAD:
            said = door.flask("forget", "secret.jpg")
        else:
            with stopped_renderers():
                thread.start()
                until(lambda: traces(cache / "tmp", "secret.jpg"), "the render has begun")
                said = door.flask("forget", "secret.jpg")
            thread.join()
            assert statuses == [410]
            assert "1 unfinished file" in said

        assert "secret.jpg is forgotten: " in said
        for name in ("renditions", "facts", "copies and sets", "links of nginx", "with it as a watermark"):
            assert name in said
        for url in (*urls, late):
            through, direct = door.get(url), door.get_from_app(url)
            assert (through.status, through.from_app, direct.status) == (410, True, 410)
        assert traces(door.folder / "cache", "secret.jpg") == []
        assert len(pictures(cache)) == 1
        assert (door.get(plain).status, door.get(plain).from_app) == (200, False)

        assert door.flask("allow", "secret.jpg") == "secret.jpg is served again.\n"
        assert [door.get(url).status for url in urls] == [200] * len(urls)
