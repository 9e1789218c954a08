"""The map of a collection in a database: kept there, drawn by one process at a time.

It is drawn when it is viewed and is out of date, in a separate process at low priority, which reads
the database by itself. The process that started it holds a lease meanwhile, whose purpose tells
all others how far it is. What is drawn without the lease is not kept.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict
from typing import Final, TypeAlias

from indexer.analysis.map_drawing import Drawing, map_of, version_of
from indexer.analysis.map_layout import Subject, draw
from indexer.analysis.map_task import MapTask
from indexer.ann.faiss_index import threads_to_use
from indexer.documents import Document
from indexer.engine import Key
from indexer.errors import BearingError, CollectionBusy, Damaged, StorageFailed
from indexer.index_choice import Language
from indexer.lexical.analyzer import Analyzer
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.leases import Lease
from indexer.postgres.map_means import StoredMeans
from indexer.postgres.schema import Tables
from indexer.postgres.state import PostgresState
from indexer.reports import Map, Step, Tell
from indexer.subprocess_job import Job, run_in_subprocess

JOB: Final = "map"
"""The lease of who draws, and the name of what is kept."""

DRAWN_BY: Final = "indexer.postgres.map_job:draw_job"

_PURPOSE: Final = "drawn as a map"
_POLL_SECONDS: Final = 0.2
_TELL_SECONDS: Final = 1.0

_LOOK: Final = """
SELECT (SELECT stamp FROM @kept WHERE what = 'map' AND fingerprint = %s),
    (SELECT purpose FROM @lease WHERE job = 'map' AND until > now())
