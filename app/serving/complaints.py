"""Faults that the log is told once, however often they are met."""

from __future__ import annotations

import logging

from indexer.errors import BearingError

log = logging.getLogger(__name__)


class Complaints:
    """Collections that cannot be opened, with the reason logged last."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, name: str, error: BearingError) -> None:
        """Log why a collection cannot be opened, unless that reason was the last one logged."""
        if self._told.get(name) != str(error):
            self._told[name] = str(error)
            log.warning("collection %r cannot be opened: %s", name, error)
