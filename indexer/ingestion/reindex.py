"""A collection moved to another model: every document is embedded again beside the old vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from indexer.collection import Collection
from indexer.documents import Document
from indexer.embedding.embedder import Embedder
from indexer.ingestion.pictures import develop, require_pictures
from indexer.ingestion.preparation import embed_documents

WINDOW_DOCUMENTS: Final = 2_000
"""Documents embedded together: a crash loses as many, and they suffice to sort by length."""


WINDOW_PICTURES: Final = 256
"""The same where there are pictures among them."""


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
    embedded. With ``keep`` the old vectors stay, so that a move back is instant. Raises Gone,
    before anything is embedded, if a picture is no longer where it was indexed.
    """
    require_pictures(collection)
    start = time.monotonic()
    moved = Moved(0, collection.describe().documents, 0.0)
    with collection.migrate(embedder.identity) as migration:
        done = False
        while not done:
            while documents := migration.pending(WINDOW_DOCUMENTS):
                for part in _parts(documents):
                    developed = develop(collection, embedder, part)
                    migration.put(embed_documents(embedder, part, developed))
                moved = Moved(
                    moved.documents + len(documents), moved.total, time.monotonic() - start
                )
                on_progress(moved)
            before_switch()
            done = migration.finish(keep=keep)
    return Moved(moved.documents, moved.total, time.monotonic() - start)


def _parts(documents: Sequence[Document]) -> Iterator[Sequence[Document]]:
    """The documents at once, or a few at a time if pictures among them take memory."""
    step = WINDOW_PICTURES if any(one.picture for one in documents) else len(documents)
    for start in range(0, len(documents), step):
        yield documents[start : start + step]
