"""The metadata values of documents, counted one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from indexer.documents import Document
from indexer.filters import Key, Kind, Scalar, key_of
from indexer.reports import LONGEST_COMMON, CountedValue, FieldSummary

_ORDER: Final = (Kind.NULL, Kind.BOOLEAN, Kind.NUMBER, Kind.STRING, Kind.MOMENT)

Held: TypeAlias = Scalar | Sequence[Scalar]
"""A document's value in a field."""


@dataclass(slots=True)
class _Value:
    """The number of documents with a value, and its spellings: texts of one moment."""

    documents: int = 0
    given: set[Any] = field(default_factory=set)


def summarise(documents: Iterable[Document], limit: int, common: int) -> list[FieldSummary]:
    """The first metadata fields by name, each with its most common values."""
    counted: dict[str, dict[Key, _Value]] = {}
    for document in documents:
        for name, held in document.metadata.items():
            _count(counted.setdefault(name, {}), held)
    return [_summary(name, counted[name], common) for name in sorted(counted)[:limit]]


def least_of(held: Held) -> Iterator[Scalar]:
    """The smallest value of a document in a field, if it has any."""
    values = sorted(_elements(held), key=lambda one: (*_rank(key_of(one)), str(one)))
    yield from values[:1]


def _elements(held: Held) -> Sequence[Scalar]:
    return held if isinstance(held, Sequence) and not isinstance(held, str) else (held,)


def _count(values: dict[Key, _Value], held: Held) -> None:
    given = [(key_of(value), value) for value in _elements(held)]
    for key, value in given:
        values.setdefault(key, _Value()).given.add(value)
    for key in {key for key, _ in given}:
        values[key].documents += 1


def _rank(key: Key) -> tuple[int, Any]:
    kind, told = key
    return _ORDER.index(kind), 0 if told is None else told


def _summary(name: str, values: Mapping[Key, _Value], common: int) -> FieldSummary:
    ranked = sorted(values, key=_rank)
    short = [key for key in ranked if not _is_text(key)]
    short.sort(key=lambda key: -values[key].documents)
    ends = [values[key].given for key in ranked if key[0] is Kind.NUMBER]
    ends = ends or [values[key].given for key in ranked if key[0] is Kind.MOMENT]
    return FieldSummary(
        name,
        tuple(dict.fromkeys(kind for kind, _ in ranked)),
        len(values),
        tuple(
            CountedValue(min(values[key].given), values[key].documents) for key in short[:common]
        ),
        min(ends[0]) if ends else None,
        max(ends[-1]) if ends else None,
    )


def _is_text(key: Key) -> bool:
    return key[0] is Kind.STRING and len(str(key[1])) > LONGEST_COMMON
