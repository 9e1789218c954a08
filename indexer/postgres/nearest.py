"""The nearest documents to a direction: by a graph and later chunks, or by comparing with all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from indexer.documents import Vector
from indexer.engine import Candidate, ChunkKey, Key
from indexer.postgres.graph import EFFORTS
from indexer.postgres.header import Header
from indexer.postgres.reading import Reading
from indexer.postgres.scope import PostgresScope
from indexer.ties import first_of

COSINE: Final = "greatest(-1, least(1, -(v <#> %s)))"
"""The cosine of a chunk's vector to a direction, as every score is computed."""

COMPARED: Final = 8
"""Chunks that are compared with in the time that a graph takes for each it keeps in view."""

FETCH_MORE: Final = 4
SPARE: Final = 8
"""Chunks fetched beyond k, since a document may have several."""

_NEAR: Final = """
WITH near AS MATERIALIZED (
    (SELECT document, number, v FROM @chunk c WHERE number < {sealed}
    ORDER BY v::halfvec({dimension}) <#> %s::halfvec({dimension}) LIMIT %s) UNION ALL
    (SELECT document, number, v FROM @chunk c WHERE number >= {sealed}
    ORDER BY (v <#> %s) + 0 LIMIT %s))
SELECT document, {cosine} AS score, number FROM near c WHERE {scope} ORDER BY score DESC, number
"""

Ids = Callable[[Iterable[Key]], Mapping[Key, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A search that a graph answered."""

    direction: Vector
    k: int
    scope: PostgresScope

    @property
    def is_filtered(self) -> bool:
        """Return whether documents were left out."""
        return not self.scope.is_whole


Offer: TypeAlias = Callable[[Asked], None]
"""Is told of searches that a graph answered."""


def _ignore(_: Asked) -> None:
    return


class Search:
    """A search of one state, within a scope; see EngineState.nearest."""

    def __init__(
        self,
        reading: Reading,
        header: Header,
        scope: PostgresScope,
        *,
        exact: bool = False,
        offer: Offer = _ignore,
    ) -> None:
        self._offer = offer
        self._reading = reading
        self._header = header
        self._scope = scope
        self._exact = exact or not header.sealed

    def nearest(self, direction: Vector, k: int, ids: Ids) -> list[Candidate]:
        """The k nearest documents, best first, ties by id; ``k`` there are."""
        if not k:
            return []
        effort = self._header.efforts.of(k, filtered=not self._scope.is_whole)
        if not self._exact and effort and effort.view and self._pays(k, effort.view):
            found = self.by_graph(direction, k, effort.view, ids)
            if len(found) == k:
                self._offer(Asked(direction, k, self._scope))
                return found
        return self.by_comparing(direction, k, ids)

    def by_graph(self, direction: Vector, k: int, view: int, ids: Ids) -> list[Candidate]:
        """The k nearest documents that the graph finds; fewer if that are too few.

        Of what it finds some may be out of scope, or a second chunk of a document: so more are
        fetched, in proportion.
        """
        fetch, view = self._reach(k, view)
        if fetch > EFFORTS[-1]:
            return []
        keys = self._scope.keys
        condition, arguments = self._scope.sql("c.document") if keys is None else ("true", [])
        statement = _NEAR.format(
            sealed=self._header.sealed, dimension=len(direction), cosine=COSINE, scope=condition
        )
        self._reading.connection.keep_in_view(view)
        rows = self._reading.rows(
            statement, [direction, fetch, direction, fetch, direction, *arguments]
        )
        if keys is not None:  # looked up here, so that they need not be sent
            there = np.isin([document for document, *_ in rows], keys)
            rows = [row for row, passes in zip(rows, there, strict=True) if passes]
        return ranked(best_chunks(rows), k, ids)

    def _reach(self, k: int, view: int) -> tuple[int, int]:
        """The chunks to fetch from the graph, and to keep in view, so that enough are in scope."""
        counts = self._header.counts
        share = max(self._scope.total, 1) / max(counts.documents, 1)
        per_document = max(counts.chunks, 1) / max(counts.documents, 1)
        fetch = int((k + k // 2) * min(per_document, 4.0) / share) + SPARE
        return fetch, min(EFFORTS[-1], max(fetch, int(view / share)))

    def _pays(self, k: int, view: int) -> bool:
        """Return whether the graph takes less than comparing with all in scope."""
        counts = self._header.counts
        chunks = self._scope.total * max(counts.chunks, 1) / max(counts.documents, 1)
        return self._scope.keys is None or chunks > COMPARED * self._reach(k, view)[1]

    def by_comparing(self, direction: Vector, k: int, ids: Ids) -> list[Candidate]:
        """The k nearest documents, by comparing with every vector in scope."""
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
