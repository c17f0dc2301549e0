"""Links lead into the folders of ``IMAGES_PATH``, and into those that they led to at the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flask_images_vips.errors import SourceNotFound
from flask_images_vips.sources import links
from flask_images_vips.sources.local import LocalSources

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")

FOLDERS = ("releases/1/static/deep", "releases/2/static", "shared/uploads/more", "archive/2020", "second", "late")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Two releases, of which ``current`` is the first, with other folders beside them. Each has a picture ``a.jpg``."""
    site = Path(os.path.realpath(tmp_path))
    for name in FOLDERS:
        (site / name).mkdir(parents=True)
    for folder in [path for path in site.rglob("*") if path.is_dir()]:
        (folder / "a.jpg").write_text(str(folder.relative_to(site)))
    (site / "current").symlink_to("releases/1")
    return site


def sources_of(site: Path, *, follow_links: bool = True) -> LocalSources:
    return LocalSources([str(site / "current" / "static"), str(site / "second")], follow_links=follow_links)


def read(sources: LocalSources, ref: str) -> str:
    source = sources.find(ref)
    assert sources.again(source) is source
    with source.open() as descriptor:
        return os.read(descriptor, 1000).decode()


@pytest.mark.parametrize(
    ("link", "target", "ref", "content"),
    [
        ("uploads", "../../../shared/uploads", "uploads/a.jpg", "shared/uploads"),
        ("uploads", "../../../shared/uploads", "uploads/more/a.jpg", "shared/uploads/more"),
        ("uploads", "{site}/shared/uploads", "uploads/a.jpg", "shared/uploads"),
        ("deep/uploads", "{site}/current/static/../../../shared/uploads", "deep/uploads/a.jpg", "shared/uploads"),
        ("b.jpg", "a.jpg", "b.jpg", "releases/1/static"),
        ("b.jpg", "{site}/second/a.jpg", "b.jpg", "second"),
        ("other", "{site}/second", "other/a.jpg", "second"),
        ("inner", "deep", "inner/a.jpg", "releases/1/static/deep"),
    ],
)
def test_a_link_at_the_start_is_followed(site: Path, link: str, target: str, ref: str, content: str) -> None:
    (site / "current" / "static" / link).symlink_to(target.format(site=site))
    assert read(sources_of(site), ref) == content


def test_a_link_in_a_linked_folder_is_followed(site: Path) -> None:
    (site / "current/static/uploads").symlink_to(site / "shared/uploads")
    (site / "shared/uploads/2020").symlink_to(site / "archive/2020")
    (site / "shared/uploads/again").symlink_to(site / "shared/uploads")
    sources = sources_of(site)
    assert read(sources, "uploads/2020/a.jpg") == "archive/2020"
    assert read(sources, "uploads/again/again/a.jpg") == "shared/uploads"


def test_a_link_that_is_made_later_leads_into_known_folders_only(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    static = site / "current/static"
    (static / "uploads").symlink_to(site / "shared/uploads")
    sources = sources_of(site)
    for name, target in (("more", "shared/uploads/more"), ("other", "second"), ("late", "late")):
        (static / name).symlink_to(site / target)
    (static / "late.jpg").symlink_to(site / "late/a.jpg")
    assert [read(sources, f"{name}/a.jpg") for name in ("more", "other")] == ["shared/uploads/more", "second"]
    for ref in ("late/a.jpg", "late.jpg") * 2:
        with pytest.raises(SourceNotFound):
            sources.find(ref)
    assert [record.getMessage() for record in caplog.records] == [
        f"The link {static}/{name} leads to {site}/{target}, outside of IMAGES_PATH, so it is not followed. If its "
        f"images should be served, add '{site}/late' to IMAGES_PATH. This is logged once."
        for name, target in (("late", "late"), ("late.jpg", "late/a.jpg"))
    ]


def test_what_is_added_to_the_path_is_followed(site: Path) -> None:
    (site / "current/static/late.jpg").symlink_to(site / "late/a.jpg")
    assert read(LocalSources([str(site / "current/static"), str(site / "late")]), "late.jpg") == "late"


def test_links_at_the_start_are_not_followed_if_that_is_off(site: Path) -> None:
    for name, target in (("uploads", "shared/uploads"), ("other", "second")):
        (site / "current/static" / name).symlink_to(site / target)
    sources = sources_of(site, follow_links=False)
    assert read(sources, "other/a.jpg") == "second"
    with pytest.raises(SourceNotFound):
        sources.find("uploads/a.jpg")


@pytest.mark.parametrize("target", ["/", "..", "../.."])
def test_a_link_to_a_folder_above_opens_nothing(site: Path, target: str) -> None:
    (site / "current/static/above").symlink_to(target)
    sources = sources_of(site)
    with pytest.raises(SourceNotFound):
        sources.find("above/a.jpg")
    assert read(sources, "a.jpg") == "releases/1/static"


def test_links_that_lead_nowhere_are_left_out(site: Path) -> None:
    for name, target in (("a", "none"), ("itself", "itself"), ("uploads", site / "shared/uploads")):
        (site / "current/static" / name).symlink_to(target)
    sources = sources_of(site)
    for ref in ("a/a.jpg", "itself", "itself/a.jpg"):
        with pytest.raises(SourceNotFound):
            sources.find(ref)
    assert read(sources, "uploads/a.jpg") == "shared/uploads"


def test_a_linked_folder_stays_the_one_that_was_found(site: Path) -> None:
    link = site / "current/static/uploads"
    link.symlink_to(site / "shared/uploads")
    sources = sources_of(site)
    found = sources.find("uploads/a.jpg")
    link.unlink()
    link.symlink_to(site / "late")
    for _ in range(2):
        with pytest.raises(SourceNotFound):
            sources.again(found)


def test_a_link_to_a_file_of_the_same_size_and_time_is_noticed(site: Path) -> None:
    for name in ("current/static", "second"):
        (site / name / "a.jpg").write_text(f"{name:>20}")
        os.utime(site / name / "a.jpg", (0, 0))
    link = site / "current/static/b.jpg"
    link.symlink_to("a.jpg")
    sources = sources_of(site)
    found = sources.find("b.jpg")
    link.unlink()
    link.symlink_to(site / "second/a.jpg")
    assert sources.again(found) is not found
    assert read(sources, "b.jpg").strip() == "second"


def test_another_release_takes_the_place_of_the_current_one(site: Path) -> None:
    sources = sources_of(site)
    assert read(sources, "a.jpg") == "releases/1/static"
    (site / "current").unlink()
    (site / "current").symlink_to("releases/2")
    assert read(sources, "a.jpg") == "releases/2/static"


def test_looking_for_links_has_an_end(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(links, "_MAX_ENTRIES", 2)
    (site / "current/static/deep/uploads").symlink_to(site / "shared/uploads")
    with pytest.raises(SourceNotFound):
        sources_of(site).find("deep/uploads/a.jpg")
    assert "more than 2 files and folders" in caplog.messages[0]
