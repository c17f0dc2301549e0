"""Compute an attribute when it is first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Lazy(Generic[T]):
    """A decorator: `functools.cached_property` without its lock.

    Before Python 3.12, that lock is held for all objects of a class while one value is computed, so threads wait for
    each other, and a child that is forked meanwhile waits forever. Here, two threads may compute the same value.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Lazy[T]: ...

    @overload
    def __get__(self, owner: object, kind: type) -> T: ...

    def __get__(self, owner: object | None, kind: type) -> Lazy[T] | T:
        if owner is None:
            return self
        value: T = owner.__dict__.setdefault(self._name, self._compute(owner))
        return value
