"""Writes of several threads made by one of them together, so that they share the waits for a disk.

Which thread it is depends on who comes first: while it writes, others queue up, and the next one to
have its turn writes for all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

MOST_ITEMS: Final = 4_096
"""No more writes are joined to those that have so many items: the others would wait for long."""


@dataclass(slots=True, eq=False)
class _Write(Generic[Item]):
    """The items of one caller, and what became of them."""

    items: Sequence[Item]
    done: bool = False
    error: Exception | None = None


class SharedWrites(Generic[Item]):
    """Joins the writes of threads that wait for their turn into one call of ``write``.

    ``write`` makes all of its items durable or none; ``turn`` gives the right to call it. Items are
    written in the order in which they came.
    """

    def __init__(
        self,
        turn: Callable[[], AbstractContextManager[None]],
        write: Callable[[Sequence[Item]], None],
    ) -> None:
        self._turn = turn
        self._write = write
        self._queue: list[_Write[Item]] = []
        self._queueing = threading.Lock()

    def submit(self, items: Sequence[Item]) -> bool:
        """Return once the items are durable, and whether this thread has written them.

        Raises what ``write`` does for them alone.
        """
        own, has_written = _Write(items), False
        with self._queueing:
            self._queue.append(own)
        try:
            with self._turn():
                while not own.done:
                    self._make(self._next())
                    has_written = True
        except BaseException:
            with self._queueing:
                if own in self._queue:
                    self._queue.remove(own)
            if not own.done:  # else another thread has written it while this one had no turn
                raise
        if own.error is not None:
            raise own.error
        return has_written

    def _next(self) -> list[_Write[Item]]:
        """The next writes in the queue, which leave it."""
        count = items = 0
        with self._queueing:
            while count < len(self._queue) and items < MOST_ITEMS:
                items += len(self._queue[count].items)
                count += 1
            taken, self._queue = self._queue[:count], self._queue[count:]
        return taken

    def _make(self, writes: Sequence[_Write[Item]]) -> None:
        """Make these writes: together, or each by itself if that fails, as one may be at fault."""
        try:
            self._write([item for one in writes for item in one.items])
        except Exception as error:  # noqa: BLE001 - its caller raises it
            if len(writes) == 1:
                writes[0].error = error
            else:
                for one in writes:
                    self._make([one])
        except BaseException:
            with self._queueing:  # the others' callers make theirs themselves
                self._queue[:0] = [one for one in writes if not one.done]
            raise
        for one in writes:
            one.done = True
