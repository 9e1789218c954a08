"""The words of a collection in one state of it: those of its index, and those that came since.

The index stands for some sequence of the store. Documents whose content changed after it are
late: what the index says of them is passed over, and they are scored here, by the same formula.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.storage.lexical import (
    MOST_WORDS,
    Analyzer,
    Bag,
    Numbers,
    Postings,
    Scores,
    idf,
    saturated,
)

FETCH_MORE: Final = 4
FEW: Final = 2_048
"""Of so many documents that a filter passes, each is scored; of more, the best are looked at."""


@dataclass(frozen=True, slots=True)
class LateDocument:
    """A document that the index lacks: how many words it has, and each word's frequency."""

    length: int
    frequencies: Mapping[str, int]


Late: TypeAlias = Mapping[int, LateDocument]
"""Late documents by number."""


class Words:
    """What can be searched by words in one state of a collection."""

    def __init__(
        self, analyzer: Analyzer, postings: Postings | None, late: Late, outdated: AbstractSet[int]
    ) -> None:
        """``outdated`` are the numbers of which the index is not to be believed."""
        self.analyzer = analyzer
        self._postings = postings
        self._late = late
        self._outdated = outdated

    def asked(self, text: str) -> Bag:
        """The words to search for: of very many, the rarest."""
        bag = self.analyzer.asked(text)
        if len(bag) <= MOST_WORDS:
            return bag
        rarest = sorted(bag, key=self._holding)[:MOST_WORDS]
        return {word: bag[word] for word in rarest}

    def worth(self, bag: Bag) -> dict[str, float]:
        """How much each of these words is worth where it is found."""
        documents = self._documents()
        return {word: weight * idf(documents, self._holding(word)) for word, weight in bag.items()}

    def shares(self, bag: Bag, content: str) -> dict[str, float]:
        """The words of the bag that a document's content holds, and what each adds to its score.

        The index rounds the lengths of long documents, so its scores may differ by a few percent.
        """
        found = self.analyzer.words(content)
        frequencies, worth, mean = Counter(found), self.worth(bag), self._mean_length(bag)
        return {
            word: worth[word] * saturated(frequencies[word], len(found), mean)
            for word in bag
            if word in frequencies
        }

    def best(
        self, bag: Bag, count: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[Numbers, Scores]:
        """The best documents that hold a word, best first; ties by number.

        ``allowed`` is (numbers,) bool, None for all.
        """
        if not bag:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        late = self._score_late(bag, [n for n in self._late if _is_allowed(allowed, n)])
        found = self._best_indexed(self._fair(bag), count, allowed)
        return _joined(count, found, late)

    def score(self, bag: Bag, numbers: Sequence[int]) -> list[float]:
        """What each of these documents scores; 0 for those without a word."""
        known: dict[int, float] = {}
        indexed = [n for n in numbers if n not in self._outdated]
        parts = [self._score_late(bag, [n for n in numbers if n in self._late])]
        if self._postings is not None and bag and indexed:
            parts.append(self._postings.score(self._fair(bag), indexed))
        for found, scores in parts:
            known.update(zip(found.tolist(), scores.tolist(), strict=True))
        return [known.get(number, 0.0) for number in numbers]

    def _best_indexed(
        self, bag: Bag, count: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[Numbers, Scores]:
        """The best documents of the index that are neither outdated nor forbidden."""
        if self._postings is None:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        if allowed is not None and np.count_nonzero(allowed) <= FEW:
            passing = [n for n in np.flatnonzero(allowed).tolist() if n not in self._outdated]
            return self._postings.score(bag, passing) if passing else self._postings.best({}, 0)
        outdated = np.fromiter(self._outdated, np.int64, len(self._outdated))
        fetch = count
        while True:
            numbers, scores = self._postings.best(bag, fetch)
            kept = ~np.isin(numbers, outdated) if len(outdated) else np.ones(len(numbers), bool)
            if allowed is not None:
                inside = numbers < len(allowed)
                kept &= inside & allowed[np.where(inside, numbers, 0)]
            if len(numbers) < fetch or np.count_nonzero(kept) >= count:
                return numbers[kept][:count], scores[kept][:count]
            fetch *= FETCH_MORE

    def _score_late(self, bag: Bag, numbers: Sequence[int]) -> tuple[Numbers, Scores]:
        """Those of some late documents that hold a word."""
        holding = [n for n in numbers if not self._late[n].frequencies.keys().isdisjoint(bag)]
        if not holding:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        worth, mean = self.worth(bag), self._mean_length(bag)
        scores = [_bm25(self._late[number], worth, mean) for number in holding]
        return np.array(holding, dtype=np.int64), np.array(scores, dtype=np.float64)

    def _fair(self, bag: Bag) -> Bag:
        """Weights with which the index counts late documents too in what a word is worth."""
        if not self._late or self._postings is None:
            return bag
        fair, documents = dict(bag), self._documents()
        for word, weight in bag.items():
            there = self._postings.holding(word)
            if there:
                indexed = self._postings.statistics(word).documents
                fair[word] = weight * idf(documents, self._holding(word)) / idf(indexed, there)
        return fair

    def _documents(self) -> int:
        return len(self._late) + (self._postings.documents if self._postings else 0)

    def _holding(self, word: str) -> int:
        late = sum(word in one.frequencies for one in self._late.values())
        return late + (self._postings.holding(word) if self._postings else 0)

    def _mean_length(self, bag: Bag) -> float:
        """The mean number of words: the index's, or the late documents' if that says none."""
        for word in bag if self._postings else ():
            assert self._postings is not None
            mean = self._postings.statistics(word).mean_length
            if mean:
                return mean
        return sum(one.length for one in self._late.values()) / len(self._late) or 1.0


def _bm25(document: LateDocument, worth: Mapping[str, float], mean_length: float) -> float:
    return sum(
        one * saturated(document.frequencies[word], document.length, mean_length)
        for word, one in worth.items()
        if word in document.frequencies
    )


def _is_allowed(allowed: NDArray[np.bool_] | None, number: int) -> bool:
    return allowed is None or (number < len(allowed) and bool(allowed[number]))


def _joined(count: int, *parts: tuple[Numbers, Scores]) -> tuple[Numbers, Scores]:
    """The best of all parts, best first; ties by number."""
    numbers = np.concatenate([part[0] for part in parts])
    scores = np.concatenate([part[1] for part in parts])
    order = np.lexsort((numbers, -scores))[:count]
    return numbers[order], scores[order]
