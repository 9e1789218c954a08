"""A trial: a model finds what answers queries that it is not trained on.

Each query is to find its own texts among those of all such queries and others: first those of
documents held out, then some that are trained on. It tells whether training helps, while it goes
on; the gate judges on the collection itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.embedding.embedder import TextRole
from indexer.learning.examples import Example, Examples
from indexer.learning.items import Item, View
from indexer.learning.split import Part, Splitting

Embed: TypeAlias = Callable[[Sequence[Item], TextRole], Vectors]
"""Texts or pictures of one side to unit vectors."""

MEASURE: Final = "mrr"
QUERIES: Final = {Part.VALIDATION: 200, Part.HELD_OUT: 600}
"""Queries of a trial, at most; those of the validation part are asked again and again."""

PASSAGES: Final = {Part.VALIDATION: 500, Part.HELD_OUT: 2_500}
"""Texts that they choose from, at most, unless there are more queries."""


DRAW: Final = (1, 2, 3)
"""The chances of a picture's view that is to find it."""


@dataclass(slots=True)
class Trial:
    """Queries with the places of what answers them among the passages."""

    queries: list[Item] = field(default_factory=list)
    relevant: list[set[int]] = field(default_factory=list)
    passages: list[Item] = field(default_factory=list)

    def ranks(self, embed: Embed) -> NDArray[np.float64]:
        """(n,) the reciprocal of the rank of each query's first relevant passage.

        A passage of an equal score counts as ranked before it.
        """
        if not self.queries:
            return np.zeros(0)
        queries = embed(self.queries, TextRole.QUERY)
        passages = embed(self.passages, TextRole.DOCUMENT)
        scores = queries @ passages.T  # (n, m)
        found = np.zeros(len(self.queries))
        for row, places in enumerate(self.relevant):
            best = scores[row, list(places)].max()
            scores[row, list(places)] = -np.inf
            found[row] = 1.0 / (1 + np.count_nonzero(scores[row] >= best))
        return found


@dataclass(frozen=True, slots=True)
class Parts:
    """Examples by what they are used for."""

    train: list[int]
    validation: Trial
    held_out: Trial


def divide(examples: Examples, splitting: Splitting) -> Parts:
    """The places of the examples to train by, and the trials on those held out by query."""
    train: list[int] = []
    unused: list[int] = []
    gathered = {part: _Gathered(QUERIES[part]) for part in QUERIES}
    for place, one in enumerate(examples):
        part = splitting.of_query(one.asked)
        if part in gathered:
            gathered[part].add(one)
        elif splitting.trains(one.asked, one.document):
            train.append(place)
        else:
            unused.append(place)
    for part, trial in gathered.items():
        trial.fill((examples[place] for place in (*unused, *train)), PASSAGES[part])
    return Parts(train, gathered[Part.VALIDATION].trial, gathered[Part.HELD_OUT].trial)


class _Gathered:
    """A trial that is being put together."""

    def __init__(self, most: int) -> None:
        self.trial = Trial()
        self._most = most
        self._queries: dict[str, int] = {}
        self._documents: dict[str, int] = {}

    def add(self, example: Example) -> None:
        """A query with a text that answers it, unless there are enough."""
        if not example.fits:
            return
        row = self._queries.get(example.query_id)
        if row is None:
            if len(self._queries) == self._most:
                return
            row = self._queries[example.query_id] = len(self._queries)
            self.trial.queries.append(_query(example))
            self.trial.relevant.append(set())
        self.trial.relevant[row].add(self._place(example))

    def fill(self, others: Iterable[Example], most: int) -> None:
        """Texts of other queries, until there are so many."""
        for example in others:
            if len(self.trial.passages) >= most:
                return
            self._place(example)

    def _place(self, example: Example) -> int:
        place = self._documents.setdefault(example.document, len(self._documents))
        if place == len(self.trial.passages):
            self.trial.passages.append(example.answer)
        return place


def _query(example: Example) -> Item:
    """The query; of a picture without a caption a view of it, the same whenever it is asked."""
    return example.query or View(example.picture, DRAW)
