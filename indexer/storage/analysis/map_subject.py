"""The documents of a collection in a folder, as a map is drawn of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from indexer.analysis.map_drawing import Drawing, Numbers
from indexer.analysis.map_layout import Subject, mean_directions
from indexer.documents import Document, Vectors
from indexer.lexical.analyzer import Analyzer
from indexer.storage.generation.row_table import RowTable, load_rows
from indexer.storage.sqlite.records import NOBODY
from indexer.storage.sqlite.store import Store


class RowMeans:
    """The mean directions of documents' chunks, computed on demand."""

    def __init__(self, rows: RowTable) -> None:
        owned = np.flatnonzero(rows.owners != NOBODY)
        self._rows = owned[np.argsort(rows.owners[owned], kind="stable")]
        numbers, starts = np.unique(rows.owners[self._rows], return_index=True)
        self.numbers: Numbers = numbers.astype(np.int64)
        self._starts = starts
        self._counts = np.diff(np.append(starts, len(self._rows)))
        self._vectors = rows.vectors

    def of(self, chosen: Numbers) -> Vectors:
        """(m, d) float32 unit rows for m indices into ``numbers``."""
        counts = self._counts[chosen]
        if not len(chosen) or counts.max() == 1:
            return np.array(self._vectors[self._rows[self._starts[chosen]]])
        firsts = np.cumsum(counts) - counts
        within = np.arange(counts.sum()) - np.repeat(firsts, counts)
        parts = self._vectors[self._rows[np.repeat(self._starts[chosen], counts) + within]]
        return mean_directions(parts, firsts)


def subject_of(folder: Path, store: Store, old: Drawing | None) -> Subject:
    """The documents as they are now, and those that changed since an old drawing.

    No transaction of the store is held afterwards.
    """
    with store.reading() as snapshot:
        rows = load_rows(folder, snapshot, None)
        changed = [] if old is None else snapshot.changed_after(old.clock[0])
        clock = (snapshot.sequence,)
        instance, analyzer = snapshot.instance, Analyzer(snapshot.language)

    def documents(numbers: Sequence[int]) -> Mapping[int, Document]:
        with store.reading() as snapshot:
            return snapshot.documents(numbers)

    means, model = RowMeans(rows), rows.identity.fingerprint
    return Subject(instance, model, clock, means, [one for one, _ in changed], analyzer, documents)
