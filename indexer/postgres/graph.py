"""A graph over the chunks that were there when it was built; later ones are compared one by one.

It is pgvector's HNSW over vectors in half precision, and its finds are scored again in full. A
partial index: adding to a graph takes a hundred times as long as adding to a table, so a new graph
is built over all now and then instead. How hard it is searched is tuned by bands of k, against
exact search with the collection's own vectors as queries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Self, TypeAlias

import numpy as np

from indexer.documents import Vector
from indexer.engine import Candidate
from indexer.index_choice import IndexKind
from indexer.postgres.connection import Connection
from indexer.postgres.reading import Reading
from indexer.postgres.schema import Tables

SEAL_CHUNKS: Final = 20_000
"""Fewer are compared with one by one, unless a graph was chosen."""

LATE_CHUNKS: Final = 8_192
LATE_SHARE: Final = 1 / 10
"""So many chunks that the graph lacks, or this share of those it has, make a new one due."""

MOST_DIMENSIONS: Final = 4_000
"""Of vectors in half precision, in a graph."""

BANDS: Final = (10, 100, 300)
"""The k that effort is tuned for; for more hits all vectors are compared with."""

EFFORTS: Final = (40, 64, 100, 160, 250, 400, 640, 1_000)
"""Chunks that a search of the graph keeps in view: at most a thousand, says pgvector."""

QUERIES: Final = 40
_SEED: Final = 17

_BUILD: Final = """
CREATE INDEX CONCURRENTLY graph_{generation}_{sealed} ON @chunk_{generation}
USING hnsw ((v::halfvec({dimension})) halfvec_ip_ops) WITH (m = 16, ef_construction = 100)
WHERE number < {sealed}
"""
_GRAPHS: Final = """
SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE x.indrelid = '@chunk_{generation}'::regclass AND i.relname LIKE 'graph\\_%'
"""

Find: TypeAlias = Callable[[Vector, int, int], list[Candidate]]
"""The k nearest to a vector, found with an effort; compared with all for effort 0."""


@dataclass(frozen=True, slots=True)
class Effort:
    """The chunks to keep in view in a search for up to k, and the recall measured with them."""

    k: int
    view: int
    recall: float


@dataclass(frozen=True, slots=True)
class Efforts:
    """The efforts of all bands, in order."""

    bands: tuple[Effort, ...]

    def view(self, k: int) -> int | None:
        """The chunks to keep in view for k hits; None if all are to be compared with."""
        return next((one.view for one in self.bands if k <= one.k), None)

    def encode(self) -> str:
        """The efforts as JSON."""
        return json.dumps([asdict(one) for one in self.bands])

    @classmethod
    def decode(cls, encoded: str) -> Self:
        """The efforts that :meth:`encode` wrote."""
        return cls(tuple(Effort(**one) for one in json.loads(encoded)))

    def told(self) -> Mapping[str, object]:
        """Recall and effort by band, as a description has them."""
        return {str(one.k): {"recall": one.recall, "view": one.view} for one in self.bands}


def is_due(kind: str | None, dimension: int, chunks: int, late: int) -> bool:
    """Return whether a graph is to be built, of a collection with this choice of an index."""
    if kind == IndexKind.EXACT or dimension > MOST_DIMENSIONS:
        return False
    least = 1 if kind == IndexKind.GRAPH else SEAL_CHUNKS
    if late == chunks:
        return chunks >= least
    return late > max(LATE_CHUNKS, LATE_SHARE * chunks)


def build(
    connection: Connection, tables: Tables, generation: int, dimension: int, sealed: int
) -> None:
    """Build a graph over the chunks before a number; it is searched once it is adopted."""
    placed = {"generation": generation, "dimension": dimension, "sealed": sealed}
    drop(connection, tables, generation, keep=_in_use(connection, tables, generation))
    connection.execute(tables.sql(_BUILD.format(**placed)))


def adopt(
    connection: Connection, tables: Tables, generation: int, sealed: int, efforts: Efforts
) -> None:
    """Let states that begin from now on search the graph over the chunks before a number."""
    connection.execute(
        tables.sql("UPDATE @generation SET sealed = %s, recall = %s WHERE number = %s"),
        [sealed, efforts.encode(), generation],
    )


def drop(connection: Connection, tables: Tables, generation: int, keep: int) -> None:
    """Drop the graphs of a generation, but for one; also what a killed process has left."""
    graphs = connection.execute(tables.sql(_GRAPHS.format(generation=generation))).fetchall()
    for (name,) in graphs:
        if name != f"graph_{generation}_{keep}":
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {tables.schema}.{name}")


def _in_use(connection: Connection, tables: Tables, generation: int) -> int:
    statement = tables.sql("SELECT sealed FROM @generation WHERE number = %s")
    row = connection.execute(statement, [generation]).fetchone()
    return 0 if row is None else int(row[0])


def tune(find: Find, queries: Sequence[Vector], target: float) -> Efforts:
    """The least effort of each band that reaches a recall, or the most there is."""
    return Efforts(tuple(_tuned(find, queries, k, target) for k in BANDS))


def _tuned(find: Find, queries: Sequence[Vector], k: int, target: float) -> Effort:
    exact = [find(query, k, 0) for query in queries]
    tried = Effort(k, EFFORTS[-1], 0.0)
    for view in EFFORTS:
        if view < min(k + k // 2, EFFORTS[-1]):
            continue
        found = [find(query, k, view) for query in queries]
        shares = [_recall(one, best) for one, best in zip(found, exact, strict=True)]
        tried = Effort(k, view, float(np.mean(shares)) if shares else 1.0)
        if tried.recall >= target:
            break
    return tried


def _recall(found: Sequence[Candidate], exact: Sequence[Candidate]) -> float:
    """The share of the places of exact search that hold a score as good."""
    if not exact:
        return 1.0
    return sum(one.score >= exact[-1].score for one in found) / len(exact)


def sample(reading: Reading) -> list[Vector]:
    """Stored vectors, to be asked as queries."""
    rows = reading.rows(
        "SELECT v FROM @chunk c ORDER BY hashint8extended(number, %s) LIMIT %s", [_SEED, QUERIES]
    )
    return [vector for (vector,) in rows]
