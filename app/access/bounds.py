"""The bounds of a key: the collections, and the documents in them, that it may use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from indexer.documents import Document
from indexer.filters import Condition, Every, Filter, Operator, Scalar


@dataclass(frozen=True, slots=True)
class Bounds:
    """The collections that may be used, all if None, and the filter that documents must pass."""

    collections: frozenset[str] | None = None
    condition: Filter | None = None

    def __bool__(self) -> bool:
        return self.collections is not None or self.condition is not None

    def admits(self, collection: str) -> bool:
        """Return whether a collection of this name may be used."""
        return self.collections is None or collection in self.collections

    def within(self, other: Bounds) -> Bounds:
        """The bounds that hold where both do."""
        collections, condition = other.collections, other.condition
        if collections is None:
            collections = self.collections
        elif self.collections is not None:
            collections &= self.collections
        if condition is None:
            condition = self.condition
        elif self.condition is not None:
            condition = Every((condition, self.condition))
        return Bounds(collections, condition)

    def complete(self, document: Document) -> Document:
        """The document with the values of metadata that the filter asks for, where it has none.

        Those are of fields that must equal one value; a value that the document has stays.
        """
        missing = {
            field: value for field, value in self._fixed().items() if field not in document.metadata
        }
        if not missing:
            return document
        return replace(document, metadata={**document.metadata, **missing})

    def _fixed(self) -> Mapping[str, Scalar]:
        return dict(_equalities(self.condition))


UNBOUNDED = Bounds()
"""All collections, and all documents."""


def _equalities(condition: Filter | None) -> Iterator[tuple[str, Scalar]]:
    match condition:
        case Condition(field, Operator.EQ, (value,)) if value is not None:
            yield field, value
        case Every(parts):
            for part in parts:
                yield from _equalities(part)
