"""Items from one thread to another, bounded by their weight."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The channel's taker has closed it."""


class Channel(Generic[T]):
    """A queue from one thread to another, in order, of at most ``capacity`` in weight."""

    def __init__(self, capacity: int, weigh: Callable[[T], int]) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._items: deque[tuple[int, T]] = deque()
        self._weight = 0
        self._changed = threading.Condition()
        self._finished = False
        self._error: BaseException | None = None
        self._closed = False

    def put(self, item: T) -> None:
        """Add an item as soon as it fits, or the channel is empty; raises Closed."""
        weight = self._weigh(item)
        with self._changed:
            while self._items and self._weight + weight > self._capacity and not self._closed:
                self._changed.wait()
            if self._closed:
                raise Closed
            self._items.append((weight, item))
            self._weight += weight
            self._changed.notify_all()

    def take(self, most: int) -> list[T]:
        """The waiting items, up to this weight but at least one; empty at the end.

        Raises the error that the channel was finished with, once no item is left.
        """
        with self._changed:
            while not (self._items or self._finished or self._closed):
                self._changed.wait()
            if self._error is not None and not self._items and not self._closed:
                raise self._error
            taken: list[T] = []
            while self._items and (not taken or self._items[0][0] <= most):
                weight, item = self._items.popleft()
                taken.append(item)
                self._weight -= weight
                most -= weight
            self._changed.notify_all()
            return taken

    def finish(self, error: BaseException | None = None) -> None:
        """Announce that no more items come, with the error if that is why."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more: waiting items are dropped, and ``put`` raises Closed."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._weight = 0
            self._changed.notify_all()
