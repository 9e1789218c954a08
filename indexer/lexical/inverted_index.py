"""An inverted index of segments, searched with BM25 by its formula, over live documents only.

Counts and lengths are exactly those of live documents; a document's score is summed in a fixed
order of the words, so its bits do not depend on its segment. All postings of the query's words are
read: skipping some by bounds was tried, and is no faster at a million titles, where few can be
excluded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.lexical.bm25 import Bm25Scores, saturated
from indexer.lexical.segments import Codes, Mask, Numbers, Ordinals, Segment, Span, Terms

Worth: TypeAlias = Mapping[str, float]
"""Words with their weights: that in the query times the idf."""

DENSE: Final = 10
"""With more postings than documents by this factor, scores are summed in an array of all."""

MOST_KNOWN_WORDS: Final = 1 << 14
"""Words whose counts and places are cached, at most."""

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

    def count(self, begin: int, end: int) -> int:
        """The number of live documents among these postings."""
        if self.live is None or begin == end:
            return end - begin
        return int(np.count_nonzero(self.live.take(self.segment.ordinals[begin:end])))

    def passing(self, places: Ordinals, allowed: Mask | None) -> Mask | None:
        """The mask of those that are live and whose numbers are allowed; None for all."""
        alive = None if self.live is None else self.live.take(places)
        if allowed is None:
            return alive
        numbers = self.segment.numbers.take(places)
        inside = numbers < len(allowed)
        passing: Mask = inside & allowed.take(np.where(inside, numbers, 0))
        return passing if alive is None else passing & alive


class Found(NamedTuple):
    """A word's documents: their number, and the range of its postings in each part."""

    holding: int
    spans: tuple[Span, ...]


class InvertedIndex:
    """Several segments as one index, thread-safe for searching; each live number is in one."""

    def __init__(self, parts: Sequence[Part], terms: Terms) -> None:
        self.parts = tuple(part for part in parts if part.documents)
        self._terms = terms
        self.documents = sum(part.documents for part in self.parts)
        tokens = sum(part.tokens for part in self.parts)
        self.mean_length = tokens / self.documents if tokens else 1.0
        self._tables: list[Bm25Scores | None] = [None] * len(self.parts)
        self._known: dict[str, Found] = {}

    def find(self, words: Iterable[str]) -> dict[str, Found]:
        """Each of these words with its documents."""
        known = {word: self._known.get(word) for word in words}
        found = {word: one for word, one in known.items() if one is not None}
        if len(found) < len(known):
            new = self._look_up([word for word, one in known.items() if one is None])
            if len(self._known) + len(new) > MOST_KNOWN_WORDS:
                self._known.clear()
            self._known |= new
            found |= new
        return found

    def _look_up(self, words: Sequence[str]) -> dict[str, Found]:
        terms = np.array([self._terms[word] for word in words], np.uint64)
        spans = [part.segment.spans(terms) for part in self.parts]
        found = {}
        for i, word in enumerate(words):
            own = tuple(of_part[i] for of_part in spans)
            holding = sum(part.count(*span) for part, span in zip(self.parts, own, strict=True))
            found[word] = Found(holding, own)
        return found

    def matches(self, worth: Worth) -> Matches:
        """The documents that contain a word, with their scores."""
        words = sorted(worth)
        found = self.find(words)
        sums = []
        for i, part in enumerate(self.parts):
            spans = [(worth[word], *found[word].spans[i]) for word in words]
            held = [(value, begin, end) for value, begin, end in spans if begin < end]
            sums.append(self._sums(i, part.segment, held))
        return Matches(self.parts, sums)

    def _sums(
        self, i: int, segment: Segment, spans: Sequence[tuple[float, int, int]]
    ) -> Sums | None:
        """The scores in a part, by the postings of words and what these are worth."""
        if not spans:
            return None
        table, codes = self._table(i), segment.codes
        pieces = [segment.ordinals[begin:end] for _, begin, end in spans]
        parts = [_shares(table, codes[begin:end], value) for value, begin, end in spans]
        if len(spans) == 1:
            return Sums(pieces[0], parts[0])
        places, shares = np.concatenate(pieces), np.concatenate(parts)
        if len(places) * DENSE <= segment.documents:
            return Sums(*_sum_some(places, shares))
        return Sums(None, _sum_all(places, shares, segment.documents))

    def _table(self, i: int) -> Bm25Scores:
        """(codes,) the saturated frequency for each code of frequency and length."""
        table = self._tables[i]
        if table is None:
            segment = self.parts[i].segment
            frequencies = segment.frequencies.astype(np.float64)
            lengths = segment.code_lengths.astype(np.float64)
            table = self._tables[i] = saturated(frequencies, lengths, self.mean_length)
        return table


