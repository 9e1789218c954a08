"""A graph over the chunks that were there when it was built; later ones are compared one by one.

It is pgvector's HNSW over vectors in half precision, and its finds are scored again in full. A
partial index: adding to a graph takes a hundred times as long as adding to a table, so a new graph
is built over all now and then instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Self

from indexer.index_choice import IndexKind
from indexer.postgres.connection import Connection
from indexer.postgres.schema import Tables

SEAL_CHUNKS: Final = 20_000
"""Fewer are compared with one by one, unless a graph was chosen."""

LATE_CHUNKS: Final = 8_192
LATE_SHARE: Final = 1 / 10
"""So many chunks that the graph lacks, or this share of those it has, make a new one due."""

MOST_DIMENSIONS: Final = 4_000
"""Of vectors in half precision, in a graph."""

EFFORTS: Final = (40, 50, 64, 80, 100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1_000)
"""Chunks that a search of the graph keeps in view: at most a thousand, says pgvector."""

_BUILD: Final = """
CREATE INDEX CONCURRENTLY graph_{generation}_{sealed} ON @chunk_{generation}
USING hnsw ((v::halfvec({dimension})) halfvec_ip_ops) WITH (m = 16, ef_construction = 100)
WHERE number < {sealed}
"""
_GRAPHS: Final = """
SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE x.indrelid = '@chunk_{generation}'::regclass AND i.relname LIKE 'graph\\_%'
"""


@dataclass(frozen=True, slots=True)
class Effort:
    """The chunks to keep in view in a search for up to k, and the recall measured with them.

    With ``view`` 0 all chunks are compared with. ``filtered`` is of searches with a filter, which
    keep more in view by the share that passes.
    """

    k: int
    view: int
    recall: float
    low: float = 0.0
    high: float = 1.0
    queries: int = 0
    filtered: bool = False

    @property
    def told(self) -> dict[str, object]:
        """The effort and its recall, as a description has them."""
        return {
            "recall": self.recall,
            "recall_interval": [self.low, self.high],
            "recall_queries": self.queries,
            "view": self.view,
        }


@dataclass(frozen=True, slots=True)
class Efforts:
    """The efforts of all bands, in order."""

    bands: tuple[Effort, ...]

    def of(self, k: int, *, filtered: bool = False) -> Effort | None:
        """The effort for k hits; None if all are to be compared with."""
        there = filtered and any(one.filtered for one in self.bands)
        return next((one for one in self.bands if k <= one.k and one.filtered == there), None)

    def harder(self, effort: Effort, *, hopeless: bool) -> Self:
        """The same with more in view in one band, or, if that is hopeless, with all compared."""
        later = [view for view in EFFORTS if view > effort.view]
        raised = replace(effort, view=0 if hopeless or not later else later[0])
        return type(self)(tuple(raised if one == effort else one for one in self.bands))

    def encode(self) -> str:
        """The efforts as JSON."""
        return json.dumps([asdict(one) for one in self.bands])

    @classmethod
    def decode(cls, encoded: str) -> Self:
        """The efforts that :meth:`encode` wrote."""
        return cls(tuple(Effort(**one) for one in json.loads(encoded)))

    def told(self) -> Mapping[str, object]:
        """Recall and effort by band, as a description has them."""
        found = {str(one.k): one.told for one in self.bands if not one.filtered}
        for one in self.bands:
            if one.filtered:
                found[str(one.k)]["filtered"] = one.told
        return found


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
