"""Documents found by their words, alone or together with those found by their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vector
from indexer.queries import Fusion, Query, ScoreBreakdown
from indexer.ranking.fusion import convex, reciprocal_ranks
from indexer.storage.ann.faiss_index import cosines
from indexer.storage.generation.row_table import RowTable
from indexer.storage.lexical.analyzer import Bag
from indexer.storage.lexical.bm25 import K1
from indexer.storage.lexical.snapshot import LexicalSnapshot
from indexer.storage.query.ordering import order
from indexer.storage.sqlite.records import StoredChunk
from indexer.storage.sqlite.snapshot import Snapshot

POOL: Final = 100
"""So many of the best by meaning, and of the best by words, are fused at the least."""

Nearest: TypeAlias = Sequence[tuple[float, int]]
"""Documents as the cosine and row of their best chunk, best first."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that is to be a hit, by the row of its best chunk."""

    row: int
    score: float
    scores: ScoreBreakdown


def depth_of(query: Query) -> int:
    """How many of the best a hybrid search takes of either ranking."""
    return max(query.k, query.candidates or POOL)


def by_words(
    snapshot: Snapshot,
    rows: RowTable,
    words: LexicalSnapshot,
    query: Query,
    allowed: NDArray[np.bool_] | None,
) -> list[Candidate]:
    """The k best documents by BM25, each with the chunk that holds most of what is asked for."""
    bag = words.asked(query.text or "")
    numbers, scores = words.best(bag, query.k, _documents_of(rows, allowed))
    chunks = _best_chunks(snapshot, rows, words, bag, numbers.tolist())
    return [
        Candidate(chunks[number].row, score, ScoreBreakdown(lexical=score, lexical_rank=rank))
        for rank, (number, score) in enumerate(
            zip(numbers.tolist(), scores.tolist(), strict=True), start=1
        )
        if number in chunks
    ]


def by_both(
    snapshot: Snapshot,
    rows: RowTable,
    words: LexicalSnapshot,
    query: Query,
    nearest: Nearest,
    direction: Vector,
    allowed: NDArray[np.bool_] | None,
) -> list[Candidate]:
    """The k best documents by meaning and words; ``nearest`` are the best by meaning alone.

    Every candidate gets both of its scores, so it matters little which ranking it came from.
    """
    bag = words.asked(query.text or "")
    found, best = words.best(bag, depth_of(query), _documents_of(rows, allowed))
    closest = {int(rows.owners[row]): (cosine, row) for cosine, row in nearest}
    by_meaning = list(closest)
    missing = [number for number in found.tolist() if number not in closest]
    closest.update(_closest(snapshot, rows, missing, direction))
    numbers = np.array(list(closest), dtype=np.int64)
    dense = np.array([cosine for cosine, _ in closest.values()], dtype=np.float64)
    scored = dict(zip(found.tolist(), best.tolist(), strict=True))
    others = [number for number in by_meaning if number not in scored]
    scored.update(zip(others, words.score(bag, others), strict=True))
    lexical = np.array([scored[number] for number in closest], dtype=np.float64)
    places = _Places(_ranks(numbers, by_meaning), _ranks(numbers, found.tolist()))
    fused = places.fused(query.fusion, dense, lexical)
    at = list(closest.values())
    return [
        Candidate(at[i][1], float(fused[i]), places.scores(i, dense, lexical, fused))
        for i in order(snapshot, numbers.tolist(), fused.tolist(), query.k)
    ]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where candidates are in either ranking: (n,) ranks from 1, 0 for those not in it."""

    dense: NDArray[np.int64]
    lexical: NDArray[np.int64]

    def fused(
        self, fusion: Fusion, dense: NDArray[np.float64], lexical: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if fusion is Fusion.RECIPROCAL_RANK:
            return reciprocal_ranks(self.dense, self.lexical)
        pool = ((self.dense > 0) & (self.dense <= POOL)) | (
            (self.lexical > 0) & (self.lexical <= POOL)
        )
        return convex(dense, lexical, pool)

    def scores(
        self,
        index: int,
        dense: NDArray[np.float64],
        lexical: NDArray[np.float64],
        fused: NDArray[np.float64],
    ) -> ScoreBreakdown:
        return ScoreBreakdown(
            dense=float(dense[index]),
            lexical=float(lexical[index]),
            dense_rank=int(self.dense[index]) or None,
            lexical_rank=int(self.lexical[index]) or None,
            fused=float(fused[index]),
        )


def _ranks(numbers: NDArray[np.int64], ranking: Iterable[int]) -> NDArray[np.int64]:
    places = {number: rank for rank, number in enumerate(ranking, start=1)}
    return np.array([places.get(number, 0) for number in numbers.tolist()], dtype=np.int64)


def _documents_of(rows: RowTable, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """(numbers,) bool: the documents of allowed rows; None where these are all that are owned."""
    if allowed is None or allowed is rows.live:
        return None
    owners = rows.owners[allowed]
    documents = np.zeros(int(owners.max(initial=0)) + 1, dtype=np.bool_)
    documents[owners] = True
    return documents


def _closest(
    snapshot: Snapshot, rows: RowTable, numbers: Sequence[int], direction: Vector
) -> dict[int, tuple[float, int]]:
    """The cosine and row of the best chunk of each of these documents, in their order."""
    owned = [row for _, row in snapshot.rows_of(rows.generation, numbers)]
    if not owned:
        return {}
    places = np.sort(np.array(owned, dtype=np.int64))
    scores = cosines(direction[None], rows.vectors, places[None])[0]
    best: dict[int, tuple[float, int]] = {}
    for place in np.lexsort((places, -scores)).tolist():
        row = int(places[place])
        best.setdefault(int(rows.owners[row]), (float(scores[place]), row))
    return {number: best[number] for number in numbers if number in best}


def _best_chunks(
    snapshot: Snapshot, rows: RowTable, words: LexicalSnapshot, bag: Bag, numbers: Sequence[int]
) -> dict[int, StoredChunk]:
    """For each document the chunk in which the words asked for are worth most."""
    chunks = {
        number: list(own)
        for number, own in groupby(
            snapshot.chunks_of(rows.generation, numbers), key=lambda chunk: chunk.document
        )
    }
    longer = [number for number, own in chunks.items() if len(own) > 1]
    documents, worth = snapshot.documents(longer), words.worth(bag) if longer else {}
    best = {number: own[0] for number, own in chunks.items()}
    for number in longer:
        text = documents[number].text
        best[number] = max(
            chunks[number],
            key=lambda one, text=text: _worth_of(  # type: ignore[misc]
                words.analyzer.words(text[one.chunk.start : one.chunk.end]), worth
            ),
        )
    return best


def _worth_of(found: Sequence[str], worth: Mapping[str, float]) -> float:
    """What the words of a passage are worth, where saying one again counts ever less."""
    counts: dict[str, int] = {}
    for word in found:
        if word in worth:
            counts[word] = counts.get(word, 0) + 1
    return sum(worth[word] * count / (count + K1) for word, count in counts.items())
