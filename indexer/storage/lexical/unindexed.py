"""Documents that changed after the state of the index: their words, in memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from indexer.lexical.analyzer import Analyzer
from indexer.lexical.inverted_index import Part
from indexer.lexical.segments import Batch, Terms
from indexer.storage.sqlite.snapshot import Snapshot

MOST_FRESH: Final = 0.25
"""With more than this share of documents added since, the segment in memory is rebuilt."""


class Analysed(NamedTuple):
    """A document's id and the hashes of its words."""

    id: str
    tokens: array[int]


Key: TypeAlias = tuple[int, int]
"""A document's number, and the sequence at which its content changed."""


class _Kept(NamedTuple):
    analysed: Mapping[Key, Analysed]
    packed: Mapping[Key, Analysed]
    part: Part


class UnindexedDocuments:
    """Unindexed documents as segments; each is analysed once. Thread-safe."""

    def __init__(self, analyzer: Analyzer, terms: Terms) -> None:
        self._analyzer = analyzer
        self._terms = terms
        self._kept = _Kept({}, {}, _packed({}))

    def __len__(self) -> int:
        """The number of documents at the last call."""
        return len(self._kept.analysed)

    def parts(self, snapshot: Snapshot, changed: Iterable[Key]) -> list[Part]:
        """Segments of exactly these documents."""
        kept = self._kept
        analysed = self._analyse(snapshot, list(changed), kept.analysed)
        fresh = {key: one for key, one in analysed.items() if key not in kept.packed}
        if len(fresh) > MOST_FRESH * len(kept.packed):
            kept, fresh = _Kept(analysed, analysed, _packed(analysed)), {}
        self._kept = kept = kept._replace(analysed=analysed)
        gone = [number for number, at in kept.packed if (number, at) not in analysed]
        return [kept.part.without(np.array(gone, np.int64)), _packed(fresh)]

    def _analyse(
        self, snapshot: Snapshot, changed: list[Key], known: Mapping[Key, Analysed]
    ) -> dict[Key, Analysed]:
        documents = snapshot.documents(
            number for number, at in changed if (number, at) not in known
        )
        analysed = {}
        for key in changed:
            if (one := known.get(key)) is None:
                document = documents[key[0]]
                words = self._analyzer.words(document.content)
                one = Analysed(document.id, self._terms.of(words))
            analysed[key] = one
        return analysed


def _packed(analysed: Mapping[Key, Analysed]) -> Part:
    batch = Batch()
    for (number, _), (id, tokens) in analysed.items():
        batch.add(number, id, tokens)
    return Part.of(batch.pack())
