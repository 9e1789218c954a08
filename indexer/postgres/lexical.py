"""The words of one state: an index in this process's memory, and documents' ids in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.engine import Bag, Key, Scope
from indexer.lexical.inverted_index import Matches
from indexer.lexical.snapshot import LexicalSnapshot
from indexer.postgres.reading import Reading
from indexer.postgres.scope import PostgresScope, scope_of

SPARE: Final = 16
FETCH_MORE: Final = 4

Scored = list[tuple[Key, float]]


class PostgresLexical:
    """See indexer.engine.LexicalState."""

    def __init__(
        self, reading: Reading, words: LexicalSnapshot, documents: int, newest: int
    ) -> None:
        self._reading = reading
        self._words = words
        self._documents = documents
        self._newest = newest

    @property
    def documents(self) -> int:
        """The number of documents in the index."""
        return self._words.index.documents

    @property
    def mean_length(self) -> float:
        """The mean number of words of a document."""
        return self._words.index.mean_length

    def words(self, text: str) -> list[str]:
        """The words of a text in the form in which they are compared, in order."""
        return self._words.analyzer.words(text)

    def asked(self, text: str) -> Bag:
        """The words of a query; of very many, only the rarest."""
        return self._words.asked(text)

    def worth(self, bag: Bag) -> dict[str, float]:
        """The weight of each word in the BM25 score: its idf times its weight in the query."""
        return self._words.worth(bag)

    def matches(self, bag: Bag) -> PostgresMatches:
        """The documents that contain a word of a query."""
        return PostgresMatches(
            self._reading, self._words.matches(bag), self._documents, self._newest
        )


class PostgresMatches:
    """See indexer.engine.Matches."""

    def __init__(self, reading: Reading, found: Matches, documents: int, newest: int) -> None:
        self._reading = reading
        self._found = found
        self._documents = documents
        self._newest = newest

    def best(self, k: int, scope: Scope) -> list[tuple[Key, float]]:
        """The k of highest score in scope, best first, ties by id."""
        within = scope_of(scope)
        if not within.total:
            return []
        if within.is_whole:
            return self._best(k)
        if within.keys is None:
            return self._best_passing(k, within)
        allowed = np.zeros(self._newest + 1, np.bool_)
        allowed[within.keys] = True
        numbers, scores = self._found.best(k, allowed)
        return _scored(numbers.tolist(), scores.tolist())

    def _best(self, k: int) -> Scored:
        numbers, scores = self._found.best(k)
        return _scored(numbers.tolist(), scores.tolist())

    def _best_passing(self, k: int, within: PostgresScope) -> Scored:
        """The k best that pass a condition of many documents: more are found, then asked for."""
        condition, arguments = within.sql("number")
        statement = f"SELECT number FROM @document WHERE number = ANY(%s) AND {condition}"  # noqa: S608
        fetch = (k + k // 2) * self._documents // within.total + SPARE
        while True:
            found = self._best(fetch)
            keys = [key for key, _ in found]
            passing = {one for (one,) in self._reading.rows(statement, [keys, *arguments])}
            best = [(key, score) for key, score in found if key in passing]
            if len(best) >= k or len(found) < fetch:
                return best[:k]
            fetch *= FETCH_MORE

    def scores(self, keys: Sequence[Key]) -> NDArray[np.float64]:
        """(n,) the score of each of these documents; 0 for one without any of the words."""
        return self._found.scores(np.array(keys, np.int64))


def _scored(numbers: Sequence[int], scores: Sequence[float]) -> Scored:
    return [(Key(number), score) for number, score in zip(numbers, scores, strict=True)]
