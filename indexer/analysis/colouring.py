"""A field's values for colouring a picture: few categories, or numbers on a scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from indexer.filters import Scalar

MOST_CATEGORIES: Final = 32
OTHERS: Final = -1
FEW_NUMBERS: Final = 8
"""With this many different numbers or fewer, they are categories."""


class ColumnKind(StrEnum):
    """The kind of values: categories, or numbers on a scale."""

    CATEGORY = "category"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Column:
    """Values in order, None where there is none.

    For categories they are indices into ``categories``, which has the most frequent first with
    their counts, and OTHERS for the rest; for numbers they are the numbers.
    """

    kind: ColumnKind
    categories: tuple[tuple[Scalar, int], ...]
    values: list[int | float | None]


def column_of(values: Sequence[Scalar]) -> Column:
    """Values as categories; as numbers if most are, and many of them differ."""
    counts = Counter((type(one) is bool, one) for one in values if one is not None)
    numbers = [value for truth, value in counts if not truth and isinstance(value, int | float)]
    if len(numbers) > FEW_NUMBERS and 2 * len(numbers) > len(counts):
        return Column(ColumnKind.NUMBER, (), [_number(one) for one in values])
    order = sorted(counts, key=lambda key: (-counts[key], str(key[1])))[:MOST_CATEGORIES]
    places = {key: place for place, key in enumerate(order)}
    return Column(
        ColumnKind.CATEGORY,
        tuple((key[1], counts[key]) for key in order),
        [None if one is None else places.get((type(one) is bool, one), OTHERS) for one in values],
    )


def _number(value: Scalar) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
