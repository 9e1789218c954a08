"""Recall on live queries: see indexer.ann.recall_watch.

Both answers are given again in one state, in the background and by a connection of their own, so
that no search waits for its comparison. Searches with and without a filter are judged each by
themselves, in each band of k. Where too little is found, the band is searched harder from then on,
by every process.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.ann.recall import K, Recall, estimate_recall, share_found
from indexer.ann.recall_watch import HOPELESS, REST, WINDOW, Case, Watch, told
from indexer.engine import Candidate
from indexer.errors import BearingError
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.graph import Effort, Efforts
from indexer.postgres.header import Header
from indexer.postgres.nearest import Asked, Search
from indexer.postgres.schema import Tables
from indexer.postgres.state import PostgresState

_HELD: Final = "SELECT recall FROM @generation WHERE number = %s AND sealed = %s FOR UPDATE"
_RAISE: Final = "UPDATE @generation SET recall = %s WHERE number = %s AND sealed = %s"

_log = logging.getLogger(__name__)


class LiveRecall:
    """Watches the searches that a collection's graph answers; thread-safe."""

    def __init__(
        self,
        database: Database,
        tables: Tables,
        reading: Callable[[], AbstractContextManager[PostgresState]],
        target: Callable[[], float],
        rest: float = REST,
    ) -> None:
        """``target`` is the recall below which the graph is searched harder."""
        self._database = database
        self._tables = tables
        self._reading = reading
        self._target = target
        self._shares: deque[float] = deque(maxlen=WINDOW)
        self._cases: dict[tuple[bool, int], Case] = {}
        self._judged: tuple[int, int, Efforts] | None = None
        self._watch = Watch(self._compare, rest)
        self.offer = self._watch.offer

    def told(self) -> dict[str, object]:
        """The recall of the last searches that were compared, as a description has it."""
        shares = np.array(self._shares)
        cases = sorted(self._cases.copy().items())
        situations = {_name(*one): case.recall for one, case in cases}
        return told(estimate_recall(shares, K) if len(shares) else None, situations)

    def close(self) -> None:
        """Stop comparing."""
        self._watch.close()

    def _compare(self, asked: Asked) -> None:
        try:
            with self._reading() as state:
                header = state.header
                effort = header.efforts.of(asked.k, filtered=asked.is_filtered)
                if state.is_behind or not header.sealed or not effort or not effort.view:
                    return
                search = Search(state.reading, header, asked.scope)
                found = search.by_graph(asked.direction, asked.k, effort.view, state.ids)
                if len(found) < asked.k:
                    return  # all were compared with
                exact = search.by_comparing(asked.direction, asked.k, state.ids)
            self._judge(header, effort, _scores(found), _scores(exact))
        except BearingError as error:
            _log.warning("a search was not compared with an exact one: %s", error)

    def _judge(
        self,
        header: Header,
        effort: Effort,
        found: NDArray[np.float32],
        exact: NDArray[np.float32],
    ) -> None:
        judged = header.generation, header.sealed, header.efforts
        if judged != self._judged:  # searched otherwise: the old observations mean nothing
            self._judged = judged
            self._cases.clear()
            self._shares.clear()
        self._shares.append(share_found(found[:K], exact[:K]))
        key = effort.filtered, effort.k
        case = self._cases.setdefault(key, Case(effort.k))
        case.add(share_found(found, exact), self._target())
        if case.is_lost:
            del self._cases[key]
            self._heed(header, effort, case.recall)

    def _heed(self, header: Header, effort: Effort, recall: Recall) -> None:
        """Search harder from now on, since real queries found too little."""
        efforts = header.efforts.harder(effort, hopeless=recall.high < HOPELESS)

        def keep(connection: Connection) -> bool:
            of = [header.generation, header.sealed]
            row = connection.execute(self._tables.sql(_HELD), of).fetchone()
            if row is None or Efforts.decode(row[0]) != header.efforts:
                return False  # another process was first
            connection.execute(self._tables.sql(_RAISE), [efforts.encode(), *of])
            return True

        if self._database.write(keep):
            now: Any = efforts.of(effort.k, filtered=effort.filtered)
            _log.warning(
                "recall@%d of real queries (%s) is %.4f (%.4f to %.4f), below the target of %.4f: "
                "%s",
                effort.k, _name(effort.filtered, K), recall.mean, recall.low, recall.high,
                self._target(),
                f"searching with {now.view} chunks in view" if now.view
                else "all chunks are compared with; `bearing rebuild` builds another graph",
            )  # fmt: skip


def _name(filtered: bool, k: int) -> str:
    """A situation by name; beyond the first band, with its k."""
    name = "sealed_filtered" if filtered else "sealed"
    return name if k == K else f"{name}@{k}"


def _scores(found: list[Candidate]) -> NDArray[np.float32]:
    return np.array([one.score for one in found], np.float32)
