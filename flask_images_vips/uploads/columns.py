"""Keep pictures in the rows of a database, with SQLAlchemy. Their files live and die with the rows.

This module needs SQLAlchemy. A file is removed after the commit of the transaction that deletes its row or replaces the
picture, and a new file is removed if its transaction is rolled back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import current_app
from sqlalchemy import JSON, event
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import ColumnProperty, Mapper, Session, SessionTransaction, object_session
from sqlalchemy.orm.attributes import get_history
from sqlalchemy.types import TypeDecorator

from .accepted import Accepted, StoredImage

if TYPE_CHECKING:
    from .methods import UploadMethods

logger = logging.getLogger("flask_images_vips")

_CHANGES = "flask_images_vips.uploads"  # the key of `_Changes` in `Session.info`
_NEW = "_flask_images_vips_new"  # the attribute of a picture whose file no transaction has kept yet


class ImageColumn(TypeDecorator[StoredImage]):
    """The type of a column for a picture, whose values are `StoredImage` or None. The database stores JSON.

    Assign what `Images.accept` returns, or a `StoredImage`. *images* is the `Images` object that removes files. By
    default, it is that of the current application.
    """

    impl = JSON(none_as_null=True)
    cache_ok = True

    def __init__(self, images: UploadMethods | None = None) -> None:
        super().__init__()
        self.images = images

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        del dialect
        return None if value is None else _picture(value).to_json()

    def process_result_value(self, value: Any, dialect: Dialect) -> StoredImage | None:
        del dialect
        return None if value is None else StoredImage.from_json(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Compare with pictures as a picture, and with parts of the JSON as JSON."""
        return (
            self if isinstance(value, (StoredImage, Accepted)) else self.impl_instance.coerce_compared_value(op, value)
        )


def _picture(value: Any) -> StoredImage:
    if isinstance(value, StoredImage):
        return value
    if isinstance(value, Accepted):
        return StoredImage.of(value)
    raise TypeError(f"{value!r} is no picture: expected what images.accept() returns, a StoredImage, or None")


