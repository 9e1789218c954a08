"""The growth of a lexical index: changes of the store become new segments, which are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from indexer.lexical.analyzer import Analyzer
from indexer.storage.lexical.inverted_index import Part
from indexer.storage.lexical.segments import Batch, Segment, Terms, merge
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store

BATCH_TOKENS: Final = 4_000_000
"""Words, roughly, that are read from the store at once."""

MOST_POSTINGS: Final = 1 << 25
"""Segments are not merged into larger ones, so that time and memory of a merge are bounded."""

GROWTH: Final = 2
"""A segment is merged with all smaller ones unless it has this many times their postings."""

MOST_DEAD: Final = 0.25
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
        kept = list(parts)
        for group in to_merge(kept):
            merged = merge([one.segment for one in group], [one.live for one in group])
            kept = [part for part in kept if part not in group]
            kept.append(self.hold(merged))
        return kept


def to_merge(parts: Sequence[Part], most: int = MOST_POSTINGS) -> list[list[Part]]:
    """Groups of segments to merge, so that each is much larger than all smaller ones together.

    So there are few, of sizes that grow as the powers of three, and a document is merged only as
    often as there are sizes. Segments of more than half of the ``most`` postings are left as they
    are. One with many dead documents is merged in any case, if need be by itself.
    """
    small = sorted((part for part in parts if _size(part) <= most // 2), key=_size)
    sizes = [_size(part) for part in small]
    last = max((i for i in range(1, len(sizes)) if sizes[i] <= GROWTH * sum(sizes[:i])), default=-1)
    groups: list[list[Part]] = [[]]
    for part in small[: last + 1]:
        if sum(map(_size, groups[-1])) + _size(part) > most:
            groups.append([])
        groups[-1].append(part)
    alone = [*small[last + 1 :], *(part for part in parts if _size(part) > most // 2)]
    groups += [[part] for part in alone]
    return [group for group in groups if len(group) > 1 or any(map(_is_much_dead, group))]


def _size(part: Part) -> int:
    """The approximate number of live postings."""
    return len(part.segment.ordinals) * part.documents // part.segment.documents


def _is_much_dead(part: Part) -> bool:
    return part.documents < (1 - MOST_DEAD) * part.segment.documents
