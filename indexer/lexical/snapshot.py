"""The words of a collection in one state, for searching."""

from __future__ import annotations

from indexer.lexical.analyzer import MOST_WORDS, Analyzer, Bag
from indexer.lexical.bm25 import idf
from indexer.lexical.inverted_index import InvertedIndex, Matches


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
        found = self.index.find(bag)
        rarest = sorted(bag, key=lambda word: (found[word].holding, word))[:MOST_WORDS]
        return {word: bag[word] for word in rarest}

    def worth(self, bag: Bag) -> dict[str, float]:
        """The weight of each word in the BM25 score: its idf times its weight in the query."""
        count, found = self.index.documents, self.index.find(bag)
        return {word: weight * idf(count, found[word].holding) for word, weight in bag.items()}

    def matches(self, bag: Bag) -> Matches:
        """The documents that contain a word, with their scores."""
        return self.index.matches(self.worth(bag))
