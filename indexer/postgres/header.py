"""The first question to a state: its generation and its counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from indexer.engine import Counts
from indexer.postgres.graph import Efforts

QUERY: Final = """
SELECT g.number, g.sealed, g.kind, g.recall,
    (SELECT coalesce(max(number), 0) FROM @document), (SELECT epoch FROM @words),
    EXISTS (SELECT FROM @document WHERE picture IS NOT NULL),
    (SELECT coalesce(string_agg(stamp::text, ' ' ORDER BY stamp), '') FROM @kept), c.*
FROM @generation g, (
    SELECT string_agg(writes::text, ' ' ORDER BY slot), sum(documents)::bigint,
        sum(chunks)::bigint, sum(truncated)::bigint, sum(unknown)::bigint
    FROM @counter) c
WHERE g.live
"""


@dataclass(frozen=True, slots=True)
class Header:
    """The facts that a state begins with.

    ``clock`` is equal for equal states only: the writes of each slot, of which one follows another.
    ``epoch`` is that of the index of words in the database, and ``kept`` the stamps of kept items.
    ``has_pictures`` says that a document has one. ``sealed`` is the number of the first chunk that
    the graph, if there is one, lacks, and ``efforts`` how hard that is searched.
    """

    generation: int
    sealed: int
    kind: str | None
    efforts: Efforts
    newest: int
    epoch: int
    has_pictures: bool
    kept: str
    clock: tuple[int, ...]
    counts: Counts

    @classmethod
    def of(cls, row: Sequence[Any]) -> Header:
        """The header that :data:`QUERY` found."""
        generation, sealed, kind, recall, newest, epoch, pictured, kept, clock, *counts = row
        efforts = Efforts.decode(recall) if recall else Efforts(())
        told = Counts(*counts)
        writes = tuple(map(int, clock.split()))
        return cls(generation, sealed, kind, efforts, newest, epoch, pictured, kept, writes, told)
