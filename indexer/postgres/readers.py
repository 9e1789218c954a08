"""Connections to read by: to the primary, or to any node of its cluster while there is none."""

from __future__ import annotations

import logging
from typing import Final

from indexer.background_task import BackgroundTask
from indexer.errors import EngineUnavailable, Unreachable
from indexer.postgres.connection import Connection
from indexer.postgres.pool import Pool

LOOK_SECONDS: Final = 0.5
"""A primary that is gone is looked for so often, in the background: that may take seconds."""

_log: Final = logging.getLogger(__name__)


class Readers:
    """Takes connections from the pool of the primary, or from another that takes any node."""

    def __init__(self, primary: Pool, fallback: Pool | None) -> None:
        self._primary = primary
        self._fallback = fallback
        self._has_primary = True
        self._task = BackgroundTask("primary", self._look)

    def take(self) -> tuple[Connection, bool]:
        """A connection, and whether it is new; raises EngineUnavailable."""
        if self._fallback is None:
            return self._primary.take()
        if self._has_primary:
            try:
                return self._primary.take()
            except Unreachable as error:
                if self._has_primary:
                    _log.warning("a standby is read meanwhile: %s", error)
                self._has_primary = False
        self._task.start()
        return self._fallback.take()

    def close(self) -> None:
        """Look for no primary any more."""
        self._task.close()

    def _look(self) -> None:
        self._primary.drop_idle()
        while not self._task.stopping.wait(LOOK_SECONDS):
            try:
                connection, _ = self._primary.take()
            except EngineUnavailable:
                continue
            self._primary.give_back(connection)
            self._has_primary = True
            _log.warning("the primary is read again")
            return
