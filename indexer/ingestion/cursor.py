"""The place in a query up to which a collection holds its rows, kept with the collection.

It advances only once all rows before it are stored, so that a run that was cut loses nothing.
"""

from __future__ import annotations

import datetime
import decimal
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from indexer.errors import Unreadable
from indexer.origins import FileRecord, Origins

Value: TypeAlias = str | int | float | decimal.Decimal | datetime.date | uuid.UUID
"""A value that a database sorts by."""

_KEPT_AS: Final = "cursor"
"""The name of the file, among those of the source, whose stamp is the cursor."""

_KINDS: Final[Mapping[str, Callable[[Any], Value]]] = {
    "str": str,
    "int": int,
    "float": float,
    "Decimal": decimal.Decimal,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "UUID": uuid.UUID,
}


@dataclass(slots=True)
class Cursor:
    """The cursor of a source; rows are told of by the thread that reads them."""

    origins: Origins
    source: str
    place: str
    _passed: deque[tuple[int, str]] = field(default_factory=deque)
    _run: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def last(self) -> Value | None:
        """The value to go on from; None if the source has not been read."""
        record = self.origins.files(self.source).get(_KEPT_AS)
        return _decoded(record.stamp) if record and record.stamp else None

    def passed(self, number: int, value: object) -> None:
        """Note that a row is about to be read, by its number; one without a value moves nothing."""
        if value is None:
            return
        stamp = _encoded(value)
        with self._lock:
            if self._passed and self._passed[-1][1] == stamp:
                self._passed.pop()
            self._passed.append((number, stamp))

    def stored(self, number: int) -> None:
        """Keep the value of the last row up to this one, durably: all up to it is stored."""
        stamp: str | None = None
        with self._lock:
            while self._passed and self._passed[0][0] <= number:
                stamp = self._passed.popleft()[1]
        if stamp is None:
            return
        if not self._run:
            self._run = self.origins.begin(self.source, self.place)
        self.origins.note(self.source, [], {_KEPT_AS: FileRecord(self._run, stamp)})


def _encoded(value: object) -> str:
    kind = type(value).__name__
    if kind not in _KINDS or value != value:  # NaN has no place in an order
        raise Unreadable(
            f"the cursor column holds {value!r:.80}, but a cursor is a number, a moment, a text or "
            "a UUID: name another column, or leave --cursor-column out"
        )
    return orjson.dumps([kind, str(value)]).decode()


def _decoded(stamp: str) -> Value:
    kind, text = orjson.loads(stamp)
    return _KINDS[kind](text)
