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
        """Whether a document is one of them."""
        return self.keys is None or key in self.keys


def scope_of(scope: Scope) -> MemoryScope:
    """A scope that a state in memory made."""
    assert isinstance(scope, MemoryScope)
    return scope
