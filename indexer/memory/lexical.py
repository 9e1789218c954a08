"""Lexical search in memory: postings in dicts, and BM25 by its formula."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexer.engine import Bag, Key, Scope
from indexer.lexical.analyzer import MOST_WORDS, Analyzer
from indexer.lexical.bm25 import idf, saturated
from indexer.memory.scope import scope_of


@dataclass(frozen=True, slots=True)
class Words:
    """A document's words with their frequencies, and their total number."""

    frequencies: Mapping[str, int]
    length: int

    @classmethod
    def of(cls, analyzer: Analyzer, content: str) -> Self:
        """The words of a document's content."""
        found = analyzer.words(content)
        return cls(Counter(found), len(found))


@dataclass(frozen=True, slots=True)
class Postings:
    """The frequency of each word in each document, and the documents' lengths; immutable."""

    frequencies: Mapping[str, Mapping[Key, int]]
    lengths: Mapping[Key, int]
    total_length: int

    def changed(self, gone: Mapping[Key, Words], new: Mapping[Key, Words]) -> Postings:
        """The postings without some documents and with others; unchanged parts are shared."""
        lengths = dict(self.lengths)
        words = {word for one in (*gone.values(), *new.values()) for word in one.frequencies}
        touched = {word: dict(self.frequencies.get(word, {})) for word in words}
        for key, one in gone.items():
            del lengths[key]
            for word in one.frequencies:
                del touched[word][key]
        for key, one in new.items():
            lengths[key] = one.length
            for word, count in one.frequencies.items():
                touched[word][key] = count
        frequencies = {**self.frequencies, **touched}
        for word in [word for word, holding in touched.items() if not holding]:
            del frequencies[word]
        return Postings(frequencies, lengths, sum(lengths.values()))


EMPTY = Postings({}, {}, 0)


class MemoryLexical:
    """The words of one state; see indexer.engine.LexicalState."""

    def __init__(self, analyzer: Analyzer, postings: Postings, ids: Mapping[Key, str]) -> None:
        self._analyzer = analyzer
        self._postings = postings
        self._ids = ids

    @property
    def mean_length(self) -> float:
        """The mean number of words of a document."""
        return self._postings.total_length / max(len(self._postings.lengths), 1) or 1.0

    def words(self, text: str) -> list[str]:
        """The words of a text in the form in which they are compared, in order."""
        return self._analyzer.words(text)

    def asked(self, text: str) -> Bag:
        """The words of a query; of very many, only the rarest."""
        bag = self._analyzer.asked(text)
        rarest = sorted(bag, key=self._holding)[:MOST_WORDS]
        return {word: bag[word] for word in rarest} if len(bag) > len(rarest) else bag

    def worth(self, bag: Bag) -> dict[str, float]:
        """The weight of each word in the BM25 score: its idf times its weight in the query."""
        documents = len(self._postings.lengths)
        return {word: weight * idf(documents, self._holding(word)) for word, weight in bag.items()}

    def matches(self, bag: Bag) -> MemoryMatches:
        """The documents that contain a word of a query."""
        mean, lengths = self.mean_length, self._postings.lengths
        scores: dict[Key, float] = {}
        for word, worth in sorted(self.worth(bag).items()):
            for key, frequency in self._postings.frequencies.get(word, {}).items():
                part = worth * saturated(frequency, lengths[key], mean)
                scores[key] = scores.get(key, 0.0) + part
        return MemoryMatches(scores, self._ids)

    def _holding(self, word: str) -> int:
        return len(self._postings.frequencies.get(word, ()))


class MemoryMatches:
    """See indexer.engine.Matches."""

    def __init__(self, scores: Mapping[Key, float], ids: Mapping[Key, str]) -> None:
        """``scores`` are of all documents that contain a word."""
        self._scores = scores
        self._ids = ids

    def best(self, k: int, scope: Scope) -> list[tuple[Key, float]]:
        """The k of highest score in scope, best first, ties by id."""
        within = scope_of(scope)
        allowed = ((key, score) for key, score in self._scores.items() if within.holds(key))
        return heapq.nsmallest(k, allowed, key=lambda one: (-one[1], self._ids[one[0]]))

    def scores(self, keys: Sequence[Key]) -> NDArray[np.float64]:
        """(n,) the score of each of these documents; 0 for one without any of the words."""
        return np.array([self._scores.get(key, 0.0) for key in keys], np.float64)
