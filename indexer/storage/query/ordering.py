"""The order of documents: the larger score first, equal ones by id.

So answers do not depend on when a document was stored, or on what it is asked together with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from indexer.storage.ann.faiss_index import Cosines, RowIds
from indexer.storage.generation.row_table import RowTable
from indexer.storage.sqlite.snapshot import Snapshot


def best_documents(
    snapshot: Snapshot, rows: RowTable, scores: Cosines, nearest: RowIds, k: int
) -> list[tuple[float, int]]:
    """The k best documents of these rows, (m,), in order, as the score and row of a chunk.

    Of a document its best chunk counts, and of equal ones the first. ``nearest`` must hold every
    row that ties with its last.
    """
    found = rows.by_document(scores, nearest)
    numbers = rows.owners[[row for _, row in found]].tolist() if found else []
    return [found[place] for place in order(snapshot, numbers, [score for score, _ in found], k)]


def order(snapshot: Snapshot, numbers: Sequence[int], scores: Sequence[float], k: int) -> list[int]:
    """The places of the k best of these documents, in order.

    Their ids are looked up only where scores are equal.
    """
    ranked = sorted(range(len(scores)), key=lambda place: -scores[place])
    if len(ranked) > k:
        least = scores[ranked[k - 1]]
        ranked = [place for place in ranked if scores[place] >= least]
    counts = Counter(scores[place] for place in ranked)
    tied = [numbers[place] for place in ranked if counts[scores[place]] > 1]
    if tied:
        ids = snapshot.ids_of(tied)
        ranked.sort(key=lambda place: (-scores[place], ids.get(numbers[place], "")))
    return ranked[:k]
