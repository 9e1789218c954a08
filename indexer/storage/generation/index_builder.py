"""The sealing of an index: when it is due, over which rows, and in which thread or process.

A collection scans its unindexed rows, those added after the index was sealed, one by one. Once
they are many, they are added to a copy of the index, or a new one is trained if it has outgrown
its training rows; then the two are swapped. Only one process seals at a time; others that have
the collection open notice the new index and read it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from indexer.ann.faiss_index import Allowed, threads_to_use, use_threads
from indexer.ann.kinds import INDEX_KINDS
from indexer.background_task import BackgroundTask, lower_priority
from indexer.documents import Vectors
from indexer.errors import BearingError, InvalidInput
from indexer.index_choice import IndexChoice, IndexKind
from indexer.sizes import readable_bytes
from indexer.storage.ann import index_file
from indexer.storage.ann.index_file import Sealed
from indexer.storage.generation.row_table import VECTORS, RowTable
from indexer.storage.runtime.locks import only_process
from indexer.storage.vector_file import VectorFile
from indexer.subprocess_job import Job, run_in_subprocess
from indexer.thresholds import Thresholds

OUTGROWN: Final = 2
"""A new index is trained when the old would hold this many times its training rows."""

AUTOMATIC: Final = tuple(kind for kind, spec in INDEX_KINDS.items() if spec.automatic)
"""The kinds that `auto` tries, in order: see :func:`indexer.storage.ann.index_file.build`."""

_log = logging.getLogger(__name__)


def kinds_to_try(
    choice: IndexChoice, rows: int, dimension: int, thresholds: Thresholds
) -> tuple[IndexKind, ...]:
    """The kinds to try for this many rows, in order; none if rows are compared one by one.

    Raises InvalidInput if none fits the memory.
    """
    automatic = choice.kind is IndexKind.AUTO
    least = thresholds.seal_rows if automatic else thresholds.least_rows
    if choice.kind is IndexKind.EXACT or rows < least:
        return ()
    wanted = AUTOMATIC if automatic else (choice.kind,)
    bound = float("inf") if choice.memory_bytes is None else choice.memory_bytes
    fitting = tuple(k for k in wanted if INDEX_KINDS[k].bytes_per_row(dimension) * rows <= bound)
    if not fitting:
        need = min(INDEX_KINDS[kind].bytes_per_row(dimension) * rows for kind in wanted)
        raise InvalidInput(
            f"an index over {rows} rows needs {readable_bytes(need)}, more than the budget of "
            f"{readable_bytes(bound)}: raise it, or use the kind exact"
        )
    return fitting


class IndexBuilder:
    """Seals the indexes of a collection, one at a time."""

    def __init__(self, choice: IndexChoice, seal: Callable[[IndexChoice], None]) -> None:
        self._choice = choice
        self._seal = seal
        self._turn = threading.Lock()
        self._task = BackgroundTask("seal", self._run_alone, self._give_up, daemon=False)
        self._gave_up = False

    @property
    def choice(self) -> IndexChoice:
        """The index to keep."""
        return self._choice

    def is_due(self, rows: RowTable) -> bool:
        """Return whether enough rows are unindexed, and none are being sealed."""
        if self._gave_up or self._task.is_running:
            return False
        total, held = len(rows.owners), len(rows.owners) - rows.unindexed
        if not kinds_to_try(self._choice, total, rows.vectors.shape[1], rows.thresholds):
            return False
        if rows.index is None:
            return True
        wanted = max(rows.thresholds.unindexed_rows, rows.thresholds.unindexed_share * held)
        return rows.unindexed >= wanted

    def start(self) -> None:
        """Start sealing in the background, on one core, unless that is under way."""
        self._task.start()

    def run(self, choice: IndexChoice | None) -> None:
        """Seal now and wait for it, on all cores; ``choice`` applies to later ones too."""
        self._choice = choice or self._choice
        with self._turn:
            self._seal(self._choice)

    def close(self) -> None:
        """Wait for a sealing under way."""
        self._task.close()

    def _run_alone(self) -> None:
        use_threads(1)
        with self._turn:
            self._seal(self._choice)

    def _give_up(self, error: BearingError) -> None:
        self._gave_up = True  # until it is asked for, or opened again
        _log.warning("no index was sealed, rows are compared one by one: %s", error)


def seal_rows(place: Path, rows: RowTable, choice: IndexChoice) -> bool:
    """Seal an index over these rows and write it to disk, or remove it if none is wanted.

    False if another process is sealing: its index will be noticed.
    """
    if not kinds_to_try(choice, len(rows.owners), rows.vectors.shape[1], rows.thresholds):
        index_file.remove(place)
        return True
    with only_process(place / "seal.lock") as lock:
        if lock is None:
            return False
        in_subprocess = len(rows.owners) >= rows.thresholds.subprocess_rows
        made = _sealed_in_subprocess(place, rows, choice, lock) if in_subprocess else None
        made = made or _sealed_here(place, rows, choice)
    _log.info(
        "sealed %d rows as %s: recall@%d %.4f (%.4f to %.4f), %.2f ms a query, in %.1f s",
        made["rows"], made["kind"], made["recall_k"], made["recall"], *made["recall_interval"],
        made["query_ms"], made["build_seconds"],
    )  # fmt: skip
    return True


def _sealed_in_subprocess(
    place: Path, rows: RowTable, choice: IndexChoice, lock: IO[str]
) -> Mapping[str, Any] | None:
    """The description of an index sealed in another process; None if that could not be started.

    Raises the error of that process.
    """
    count, dimension = rows.vectors.shape
    job = {
        "place": str(place.absolute()),
        "rows": count,
        "dimension": dimension,
        "choice": asdict(choice),
        "threads": threads_to_use(),
        "thresholds": asdict(rows.thresholds),
    }
    try:
        return run_in_subprocess(
            f"{__name__}:seal_job", job, _bits(rows.live, count), keep_open=[lock.fileno()]
        )
    except OSError as error:
        _log.warning("no process could be started to seal in, searches may wait: %s", error)
        return None


def _bits(live: Allowed | None, rows: int) -> bytes:
    """A bit for each row, in whole bytes."""
    return np.packbits(np.ones(rows, dtype=np.bool_) if live is None else live).tobytes()


def seal_job(job: Job, given: bytes) -> dict[str, Any]:
    """Seal in this process, as the job says: rows of a generation's folder, live ones as bits."""
    use_threads(job["threads"])
    place, rows = Path(job["place"]), job["rows"]
    bits = np.unpackbits(np.frombuffer(given, dtype=np.uint8), count=rows).astype(np.bool_)
    vectors = VectorFile(place / VECTORS, job["dimension"]).view(rows)
    old = index_file.read(place, lambda _: None)  # reported already
    choice = IndexChoice(**{**job["choice"], "kind": IndexKind(job["choice"]["kind"])})
    live = None if bits.all() else bits
    return seal(place, vectors, live, old, choice, Thresholds(**job["thresholds"]))


