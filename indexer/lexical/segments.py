"""Segments of the lexical index: postings in arrays that never change.

Words are represented by 64 bits of a keyed hash, so a segment holds no text. Documents are in the
order of their ids, by code points, so that the first of ties is the first by id.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]
"""(n,) int64, document numbers."""

Ordinals: TypeAlias = NDArray[np.int32]
"""(n,) int32, places of documents in a segment."""

Codes: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""(n,) uint16, or uint32 where there are more codes."""

Mask: TypeAlias = NDArray[np.bool_]
"""(documents,) bool."""

Span: TypeAlias = tuple[int, int]
"""The first of a range, and the one after its last."""

MOST_KNOWN_TERMS: Final = 1 << 16
MERGED_AT_ONCE: Final = 1 << 21
"""Postings in memory, roughly, while segments are merged."""

_MOST_PAIRS: Final = 1 << 24


class Terms(dict[str, int]):
    """The hash of each word: 64 bits, keyed, so that nobody can construct collisions.

    Among ten million words, a collision has a probability of 3 in a million.
    """

    def __init__(self, key: str) -> None:
        """``key`` is the collection's own, and so are the hashes of its words."""
        super().__init__()
        self._key = key.encode()[:64]

    def __missing__(self, word: str) -> int:
        if len(self) >= MOST_KNOWN_TERMS:
            self.clear()
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key)
        found = self[word] = int.from_bytes(digest.digest(), "little")
        return found

    def of(self, words: Sequence[str]) -> array[int]:
        """The hashes of words, in order."""
        return array("Q", map(self.__getitem__, words))


@dataclass(frozen=True)
class Segment:
    """An inverted index of some documents.

    The postings of ``terms[i]`` are ``ordinals[starts[i]:starts[i + 1]]``, ascending, each with
    a code for the word's frequency in the document and the document's length: ``frequencies[code]``
    and ``code_lengths[code]``.
    """

    numbers: Numbers
    by_number: Ordinals  # (n,) ordinals in order of their numbers
    lengths: NDArray[np.uint32]  # (n,) words of each document
    ids: NDArray[np.uint8]  # UTF-8, one behind the other
    id_starts: NDArray[np.unsignedinteger[Any]]  # (n + 1,) uint32 or uint64
    terms: NDArray[np.uint64]  # (t,) ascending
    starts: NDArray[np.int64]  # (t + 1,)
    ordinals: Ordinals  # (p,)
    codes: Codes  # (p,)
    frequencies: NDArray[np.uint32]  # (c,)
    code_lengths: NDArray[np.uint32]  # (c,)

    @property
    def documents(self) -> int:
        """The number of documents, including dead ones."""
        return len(self.numbers)

    def span(self, term: int) -> Span:
        """The range of a term's postings."""
        return self.spans(np.array([term], np.uint64))[0]

    def spans(self, terms: NDArray[np.uint64]) -> list[Span]:
        """The range of each term's postings."""
        if not len(self.terms):
            return [(0, 0)] * len(terms)
        at = self.terms.searchsorted(terms)
        at[at == len(self.terms)] = 0
        found = self.terms.take(at) == terms
        begins, ends = self.starts.take(at), self.starts.take(at + 1)
        return list(zip((begins * found).tolist(), (ends * found).tolist(), strict=True))

    def id_of(self, ordinal: int) -> bytes:
        """The id of a document, in UTF-8, which sorts by code points."""
        return self.ids[self.id_starts[ordinal] : self.id_starts[ordinal + 1]].tobytes()

    @cached_property
    def _sorted_numbers(self) -> NDArray[np.uint32]:
        """(n,) the numbers, ascending: to be searched without the order of all being looked up."""
        return self.numbers.astype(np.uint32).take(self.by_number)

    def ordinals_of(self, numbers: Numbers) -> Ordinals:
        """The ordinals of documents; -1 for those not in the segment."""
        if not self.documents:
            return np.full(len(numbers), -1, np.int32)
        at = self._sorted_numbers.searchsorted(numbers.astype(np.uint32))
        at[at == self.documents] = 0
        found = self.by_number.take(at)
        return np.where(self.numbers.take(found) == numbers, found, np.int32(-1))


