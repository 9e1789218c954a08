"""The rows that are searched, kept up with the store, and the indexes over them.

Everything here replaces one row table by another; code that holds the old one keeps it unchanged.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from indexer.ann.faiss_index import use_threads
from indexer.ann.recall_watch import told
from indexer.background_task import BackgroundTask
from indexer.errors import BearingError, Damaged
from indexer.index_choice import IndexChoice
from indexer.storage.ann import index_file
from indexer.storage.ann.chosen_kind import kept_choice
from indexer.storage.ann.index_file import Sealed
from indexer.storage.generation.index_builder import IndexBuilder, seal_rows
from indexer.storage.generation.recall_monitor import Fall, RecallWatch, after_fall
from indexer.storage.generation.row_table import (
    Part,
    RowTable,
    generation_folder,
    load_rows,
    read_index,
)
from indexer.storage.runtime.durable_files import Stamp
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store
from indexer.thresholds import Thresholds

_log = logging.getLogger(__name__)


class LiveRows:
    """The rows of the collection in a folder; safe to use from several threads."""

    def __init__(
        self, folder: Path, store: Store, choice: IndexChoice | None, thresholds: Thresholds
    ) -> None:
        self._folder = folder
        self._store = store
        self._thresholds = thresholds
        self._placed = 0, folder  # the last generation asked for; there is no 0
        self._following = threading.Lock()
        with store.reading() as snapshot:
            self.current = load_rows(folder, snapshot, None, thresholds)
        self._reader = BackgroundTask("read index", self._read_index)
        self._delta_builder = BackgroundTask("delta index", self._build_delta)
        self.watch = RecallWatch(self._heed)
        self._builder = IndexBuilder(kept_choice(folder) or choice or IndexChoice(), self._seal)

    def place(self, generation: int) -> Path:
        """The folder of a generation."""
        known = self._placed
        if known[0] != generation:
            known = self._placed = generation, generation_folder(self._folder, generation)
        return known[1]

    def close(self) -> None:
        """Stop watching; an index being sealed is finished first."""
        self.watch.close()
        self._builder.close()

    # Following the store

    @contextmanager
    def reading(self) -> Iterator[tuple[Snapshot, RowTable]]:
        """A state of the store, and the rows of exactly that state."""
        while True:
            with self._store.reading() as snapshot:
                rows: RowTable | None = self.current
                assert rows is not None
                if rows.stamp != index_file.stamp(self.place(rows.generation)):
                    self._reader.start()
                if rows.sequence != snapshot.sequence:
                    rows = self._follow(snapshot)
                if rows is not None:
                    yield snapshot, rows
                    return

    def newest(self) -> RowTable:
        """The rows of the newest state."""
        with self.reading() as (_, rows):
            return rows

    def _follow(self, snapshot: Snapshot) -> RowTable | None:
        """The rows of a snapshot; None if another thread has moved on to a newer one."""
        with self._following:
            rows = self.current
            if rows.sequence < snapshot.sequence:
                try:
                    rows = self.current = load_rows(self._folder, snapshot, rows, self._thresholds)
                except Damaged:
                    if self._is_outdated(snapshot):
                        return None
                    raise
            return rows if rows.sequence == snapshot.sequence else None

    def _is_outdated(self, snapshot: Snapshot) -> bool:
        """Return whether the snapshot's generation has been replaced, and its files are gone."""
        with self._store.reading() as newest:
            return newest.generation().number != snapshot.generation().number

    # Indexes

    def rebuild(self, choice: IndexChoice | None) -> None:
        """Seal an index over all rows now, of the kind chosen from now on, and wait for it."""
        self._builder.run(choice)

    def seal_ahead(self, rows: RowTable) -> None:
        """Seal an index over rows that are not searched yet, if the one they have lacks some."""
        if index_file.sealed_rows(self.place(rows.generation)) == len(rows.owners) > 0:
            return
        seal_rows(self.place(rows.generation), rows, self._builder.choice)

    def consider_sealing(self, *, bulk: bool) -> None:
        """Start indexing in the background if enough rows were added; not within a bulk write."""
        rows = self.current if bulk else self.newest()
        many = rows.compared >= self._thresholds.delta_rows
        if many and not rows.distrusted:
            self._delta_builder.start()
        if not bulk and self._builder.is_due(rows):
            self._builder.start()

    def _seal(self, choice: IndexChoice) -> None:
        """Build an index over the present rows, and replace the last one."""
        rows = self.newest()
        place = self.place(rows.generation)
        try:
            done = seal_rows(place, rows, choice)
        except BearingError:
            if self.newest().generation == rows.generation:
                raise
            return  # another generation has replaced this one and its folder
        if done:
            self._install(rows.generation, *read_index(place))

    def _build_delta(self) -> None:
        """Put the unindexed rows into a delta index in memory, beside the searches."""
        use_threads(1)
        rows = self.current
        if rows.index is None or rows.compared < self._thresholds.delta_rows:
            return  # an index has been sealed over them meanwhile
        delta = rows.extended_delta(rows.index.target)
        with self._following:
            now = self.current
            same = (now.generation, now.stamp) == (rows.generation, rows.stamp)
            if same and now.index and not now.distrusted:
                self.current = replace(now, delta=delta)

    def _read_index(self) -> None:
        """Read an index sealed by another process, beside the searches."""
        generation = self.current.generation
        self._install(generation, *read_index(self.place(generation)))

    def _install(self, generation: int, index: Sealed | None, stamp: Stamp | None) -> None:
        with self._following:
            if self.current.generation == generation:
                self.current = replace(
                    self.current, index=index, stamp=stamp, delta=None, distrusted=frozenset()
                )

    def describe(self) -> dict[str, object]:
        """The properties of the index for users."""
        rows = self.newest()
        if rows.index is None:
            return {"kind": "exact", "rows": len(rows.owners), "recall": 1.0}
        return {
            **rows.index.describe(),
            "late_rows": rows.unindexed,
            "compared_rows": len(rows.owners) if rows.compares_all else rows.compared,
            **told(self.watch.estimate(), self.watch.situations()),
            "distrusted": sorted(rows.distrusted),
        }

    def _heed(self, fall: Fall) -> None:
        """Search more thoroughly from now on, since real queries found too little."""
        with self._following:
            now, then = self.current, fall.rows
            if now.index is not then.index or now.delta is not then.delta:
                return  # it is about rows no longer searched
            better = self.current = after_fall(now, fall)
        _log.warning(
            "%s: recall@%d of real queries (%s) is %.4f (%.4f to %.4f), "
            "below the target of %.4f: %s",
            self._folder.name,
            fall.recall.k,
            fall.situation,
            fall.recall.mean,
            fall.recall.low,
            fall.recall.high,
            now.index.target if now.index else 1.0,
            _remedy(better, fall),
        )


def _remedy(rows: RowTable, fall: Fall) -> str:
    """The remedy for a fall of recall, in words for the log."""
    part = fall.situation.part
    if part not in rows.distrusted:
        layer = rows.delta if part is Part.DELTA else rows.index
        assert layer is not None
        params = layer.efforts.params(fall.band.k, filtered=fall.band.filtered)
        return f"searching with {params}"
    if part is Part.DELTA:
        return "unindexed rows are compared one by one until the next sealing"
    return "rows are compared one by one until the next sealing; `bearing rebuild` seals now"
