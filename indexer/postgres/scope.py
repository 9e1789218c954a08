"""The documents that a search may return, as a condition for the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.engine import Scope
from indexer.postgres.vectors import Bigints


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
