"""An inverted index of segments, searched with BM25 by its formula, over live documents only.

Counts and lengths are exactly those of live documents; a document's score is summed in a fixed
order of the words, so its bits do not depend on its segment. All postings of the query's words are
read: skipping some by bounds was tried, and is no faster at a million titles, where few can be
excluded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.lexical.bm25 import Bm25Scores, saturated
from indexer.lexical.segments import Mask, Numbers, Ordinals, Segment, Terms

Worth: TypeAlias = Mapping[str, float]
"""Words with their weights: that in the query times the idf."""

DENSE: Final = 10
"""With more postings than documents by this factor, scores are summed in an array of all."""

MOST_KNOWN_COUNTS: Final = 1 << 14
"""Words whose document counts are cached, at most."""

_BLOCKS: Final = 4
_NONE: Final = (np.empty(0, np.int64), np.empty(0, np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A segment, with a mask of its live documents: None for all.

    ``documents`` are live, with ``tokens`` words in all. On disk, the segment is in the file
    ``name``, and the mask in the file ``live_name``; None for one that is not on disk.
    """

    segment: Segment
    live: Mask | None
    documents: int
    tokens: int
    name: str | None = None
    live_name: str | None = None

    @classmethod
    def of(cls, segment: Segment, live: Mask | None = None) -> Self:
        """A segment in memory."""
        lengths = segment.lengths if live is None else segment.lengths[live]
        return cls(segment, live, len(lengths), int(lengths.sum(dtype=np.int64)))

    def without(self, numbers: Numbers) -> Part:
        """The part without these documents, of which it need not have any."""
        places = np.unique(self.segment.ordinals_of(numbers))
        places = places[places >= 0]
        if self.live is not None:
            places = places[self.live[places]]
        if not len(places):
            return self
        live = np.ones(self.segment.documents, np.bool_) if self.live is None else self.live.copy()
        live[places] = False
        tokens = self.tokens - int(self.segment.lengths[places].sum(dtype=np.int64))
        return Part(self.segment, live, self.documents - len(places), tokens, self.name)

    def passing(self, places: Ordinals, allowed: Mask | None) -> Mask | None:
        """The mask of those that are live and whose numbers are allowed; None for all."""
        alive = None if self.live is None else self.live.take(places)
        if allowed is None:
            return alive
        numbers = self.segment.numbers.take(places)
        inside = numbers < len(allowed)
        passing: Mask = inside & allowed.take(np.where(inside, numbers, 0))
        return passing if alive is None else passing & alive


