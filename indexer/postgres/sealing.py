"""The building of graphs, by one process at a time, beside searches and writes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final

from indexer.background_task import BackgroundTask
from indexer.documents import Vector
from indexer.engine import Candidate, Sample
from indexer.errors import BearingError, CollectionBusy, Unsupported
from indexer.index_choice import IndexChoice, IndexKind
from indexer.postgres import graph
from indexer.postgres.database import Database, LongStatement
from indexer.postgres.graph import Efforts
from indexer.postgres.leases import Lease
from indexer.postgres.nearest import Search
from indexer.postgres.scanning import whole_documents
from indexer.postgres.schema import Tables
from indexer.postgres.scope import PostgresScope
from indexer.postgres.state import PostgresState
from indexer.postgres.tuning import SAMPLED, SEED, Find, draw_trials, tune

KINDS: Final = frozenset({IndexKind.AUTO, IndexKind.EXACT, IndexKind.GRAPH})

LOOK_SECONDS: Final = 15.0
"""A process looks no more often whether a graph is due."""

_LATE: Final = "SELECT count(*) FROM @chunk c WHERE number >= %s"
_NEWEST: Final = "SELECT coalesce(max(number), 0) FROM @chunk c"

_log = logging.getLogger(__name__)


class Sealing:
    """Builds the graphs of a collection, in the background when one is due."""

    def __init__(
        self,
        database: Database,
        tables: Tables,
        reading: Callable[[], AbstractContextManager[PostgresState]],
        choice: IndexChoice,
    ) -> None:
        self._database = database
        self._tables = tables
        self._reading = reading
        self._choice = choice
        self._building = LongStatement(database)
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._task = BackgroundTask("graph", self._seal_if_due, self._warn)

    def look(self) -> None:
        """Begin to build a graph in the background if one is due; now and then."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            self._task.start()

    def choose(self, choice: IndexChoice) -> None:
        """Keep an index of this kind from now on."""
        if choice.kind not in KINDS:
            kinds = ", ".join(sorted(KINDS))
            raise Unsupported(
                f"index of kind {choice.kind}", "postgresql", f"it can have one of {kinds}"
            )
        self._choice = choice
        statement = self._tables.sql("UPDATE @generation SET kind = %s WHERE live")
        self._database.write(lambda one: one.execute(statement, [choice.kind.value]))

    def seal(self) -> None:
        """Build a graph over all chunks, or drop it if none is to be; raises CollectionBusy."""
        lease = Lease(self._database, self._tables, "index", "indexed")
        try:
            self._seal()
        finally:
            lease.release()

    @property
    def target(self) -> float:
        """The recall that searches are tuned to."""
        return self._choice.target_recall

    def close(self) -> None:
        """End a building that is under way; the next process begins anew."""
        self._task.stop()
        self._building.cancel()
        self._task.wait()

    def _seal(self) -> None:
        with self._reading() as state:
            generation, dimension = state.generation, state.identity.dimension
            kind, chunks = state.header.kind or self._choice.kind, state.counts.chunks
            (newest,) = state.reading.row(_NEWEST)
        sealed, efforts = 0, Efforts(())
        if graph.is_due(kind, dimension, chunks, chunks):
            sealed = newest + 1
            with self._building.running() as connection:
                graph.build(connection, self._tables, generation, dimension, sealed)
            efforts = self._tuned(sealed)
        self._database.write(
            lambda one: graph.adopt(one, self._tables, generation, sealed, efforts)
        )
        with self._database.plain(patient=True) as connection:
            graph.drop(connection, self._tables, generation, keep=sealed)

    def _tuned(self, sealed: int) -> Efforts:
        """The efforts of searches without a filter, and with one."""
        with self._reading() as state:
            find, target = self._finder(state, sealed), self._choice.target_recall
            drawn = state.sample(SAMPLED, SEED).vectors
            whole, filtered = draw_trials(drawn, self._going_on(whole_documents(state)))
            bands = [tune(find, trials, target).bands for trials in ([whole], filtered)]
        return Efforts(tuple(one for efforts in bands for one in efforts))

    def _finder(self, state: PostgresState, sealed: int) -> Find:
        """Searches of a graph that is not adopted yet."""
        header = replace(state.header, sealed=sealed)

        def find(scope: PostgresScope, query: Vector, k: int, view: int) -> list[Candidate]:
            self._require_open()
            return Search(state.reading, header, scope).by_graph(query, k, view, state.ids)

        return find

    def _going_on(self, parts: Iterable[Sample]) -> Iterator[Sample]:
        for part in parts:
            self._require_open()
            yield part

    def _require_open(self) -> None:
        if self._task.stopping.is_set():
            raise CollectionBusy("the collection is being closed: its graph was not tuned")

    def _seal_if_due(self) -> None:
        with self._reading() as state:
            kind, chunks = state.header.kind or self._choice.kind, state.counts.chunks
            (late,) = state.reading.row(_LATE, [state.header.sealed])
            dimension = state.identity.dimension
        if graph.is_due(kind, dimension, chunks, late):
            self.seal()

    def _warn(self, error: BearingError) -> None:
        if not isinstance(error, CollectionBusy) and not self._task.stopping.is_set():
            _log.warning("no graph was built: %s", error)
