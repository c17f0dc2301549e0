"""Forgetting a picture: nothing of it is left or comes back, its URLs answer 410, and the rest is as before."""

from __future__ import annotations

import http.server
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient, stopped_renderers, url_of
from flask import Flask

from flask_images_vips import Images, resized_img_placeholder, resized_img_size, resized_img_tag
from flask_images_vips.errors import Forgotten, InvalidPath, NotForgotten
from flask_images_vips.operating.purging import named
from flask_images_vips.recording.journal import Journal
from flask_images_vips.rendition import source_folder
from flask_images_vips.shared_decode import prices
from flask_images_vips.state import images_of

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links, signals")


def images(app: Flask) -> Images:
    found: Images = app.extensions["images"]
    return found


def status(app: Flask, url: str) -> int:
    return app.test_client().get(url).status_code


def aged(path: Path) -> Path:
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def traces(folder: Path, *refs: str) -> list[str]:
    """Whatever below *folder* names one of *refs* or its digest: names, targets of links, contents of files."""
    words = [word for ref in refs for word in (source_folder(ref), Path(ref).stem)]
    found = []
    for path in folder.rglob("*"):
        told = str(path.relative_to(folder)).encode()
        if path.is_symlink():
            told += os.readlink(path).encode()
        elif path.is_file():
            told += path.read_bytes()
        if any(word.encode() in told for word in words):
            found.append(str(path))
    return found