class InvertedIndex:
    """Several segments as one index, thread-safe for searching; each live number is in one."""

    def __init__(self, parts: Sequence[Part], terms: Terms) -> None:
        self.parts = tuple(part for part in parts if part.documents)
        self._terms = terms
        self.documents = sum(part.documents for part in self.parts)
        tokens = sum(part.tokens for part in self.parts)
        self.mean_length = tokens / self.documents if tokens else 1.0
        self._tables: list[Bm25Scores | None] = [None] * len(self.parts)
        self._holding: dict[str, int] = {}

    def holding(self, word: str) -> int:
        """The number of documents that contain a word."""
        known = self._holding.get(word)
        if known is None:
            if len(self._holding) >= MOST_KNOWN_COUNTS:
                self._holding.clear()
            known = self._holding[word] = sum(self._count(part, word) for part in self.parts)
        return known

    def _count(self, part: Part, word: str) -> int:
        begin, end = part.segment.span(self._terms[word])
        if part.live is None or begin == end:
            return end - begin
        return int(np.count_nonzero(part.live.take(part.segment.ordinals[begin:end])))

    def best(
        self, worth: Worth, count: int, allowed: Mask | None = None
    ) -> tuple[Numbers, Bm25Scores]:
        """The best documents that contain a word, best first, ties by id; (n,) of each.

        ``allowed`` is by number, None for all.
        """
        if count < 1:
            return _NONE
        words = sorted(worth)
        found = [self._best_of(i, worth, words, count, allowed) for i in range(len(self.parts))]
        whose = [(i, len(own[0])) for i, own in enumerate(found) if len(own[0])]
        if not whose:
            return _NONE
        numbers = [self.parts[i].segment.numbers[found[i][0]] for i, _ in whose]
        if len(whose) == 1:
            return numbers[0], found[whose[0][0]][1]
        scores = np.concatenate([found[i][1] for i, _ in whose])
        places = [(i, place) for i, _ in whose for place in found[i][0].tolist()]
        order = np.lexsort((self._ranks(scores, places), -scores))[:count]
        return np.concatenate(numbers)[order], scores[order]

    def _ranks(self, scores: Bm25Scores, places: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
        """The order by id of documents with equal scores."""
        _, groups, sizes = np.unique(scores, return_inverse=True, return_counts=True)
        ids = {
            at: self.parts[places[at][0]].segment.id_of(places[at][1])
            for at in np.flatnonzero(sizes[groups] > 1).tolist()
        }
        ranks = np.zeros(len(scores), np.int64)
        for rank, at in enumerate(sorted(ids, key=ids.__getitem__)):
            ranks[at] = rank
        return ranks

    def score(self, worth: Worth, numbers: Numbers) -> Bm25Scores:
        """The score of each of these documents; 0 for those without any of the words."""
        scores = np.zeros(len(numbers), np.float64)
        words = sorted(worth)
        for i, part in enumerate(self.parts):
            places = part.segment.ordinals_of(numbers)
            there = places >= 0
            if part.live is not None:
                there[there] = part.live[places[there]]
            own = np.flatnonzero(there)
            if len(own):
                scores[own] = self._score_in(i, worth, words, places[own])
        return scores

    def _score_in(self, i: int, worth: Worth, words: Sequence[str], places: Ordinals) -> Bm25Scores:
        segment, scores = self.parts[i].segment, np.zeros(len(places), np.float64)
        for word in words:
            begin, end = segment.span(self._terms[word])
            if begin == end:
                continue
            at = np.searchsorted(segment.ordinals[begin:end], places) + begin
            at[at == end] = begin
            hit = np.flatnonzero(segment.ordinals[at] == places)
            scores[hit] += worth[word] * self._table(i)[segment.codes[at[hit]]]
        return scores

    def _best_of(
        self, i: int, worth: Worth, words: Sequence[str], count: int, allowed: Mask | None
    ) -> tuple[Ordinals, Bm25Scores]:
        """The best of a part, as ordinals; ties by ordinal, and so by id."""
        part = self.parts[i]
        spans = [(word, part.segment.span(self._terms[word])) for word in words]
        spans = [(word, span) for word, span in spans if span[0] < span[1]]
        if not spans:
            return np.empty(0, np.int32), np.empty(0, np.float64)
        places = np.concatenate([part.segment.ordinals[begin:end] for _, (begin, end) in spans])
        shares = np.concatenate([self._shares(i, worth[word], *span) for word, span in spans])
        if len(spans) > 1:
            if len(places) * DENSE > part.segment.documents:
                least = count if part.live is None and allowed is None else 0
                places, shares = _sum_all(places, shares, part.segment.documents, least)
            else:
                places, shares = _sum_some(places, shares)
        passing = part.passing(places, allowed)
        if passing is not None:
            places, shares = places[passing], shares[passing]
        return _first(places, shares, count)

    def _shares(self, i: int, worth: float, begin: int, end: int) -> Bm25Scores:
        """The part of a word in the score of each document that contains it."""
        table, codes = self._table(i), self.parts[i].segment.codes[begin:end]
        if len(table) < len(codes):  # fewer products, with the same result
            return (worth * table).take(codes)
        return worth * table.take(codes)

    def _table(self, i: int) -> Bm25Scores:
        """(codes,) the saturated frequency for each code of frequency and length."""
        table = self._tables[i]
        if table is None:
            segment = self.parts[i].segment
            frequencies = segment.frequencies.astype(np.float64)
            lengths = segment.code_lengths.astype(np.float64)
            table = self._tables[i] = saturated(frequencies, lengths, self.mean_length)
        return table


def _sum_all(
    places: Ordinals, shares: Bm25Scores, documents: int, count: int
) -> tuple[Ordinals, Bm25Scores]:
    """The sums of equal places, ascending; with a count, only of those among the best."""
    sums: Bm25Scores = np.bincount(places, shares, documents).astype(np.float64, copy=False)
    least = _least(sums, count) if count else 0.0
    found = np.flatnonzero(sums >= least if least else sums)
    return found.astype(np.int32), sums[found]


def _sum_some(places: Ordinals, shares: Bm25Scores) -> tuple[Ordinals, Bm25Scores]:
    """The sums of equal places, ascending; each is summed in the order of its parts."""
    order = np.argsort(places, kind="stable")  # merges parts that are already sorted
    places, shares = places.take(order), shares.take(order)
    same = places[1:] == places[:-1]
    again = np.flatnonzero(same) + 1
    if not len(again):
        return places, shares
    runs = np.flatnonzero(np.append(True, again[1:] != again[:-1] + 1))
    firsts = np.repeat(again[runs] - 1, np.diff(np.append(runs, len(again))))
    # One after the other, since the bits of a sum depend on the order.
    np.add.at(shares, firsts, shares[again])
    kept = np.append(True, ~same)
    return places[kept], shares[kept]


def _least(scores: Bm25Scores, count: int) -> float:
    """The smallest of this many largest; 0 if there are fewer."""
    if len(scores) < count:
        return 0.0
    width = len(scores) // (_BLOCKS * count)
    if width >= _BLOCKS:  # only blocks whose largest reaches the bound need be examined
        blocks = scores[: len(scores) // width * width].reshape(width, -1).max(axis=0)
        scores = scores[scores >= np.partition(blocks, -count)[-count]]
    return float(np.partition(scores, -count)[-count])


def _first(places: Ordinals, scores: Bm25Scores, count: int) -> tuple[Ordinals, Bm25Scores]:
    """The largest scores, this many, largest first; ties by place."""
    if len(scores) > count:
        best = np.flatnonzero(scores >= _least(scores, count))
        places, scores = places[best], scores[best]
    order = np.lexsort((places, -scores))[:count]
    return places[order], scores[order]
