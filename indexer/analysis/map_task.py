"""The drawing of a map in the background, which is not tried again at once after it failed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from indexer.background_task import BackgroundTask
from indexer.errors import BearingError, CollectionBusy

RETRY_SECONDS: Final = 60.0
"""After a map could not be drawn, viewing it does not try again for this long."""

_log = logging.getLogger(__name__)


class MapTask:
    """Draws on at most one thread at a time; thread-safe."""

    def __init__(self, draw: Callable[[threading.Event], None], shown: str) -> None:
        """``draw`` draws until an event is set; ``shown`` is the collection in the log."""
        self._draw = draw
        self._shown = shown
        self._failure: tuple[float, BearingError] | None = None
        self._task = BackgroundTask("map", self._run, self._note)

    @property
    def failure(self) -> BearingError | None:
        """The reason why it was not drawn a short while ago."""
        failure = self._failure
        if failure is None or time.monotonic() - failure[0] > RETRY_SECONDS:
            return None
        return failure[1]

    def start(self) -> None:
        """Begin to draw, unless it is under way or has failed a short while ago."""
        if self.failure is None:
            self._task.start()

    def require(self) -> None:
        """Raise the error that kept it from being drawn a short while ago."""
        if failure := self.failure:
            raise failure.with_traceback(None)  # its traceback is that of an earlier call

    def forget(self) -> None:
        """Try again at once, since it was drawn otherwise."""
        self._failure = None

    def close(self) -> None:
        """Stop a drawing under way: it begins again when the map is viewed."""
        self._task.close()

    def _run(self) -> None:
        self._draw(self._task.stopping)
        self._failure = None

    def _note(self, error: BearingError) -> None:
        if not isinstance(error, CollectionBusy) and not self._task.stopping.is_set():
            self._failure = time.monotonic(), error
            _log.warning("%s: no map was drawn: %s", self._shown, error)