@dataclass(slots=True)
class Batch:
    """Documents to be put into a segment, with the hashes of their words in order."""

    numbers: list[int] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    tokens: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, number: int, id: str, tokens: array[int]) -> None:
        """Add a document."""
        self.numbers.append(number)
        self.ids.append(id.encode("utf-8", "surrogatepass"))
        self.lengths.append(len(tokens))
        self.tokens.extend(tokens)

    def pack(self, gone: set[int] | frozenset[int] = frozenset()) -> Segment:
        """A segment of them: the last one for each number, without those that are gone."""
        last = {number: place for place, number in enumerate(self.numbers)}
        kept = [place for number, place in last.items() if number not in gone]
        kept.sort(key=self.ids.__getitem__)
        rank = np.full(len(self.numbers), -1, np.int32)
        rank[kept] = np.arange(len(kept), dtype=np.int32)
        owners = np.repeat(rank, self.lengths)
        tokens = np.frombuffer(self.tokens, np.uint64) if self.tokens else np.empty(0, np.uint64)
        if len(kept) < len(rank):
            tokens, owners = tokens[owners >= 0], owners[owners >= 0]
        lengths = np.array([self.lengths[place] for place in kept], np.uint32)
        order = np.lexsort((owners, tokens))
        tokens, owners = tokens[order], owners[order]
        firsts = np.flatnonzero(_is_first(tokens) | _is_first(owners))
        times = np.diff(np.append(firsts, len(tokens)))
        tokens, owners = tokens[firsts], owners[firsts]
        starts = np.flatnonzero(_is_first(tokens))
        codes, frequencies, code_lengths = _coded(times, lengths[owners])
        return Segment(
            **_documents(
                np.array(self.numbers, np.int64)[kept], [self.ids[place] for place in kept]
            ),
            lengths=lengths,
            terms=tokens[starts],
            starts=np.append(starts, len(tokens)),
            ordinals=owners,
            codes=codes,
            frequencies=frequencies,
            code_lengths=code_lengths,
        )


