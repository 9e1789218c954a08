"""Metadata as lines that filters read, one for each value.

A moment is stored as its key, a space, and the text it was given as: so lines sort by moment, and
those of one moment are adjacent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from indexer.filters import Kind, Metadata, Scalar, key_of

KIND_NUMBERS: Final = {
    Kind.NULL: 1,
    Kind.BOOLEAN: 2,
    Kind.NUMBER: 3,
    Kind.STRING: 4,
    Kind.MOMENT: 5,
}
KINDS_BY_NUMBER: Final = {number: kind for kind, number in KIND_NUMBERS.items()}
EMPTY_LIST: Final = 0

FacetLine: TypeAlias = tuple[int, str | int | float]
"""The number of a kind, and a value in the form stored in a facet."""

KEY_ENDS: Final = " "
"""Comes after the key of a moment; no key contains it, nor anything that sorts before it."""


def facet_line(value: Scalar) -> FacetLine:
    """A scalar in the form stored in a facet."""
    kind, key = key_of(value)
    number = KIND_NUMBERS[kind]
    if kind is Kind.MOMENT:
        return number, _moment_line(key, value)
    if key is None:
        return number, 0
    return number, int(key) if isinstance(key, bool) else key


def moment_line(text: str) -> str | None:
    """A text in the form of a facet of kind moment; None if it names no moment."""
    kind, key = key_of(text)
    return _moment_line(key, text) if kind is Kind.MOMENT else None


def _moment_line(key: Scalar, text: Scalar) -> str:
    return f"{key}{KEY_ENDS}{text}"


def scalar_of(kind: int, held: str | float) -> Scalar:
    """The scalar stored in a facet."""
    if kind == KIND_NUMBERS[Kind.NULL]:
        return None
    if kind == KIND_NUMBERS[Kind.MOMENT]:
        return str(held).partition(KEY_ENDS)[2]
    return bool(held) if kind == KIND_NUMBERS[Kind.BOOLEAN] else held


def facets_of(metadata: Metadata) -> list[tuple[str, int, str | int | float]]:
    """The name, kind and value of each of the facets of some metadata."""
    return [
        (name, kind, value)
        for name, held in metadata.items()
        for kind, value in dict.fromkeys(facet_lines(held))
    ]


def facet_lines(held: Scalar | Sequence[Scalar]) -> list[FacetLine]:
    """The kinds and values of a metadata field, one for each element of a list."""
    if isinstance(held, Sequence) and not isinstance(held, str):
        return [facet_line(element) for element in held] or [(EMPTY_LIST, 0)]
    return [facet_line(held)]
