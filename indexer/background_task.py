"""Work on a background thread, and the low priority with which a process yields to searches."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

from indexer.errors import BearingError

NICENESS: Final = 15
"""Of 0 to 19: on busy cores, a search has about 28 times the share of a thread this nice."""

_log = logging.getLogger(__name__)


class BackgroundTask:
    """Repeatable work on at most one background thread at a time; thread-safe.

    ``stopping`` is set when the work should end soon; checking it is up to the work.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        failed: Callable[[BearingError], None] | None = None,
        *,
        daemon: bool = True,
    ) -> None:
        """``failed`` is called with an error that ended the work; by default it is logged.

        The interpreter exits without waiting for a ``daemon``.
        """
        self.stopping = threading.Event()
        self._name = name
        self._work = work
        self._failed = failed or self._warn
        self._daemon = daemon
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """True while a thread does the work."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self) -> None:
        """Begin the work, unless it is under way or was stopped."""
        with self._starting:
            if not self.stopping.is_set() and not self.is_running:
                self._thread = threading.Thread(
                    target=self._run, name=self._name, daemon=self._daemon
                )
                self._thread.start()

    def wait(self) -> None:
        """Wait for the work under way."""
        with self._starting:
            thread = self._thread
        if thread is not None:
            thread.join()

    def stop(self) -> None:
        """Ask the work under way to end, and begin no more."""
        with self._starting:
            self.stopping.set()

    def close(self) -> None:
        """Ask the work under way to end, wait for it, and begin no more."""
        self.stop()
        self.wait()

    def _run(self) -> None:
        try:
            self._work()
        except BearingError as error:
            self._failed(error)

    def _warn(self, error: BearingError) -> None:
        _log.warning("%r ended in the background: %s", self._name, error)


def lower_priority() -> None:
    """Let searches have the processors first; threads that this one starts do so too.

    A thread beside searches must hardly hold the interpreter's lock then: where it does while it
    waits for a processor, they wait for it.
    """
    if sys.platform == "linux":  # elsewhere a priority is of the whole process
        thread = threading.get_native_id()
        nice = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, nice)
