"""A collection moved to another model: every document is embedded again beside the old vectors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from indexer.collection import Collection
from indexer.embedding.embedder import Embedder
from indexer.ingestion.preparation import embed_documents

WINDOW_DOCUMENTS: Final = 2_000
"""Documents embedded together: a crash loses as many, and they suffice to sort by length."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The progress of a move: ``documents`` of ``total`` are embedded by the new model.

    Documents that an earlier, interrupted move embedded are not counted among ``documents``.
    """

    documents: int
    total: int
    seconds: float


def reindex(
    collection: Collection,
    embedder: Embedder,
    on_progress: Callable[[Moved], None] = lambda _: None,
    *,
    before_switch: Callable[[], None] = lambda: None,
    keep: bool = False,
) -> Moved:
    """Embed all documents by another model, then switch to its vectors in one step.

    Searching and writing go on meanwhile, under the old model. An interrupted move changes nothing,
    and the next one to the same model continues from there. ``before_switch`` is called when all is
    embedded. With ``keep`` the old vectors stay, so that a move back is instant.
    """
    start = time.monotonic()
    moved = Moved(0, collection.describe().documents, 0.0)
    with collection.migrate(embedder.identity) as migration:
        done = False
        while not done:
            while documents := migration.pending(WINDOW_DOCUMENTS):
                migration.put(embed_documents(embedder, documents))
                moved = Moved(
                    moved.documents + len(documents), moved.total, time.monotonic() - start
                )
                on_progress(moved)
            before_switch()
            done = migration.finish(keep=keep)
    return Moved(moved.documents, moved.total, time.monotonic() - start)