"""
_READ: Final = "SELECT content FROM @kept WHERE what = 'map' AND fingerprint = %s"
_CHANGED: Final = """
SELECT d.number FROM @document d
JOIN unnest(%s::bigint[]) WITH ORDINALITY AS c(write, place) ON d.slot = c.place - 1
WHERE d.write > c.write
"""
_IDS: Final = "SELECT number, id FROM @document"
_KEEP: Final = """
INSERT INTO @kept SELECT 'map', %s, nextval('@stamp'), %s
WHERE EXISTS (SELECT FROM @lease WHERE job = 'map' AND holder = %s AND until > now())
ON CONFLICT (what, fingerprint) DO UPDATE
SET stamp = excluded.stamp, content = excluded.content RETURNING stamp
"""
_FORGET: Final = "DELETE FROM @kept WHERE what = 'map' AND fingerprint <> %s"

_log = logging.getLogger(__name__)

Reading: TypeAlias = Callable[[], AbstractContextManager[PostgresState]]
"""Opens a state that may be read for long."""


class PostgresMaps:
    """The map of a collection; safe to use from several threads."""

    def __init__(
        self, database: Database, name: str, tables: Tables, language: Language, reading: Reading
    ) -> None:
        self._database = database
        self._name = name
        self._tables = tables
        self._language = language
        self._reading = reading
        self._known: tuple[int | None, Drawing | None, str] = (None, None, "")
        self._task = MapTask(self._draw_apart, f"{database.location.shown}: {name}")

    def view(self, state: PostgresState) -> Map:
        """The map as of a state; starts drawing it if it is out of date and nobody does."""
        ((stamp, purpose),) = state.rows(_LOOK, [state.identity.fingerprint])
        drawing, version = self._current(state, stamp)
        late = state.counts.documents if drawing is None else len(_changed(state, drawing))
        if late and purpose is None:
            self._task.start()
            if drawing is None:
                self._task.require()
        version = f"{version}-{sum(state.header.clock)}"
        return map_of(drawing, version, late, lambda: _ids(state), lambda: _step(purpose))

    def draw(self, tell: Tell, *, anew: bool) -> None:
        """Draw the present state in this process, and wait, also for another that is drawing."""
        lease = self._lease_in_time()
        try:
            self.draw_and_keep(lease.holder, tell, anew=anew)
        finally:
            lease.release()
        self._task.forget()

    def draw_and_keep(self, holder: str, tell: Tell, *, anew: bool) -> None:
        """Draw the map, given the last one, and replace that; ``holder`` is that of the lease.

        Raises MissingExtra, or CollectionBusy if another has the lease by now.
        """
        with self._reading() as state:
            identity = state.identity
            ((stamp, _),) = state.rows(_LOOK, [identity.fingerprint])
            old, _ = self._current(state, stamp)
            instance, clock = self._instance(state), state.header.clock
            changed = [] if old is None else _changed(state, old)
            means = StoredMeans(state)
        with closing(means):
            subject = Subject(
                instance, identity.fingerprint, clock, means, changed,
                Analyzer(self._language), self._documents,
            )  # fmt: skip
            drawn = draw(subject, old, tell, anew=anew)
        self._database.write(lambda one: self._keep(one, holder, drawn))
        _log.info(
            "%s: drew a map of %d documents, which keeps %s of neighbours, in %.1f s",
            self._name, len(drawn.numbers), f"{drawn.kept.mean:.2f}" if drawn.kept else "all",
            drawn.seconds,
        )  # fmt: skip

    def close(self) -> None:
        """Stop a drawing under way: it begins again when the map is viewed."""
        self._task.close()

    def _current(self, state: PostgresState, stamp: int | None) -> tuple[Drawing | None, str]:
        """The map of a state with this stamp, and its version, if it is of this collection."""
        known = self._known
        if known[0] != stamp:
            known = self._known = (stamp, *self._read(state))
        _, drawing, version = known
        model, clock = state.identity.fingerprint, state.header.clock
        if drawing is None or not drawing.is_of(self._instance(state), model, clock):
            return None, ""
        return drawing, version

    def _read(self, state: PostgresState) -> tuple[Drawing | None, str]:
        rows = state.rows(_READ, [state.identity.fingerprint])
        if not rows:
            return None, ""
        try:
            return Drawing.decode(rows[0][0]), version_of(rows[0][0])
        except Damaged as error:
            _log.warning("the map of %s is damaged (%s): it is drawn anew", self._name, error)
            return None, ""

    def _instance(self, state: PostgresState) -> str:
        return f"{self._tables.collection}/{state.generation}"

    def _documents(self, numbers: Sequence[int]) -> Mapping[int, Document]:
        with self._reading() as state:
            return {int(key): one for key, one in state.documents(map(Key, numbers)).items()}

    def _keep(self, connection: Connection, holder: str, drawn: Drawing) -> None:
        connection.execute(self._tables.sql(_FORGET), [drawn.model])
        given = [drawn.model, drawn.encode(), holder]
        if connection.execute(self._tables.sql(_KEEP), given).fetchone() is None:
            raise CollectionBusy(
                "the map is being drawn by another process by now, since this one could not reach "
                "the database for some time"
            )

    # Who draws

    def _lease(self) -> Lease:
        return Lease(self._database, self._tables, JOB, _PURPOSE)

    def _lease_in_time(self) -> Lease:
        while True:
            try:
                return self._lease()
            except CollectionBusy:
                time.sleep(_POLL_SECONDS)

    def _draw_apart(self, stopping: threading.Event) -> None:
        lease = self._lease()
        job = {
            "name": self._name,
            "collection": self._tables.collection,
            "language": self._language.value,
            "holder": lease.holder,
        }
        try:
            run_in_subprocess(
                DRAWN_BY,
                job,
                json.dumps(asdict(self._database.location)).encode(),  # passwords are in it
                stopping=stopping,
                threads=max(1, threads_to_use() // 2),
                tell=_Telling(lease).tell,
            )
        except OSError as error:
            raise StorageFailed(f"no process could be started to draw in: {error}") from error
        finally:
            lease.release()


class _Telling:
    """Tells by a lease how far a drawing is; now and then, since each time is a write."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._next = 0.0

    def tell(self, step: Job) -> None:
        """Tell a step."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _TELL_SECONDS
        try:
            self._lease.tell(json.dumps(step))
        except BearingError:
            return  # it is drawn all the same


def _step(purpose: str | None) -> Step | None:
    """The step that the purpose of a lease tells of."""
    try:
        return None if purpose is None else Step(**json.loads(purpose))
    except (ValueError, TypeError):  # nothing was told yet
        return None


def _changed(state: PostgresState, drawing: Drawing) -> list[int]:
    """The numbers of the documents whose content changed since a drawing."""
    return [number for (number,) in state.rows(_CHANGED, [list(drawing.clock)])]


def _ids(state: PostgresState) -> Iterable[tuple[int, str]]:
    return [(number, id) for number, id in state.rows(_IDS)]
