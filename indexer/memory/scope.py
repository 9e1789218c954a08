"""The documents that a search in memory may return."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from indexer.engine import Key, Scope


@dataclass(frozen=True, slots=True)
class MemoryScope:
    """``total`` documents: those of ``keys``, or all where that is None."""

    keys: Container[Key] | None
    total: int

    def holds(self, key: Key) -> bool:
        """Return whether a document is in scope."""
        return self.keys is None or key in self.keys


def scope_of(scope: Scope) -> MemoryScope:
    """A scope, which must have been made by a state in memory."""
    assert isinstance(scope, MemoryScope)
    return scope
