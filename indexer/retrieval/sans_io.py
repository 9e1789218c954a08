"""Searches in stages, each of which may need work done before it goes on.

A search is a generator that yields the work it needs and is sent the results; its driver does
the work. So one description of the stages serves the library, which does the work itself, and the
service, which queues each kind of work separately; and work that many searches need at the same
time is done together.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from indexer.queries import Answer

Result = TypeVar("Result")


class Work(IntEnum):
    """The kinds of work of a search; of several, the smallest is done first, for larger batches.

    ===========  ============================  ====================================
    work         item                          result
    ===========  ============================  ====================================
    EMBED        a Query with texts            the same with vectors; whether one was cut
    FIND         a Query                       its first Answer
    SCORE        a text and a passage          the passage's relevance, a float
    VECTORS      a document's id               its StoredVectors, or None
    TEXTS        a text, as of a document      its unit vector, (d,)
    ===========  ============================  ====================================
    """

    EMBED = 1
    FIND = 2
    SCORE = 3
    VECTORS = 4
    TEXTS = 5


@dataclass(frozen=True, slots=True)
class Need:
    """Work to do on items, with one result for each, in order."""

    work: Work
    items: Sequence[Any]


Staged: TypeAlias = Generator[Need, Sequence[Any], Result]
"""A generator that yields its needs, is sent their results, and returns a result of its own."""


class Searches:
    """Searches under way: their next work, all of one kind at a time, and their answers.

    ``milliseconds`` are those that each kind of work took whoever goes through ``needs``.
    """

    def __init__(self, staged: Iterable[Staged[Answer]]) -> None:
        self._staged = list(staged)
        self._needs: dict[int, Need] = {}
        self._answers: dict[int, Answer] = {}
        self.milliseconds: dict[Work, float] = {}
        for place in range(len(self._staged)):
            self._go_on(place, None)

    @property
    def need(self) -> Need | None:
        """The next work, for all searches that need this kind of it; None at the end."""
        if not self._needs:
            return None
        work = min(need.work for need in self._needs.values())
        return Need(work, [item for _, need in self._of(work) for item in need.items])

    def needs(self) -> Iterator[Need]:
        """Each need in turn; the results of one are to be given before the next is taken."""
        while need := self.need:
            started = time.perf_counter()
            yield need
            spent = 1e3 * (time.perf_counter() - started)
            self.milliseconds[need.work] = self.milliseconds.get(need.work, 0.0) + spent

    def give(self, results: Iterable[Any]) -> None:
        """Pass on the results of the last need, in order."""
        coming = iter(results)
        for place, need in self._of(min(need.work for need in self._needs.values())):
            self._go_on(place, list(islice(coming, len(need.items))))

    @property
    def answers(self) -> list[Answer]:
        """The answers, in the order of the searches; available once ``need`` is None."""
        return [self._answers[place] for place in range(len(self._staged))]

    def _of(self, work: Work) -> list[tuple[int, Need]]:
        return [(place, need) for place, need in self._needs.items() if need.work is work]

    def _go_on(self, place: int, results: Sequence[Any] | None) -> None:
        search = self._staged[place]
        try:
            self._needs[place] = next(search) if results is None else search.send(results)
        except StopIteration as end:
            self._needs.pop(place, None)
            self._answers[place] = end.value
