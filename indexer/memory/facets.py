"""What documents hold in their metadata, counted one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from indexer.documents import Document
from indexer.filters import Kind, Scalar, kind_of
from indexer.reports import LONGEST_COMMON, CountedValue, FieldSummary

_ORDER: Final = (Kind.NULL, Kind.BOOLEAN, Kind.NUMBER, Kind.STRING)

Held: TypeAlias = Scalar | Sequence[Scalar]
"""What a document holds in a field."""

_Value: TypeAlias = tuple[Kind, Scalar]
"""A value with its kind: 1 and true are equal in Python, but not here."""


def summarise(documents: Iterable[Document], limit: int, common: int) -> list[FieldSummary]:
    """The first metadata fields by name, each with so many of its common values."""
    counted: dict[str, Counter[_Value]] = {}
    for document in documents:
        for name, held in document.metadata.items():
            counted.setdefault(name, Counter()).update(set(values_of(held)))
    return [_summary(name, counted[name], common) for name in sorted(counted)[:limit]]


def least_of(held: Held) -> Iterator[Scalar]:
    """The least of what a document holds in a field, if there is anything."""
    yield from [value for _, value in sorted(values_of(held), key=_rank)][:1]


def values_of(held: Held) -> list[_Value]:
    """What a document holds in a field, alone or in a list."""
    if isinstance(held, str) or not isinstance(held, Sequence):
        held = (held,)
    return [(kind_of(value), value) for value in held]


def _rank(value: _Value) -> tuple[int, Scalar]:
    kind, held = value
    return _ORDER.index(kind), 0 if held is None else held


def _summary(name: str, counted: Counter[_Value], common: int) -> FieldSummary:
    kinds = {kind for kind, _ in counted}
    numbers = [value for kind, value in counted if kind is Kind.NUMBER]
    short = [one for one in counted if not _is_text(one)]
    short.sort(key=lambda one: (-counted[one], *_rank(one)))
    return FieldSummary(
        name,
        tuple(kind for kind in _ORDER if kind in kinds),
        len(counted),
        tuple(CountedValue(one[1], counted[one]) for one in short[:common]),
        min(numbers, default=None),  # type: ignore[type-var, arg-type]
        max(numbers, default=None),  # type: ignore[type-var, arg-type]
    )


def _is_text(value: _Value) -> bool:
    return isinstance(value[1], str) and len(value[1]) > LONGEST_COMMON
