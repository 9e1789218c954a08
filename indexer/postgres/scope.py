"""The documents that a search may return, as a condition for the database."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.engine import Scope
from indexer.postgres.vectors import Bigints

REMEMBERED: Final = 64
"""Filters whose documents are remembered: at most 160 kB each."""


@dataclass(frozen=True, slots=True)
class PostgresScope:
    """``total`` documents: those of ``keys`` if they are few, else those that pass ``condition``.

    A condition has ``{number}`` in place of a document's number. ``hidden`` is the number of
    documents that it leaves out by name or by age.
    """

    total: int
    condition: str = "true"
    arguments: tuple[Any, ...] = ()
    keys: NDArray[np.int64] | None = None
    filtered: bool = False
    hidden: int = 0

    @property
    def is_whole(self) -> bool:
        """Return whether all documents are in it."""
        return self.keys is None and self.condition == "true"

    def sql(self, number: str) -> tuple[str, list[Any]]:
        """The condition on a document's number, with its arguments."""
        if self.keys is not None:
            return f"{number} = ANY(%s)", [Bigints(self.keys)]
        return self.condition.format(number=number), list(self.arguments)


def scope_of(scope: Scope) -> PostgresScope:
    """A scope, which must have been made by a state of this engine."""
    assert isinstance(scope, PostgresScope)
    return scope


class KnownScopes:
    """The scopes of filters that were last asked for, in one state; thread-safe.

    Counting what passes takes longer than finding the nearest of it, and filters come again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock: tuple[int, ...] = ()
        self._scopes: OrderedDict[Hashable, PostgresScope] = OrderedDict()

    def get(
        self, clock: tuple[int, ...], key: Hashable, count: Callable[[], PostgresScope]
    ) -> PostgresScope:
        """A scope of the state with this clock, counted if it is not known."""
        with self._lock:
            known = self._scopes.get(key) if clock == self._clock else None
            if known is not None:
                self._scopes.move_to_end(key)
                return known
        counted = count()
        with self._lock:
            if clock != self._clock:
                self._clock = clock
                self._scopes.clear()
            self._scopes[key] = counted
            while len(self._scopes) > REMEMBERED:
                self._scopes.popitem(last=False)
        return counted
