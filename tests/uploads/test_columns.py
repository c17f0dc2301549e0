"""The files of a column live and die with its rows."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from conftest import gradient
from werkzeug.datastructures import FileStorage

pytest.importorskip("sqlalchemy")

from headers.containers import saved
from sqlalchemy import ForeignKey, create_engine, delete, event, select
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flask_images_vips import resized_img_tag
from flask_images_vips.geometry import Size
from flask_images_vips.uploads.accepted import Accepted, StoredImage
from flask_images_vips.uploads.columns import ImageColumn
from uploads.conftest import Door

JPEG = saved(gradient((64, 48)), "JPEG")


class Base(DeclarativeBase):
    pass


class Album(Base):
    __tablename__ = "album"
    id: Mapped[int] = mapped_column(primary_key=True)
    photos: Mapped[list[Photo]] = relationship(cascade="all, delete-orphan")


class Photo(Base):
    __tablename__ = "photo"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(unique=True)
    album_id: Mapped[int | None] = mapped_column(ForeignKey("album.id"))
    image: Mapped[StoredImage | None] = mapped_column(ImageColumn)


Album.__init__.__globals__["Photo"] = Photo


@pytest.fixture
def session(door: Door) -> Iterator[Session]:
    engine = create_engine("sqlite://")
    # Without this, sqlite3 knows no savepoints: it begins transactions by itself, and too late.
    event.listen(engine, "connect", lambda connection, record: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    Base.metadata.create_all(engine)
    with door.app.app_context(), Session(engine) as session:
        yield session
    engine.dispose()


def new(door: Door) -> Accepted:
    return door.images.accept(FileStorage(io.BytesIO(JPEG), "a.jpg"))


def kept(door: Door, session: Session) -> Photo:
    """A row that was committed, with its picture."""
    photo = Photo(image=new(door))
    session.add(photo)
    session.commit()
    return photo


def test_a_row_remembers_its_picture(door: Door, session: Session) -> None:
    photo = kept(door, session)
    photo.image = replace(photo.image, alt="A cat", focal_point=(0.25, 0.5))  # type: ignore[type-var]
    session.commit()
    image = session.scalars(select(Photo)).one().image
    assert image is not None
    assert (image.size, image.format, image.alpha, image.alt) == (Size(64, 48), "jpeg", False, "A cat")
    assert image.options == {"focal": (0.25, 0.5)}
    assert image.placeholder
    assert image.color is not None
    assert len(door.files) == 1


def test_a_picture_is_used_in_place_of_its_path(door: Door, session: Session) -> None:
    photo = kept(door, session)
    assert photo.image is not None
    with door.app.test_request_context():
        tag = resized_img_tag(photo.image, width=32, alt=photo.image.alt)
    assert f'src="/imgsizer/{photo.image.path}?' in tag


def test_a_row_without_a_picture_is_null(session: Session) -> None:
    session.add(Photo())
    session.commit()
    assert session.scalars(select(Photo).where(Photo.image.is_(None))).one().image is None


def test_the_file_is_removed_after_the_commit_that_deletes_the_row(door: Door, session: Session) -> None:
    photo = kept(door, session)
    session.delete(photo)
    session.flush()
    assert len(door.files) == 1
    session.commit()
    assert door.files == []


def test_an_orphan_takes_its_file_along(door: Door, session: Session) -> None:
    album = Album(photos=[Photo(image=new(door)), Photo(image=new(door))])
    session.add(album)
    session.commit()
    del album.photos[0]
    session.commit()
    assert [path.name for path in door.files] == [album.photos[0].image.path.rpartition("/")[2]]  # type: ignore[union-attr]
    session.delete(album)
    session.commit()
    assert door.files == []


def test_a_file_stays_if_the_deletion_is_rolled_back(door: Door, session: Session) -> None:
    session.delete(kept(door, session))
    session.flush()
    session.rollback()
    session.commit()
    assert len(door.files) == 1


def test_a_replaced_picture_is_removed_after_the_commit(door: Door, session: Session) -> None:
    photo = kept(door, session)
    (old,) = door.files
    photo.image = new(door)  # type: ignore[assignment]
    session.flush()
    assert old in door.files
    session.commit()
    assert old not in door.files
    assert len(door.files) == 1
    photo.image = None
    session.commit()
    assert door.files == []


def test_a_replacement_that_is_rolled_back_leaves_the_old_picture(door: Door, session: Session) -> None:
    photo = kept(door, session)
    before = door.files
    photo.image = new(door)  # type: ignore[assignment]
    session.flush()
    session.rollback()
    assert door.files == before
    session.commit()
    assert door.files == before
    assert photo.image is not None


@pytest.mark.parametrize("flushed", [True, False])
@pytest.mark.parametrize("end", ["rollback", "close"])
def test_a_new_file_is_removed_if_its_transaction_ends_without_a_commit(
    flushed: bool, end: str, door: Door, session: Session
) -> None:
    session.add(Photo(image=new(door)))
    if flushed:
        session.flush()
    getattr(session, end)()
    assert door.files == []


def test_a_new_file_is_removed_if_the_database_refuses_its_row(door: Door, session: Session) -> None:
    session.add(Photo(title="one"))
    session.commit()
    session.add(Photo(title="one", image=new(door)))
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    assert door.files == []


def test_a_picture_that_is_replaced_before_it_is_committed_leaves_no_file(door: Door, session: Session) -> None:
    photo = Photo(image=new(door))
    session.add(photo)
    photo.image = new(door)  # type: ignore[assignment]
    session.commit()
    assert len(door.files) == 1
    assert photo.image.path.endswith(door.files[0].name)  # type: ignore[union-attr]


def test_words_about_a_new_picture_do_not_make_it_an_old_one(door: Door, session: Session) -> None:
    photo = Photo(image=new(door))
    photo.image = replace(photo.image, alt="A cat")  # type: ignore[type-var]
    session.add(photo)
    session.flush()
    photo.image = replace(photo.image, alt="Another cat")  # type: ignore[type-var]
    session.rollback()
    assert door.files == []


def test_a_savepoint_that_is_rolled_back_takes_only_its_own_files(door: Door, session: Session) -> None:
    first = kept(door, session)
    session.add(Photo(image=new(door)))
    with session.begin_nested() as savepoint:
        session.add(Photo(image=new(door)))
        session.delete(first)
        session.flush()
        assert len(door.files) == 3
        savepoint.rollback()
    assert len(door.files) == 2
    session.commit()
    assert len(door.files) == 2


def test_what_a_savepoint_keeps_depends_on_the_transaction_around_it(door: Door, session: Session) -> None:
    first = kept(door, session)
    with session.begin_nested():
        session.add(Photo(image=new(door)))
        session.delete(first)
    assert len(door.files) == 2
    session.rollback()
    assert len(door.files) == 1
    with session.begin_nested():
        session.delete(first)
    session.commit()
    assert door.files == []


def test_a_file_of_a_committed_row_survives_a_later_rollback(door: Door, session: Session) -> None:
    session.expire_on_commit = False
    photo = kept(door, session)
    photo.title = "changed"
    session.rollback()
    session.expunge(photo)
    session.add(photo)
    session.rollback()
    assert len(door.files) == 1


def test_a_file_that_cannot_be_removed_is_logged(
    door: Door, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    photo = kept(door, session)
    photo.image = replace(photo.image, path="elsewhere/a.jpg")  # type: ignore[type-var]
    session.commit()
    session.delete(photo)
    with caplog.at_level(logging.ERROR):
        session.commit()
    assert "The upload 'elsewhere/a.jpg' cannot be removed" in caplog.text


def test_deletion_by_a_query_removes_no_file(door: Door, session: Session) -> None:
    kept(door, session)
    session.execute(delete(Photo))
    session.commit()
    assert len(door.files) == 1


def test_anything_else_than_a_picture_is_refused(session: Session) -> None:
    with pytest.raises(TypeError, match=r"'a\.jpg' is no picture: expected what images\.accept\(\) returns"):
        Photo(image="a.jpg")
    with pytest.raises(StatementError):
        session.execute(Photo.__table__.insert().values(image=5))  # type: ignore[attr-defined]


def test_older_and_newer_json_is_read() -> None:
    found = StoredImage.from_json({"path": "a.jpg", "size": [3, 2], "colour": "later", "focal_point": [1, 0]})
    assert found == StoredImage("a.jpg", Size(3, 2), focal_point=(1.0, 0.0))


def test_a_picture_that_comes_back_keeps_its_file(door: Door, session: Session) -> None:
    photo = kept(door, session)
    old = photo.image
    photo.image = new(door)  # type: ignore[assignment]
    session.flush()
    photo.image = old
    session.commit()
    assert photo.image is not None
    assert [path.name for path in door.files] == [photo.image.path.rpartition("/")[2]]


def test_a_new_picture_that_comes_back_before_it_is_written_keeps_its_file(door: Door, session: Session) -> None:
    photo = Photo(image=new(door))
    session.add(photo)
    first = photo.image
    photo.image = new(door)  # type: ignore[assignment]
    photo.image = first
    session.commit()
    assert photo.image is not None
    assert [path.name for path in door.files] == [photo.image.path.rpartition("/")[2]]


@pytest.mark.parametrize("flushes", [False, True])
def test_a_picture_that_moves_to_another_row_keeps_its_file(door: Door, session: Session, flushes: bool) -> None:
    photo = kept(door, session)
    image = photo.image
    session.delete(photo)
    if flushes:
        session.flush()
    other = Photo(image=image)
    session.add(other)
    session.commit()
    assert len(door.files) == 1
    session.delete(other)
    session.commit()
    assert door.files == []


def test_a_picture_that_moves_and_is_replaced_loses_its_file(door: Door, session: Session) -> None:
    photo = kept(door, session)
    other = Photo(image=photo.image)
    session.delete(photo)
    session.add(other)
    session.flush()
    other.image = new(door)  # type: ignore[assignment]
    session.commit()
    assert len(door.files) == 1
