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

    Rows are sealed by ``least_rows`` to ``late_share`` and ``apart_rows``, searched by
    ``uncovered_rows`` to ``young_depth``; the words of documents are indexed by the others.
    """

    least_rows: int = 1_000
    """Below so many rows there is too little to train any index on; codes need 16 at least."""

    seal_rows: int = 20_000
    """Below so many rows an exact search takes little, so `auto` builds no index."""

    late_rows: int = 8_192
    """So many late rows, or ``late_share`` of those held, are sealed."""

    late_share: float = 1 / 50

    apart_rows: int = 20_000
    """From so many rows on, sealing takes longer than starting a process for it."""

    uncovered_rows: int = 8_192
    """So many rows that no index holds are put into one in memory, as comparing each takes longer.

    Of 16,000 rows a search needs 1.0 ms more one by one and 0.4 ms by such an index (one thread).
    In large collections many more may come before it is time to seal them.
    """

    gather_rows: int = 16_384
    """So many allowed rows or fewer are scored exactly: it is as fast as any index, and exact."""

    young_depth: int = 400
    """So many rows of a young index are scored exactly: more than a settled one of its size needs.

    Where so few of its rows are allowed, all of them are.
    """

    late_documents: int = 1_024
    """So many late documents are put into the index of words, in the background."""

    least_late: int = 256
    """At a collection's end, fewer are left to whoever opens it next: a moment's work."""

    most_late: int = 50_000
    """With more late documents, a search for words waits until they are in the index."""

    apart_documents: int = 10_000
    """From so many documents on, indexing them takes longer than starting a process for it."""


DEFAULT: Final = Thresholds()
