"""Metadata as lines that filters read, one a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from indexer.filters import Kind, Metadata, Scalar, kind_of

KIND_NUMBERS: Final = {Kind.NULL: 1, Kind.BOOLEAN: 2, Kind.NUMBER: 3, Kind.STRING: 4}
KINDS_BY_NUMBER: Final = {number: kind for kind, number in KIND_NUMBERS.items()}
EMPTY_LIST: Final = 0


def facet_value(value: Scalar) -> str | int | float:
    """A scalar as a facet holds it; its kind is beside it."""
    if value is None:
        return 0
    return int(value) if isinstance(value, bool) else value


def scalar_of(kind: int, held: str | float) -> Scalar:
    """The scalar that a facet holds."""
    if kind == KIND_NUMBERS[Kind.NULL]:
        return None
    return bool(held) if kind == KIND_NUMBERS[Kind.BOOLEAN] else held


def facets_of(metadata: Metadata) -> list[tuple[str, int, str | int | float]]:
    """The name, kind and value of each line that metadata takes among the facets."""
    return [
        (name, kind, value)
        for name, held in metadata.items()
        for kind, value in dict.fromkeys(facet_lines(held))
    ]


def facet_lines(held: Scalar | Sequence[Scalar]) -> list[tuple[int, str | int | float]]:
    """The kinds and values of a metadata field, one for each element of a list."""
    if isinstance(held, Sequence) and not isinstance(held, str):
        elements = [(KIND_NUMBERS[kind_of(element)], facet_value(element)) for element in held]
        return elements or [(EMPTY_LIST, 0)]
    return [(KIND_NUMBERS[kind_of(held)], facet_value(held))]
