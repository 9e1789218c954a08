"""The growth of a lexical index: changes of the store become new segments, which are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from indexer.lexical.analyzer import Analyzer
from indexer.lexical.inverted_index import Part
from indexer.lexical.merging import merged_parts
from indexer.lexical.segments import Batch, Segment, Terms
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store

BATCH_TOKENS: Final = 4_000_000
"""Words, roughly, that are read from the store at once."""

_PAGE_DOCUMENTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Growth:
    """The means by which an index grows. ``hold`` stores a new segment, on disk or in memory."""

    store: Store
    analyzer: Analyzer
    terms: Terms
    hold: Callable[[Segment], Part]
    stopped: Callable[[], bool]
    batch_tokens: int = BATCH_TOKENS

    def take_in(self, parts: Sequence[Part], since: int) -> tuple[list[Part], int, int]:
        """The parts with some of the changes since a sequence, the one reached, and their number.

        Each page is of a newer state of the store, so a document may come twice, or be deleted
        again.
        """
        batch, clean = Batch(), since if parts else None
        at, number = since + 1, -1
        while True:
            with self.store.reading() as snapshot:
                page = snapshot.next_changed(at, number, _PAGE_DOCUMENTS)
                if clean is None:  # documents deleted before are on no page
                    clean = snapshot.sequence
                if page:
                    at, number = page[-1][:2]
                for _, one, document in page:
                    words = self.analyzer.words(document.content)
                    batch.add(one, document.id, self.terms.of(words))
                done = len(page) < _PAGE_DOCUMENTS
                enough = len(batch.tokens) >= self.batch_tokens or self.stopped()
                # The sequence `at` may have further documents, so the one before it is the last.
                if done or (enough and at - 1 > since):
                    sequence = snapshot.sequence if done else at - 1
                    return self._grown(parts, batch, snapshot, clean), sequence, len(batch.numbers)

    def _grown(
        self, parts: Sequence[Part], batch: Batch, snapshot: Snapshot, clean: int
    ) -> list[Part]:
        gone = snapshot.deleted_after(clean)
        outdated = np.unique(np.array([*batch.numbers, *gone], np.int64))
        kept = [living for part in parts if (living := part.without(outdated)).documents]
        segment = batch.pack(frozenset(gone))
        return [*kept, self.hold(segment)] if segment.documents else kept

    def tidy(self, parts: Sequence[Part]) -> list[Part]:
        """The same documents in few segments with few dead ones."""
        return merged_parts(parts, self.hold)
