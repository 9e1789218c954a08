"""Orders of documents in lists: by the values of a metadata field, or as they were added.

Values are ordered by kind, then within their kind: booleans, numbers, texts by their UTF-8 bytes,
moments. A document whose field holds a list stands by the smallest of its values where the order
is ascending, and by the largest where it is descending. Last, either way, come documents without a
value: those that lack the field, or hold null or an empty list. Equals are in the order in which
they were added, or in the opposite order if it is descending. :meth:`Order.place_of` defines this,
and is the oracle of every faster order.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

from indexer.errors import InvalidInput
from indexer.filters import Kind, Metadata, key_of

LONGEST_KEY: Final = 128
"""Bytes of a text that its order is decided by: cursors, which hold them, stay short."""

RANKS: Final = {Kind.BOOLEAN: 2, Kind.NUMBER: 3, Kind.STRING: 4, Kind.MOMENT: 5}
"""The place of each kind among the kinds; null has none, as it is no value here."""

SortKey: TypeAlias = tuple[int, int | float | bytes | str]
"""The rank of a kind, and what is compared within it: bytes of texts, keys of moments."""


class Place(NamedTuple):
    """A document's place in an order: the key of its value, None without one, and its number."""

    key: SortKey | None
    number: int


@dataclass(frozen=True, slots=True)
class Order:
    """The order by a metadata field, or without one that in which documents were added."""

    field: str | None = None
    descending: bool = False

    def place_of(self, metadata: Metadata, number: int) -> Place:
        """The place of a document with this metadata, which was added as this number."""
        keys = [] if self.field is None else _keys(metadata.get(self.field))
        if not keys:
            return Place(None, number)
        return Place(max(keys) if self.descending else min(keys), number)

    def sort_key(self, place: Place) -> Any:  # noqa: ANN401 - a value to sort places by
        """A value that sorts as places do in this order, ascending or not."""
        is_late = (place.key is None) != self.descending
        return is_late, place.key or (), place.number

    def encode(self, place: Place) -> str:
        """A cursor to what comes after a place in this order."""
        rank, value = place.key or (0, 0)
        told = value.hex() if isinstance(value, bytes) else value
        content = json.dumps([self._mark, rank, told, place.number], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    def decode(self, cursor: str) -> Place:
        """The place that a cursor names; raises InvalidInput for one of another order."""
        try:
            content = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="))
            mark, rank, value, number = content
            place = Place(_read_key(rank, value), number)
        except (binascii.Error, ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(f"cursor {cursor[:40]!r} is not one that a page gave") from error
        if type(number) is not int or not 0 <= number < 2**63 or mark != self._mark:
            raise InvalidInput(
                f"cursor {cursor[:40]!r} is of a page in another order: give it with the sort and "
                "order that it came from"
            )
        return place

    @property
    def _mark(self) -> str:
        return blake2b(repr((self.field, self.descending)).encode(), digest_size=6).hexdigest()


ADDED: Final = Order()
NEWEST: Final = Order(descending=True)


def _keys(held: Any) -> list[SortKey]:  # noqa: ANN401 - a value of metadata, or None
    elements = held if isinstance(held, Sequence) and not isinstance(held, str) else [held]
    keys = [key_of(element) for element in elements]
    return [(RANKS[kind], _compared(kind, value)) for kind, value in keys if kind in RANKS]


def _compared(kind: Kind, value: Any) -> Any:  # noqa: ANN401 - a scalar
    if kind is Kind.STRING:
        return value.encode()[:LONGEST_KEY]
    return int(value) if kind is Kind.BOOLEAN else value


def _read_key(rank: object, value: Any) -> SortKey | None:  # noqa: ANN401 - of JSON
    """The key of a cursor; raises ValueError or TypeError."""
    if rank == 0:
        return None
    kinds: dict[object, tuple[type, ...]] = {2: (int,), 3: (int, float), 4: (str,), 5: (str,)}
    if type(rank) is not int or type(value) not in kinds.get(rank, ()):
        raise ValueError("no key of a value")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("larger than any number")
    return rank, bytes.fromhex(value) if rank == RANKS[Kind.STRING] else value