def _documents(numbers: Numbers, ids: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    starts = np.concatenate(([0], np.cumsum(np.fromiter(map(len, ids), np.int64, len(ids)))))
    return {
        "numbers": numbers,
        "by_number": np.argsort(numbers, kind="stable").astype(np.int32),
        "ids": np.frombuffer(b"".join(ids), np.uint8),
        "id_starts": starts.astype(np.uint32 if starts[-1] < 1 << 32 else np.uint64),
    }


def _is_first(values: NDArray[np.generic]) -> Mask:
    """A mask of the values that differ from the one before."""
    first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return first


def _coded(
    times: NDArray[np.integer], lengths: NDArray[np.uint32]
) -> tuple[Codes, NDArray[np.uint32], NDArray[np.uint32]]:
    """A code for each pair of a frequency and a length, and the pairs by code."""
    width = int(lengths.max(initial=0)) + 1
    pairs = times.astype(np.int64) * width + lengths
    if (most := int(pairs.max(initial=0)) + 1) <= _MOST_PAIRS:  # a table, faster than a sort
        there = np.zeros(most, np.bool_)
        there[pairs] = True
        known = np.flatnonzero(there)
        place = np.zeros(most, np.uint32)
        place[known] = np.arange(len(known), dtype=np.uint32)
        codes = place[pairs]
    else:
        known, codes = np.unique(pairs, return_inverse=True)
    return (
        _narrowed(codes, len(known)),
        (known // width).astype(np.uint32),
        (known % width).astype(np.uint32),
    )


def _narrowed(codes: NDArray[Any], count: int) -> Codes:
    return codes.astype(np.uint16 if count <= 1 << 16 else np.uint32, copy=False)


def merge(
    segments: Sequence[Segment], living: Sequence[Mask | None], at_once: int = MERGED_AT_ONCE
) -> Segment:
    """One segment of the documents of several, without dead ones."""
    kept = [
        np.arange(one.documents) if live is None else np.flatnonzero(live)
        for one, live in zip(segments, living, strict=True)
    ]
    ids = [
        one.id_of(place) for one, own in zip(segments, kept, strict=True) for place in own.tolist()
    ]
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    rank = np.empty(len(ids), np.int32)
    rank[order] = np.arange(len(ids), dtype=np.int32)
    ranks = np.split(rank, np.cumsum([len(own) for own in kept])[:-1])
    moved = [np.full(one.documents, -1, np.int32) for one in segments]
    for own, places, ranked in zip(moved, kept, ranks, strict=True):
        own[places] = ranked
    numbers = np.concatenate([one.numbers[own] for one, own in zip(segments, kept, strict=True)])
    lengths = np.concatenate([one.lengths[own] for one, own in zip(segments, kept, strict=True)])
    recoded, frequencies, code_lengths = _recoded(segments)
    terms, starts, ordinals, codes = _merge_postings(segments, moved, recoded, at_once)
    return Segment(
        **_documents(numbers[order], [ids[place] for place in order.tolist()]),
        lengths=lengths[order],
        terms=terms,
        starts=starts,
        ordinals=ordinals,
        codes=_narrowed(codes, len(frequencies)),
        frequencies=frequencies,
        code_lengths=code_lengths,
    )


def _recoded(
    segments: Sequence[Segment],
) -> tuple[list[NDArray[np.uint32]], NDArray[np.uint32], NDArray[np.uint32]]:
    """The codes of each segment in a common coding that holds the pairs of all."""
    counts = np.cumsum([len(one.frequencies) for one in segments])[:-1]
    codes, frequencies, lengths = _coded(
        np.concatenate([one.frequencies for one in segments]),
        np.concatenate([one.code_lengths for one in segments]),
    )
    return np.split(codes.astype(np.uint32), counts), frequencies, lengths


def _merge_postings(
    segments: Sequence[Segment],
    moved: Sequence[Ordinals],
    recoded: Sequence[NDArray[np.uint32]],
    at_once: int,
) -> tuple[NDArray[np.uint64], NDArray[np.int64], Ordinals, NDArray[np.uint32]]:
    """The merged postings, built by ranges of hashes, so that little is in memory at once."""
    total = sum(len(one.ordinals) for one in segments)
    ordinals, codes = np.empty(total, np.int32), np.empty(total, np.uint32)
    terms, starts, filled = [np.empty(0, np.uint64)], [np.empty(0, np.int64)], 0
    for ranges in _ranges(segments, total // at_once + 1):
        pieces = [
            _moved_postings(one, span, moved[part], recoded[part])
            for part, (one, span) in enumerate(zip(segments, ranges, strict=True))
        ]
        own, places, coded = (np.concatenate(pieces_of) for pieces_of in zip(*pieces, strict=True))
        order = np.lexsort((places, own))
        own, end = own[order], filled + len(order)
        ordinals[filled:end], codes[filled:end] = places[order], coded[order]
        first = np.flatnonzero(_is_first(own))
        terms.append(own[first])
        starts.append(first + filled)
        filled = end
    starts.append(np.array([filled], np.int64))
    return np.concatenate(terms), np.concatenate(starts), ordinals[:filled], codes[:filled]


def _ranges(segments: Sequence[Segment], count: int) -> Iterator[list[tuple[int, int]]]:
    """Ranges of each segment's terms that cover the same hashes, which are uniform."""
    bounds = [(1 << 64) * i // count for i in range(1, count)]
    cuts = [
        [0, *np.searchsorted(one.terms, np.array(bounds, np.uint64)).tolist(), len(one.terms)]
        for one in segments
    ]
    for i in range(count):
        yield [(own[i], own[i + 1]) for own in cuts]


def _moved_postings(
    segment: Segment, span: tuple[int, int], moved: Ordinals, recoded: NDArray[np.uint32]
) -> tuple[NDArray[np.uint64], Ordinals, NDArray[np.uint32]]:
    """The live postings of a range of terms: hash, new ordinal, and new code of each."""
    first, last = span
    begin, end = int(segment.starts[first]), int(segment.starts[last])
    own = np.repeat(segment.terms[first:last], np.diff(segment.starts[first : last + 1]))
    places, codes = moved[segment.ordinals[begin:end]], recoded[segment.codes[begin:end]]
    living = places >= 0
    return own[living], places[living], codes[living]
