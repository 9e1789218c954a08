"""Items from one thread to another, bounded by their weight."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """Nobody takes from this channel any more."""


class Channel(Generic[T]):
    """Items from one thread to another, in order, at most ``capacity`` of weight at a time."""

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
        """Add an item, when there is place or nothing else waits; raises Closed."""
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
        """What waits, at least one item and else at most that weight; empty at the end.

        Raises what the channel was finished with, once nothing waits any more.
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
        """Say that no more items come, and why if that is an error."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more: what waits is dropped, and who puts is told."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._weight = 0
            self._changed.notify_all()