@dataclass(slots=True)
class _Changes:
    """The files that a transaction has brought, and those that it has made useless.

    An entry is the savepoint or None, the picture, and the type of its column. *holders* are the columns of rows that
    the transaction has given a picture, by its path: what another row has taken over, or what has come back, stays.
    """

    added: list[tuple[SessionTransaction | None, StoredImage, ImageColumn]] = field(default_factory=list)
    removed: list[tuple[SessionTransaction | None, StoredImage, ImageColumn]] = field(default_factory=list)
    holders: dict[str, set[tuple[Any, str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session) -> _Changes:
        found: _Changes = session.info.setdefault(_CHANGES, cls())
        return found


def _add(session: Session, picture: StoredImage, column: ImageColumn) -> None:
    changes = _Changes.of(session)
    if all(known is not picture for _, known, _ in changes.added):
        changes.added.append((session.get_nested_transaction(), picture, column))


def _remove(session: Session, picture: StoredImage, column: ImageColumn) -> None:
    _Changes.of(session).removed.append((session.get_nested_transaction(), picture, column))


def _hold(session: Session, picture: StoredImage, row: Any, name: str) -> None:
    _Changes.of(session).holders.setdefault(picture.path, set()).add((_key(row), name))


def _release(session: Session, picture: StoredImage, column: ImageColumn, row: Any, name: str) -> None:
    _Changes.of(session).holders.get(picture.path, set()).discard((_key(row), name))
    _remove(session, picture, column)


@event.listens_for(Mapper, "mapper_configured")
def _watch(mapper: Mapper[Any], owner: type[Any]) -> None:
    """Watch the columns of *owner*, a class of rows, that hold pictures."""
    columns = _columns(mapper)
    for name, column in columns.items():
        _watch_attribute(getattr(owner, name), column)
    if columns:
        event.listen(mapper, "after_insert", _after_insert)
        event.listen(mapper, "before_update", _before_update)
        event.listen(mapper, "before_delete", _before_delete)


def _columns(mapper: Mapper[Any]) -> dict[str, ImageColumn]:
    """Return the columns that hold pictures, by the names of their attributes."""
    found = {}
    for attribute in mapper.column_attrs:
        if isinstance(attribute, ColumnProperty) and isinstance(attribute.columns[0].type, ImageColumn):
            found[attribute.key] = attribute.columns[0].type
    return found


def _watch_attribute(attribute: Any, column: ImageColumn) -> None:
    def set_(target: Any, value: Any, old: Any, initiator: Any) -> StoredImage | None:
        del initiator
        picture = None if value is None else _picture(value)
        was_new = isinstance(old, StoredImage) and _is_new(old)
        same = picture is not None and isinstance(old, StoredImage) and old.path == picture.path
        if picture is not None and (isinstance(value, Accepted) or (same and was_new)):
            object.__setattr__(picture, _NEW, True)
        session = object_session(target)
        if session is not None:
            if picture is not None and _is_new(picture):
                _add(session, picture, column)
            if was_new and not same:
                _remove(session, old, column)
        return picture

    event.listen(attribute, "set", set_, retval=True, active_history=True)


def _is_new(picture: StoredImage) -> bool:
    return bool(getattr(picture, _NEW, False))


@event.listens_for(Session, "after_attach")
def _attached(session: Session, row: Any) -> None:
    for name, column in _columns(_mapper(row)).items():
        picture = row.__dict__.get(name)
        if isinstance(picture, StoredImage) and _is_new(picture):
            _add(session, picture, column)


def _mapper(row: Any) -> Mapper[Any]:
    mapper: Mapper[Any] = row.__mapper__ if hasattr(row, "__mapper__") else type(row).__mapper__
    return mapper


def _key(row: Any) -> Any:
    return _mapper(row).identity_key_from_instance(row)


def _after_insert(mapper: Mapper[Any], connection: Any, row: Any) -> None:
    del connection
    session = object_session(row)
    for name in _columns(mapper):
        picture = row.__dict__.get(name)  # a column that is not there has its default
        if session is not None and isinstance(picture, StoredImage):
            _hold(session, picture, row, name)


def _before_update(mapper: Mapper[Any], connection: Any, row: Any) -> None:
    del connection
    session = object_session(row)
    for name, column in _columns(mapper).items():
        history = get_history(row, name)
        kept = {picture.path for picture in (*history.added, *history.unchanged) if picture is not None}
        for picture in history.added:
            if session is not None and isinstance(picture, StoredImage):
                _hold(session, picture, row, name)
        for picture in history.deleted:
            if session is not None and isinstance(picture, StoredImage) and picture.path not in kept:
                _release(session, picture, column, row, name)


def _before_delete(mapper: Mapper[Any], connection: Any, row: Any) -> None:
    del connection
    session = object_session(row)
    for name, column in _columns(mapper).items():
        picture = getattr(row, name)
        if session is not None and isinstance(picture, StoredImage):
            _release(session, picture, column, row, name)


@event.listens_for(Session, "after_commit")
def _committed(session: Session) -> None:
    changes: _Changes | None = session.info.get(_CHANGES)
    if changes is None:
        return
    savepoint = session.get_nested_transaction()
    if savepoint is not None:  # what was done since then belongs to the transaction around it
        outer = savepoint.parent if savepoint.parent is not None and savepoint.parent.nested else None
        for entries in (changes.added, changes.removed):
            entries[:] = [(outer if tag is savepoint else tag, *rest) for tag, *rest in entries]  # type: ignore[misc]
        return
    del session.info[_CHANGES]
    for _, picture, _ in changes.added:
        object.__setattr__(picture, _NEW, False)
    for _, picture, column in changes.removed:
        if not changes.holders.get(picture.path):
            _remove_file(picture, column)


@event.listens_for(Session, "after_transaction_end")
def _ended(session: Session, transaction: SessionTransaction) -> None:
    """Remove the new files of a transaction that ends without a commit, by whatever way."""
    changes: _Changes | None = session.info.get(_CHANGES)
    if changes is None or not (transaction.nested or transaction.parent is None):
        return
    tag = transaction if transaction.nested else None
    if tag is None:
        changes.holders.clear()
    gone = [entry for entry in changes.added if tag is None or entry[0] is tag]
    changes.added[:] = [entry for entry in changes.added if entry not in gone]
    changes.removed[:] = [entry for entry in changes.removed if tag is not None and entry[0] is not tag]
    for _, picture, column in gone:
        object.__setattr__(picture, _NEW, False)
        _remove_file(picture, column)


def _remove_file(picture: StoredImage, column: ImageColumn) -> None:
    """Remove the file of *picture*. The transaction has ended, so an error is logged."""
    try:
        images: Any = column.images or current_app.extensions["images"]
        images.remove_upload(picture)
    except Exception:
        logger.exception("The upload %r cannot be removed. Remove it by images.remove_upload().", picture.path)
