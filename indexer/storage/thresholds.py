"""How many rows or documents it takes until a collection does things another way.

Answers are the same on either side of each, so small ones let a test take every way with a small
collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Counts of rows or documents; the defaults are what was measured to be best.

    Rows are sealed by ``least_rows`` to ``unindexed_share`` and ``subprocess_rows``, searched by
    ``delta_rows`` to ``delta_rescore``; the words of documents are indexed by the others.
    """

    least_rows: int = 1_000
    """Below so many rows there is too little to train any index on; codes need 16 at least."""

    seal_rows: int = 20_000
    """Below so many rows an exact search takes little, so `auto` builds no index."""

    unindexed_rows: int = 8_192
    """So many unindexed rows, or ``unindexed_share`` of those held, are sealed."""

    unindexed_share: float = 1 / 50

    subprocess_rows: int = 20_000
    """From so many rows on, sealing takes longer than starting a process for it."""

    delta_rows: int = 8_192
    """So many rows that no index holds are put into one in memory, as comparing each takes longer.

    Of 16,000 rows a search needs 1.0 ms more one by one and 0.4 ms by such an index (one thread).
    In large collections many more may come before it is time to seal them.
    """

    gather_rows: int = 16_384
    """So many allowed rows or fewer are scored exactly: it is as fast as any index, and exact."""

    delta_rescore: int = 400
    """So many rows of a delta index are scored exactly: more than a settled one of its size needs.

    Where so few of its rows are allowed, all of them are.
    """

    unindexed_documents: int = 1_024
    """So many unindexed documents are put into the index of words, in the background."""

    least_unindexed: int = 256
    """At a collection's end, fewer are left to whoever opens it next: a moment's work."""

    most_unindexed: int = 50_000
    """With more unindexed documents, a search for words waits until they are in the index."""

    subprocess_documents: int = 10_000
    """From so many documents on, indexing them takes longer than starting a process for it."""


DEFAULT: Final = Thresholds()
