"""When an index is sealed, over what, and in which thread.

A collection scans its late rows, those that came after the index was sealed, one by one. Once
they are many, the index is extended by them beside the old one, or trained anew when it has
outgrown what it was trained on; then the two are swapped. One process seals at a time; whoever
else has the collection open notices the new index and reads it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from indexer.collection import IndexChoice, IndexKind
from indexer.errors import BearingError, InvalidInput, StorageFailed
from indexer.storage import sealed
from indexer.storage.nearest import RECIPES, use_threads
from indexer.storage.rows import Rows
from indexer.storage.sealed import Sealed

LEAST_ROWS: Final = 1_000
"""Below so many rows there is too little to train any index on."""

SEAL_ROWS: Final = 20_000
"""Below so many rows an exact search takes little, so `auto` builds no index."""

LATE_ROWS: Final = 8_192
"""So many late rows, or LATE_SHARE of those held, are sealed."""

LATE_SHARE: Final = 1 / 50
OUTGROWN: Final = 2
"""An index is trained anew when it would hold this many times the rows it was trained on."""

NICENESS: Final = 15
"""Of 0 to 19: on busy cores, a search has about 28 times the share of a thread that seals."""

_log = logging.getLogger(__name__)


def kinds_to_try(choice: IndexChoice, rows: int, dimension: int) -> tuple[IndexKind, ...]:
    """The kinds to try for so many rows, in order; none where rows are compared one by one.

    Raises InvalidInput if none fits the memory.
    """
    automatic = choice.kind is IndexKind.AUTO
    if choice.kind is IndexKind.EXACT or rows < (SEAL_ROWS if automatic else LEAST_ROWS):
        return ()
    wanted = (IndexKind.SCAN, IndexKind.PARTITIONED) if automatic else (choice.kind,)
    bound = float("inf") if choice.memory_bytes is None else choice.memory_bytes
    fitting = tuple(k for k in wanted if RECIPES[k].bytes_per_row(dimension) * rows <= bound)
    if not fitting:
        need = min(RECIPES[kind].bytes_per_row(dimension) * rows for kind in wanted)
        raise InvalidInput(
            f"an index over {rows} rows needs {need / 1e6:.0f} MB, more than the budget of "
            f"{bound / 1e6:.0f} MB: raise it, or use the kind exact"
        )
    return fitting


class Sealer:
    """Runs a collection's sealing, one at a time, in threads that give way to searches."""

    def __init__(self, choice: IndexChoice, seal: Callable[[IndexChoice], None]) -> None:
        self._choice = choice
        self._seal = seal
        self._turn = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._gave_up = False

    @property
    def choice(self) -> IndexChoice:
        """Which index to keep."""
        return self._choice

    def is_due(self, rows: Rows) -> bool:
        """Whether enough rows came late, and none is being sealed."""
        if self._gave_up or (self._thread is not None and self._thread.is_alive()):
            return False
        total, held = len(rows.owners), len(rows.owners) - rows.late
        if not kinds_to_try(self._choice, total, rows.vectors.shape[1]):
            return False
        if rows.index is None:
            return True
        return rows.late >= max(LATE_ROWS, LATE_SHARE * held)

    def start(self) -> None:
        """Begin in the background, on one core, unless that is under way."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run_quietly, name="seal")
                self._thread.start()

    def run(self, choice: IndexChoice | None) -> None:
        """Seal now and wait for it, on all cores; ``choice`` stays for later ones."""
        self._choice = choice or self._choice
        # a thread of its own, since one that has given way cannot take back its priority
        with self._turn, ThreadPoolExecutor(1, "seal", _give_way) as alone:
            alone.submit(self._seal, self._choice).result()

    def close(self) -> None:
        """Wait for what is under way."""
        with self._starting:
            if self._thread is not None:
                self._thread.join()

    def _run_quietly(self) -> None:
        _give_way()
        use_threads(1)
        try:
            with self._turn:
                self._seal(self._choice)
        except BearingError as error:
            self._gave_up = True  # until it is asked for, or opened again
            _log.warning("no index was sealed, rows are compared one by one: %s", error)


def _give_way() -> None:
    """Let searches have the processors first; threads that this one starts do so too."""
    if sys.platform == "linux":  # elsewhere a priority is of the whole process
        thread = threading.get_native_id()
        nice = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, nice)


def seal_rows(place: Path, rows: Rows, choice: IndexChoice) -> bool:
    """Seal an index over these rows and put it on disk, or take it away if none is wanted.

    False if another process is sealing: its index will be noticed.
    """
    kinds = kinds_to_try(choice, len(rows.owners), rows.vectors.shape[1])
    if not kinds:
        sealed.remove(place)
        return True
    with _only_process(place) as alone:
        if not alone:
            return False
        made = _extend(rows, choice, kinds)
        if made is None:
            made = sealed.build(kinds, rows.vectors, rows.live, choice.target_recall)
        sealed.write(place, made)
    measured = made.measured
    _log.info(
        "sealed %d rows as %s: recall %.4f (%.4f to %.4f), %.2f ms a query, in %.1f s",
        made.index.rows, made.index.kind, measured.recall.mean, measured.recall.low,
        measured.recall.high, measured.query_ms, made.build_seconds,
    )  # fmt: skip
    return True


def _extend(rows: Rows, choice: IndexChoice, kinds: tuple[IndexKind, ...]) -> Sealed | None:
    """The index there is, with the late rows added; None where it is to be trained anew."""
    old = rows.index
    if old is None or old.index.kind not in kinds or old.target != choice.target_recall:
        return None
    if not rows.late or len(rows.owners) >= OUTGROWN * old.trained_rows:
        return None
    made = sealed.extend(old, rows.vectors, rows.live)
    return made if made.measured.recall.low >= choice.target_recall else None


@contextmanager
def _only_process(place: Path) -> Iterator[bool]:
    try:
        file = (place / "seal.lock").open("a")
    except OSError as error:
        raise StorageFailed(f"cannot write to {place}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
