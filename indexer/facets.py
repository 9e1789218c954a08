"""Facets: the values of metadata fields in some documents, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from indexer.filters import Key, Kind, Metadata, Scalar, key_of
from indexer.ordering import RANKS

LONGEST_COMMON: Final = 200
"""Characters of the longest string that is listed as a value."""


@dataclass(frozen=True, slots=True)
class CountedValue:
    """A value of a metadata field, and the number of documents that have it, alone or in a list."""

    value: Scalar
    documents: int


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """The values of a metadata field in some documents.

    ``documents`` is the number of those that have a value other than null, ``distinct`` that of
    different values. ``values`` are those that most documents have, most first, ties by kind and
    value as in an order, without strings of more than LONGEST_COMMON characters. Texts of one
    moment are one value.
    """

    field: str
    documents: int
    distinct: int
    values: tuple[CountedValue, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """A wish to count documents, and at most so many values of each of these fields in them."""

    fields: tuple[str, ...] = ()
    values: int = 20


@dataclass(frozen=True, slots=True)
class Facets:
    """Fields counted over a number of documents."""

    documents: int
    fields: tuple[FieldCounts, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """The counts as JSON has them, of each field by its name."""
        fields = {
            one.field: {
                "documents": one.documents,
                "distinct": one.distinct,
                "values": [asdict(each) for each in one.values],
            }
            for one in self.fields
        }
        return {"documents": self.documents, "fields": fields}


def count_fields(
    documents: Iterable[Metadata], fields: Sequence[str], most: int
) -> tuple[FieldCounts, ...]:
    """Each of these fields with its most common values, at most so many, in some documents."""
    found = list(documents)
    return tuple(_counts(field, [one.get(field) for one in found], most) for field in fields)


def _counts(field: str, column: Iterable[Any], most: int) -> FieldCounts:
    documents: Counter[Key] = Counter()
    given: dict[Key, Scalar] = {}
    holding = 0
    for held in column:
        own = {key_of(value): value for value in elements(held) if value is not None}
        documents.update(own.keys())
        holding += bool(own)
        for key, value in own.items():
            given[key] = min(given.get(key, value), value)
    listed = [key for key in documents if not _is_long(key)]
    listed.sort(key=lambda key: (-documents[key], RANKS[key[0]], key[1]))
    values = tuple(CountedValue(given[key], documents[key]) for key in listed[:most])
    return FieldCounts(field, holding, len(documents), values)


def elements(held: Any) -> Sequence[Any]:  # noqa: ANN401 - a value of metadata
    """A field's values, of which a list has any number."""
    return held if isinstance(held, Sequence) and not isinstance(held, str) else (held,)


def _is_long(key: Key) -> bool:
    return key[0] is Kind.STRING and len(str(key[1])) > LONGEST_COMMON
