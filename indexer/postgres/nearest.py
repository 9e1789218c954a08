"""The nearest documents to a direction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from indexer.documents import Vector
from indexer.engine import Candidate, ChunkKey, Key
from indexer.postgres.header import Header
from indexer.postgres.reading import Reading
from indexer.postgres.scope import PostgresScope
from indexer.ties import first_of

COSINE: Final = "greatest(-1, least(1, -(v <#> %s)))"
"""The cosine of a chunk's vector to a direction, as every score is computed."""

FETCH_MORE: Final = 4
SPARE: Final = 8
"""Chunks fetched beyond k, since a document may have several."""

Ids = Callable[[Iterable[Key]], Mapping[Key, str]]


class Search:
    """A search of one state, within a scope; see EngineState.nearest."""

    def __init__(
        self, reading: Reading, header: Header, scope: PostgresScope, *, exact: bool
    ) -> None:
        self._reading = reading
        self._header = header
        self._scope = scope
        self._exact = exact or not header.sealed or scope.keys is not None

    def nearest(self, direction: Vector, k: int, ids: Ids) -> list[Candidate]:
        """The k nearest documents, best first, ties by id; ``k`` there are."""
        if not k:
            return []
        return self._by_comparing(direction, k, ids)

    def _by_comparing(self, direction: Vector, k: int, ids: Ids) -> list[Candidate]:
        condition, arguments = self._scope.sql("c.document")
        statement = (
            f"SELECT document, {COSINE} AS score, number FROM @chunk c "  # noqa: S608 - of ours
            f"WHERE {condition} ORDER BY (v <#> %s) + 0, number LIMIT %s"
        )
        fetch = k + k // 2 + SPARE
        while True:
            found = self._reading.rows(statement, [direction, *arguments, direction, fetch])
            best = best_chunks(found)
            if len(found) < fetch or (len(best) > k and _is_settled(best, found, k)):
                return ranked(best, k, ids)
            fetch *= FETCH_MORE


def _is_settled(best: list[Candidate], found: list[tuple[Any, ...]], k: int) -> bool:
    """Return whether nothing that was not fetched can be among the k best, not even by a tie."""
    return best[k - 1].score > float(found[-1][1])


def best_chunks(found: Iterable[tuple[Any, ...]]) -> list[Candidate]:
    """Each document once, by its best chunk; ``found`` are chunks, best first."""
    seen: dict[int, Candidate] = {}
    for document, score, number in found:
        if document not in seen:
            seen[document] = Candidate(Key(document), float(score), ChunkKey(number))
    return list(seen.values())


def ranked(best: list[Candidate], k: int, ids: Ids) -> list[Candidate]:
    """The k best of some documents, best first, ties by id."""
    keys = [one.key for one in best]
    scores = np.array([one.score for one in best])
    return [best[place] for place in first_of(keys, scores, k, ids)]
