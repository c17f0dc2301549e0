"""Attacks on an upload form: nothing is stored that should not be, and nothing is left."""

from __future__ import annotations

import io
import os
import re
import resource
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import ClientDisconnected

from flask_images_vips.errors import NotStored, UploadRefused
from uploads.attacks import FILES, MARK, NAMES, jpeg
from uploads.clean import check_clean
from uploads.conftest import Door, upload

STORED_NAME = re.compile(r"(?:[a-z0-9-]{1,40}-)?[0-9a-f]{32}\.(?:jpg|png|gif|webp|avif)")


@pytest.mark.parametrize("attack", FILES)
def test_a_file_is_refused_or_stored_without_what_it_hides(door: Door, attack: str) -> None:
    made = FILES[attack]()
    if made.reasons:
        with pytest.raises(UploadRefused) as caught:
            door.accept(made.data, made.name, made.kind)
        assert caught.value.reason in made.reasons
        assert re.search(r"\b(?:Choose|Make|Save|Open|Shorten)\b.*\.$", caught.value.message, re.IGNORECASE)
        assert door.files == []
        return
    accepted = door.accept(made.data, made.name, made.kind)
    (path,) = door.files
    assert path == door.path(accepted)
    assert STORED_NAME.fullmatch(path.name)
    assert MARK not in path.read_bytes()
    assert b"<?=`" not in path.read_bytes()
    check_clean(path.read_bytes(), accepted.format)


def test_no_name_leads_out_of_the_folder_or_is_one_of_a_program(door: Door) -> None:
    for number, name in enumerate(NAMES):
        accepted = door.accept(jpeg(), name, slug=number % 5 > 0)
        assert re.fullmatch(r"uploads/" + STORED_NAME.pattern, accepted.path), name
    assert len(door.files) == len(NAMES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in door.files} == {0o644}
    assert {path.parent for path in door.files} == {door.folder}


@pytest.mark.parametrize("given", [None, "", "a text instead of a file", 5, FileStorage(io.BytesIO(), "")])
def test_a_missing_file_is_refused(door: Door, given: object) -> None:
    with door.app.app_context(), pytest.raises(UploadRefused, match="No file has arrived") as caught:
        door.images.accept(given)
    assert caught.value.reason == "missing"


def test_a_huge_file_is_read_only_up_to_the_limit(door: Door) -> None:
    class Endless(io.RawIOBase):
        count = 0

        def read(self, size: int = -1) -> bytes:
            self.count += size
            return jpeg()[:1] * size

    endless = Endless()
    with door.app.app_context(), pytest.raises(UploadRefused, match=r"larger than 2 MB") as caught:
        door.images.accept(FileStorage(endless, "a.jpg"), max_bytes=2_000_000)  # type: ignore[arg-type]
    assert caught.value.reason == "too_many_bytes"
    assert caught.value.message.endswith("Make the picture smaller, or save it as JPEG with a lower quality.")
    assert endless.count == 2_000_001
    assert door.files == []


def test_a_client_that_leaves_leaves_nothing_behind(door: Door) -> None:
    class Cut(io.RawIOBase):
        parts = iter([jpeg()[:300]])

        def read(self, size: int = -1) -> bytes:
            for part in self.parts:
                return part
            raise ClientDisconnected

    with door.app.app_context(), pytest.raises(ClientDisconnected):
        door.images.accept(FileStorage(Cut(), "a.jpg"))  # type: ignore[arg-type]
    assert door.files == []


@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")  # Werkzeug leaves that to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_form_that_is_cut_off_is_answered_as_a_mistake_of_the_client(door: Door) -> None:
    @door.app.post("/upload")
    def receive() -> str:
        return door.images.accept(request.files.get("photo")).path

    body = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n' + jpeg()
    environ = {"CONTENT_LENGTH": str(len(body) + 5000), "wsgi.input_terminated": False}
    response = door.app.test_client().post(
        "/upload",
        input_stream=io.BytesIO(body),
        content_type="multipart/form-data; boundary=x",
        environ_overrides=environ,
    )
    assert response.status_code == 400
    assert door.files == []


