"""The words of a collection in one state, for searching."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.lexical.analyzer import MOST_WORDS, Analyzer, Bag
from indexer.lexical.bm25 import Bm25Scores, idf
from indexer.lexical.inverted_index import InvertedIndex
from indexer.lexical.segments import Numbers


class LexicalSnapshot:
    """Lexical search in one state of a collection."""

    def __init__(self, analyzer: Analyzer, index: InvertedIndex) -> None:
        """``index`` is of exactly the documents of this state."""
        self.analyzer = analyzer
        self.index = index

    def asked(self, text: str) -> Bag:
        """The words to search for; of very many, only the rarest."""
        bag = self.analyzer.asked(text)
        if len(bag) <= MOST_WORDS:
            return bag
        rarest = sorted(bag, key=lambda word: (self.index.holding(word), word))[:MOST_WORDS]
        return {word: bag[word] for word in rarest}

    def worth(self, bag: Bag) -> dict[str, float]:
        """The weight of each word in the BM25 score: its idf times its weight in the query."""
        count = self.index.documents
        return {word: weight * idf(count, self.index.holding(word)) for word, weight in bag.items()}

    def best(
        self, bag: Bag, count: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[Numbers, Bm25Scores]:
        """The best documents that contain a word, best first, ties by id.

        ``allowed`` is (numbers,) bool, None for all.
        """
        return self.index.best(self.worth(bag), count, allowed)

    def score(self, bag: Bag, numbers: Sequence[int]) -> list[float]:
        """The score of each of these documents; 0 for those without any of the words."""
        scores: list[float] = self.index.score(
            self.worth(bag), np.array(numbers, dtype=np.int64)
        ).tolist()
        return scores
