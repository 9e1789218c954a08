"""Documents in the order of a field's values, read from the key of facets, which is in that order.

No more of it is read than the documents of a page: where texts of one moment, or long texts that
begin alike, stand together, all of those.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import gt, lt
from typing import Any, Final, TypeAlias

from indexer.documents import Document
from indexer.filters import Kind
from indexer.ordering import LONGEST_KEY, Order, Place, SortKey
from indexer.storage.sqlite.facets import KEY_ENDS, KIND_NUMBERS

_NO_VALUE: Final = KIND_NUMBERS[Kind.NULL]
"""Kinds up to this are of no value: null, and the empty list."""

_STRING: Final = KIND_NUMBERS[Kind.STRING]
_MOMENT: Final = KIND_NUMBERS[Kind.MOMENT]
_BEHIND: Final = chr(ord(KEY_ENDS) + 1)
"""A moment's key followed by this sorts behind all its texts."""

_AMONG: Final = "IN (SELECT value FROM json_each(:among))"
_LEAST_READ: Final = 20
"""Documents that are read at a time, at least."""

Fetch: TypeAlias = Callable[[Iterable[int]], Mapping[int, Document]]
"""Gives the documents with these numbers."""

Numbered: TypeAlias = tuple[int, Document]


class OrderedDocuments:
    """The documents of one state in an order, of some documents or of all."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        fetch: Fetch,
        order: Order,
        among: Sequence[int] | None = None,
    ) -> None:
        self._connection = connection
        self._fetch = fetch
        self._order = order
        self._way, self._sign = ("DESC", "<") if order.descending else ("ASC", ">")
        name = "SELECT field FROM fields WHERE name = ?"
        field = connection.execute(name, (order.field,)).fetchone()
        self._given: dict[str, Any] = {
            "field": -1 if field is None else field[0],
            "among": None if among is None else json.dumps(among),
        }

    def after(self, place: Place | None, limit: int) -> list[Numbered]:
        """The next documents after a place, or the first."""
        found: list[Numbered] = []
        if place is None or place.key is not None:
            found = list(islice(self._valued(place, max(limit, _LEAST_READ)), limit))
            place = None
        if len(found) < limit:
            numbers = self._others(place, limit - len(found))
            documents = self._fetch(numbers)
            found += [(number, documents[number]) for number in numbers]
        return found

    def _valued(self, after: Place | None, batch: int) -> Iterator[Numbered]:
        """Those that have a value; of a list's values, only one places its document."""
        places = (place for place, _ in groupby(self._places(after)))
        while some := list(islice(places, batch)):
            documents = self._fetch([place.number for place in some])
            for place in some:
                document = documents[place.number]
                if self._order.place_of(document.metadata, place.number) == place:
                    yield place.number, document

    def _places(self, after: Place | None) -> Iterator[Place]:
        """The place that each facet of the field would give its document, in order."""
        last = None if after is None else self._order.sort_key(after)
        is_late = lt if self._order.descending else gt
        for key, facets in groupby(self._facets(after), key=_key_of):
            numbers: Iterable[int] = (number for _, _, number in facets)
            if not _is_whole(key):
                numbers = sorted(numbers, reverse=self._order.descending)
            for number in numbers:
                place = Place(key, number)
                if last is None or is_late(self._order.sort_key(place), last):
                    yield place

    def _facets(self, after: Place | None) -> Iterator[tuple[int, Any, int]]:
        """Kind, value and document of the field's facets, from a place on."""
        given, later = dict(self._given), ""
        if after is not None and after.key is not None:
            given |= {"kind": after.key[0], "value": self._bound(after.key), "last": after.number}
            later = f" AND (kind, value) {self._sign}= (:kind, :value)"
            if _is_whole(after.key):
                later = f" AND (kind, value, document) {self._sign} (:kind, :value, :last)"
        passing = "" if given["among"] is None else f" AND document {_AMONG}"
        way = self._way
        return self._connection.execute(
            "SELECT kind, value, document FROM facets"  # noqa: S608 - constants
            f" WHERE field = :field AND kind > {_NO_VALUE}{later}{passing}"
            f" ORDER BY kind {way}, value {way}, document {way}",
            given,
        )

    def _bound(self, key: SortKey) -> object:
        """A value from which on all facets of this key, and those behind it, are found."""
        kind, value = key
        if kind == _MOMENT:
            return str(value) + (_BEHIND if self._order.descending else KEY_ENDS)
        if not isinstance(value, bytes):
            return value
        if self._order.descending and not _is_whole(key):
            return b""  # a blob is behind all texts
        return value.decode(errors="ignore")  # what is cut may end within a character

    def _others(self, after: Place | None, limit: int) -> list[int]:
        """The numbers of the next documents without a value."""
        parts = []
        if self._order.field is not None:
            held = f"SELECT document FROM facets WHERE field = :field AND kind > {_NO_VALUE}"  # noqa: S608
            parts.append(f"number NOT IN ({held})")
        if self._given["among"] is not None:
            parts.append(f"number {_AMONG}")
        if after is not None:
            parts.append(f"number {self._sign} :last")
        where = f" WHERE {' AND '.join(parts)}" if parts else ""
        found = self._connection.execute(
            f"SELECT number FROM documents{where} ORDER BY number {self._way} LIMIT :limit",  # noqa: S608
            self._given | {"last": after.number if after else None, "limit": limit},
        )
        return [number for (number,) in found]


def _key_of(facet: tuple[int, Any, int]) -> SortKey:
    kind, value, _ = facet
    if kind == _STRING:
        return kind, value.encode()[:LONGEST_KEY]
    return kind, value.partition(KEY_ENDS)[0] if kind == _MOMENT else value


def _is_whole(key: SortKey) -> bool:
    """Return whether one value alone has this key, so that its facets are in order of documents."""
    kind, value = key
    return kind != _MOMENT and not (isinstance(value, bytes) and len(value) == LONGEST_KEY)