def planted(door: Door, tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    door.folder.mkdir()
    return outside


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
class TestLinks:
    def test_a_link_planted_in_the_folder_is_not_followed(self, door: Door, tmp_path: Path) -> None:
        outside = planted(door, tmp_path)
        (door.folder / "photos").symlink_to(outside)
        with pytest.raises(NotStored, match=r"photos: .*link.*replace it by a folder"):
            door.accept(jpeg(), folder="photos")
        with pytest.raises(NotStored, match="link"):
            door.accept(jpeg(), folder="photos/2026")
        assert list(outside.iterdir()) == []

    def test_a_folder_replaced_by_a_link_that_leads_outside_is_refused(self, door: Door, tmp_path: Path) -> None:
        outside = planted(door, tmp_path)
        door.accept(jpeg())
        door.folder.rename(tmp_path / "moved")
        door.folder.symlink_to(outside)
        with pytest.raises(NotStored, match=r"outside of IMAGES_PATH.*find out who made this link"):
            door.accept(jpeg())
        assert list(outside.iterdir()) == []

    def test_a_folder_swapped_for_a_link_while_it_is_opened_is_not_followed(
        self, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outside = planted(door, tmp_path)
        open_, swapped = os.open, []

        def swapping(path: object, *arguments: object, **keywords: object) -> int:
            if path == "uploads" and not swapped:
                swapped.append(path)
                door.folder.rename(tmp_path / "moved")
                door.folder.symlink_to(outside)
            return open_(path, *arguments, **keywords)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "open", swapping)
        monkeypatch.setattr(os, "supports_dir_fd", {*os.supports_dir_fd, swapping})
        with pytest.raises(NotStored, match="link"):
            door.accept(jpeg())
        assert swapped
        assert list(outside.iterdir()) == []

    def test_a_file_of_the_new_name_is_never_replaced(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
        first = door.stored(door.accept(jpeg()))
        with pytest.raises(NotStored, match="File exists"):
            door.accept(jpeg(quality=20))
        assert [path.read_bytes() for path in door.files] == [first]

    def test_a_link_of_the_new_name_is_neither_followed_nor_replaced(
        self, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outside = planted(door, tmp_path)
        monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
        (door.folder / f"{'0' * 32}.jpg").symlink_to(outside / "file.jpg")
        with pytest.raises(NotStored, match="File exists"):
            door.accept(jpeg())
        assert list(outside.iterdir()) == []

    def test_a_link_that_was_there_at_the_start_is_followed(
        self, make_app: Callable[..., Flask], static: Path, tmp_path: Path
    ) -> None:
        """Deployments link the folder of uploads into each release."""
        shared = tmp_path / "shared"
        shared.mkdir()
        (static / "uploads").symlink_to(shared)
        door = Door(make_app(IMAGES_UPLOADS="static/uploads"), static / "uploads")
        accepted = door.accept(jpeg())
        assert [path.name for path in shared.iterdir()] == [accepted.path.removeprefix("uploads/")]


def test_two_uploads_of_one_name_at_once_are_two_files(door: Door) -> None:
    door.accept(jpeg())
    barrier, paths = threading.Barrier(8), list[str]()

    def send() -> None:
        barrier.wait()
        paths.append(door.accept(jpeg(), "same name.jpg", slug=True).path)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*paths}) == 8
    assert len(door.files) == 9


@pytest.mark.skipif(os.name != "posix", reason="limits of a process")
@pytest.mark.parametrize("without_names", [True, False])
def test_a_full_disk_leaves_nothing_behind(door: Door, without_names: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk, the system takes a part of the file and refuses the rest."""
    if not without_names:
        monkeypatch.setattr("flask_images_vips.uploads.folder._WITHOUT_NAME", 0)
    with door.app.app_context():
        checked = door.images.check_upload(upload(jpeg(quality=95)), rules())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(NotStored, match=r"File too large\. Raise the limit"):
            checked.store()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert door.files == []
    assert len({door.accept(jpeg()).path, door.accept(jpeg()).path}) == len(door.files) == 2


def test_a_full_temporary_folder_is_no_fault_of_the_file(door: Door) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(NotStored, match="Make room there, or set TMPDIR"):
            door.accept(jpeg(quality=95))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert door.files == []


def test_a_folder_that_cannot_be_written_is_named(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.folder.mkdir()
    (door.folder / "photos").write_text("a file")
    with pytest.raises(NotStored, match=r"static/uploads/photos: .*replace it by a folder"):
        door.accept(jpeg(), folder="photos")


def rules() -> object:
    from flask_images_vips.uploads.rules import Rules

    return Rules()


def test_requests_that_nothing_catches_are_answered_with_the_sentence(door: Door) -> None:
    @door.app.post("/upload")
    def receive() -> str:
        return door.images.accept(request.files.get("photo"), max_bytes=50_000, formats=["jpeg", "png"]).path

    client = door.app.test_client()

    def status(data: bytes) -> tuple[int, str]:
        response = client.post("/upload", data={"photo": (io.BytesIO(data), "a.jpg")})
        assert response.mimetype in ("text/plain", "text/html")
        return response.status_code, response.text

    assert status(jpeg())[0] == 200
    assert status(b"<html>") == (
        415,
        "This file is an HTML page. Choose a picture in one of these formats: JPEG, PNG.",
    )
    assert status(jpeg()[:400])[0] == 422
    assert status(bytes(60_000))[0] == 413
    assert client.post("/upload").status_code == 400
    assert len(door.files) == 1


def test_the_site_may_answer_refused_uploads_itself(door: Door) -> None:
    @door.app.errorhandler(UploadRefused)
    def answer(error: UploadRefused) -> tuple[str, int]:
        return f"no: {error.reason}", 418

    @door.app.post("/upload")
    def receive() -> str:
        return door.images.accept(request.files.get("photo")).path

    assert door.app.test_client().post("/upload").text == "no: missing"