def test_its_urls_answer_410_and_nothing_is_left_of_it(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("secret.png")
    draw("other.png")
    urls = [url_of(app, "secret.png", width=width) for width in (10, 20)]
    other = url_of(app, "other.png", width=10)
    assert [status(app, url) for url in (*urls, other)] == [200, 200, 200]
    with app.app_context():
        assert resized_img_placeholder("secret.png", "color")
    receipt = images(app).forget("secret.png")
    assert (receipt.ref, receipt.is_new, receipt.found) == ("secret.png", True, True)
    assert (receipt.renditions, receipt.facts, receipt.original) == (2, 1, None)
    assert receipt.size_bytes > 0
    assert receipt.to_json()["renditions"] == 2
    assert traces(tmp_path / "cache", "secret.png") == []
    assert [status(app, url) for url in (*urls, other)] == [410, 410, 200]
    assert status(app, url_of(app, "secret.png", width=30)) == 410
    assert traces(tmp_path / "cache", "secret.png") == []


def test_the_answer_says_that_it_was_removed_and_caches_keep_it_briefly(app: Flask, draw: Any) -> None:
    draw("secret.png")
    url = url_of(app, "secret.png", width=10)
    images(app).forget("secret.png")
    response = app.test_client().get(url)
    assert response.text == "This link has expired, or the image was removed.\n"
    assert response.headers["Cache-Control"] == "public, max-age=60"


def test_a_path_is_normal_or_an_error(app: Flask) -> None:
    with pytest.raises(InvalidPath):
        images(app).forget("../secret.png")
    assert images(app).forget(Path("/secret.png")).ref == "secret.png"


def test_every_process_refuses_it_at_once_also_if_it_was_a_hit_there(make_app: Any, draw: Any) -> None:
    draw("secret.png")
    here, there = make_app(IMAGES_EARLY_HITS=True), make_app(IMAGES_EARLY_HITS=True)
    url = url_of(there, "secret.png", width=10)
    client = there.test_client()
    etag = [client.get(url) for _ in range(3)][-1].headers["ETag"]
    images(here).forget("secret.png")
    assert client.get(url).status_code == 410
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 410


def test_neither_purge_nor_restart_nor_another_secret_key_brings_it_back(make_app: Any, draw: Any) -> None:
    draw("secret.png")
    first = make_app()
    images(first).forget("secret.png")
    assert "files removed" in first.test_cli_runner().invoke(args=["images", "purge", "--all"]).output
    images(first).purge("secret.png")
    second = make_app(SECRET_KEY="another secret")
    assert status(second, url_of(second, "secret.png", width=10)) == 410


def test_it_is_allowed_again_only_by_a_call(app: Flask, draw: Any) -> None:
    draw("secret.png")
    url = url_of(app, "secret.png", width=10)
    assert not images(app).allow("secret.png")
    images(app).forget("secret.png")
    draw("secret.png", (32, 32))  # another picture under the same path
    assert status(app, url_of(app, "secret.png", width=10)) == 410
    assert images(app).allow("secret.png")
    assert status(app, url) == 200


def test_to_forget_it_twice_does_no_harm(app: Flask, draw: Any) -> None:
    draw("secret.png")
    assert [images(app).forget("secret.png").is_new for _ in range(2)] == [True, False]
    assert images(app).allow("secret.png")
    assert not images(app).allow("secret.png")


def test_it_does_not_matter_whether_it_exists(app: Flask, draw: Any) -> None:
    receipt = images(app).forget("never.png", source=True)
    assert (receipt.is_new, receipt.found, receipt.original) == (True, False, None)
    draw("never.png")
    assert status(app, url_of(app, "never.png", width=10)) == 410


def test_pages_treat_it_as_missing_and_show_no_placeholder(app: Flask, draw: Any) -> None:
    draw("secret.png")
    with app.app_context():
        assert resized_img_placeholder("secret.png", "lqip")
    with app.test_request_context():
        assert resized_img_placeholder("secret.png", "lqip")  # it is in memory
    images(app).forget("secret.png")
    with app.test_request_context():
        assert resized_img_placeholder("secret.png", "lqip") is None
        assert resized_img_size("secret.png", width=10) is None
        assert "lqip" not in str(resized_img_tag("secret.png", width=10, placeholder="lqip"))


def test_the_fallback_is_shown_instead(make_app: Any, draw: Any) -> None:
    draw("secret.png")
    draw("fallback.png")
    app = make_app(IMAGES_FALLBACK="fallback.png")
    url = url_of(app, "secret.png", width=10)
    images(app).forget("secret.png")
    response = app.test_client().get(url)
    assert (response.status_code, response.mimetype) == (410, "image/png")


# The original.


def test_the_original_is_removed_only_if_that_is_asked_for(app: Flask, draw: Any) -> None:
    path = draw("secret.png")
    url = url_of(app, "secret.png", width=10)
    assert status(app, url) == 200
    images(app).forget("secret.png")
    assert path.exists()
    assert images(app).forget("secret.png", source=True).original == str(path)
    assert not path.exists()
    assert status(app, url) == 410  # rather than 404


@posix
def test_a_link_to_the_original_is_removed_with_it(make_app: Any, draw: Any, static: Path) -> None:
    path = draw("uploads/secret.png")
    (static / "public.png").symlink_to(path)
    receipt = images(make_app()).forget("public.png", source=True)
    assert receipt.original == str(path)
    assert [*static.rglob("*.png")] == []


# What shows it, or was made of it.


def test_pictures_with_it_as_a_watermark_answer_410_and_are_removed(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("cat.png")
    draw("secret.png", (8, 8))
    plain = url_of(app, "cat.png", width=20)
    marked = url_of(app, "cat.png", width=20, watermark="secret.png")
    assert [status(app, url) for url in (plain, marked)] == [200, 200]
    receipt = images(app).forget("secret.png")
    assert (receipt.renditions, receipt.marked) == (0, 1)
    assert traces(tmp_path / "cache", "secret.png") == []
    assert [status(app, url) for url in (plain, marked)] == [200, 410]
    assert traces(tmp_path / "cache", "secret.png") == []


def test_a_purge_of_a_watermark_removes_the_pictures_that_show_it(app: Flask, draw: Any, tmp_path: Path) -> None:
    draw("cat.png")
    draw("mark.png", (8, 8))
    for keywords in ({}, {"watermark": "mark.png"}):
        assert status(app, url_of(app, "cat.png", width=20, **keywords)) == 200
    assert images(app).purge("mark.png") >= 1
    assert traces(tmp_path / "cache", "mark.png") == [
        str(tmp_path / "cache" / "flask-images-vips" / "dependents" / source_folder("mark.png"))
    ]
    assert images(app).purge("cat.png") >= 1


def test_copies_and_announced_sets_are_removed(
    make_app: Any, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "_EXPECTED", 100)
    draw("secret.jpg", (2560, 1920), quality=20)
    app = make_app()
    with app.test_request_context():
        tag = str(resized_img_tag("secret.jpg", layout="constrained", width=400))
    assert "srcset" in tag
    assert status(app, url_of(app, "secret.jpg", width=333, format="webp")) == 200
    copies = tmp_path / "cache" / "flask-images-vips" / "copies"
    assert len([*copies.glob("??/*/*")]) >= 2
    receipt = images(app).forget("secret.jpg")
    assert receipt.copies >= 2
    assert traces(tmp_path / "cache", "secret.jpg") == []


@posix
def test_the_links_of_nginx_are_removed_with_their_names(make_app: Any, draw: Any, tmp_path: Path) -> None:
    for name in ("secret.png", "other.png"):
        aged(draw(name))
    app = make_app(IMAGES_FRONT_DOOR=True)
    for name, width in (("secret.png", 10), ("secret.png", 20), ("other.png", 10)):
        assert status(app, url_of(app, name, width=width)) == 200
    assert status(app, url_of(app, "other.png", width=20, watermark="secret.png")) == 200
    assert images(app).forget("secret.png").links == 3
    front = tmp_path / "cache" / "flask-images-vips" / "front"
    assert [path.exists() for path in front.glob("??/*") if path.is_symlink()] == [True]
    assert traces(tmp_path / "cache", "secret.png") == []
    assert status(app, url_of(app, "secret.png", width=10)) == 410
    assert traces(tmp_path / "cache", "secret.png") == []


class Origin(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        Origin.asked += 1
        file = io.BytesIO()
        gradient((64, 48)).save(file, "PNG")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(file.getvalue())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_a_pattern_finds_the_urls_that_were_fetched(make_app: Any, origin: int) -> None:
    app = make_app(IMAGES_REMOTE_ALLOW_PRIVATE=["127.0.0.0/8"], IMAGES_REMOTE_PORTS=[origin])
    refs = [f"http://127.0.0.1:{origin}/{name}.png" for name in ("a", "b")]
    assert [status(app, url_of(app, ref, width=10)) for ref in refs] == [200, 200]
    pipeline = images_of(app).pipeline
    assert sorted(named(f"http://127.0.0.1:{origin}/*", pipeline)) == refs
    assert named("http://127.0.0.1:*/b*", pipeline) == refs[1:]
    assert named("https://*", pipeline) == []


def test_a_remote_picture_is_removed_and_not_fetched_again(make_app: Any, origin: int, tmp_path: Path) -> None:
    ref = f"http://127.0.0.1:{origin}/secret.png"
    app = make_app(IMAGES_REMOTE_ALLOW_PRIVATE=["127.0.0.0/8"], IMAGES_REMOTE_PORTS=[origin])
    url = url_of(app, ref, width=10)
    assert status(app, url) == 200
    asked = Origin.asked
    receipt = images(app).forget(ref, source=True)
    assert (receipt.fetched, receipt.original) == (2, None)
    assert traces(tmp_path / "cache", ref) == []
    assert [status(app, each) for each in (url, url_of(app, ref, width=20))] == [410, 410]
    assert Origin.asked == asked
    assert traces(tmp_path / "cache", ref) == []


def test_no_other_spelling_of_its_url_brings_a_remote_picture_back(make_app: Any, origin: int, tmp_path: Path) -> None:
    spellings = [f"http://127.0.0.1:{origin}/{name}" for name in ("secret.png", "%73ecret.png", "secret.png#x")]
    app = make_app(IMAGES_REMOTE_ALLOW_PRIVATE=["127.0.0.0/8"], IMAGES_REMOTE_PORTS=[origin], IMAGES_FRONT_DOOR=True)
    urls = [url_of(app, ref, width=10, version="abc") for ref in spellings]
    asked = Origin.asked
    assert [status(app, url) for url in urls] == [200, 200, 200]
    assert Origin.asked == asked + 1
    images(app).forget(spellings[0])
    assert [status(app, url) for url in urls] == [410, 410, 410]
    assert traces(tmp_path / "cache", *spellings) == []
    assert images(app).allow(spellings[2])
    assert [status(app, url) for url in urls] == [200, 200, 200]


# While it is rendered.


@posix
def test_a_render_that_is_running_answers_410_and_leaves_nothing(app: Flask, draw: Any, tmp_path: Path) -> None:
    if images_of(app).pipeline.producer.renderers.pool is None:
        pytest.skip("needs renderers")
    draw("secret.png", (640, 480))
    statuses: list[int] = []
    url = url_of(app, "secret.png", width=100)
    threads = [threading.Thread(target=lambda: statuses.append(status(app, url))) for _ in range(3)]
    temporary = tmp_path / "cache" / "flask-images-vips" / "tmp"
    with stopped_renderers():
        for thread in threads:
            thread.start()
        while not (temporary.is_dir() and os.listdir(temporary)):
            pass
        receipt = images(app).forget("secret.png")
    for thread in threads:
        thread.join()
    assert receipt.unfinished == 1
    assert statuses == [410, 410, 410]
    assert traces(tmp_path / "cache", "secret.png") == []


# In a hook, and where something fails.


def test_it_needs_no_context_if_the_application_is_known(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("secret.png")
    assert images(make_app()).forget("secret.png").is_new


def test_what_cannot_be_done_is_told_and_the_rest_is_done(
    app: Flask, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw("secret.png")
    assert status(app, url_of(app, "secret.png", width=10)) == 200
    (tmp_path / "cache" / "flask-images-vips" / "forgotten").write_text("not a folder")
    with pytest.raises(NotForgotten, match="its tombstone cannot be made") as raised:
        images(app).forget("secret.png", source=True)
    assert "may still be shown" in str(raised.value)
    assert not path.exists()
    assert traces(tmp_path / "cache", "secret.png") == []


def test_it_tells_if_the_record_still_names_it(app: Flask, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("secret.png")

    def refuse(*_: object) -> None:
        raise TimeoutError("another process writes")

    monkeypatch.setattr(Journal, "forget", refuse)
    with pytest.raises(NotForgotten, match="what is recorded of it cannot be removed: another process writes"):
        images(app).forget("secret.png")
    assert status(app, url_of(app, "secret.png", width=10)) == 410
    assert images(app).purge("secret.png") == 0  # which only logs it


def test_without_a_cache_folder_the_instance_folder_remembers(
    tmp_path: Path, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    draw("secret.png")
    app = Flask("site", root_path=str(tmp_path), instance_path=str(tmp_path / "instance"))
    app.secret_key = "a secret"
    Images(app).forget("secret.png")
    assert len([*(tmp_path / "instance" / "flask-images-vips").iterdir()]) == 2
    assert status(app, url_of(app, "secret.png", width=10)) == 410


def test_the_folder_can_be_configured(make_app: Any, draw: Any, tmp_path: Path) -> None:
    draw("secret.png")
    images(make_app(IMAGES_TOMBSTONES="kept/tombstones")).forget("secret.png")
    assert (tmp_path / "kept" / "tombstones" / "key").exists()


def test_the_error_is_a_kind_of_missing_source(app: Flask, draw: Any) -> None:
    draw("secret.png")
    images(app).forget("secret.png")
    with pytest.raises(Forgotten, match=r"'secret\.png': it was forgotten, for good"):
        images(app).render("secret.png", width=10)