class Sums(NamedTuple):
    """The scores of a part's documents: (n,) of those at these places, ascending.

    With places None, of all its documents, 0 for those without a word.
    """

    places: Ordinals | None
    scores: Bm25Scores

    def of(self, places: Ordinals) -> Bm25Scores:
        """The scores of the documents at these places; 0 for those without a word."""
        if self.places is None:
            return self.scores.take(places)
        at = self.places.searchsorted(places)
        at[at == len(self.places)] = 0
        return np.where(self.places.take(at) == places, self.scores.take(at), 0.0)

    def best(self, part: Part, count: int, allowed: Mask | None) -> tuple[Ordinals, Bm25Scores]:
        """The best of its documents that are live and allowed; ties by place, and so by id."""
        places, scores = self.places, self.scores
        every = part.live is None and allowed is None
        if places is None:
            least = _least(scores, count) if every else 0.0
            places = (scores >= least if least else scores).nonzero()[0].astype(np.int32)
            scores = scores.take(places)
        passing = part.passing(places, allowed)
        if passing is not None:
            places, scores = places[passing], scores[passing]
        return _first(places, scores, count)


class Matches:
    """The documents of an index that contain a word of a query, with their scores."""

    def __init__(self, parts: Sequence[Part], sums: Sequence[Sums | None]) -> None:
        """``sums`` are of each part, None for one without any of the words."""
        self._parts = parts
        self._sums = sums

    def best(self, count: int, allowed: Mask | None = None) -> tuple[Numbers, Bm25Scores]:
        """The best documents, best first, ties by id; (n,) of each.

        ``allowed`` is by number, None for all.
        """
        if count < 1:
            return _NONE
        pairs = zip(self._parts, self._sums, strict=True)
        found = [(part, *sums.best(part, count, allowed)) for part, sums in pairs if sums]
        found = [one for one in found if len(one[1])]
        if not found:
            return _NONE
        numbers = [part.segment.numbers.take(places) for part, places, _ in found]
        if len(found) == 1:
            return numbers[0], found[0][2]
        scores = np.concatenate([one for _, _, one in found])
        order = (-scores).argsort(kind="stable")
        order = _by_id(order, scores.take(order), count, [(own, at) for own, at, _ in found])
        return np.concatenate(numbers).take(order), scores.take(order)

    def scores(self, numbers: Numbers) -> Bm25Scores:
        """The score of each of these documents; 0 for those without any of the words."""
        scores = np.zeros(len(numbers), np.float64)
        for part, sums in zip(self._parts, self._sums, strict=True):
            if sums is None:
                continue
            places = part.segment.ordinals_of(numbers)
            there = places >= 0
            if part.live is not None:
                there[there] = part.live.take(places[there])
            own = there.nonzero()[0]
            if len(own):
                scores[own] = sums.of(places.take(own))
        return scores


def _by_id(
    order: NDArray[np.int64],
    falling: Bm25Scores,
    count: int,
    found: Sequence[tuple[Part, Ordinals]],
) -> NDArray[np.int64]:
    """The first of an order by falling scores, this many, equal ones by id.

    ``order`` is of the documents of all parts, one part behind the other, each in order already.
    """
    tied = falling[1:] == falling[:-1]
    if not tied[:count].any():
        return order[:count]
    owners = [(part.segment, place) for part, places in found for place in places.tolist()]
    ranked = order.tolist()
    edges = (~tied).nonzero()[0] + 1
    for begin, end in pairwise([0, *edges.tolist(), len(order)]):
        if begin >= count:
            break
        if owners[ranked[begin]][0] is not owners[ranked[end - 1]][0]:  # else they are in order
            ranked[begin:end] = sorted(
                ranked[begin:end], key=lambda at: owners[at][0].id_of(owners[at][1])
            )
    return np.array(ranked[:count], np.int64)


def _shares(table: Bm25Scores, codes: Codes, worth: float) -> Bm25Scores:
    """The part of a word in the score of each document that contains it."""
    if len(table) < len(codes):  # fewer products, with the same result
        return (worth * table).take(codes)
    return worth * table.take(codes)


def _sum_all(places: Ordinals, shares: Bm25Scores, documents: int) -> Bm25Scores:
    """(documents,) the sums of equal places, each in the order of its parts."""
    sums: Bm25Scores = np.bincount(places, shares, documents).astype(np.float64, copy=False)
    return sums


def _sum_some(places: Ordinals, shares: Bm25Scores) -> tuple[Ordinals, Bm25Scores]:
    """The sums of equal places, ascending; each is summed in the order of its parts."""
    order = places.argsort(kind="stable")  # merges parts that are already sorted
    places = places.take(order)
    first = np.ones(len(places), np.bool_)
    np.not_equal(places[1:], places[:-1], out=first[1:])
    sums: Bm25Scores = np.bincount(first.cumsum() - 1, shares.take(order)).astype(
        np.float64, copy=False
    )
    return places[first], sums


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
    """The largest scores, this many, largest first; ties by place. ``places`` are ascending."""
    if len(scores) > count:
        best = (scores >= _least(scores, count)).nonzero()[0]
        places, scores = places.take(best), scores.take(best)
    order = (-scores).argsort(kind="stable")[:count]
    return places.take(order), scores.take(order)
