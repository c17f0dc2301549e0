"""Files of local folders: the first folder wins, and nothing outside of them is found."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from flask_images_vips.errors import SourceNotFound
from flask_images_vips.sources.local import HashedSources, LocalSources
from flask_images_vips.sources.source import Source

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    for name in ("first", "second"):
        (tmp_path / name / "photos").mkdir(parents=True)
    return [tmp_path / "first", tmp_path / "second"]


@pytest.fixture
def sources(roots: list[Path]) -> LocalSources:
    return LocalSources([str(root) for root in roots])


def test_a_file_is_found_with_its_size_and_time(roots: list[Path], sources: LocalSources) -> None:
    path = roots[0] / "photos" / "cat.jpg"
    path.write_bytes(b"a cat")
    os.utime(path, ns=(0, 1_700_000_000_000_000_100))
    expected = Source("photos/cat.jpg", str(roots[0]), str(path), 5, 1_700_000_000_000_000_100)
    assert sources.find("photos/cat.jpg") == expected


def test_the_first_folder_that_has_it_wins_even_if_it_has_it_later(roots: list[Path], sources: LocalSources) -> None:
    (roots[1] / "cat.jpg").write_bytes(b"second")
    found = sources.find("cat.jpg")
    assert found.root == str(roots[1])
    (roots[0] / "cat.jpg").write_bytes(b"first")
    assert sources.find("cat.jpg").root == str(roots[0])
    assert sources.again(found).root == str(roots[0])


def test_a_source_that_is_the_same_is_the_same_object(roots: list[Path], sources: LocalSources) -> None:
    for root in roots:
        (root / f"{root.name}.jpg").write_bytes(b"a cat")
        found = sources.find(f"{root.name}.jpg")
        assert sources.again(found) is found


def test_another_version_is_found_anew(roots: list[Path], sources: LocalSources) -> None:
    path = roots[0] / "cat.jpg"
    path.write_bytes(b"a cat")
    found = sources.find("cat.jpg")
    path.write_bytes(b"another cat")
    assert sources.again(found).size_bytes == 11
    path.unlink()
    for _ in range(2):
        with pytest.raises(SourceNotFound, match="no such file"):
            sources.find("cat.jpg")


@pytest.mark.parametrize(
    "ref",
    [
        *("/etc/passwd", "../first/cat.jpg", "photos/../cat.jpg", "..", "photos\\..\\cat.jpg", "cat.jpg\0"),
        *("%2e%2e/cat.jpg", "photos/%2E%2E/cat.jpg"),
    ],
)
def test_a_name_that_leads_out_of_the_folders_is_refused(roots: list[Path], sources: LocalSources, ref: str) -> None:
    (roots[0] / "cat.jpg").write_bytes(b"a cat")
    with pytest.raises(SourceNotFound, match="not a path inside"):
        sources.find(ref)


@pytest.mark.parametrize("ref", ["", "photos", "photos/", "cat.jpg/", "cat.jpg/more", "none.jpg", "x" * 300])
def test_what_is_no_regular_file_is_not_found(roots: list[Path], sources: LocalSources, ref: str) -> None:
    (roots[0] / "cat.jpg").write_bytes(b"a cat")
    with pytest.raises(SourceNotFound):
        sources.find(ref)


@posix
def test_links_are_followed_within_a_folder_and_not_out_of_it(
    roots: list[Path], sources: LocalSources, tmp_path: Path
) -> None:
    (roots[0] / "photos" / "cat.jpg").write_bytes(b"a cat")
    (tmp_path / "secret.jpg").write_bytes(b"a secret")
    (roots[0] / "album").symlink_to("photos")
    (roots[0] / "away").symlink_to(tmp_path)
    (roots[0] / "secret.jpg").symlink_to(tmp_path / "secret.jpg")
    assert sources.find("album/cat.jpg").size_bytes == 5
    for ref in ("secret.jpg", "away/secret.jpg"):
        with pytest.raises(SourceNotFound):
            sources.find(ref)


def test_without_folders_nothing_is_found() -> None:
    with pytest.raises(SourceNotFound, match="empty"):
        LocalSources([]).find("cat.jpg")


def test_a_digest_is_the_version_and_is_asked_for_once_for_each_file(roots: list[Path]) -> None:
    digested: list[int] = []

    def digest(source: Source, change_time: int) -> str:
        digested.append(source.size_bytes)
        return Path(source.path).read_text()

    path = roots[0] / "cat.jpg"
    path.write_text("a-cat")
    sources = HashedSources([str(root) for root in roots], digest)
    found = sources.find("cat.jpg")
    assert (found.content, found.identity) == ("a-cat", "cat.jpg|a-cat")
    assert sources.find("cat.jpg") is found
    assert digested == [5]
    os.utime(path, (0, 0))
    assert sources.find("cat.jpg").identity == found.identity
    path.write_text("a-dog")
    os.utime(path, (0, 0))  # the same size and time
    assert sources.find("cat.jpg").content == "a-dog"


@posix
def test_a_folder_that_may_not_be_entered_says_so_and_hides_no_file_of_another_folder(
    roots: list[Path], sources: LocalSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied, look_up = roots[0] / "photos", os.lstat

    def lstat(path: str) -> os.stat_result:
        if str(path).startswith(f"{denied}{os.sep}"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return look_up(path)

    monkeypatch.setattr(os, "lstat", lstat)
    with pytest.raises(SourceNotFound, match=rf"may not read {denied}\. Change its owner or its mode"):
        sources.find("photos/cat.jpg")
    with pytest.raises(SourceNotFound, match="no such file"):
        sources.find("cat.jpg")
    (roots[1] / "photos" / "cat.jpg").write_bytes(b"a cat")
    assert sources.find("photos/cat.jpg").root == str(roots[1])


def test_a_path_that_begins_with_the_folder_itself_gets_a_hint(roots: list[Path], sources: LocalSources) -> None:
    (roots[1] / "photos" / "cat.jpg").write_bytes(b"a cat")
    with pytest.raises(SourceNotFound, match=r"; did you mean 'photos/cat\.jpg'\?"):
        sources.find("second/photos/cat.jpg")
    for ref in ("first/photos/cat.jpg", "second/dog.jpg", "second", "second/photos"):
        with pytest.raises(SourceNotFound, match=r"\)$"):
            sources.find(ref)