def _sealed_here(place: Path, rows: RowTable, choice: IndexChoice) -> dict[str, Any]:
    """The description of an index sealed in a thread of this process.

    A new thread, since one that has lowered its priority cannot raise it again.
    """
    threads = threads_to_use()
    with ThreadPoolExecutor(1, "seal", lower_priority) as alone:
        alone.submit(use_threads, threads)
        return alone.submit(
            seal, place, rows.vectors, rows.live, rows.index, choice, rows.thresholds
        ).result()


def seal(
    place: Path,
    vectors: Vectors,
    live: Allowed | None,
    old: Sealed | None,
    choice: IndexChoice,
    thresholds: Thresholds,
) -> dict[str, Any]:
    """Seal an index over all these rows and write it to disk; return its description.

    ``old`` is extended by the rows it lacks, if that is as good as training a new one.
    """
    kinds = kinds_to_try(choice, len(vectors), vectors.shape[1], thresholds)
    made = None
    if old and old.index.kind in kinds:
        made = _extend(old, vectors, live, choice, thresholds)
    if made is None:
        made = index_file.build(kinds, vectors, live, choice.target_recall, thresholds)
    index_file.write(place, made)
    return made.describe()


def _extend(
    old: Sealed,
    vectors: Vectors,
    live: Allowed | None,
    choice: IndexChoice,
    thresholds: Thresholds,
) -> Sealed | None:
    """An index with the unindexed rows added; None if a new one should be trained."""
    if old.target != choice.target_recall:
        return None
    if not old.index.rows < len(vectors) < OUTGROWN * old.trained_rows:
        return None
    made = index_file.extend(old, vectors, live, thresholds)
    return made if made.measured.recall.low >= choice.target_recall else None
