"""The numbers of rows or documents at which a collection changes its algorithms.

Answers are the same on either side of each, so small ones let a test cover every algorithm with a
small collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Counts of rows or documents; the defaults were measured to be best.

    Rows are sealed by ``least_rows`` to ``unindexed_share`` and ``subprocess_rows``, searched by
    ``delta_rows`` to ``delta_rescore``; the words of documents are indexed by the others.
    """

    least_rows: int = 1_000
    """With fewer rows there is too little to train any index on; codes need at least 16."""

    seal_rows: int = 20_000
    """With fewer rows an exact search is fast, so `auto` builds no index."""

    unindexed_rows: int = 8_192
    """Unindexed rows that start a sealing, unless ``unindexed_share`` of those indexed is more."""

    unindexed_share: float = 1 / 50

    subprocess_rows: int = 20_000
    """With this many rows, sealing takes longer than starting a process for it."""

    delta_rows: int = 8_192
    """Rows outside every index that start a delta index in memory, as comparing each takes longer.

    With 16,000 rows a search takes 1.0 ms more one by one and 0.4 ms with such an index (one
    thread). In large collections many more may be added before it is time to seal them.
    """

    gather_rows: int = 16_384
    """With no more allowed rows, they are scored exactly: as fast as any index, and exact."""

    delta_rescore: int = 400
    """Rows of a delta index that are scored exactly: more than a settled one of its size needs.

    If no more of its rows are allowed, all of them are.
    """

    unindexed_documents: int = 1_024
    """Unindexed documents that start an update of the lexical index, in the background."""

    least_unindexed: int = 256
    """Fewer documents are left unindexed when a collection is closed: they take a moment."""

    most_unindexed: int = 50_000
    """With more unindexed documents, a lexical search waits until they are indexed."""

    subprocess_documents: int = 10_000
    """With this many documents, indexing takes longer than starting a process for it."""


DEFAULT: Final = Thresholds()
