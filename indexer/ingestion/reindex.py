"""A collection moved to another model: every document is embedded again beside the old vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from indexer.collection import Collection
from indexer.documents import Document, EmbeddedDocument, Vectors
from indexer.embedding.embedder import Embedder
from indexer.ingestion.pictures import develop, require_pictures, require_sight
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
    mapped: Callable[[Vectors], Vectors] | None = None,
    window: int = WINDOW_DOCUMENTS,
) -> Moved:
    """Embed all documents by another model, then switch to its vectors in one step.

    Searching and writing go on meanwhile, under the old model. An interrupted move changes nothing,
    and the next one to the same model continues from there. ``before_switch`` is called when all is
    embedded. With ``keep`` the old vectors stay, so that a move back is instant. ``mapped`` makes
    the model's vectors of the present ones, where one differs from the other by a map. ``window``
    documents are embedded together, between two calls of ``on_progress``. Raises Gone, before
    anything is embedded, if a picture that is needed is no longer where it was indexed, and
    InvalidInput if there are pictures and the model embeds texts only.
    """
    require_sight(collection, embedder)
    if mapped is None:
        require_pictures(collection)
    start = time.monotonic()
    moved = Moved(0, collection.describe().documents, 0.0)
    with collection.migrate(embedder.identity) as migration:
        done = False
        while not done:
            while documents := migration.pending(window):
                for part in _parts(documents):
                    migration.put(_embedded(collection, embedder, part, mapped))
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


def _embedded(
    collection: Collection,
    embedder: Embedder,
    documents: Sequence[Document],
    mapped: Callable[[Vectors], Vectors] | None,
) -> list[EmbeddedDocument]:
    """The documents with the model's vectors: mapped ones, except for those just changed."""
    if mapped is None:
        return embed_documents(embedder, documents, develop(collection, embedder, documents))
    stored = collection.embedded([one.id for one in documents])
    found = [
        replace(old, vectors=mapped(old.vectors), model=embedder.identity.mark)
        for one, old in zip(documents, stored, strict=True)
        if old is not None and old.document == one
    ]
    done = {one.document.id for one in found}
    others = [one for one in documents if one.id not in done]
    return found + embed_documents(embedder, others, develop(collection, embedder, others))
