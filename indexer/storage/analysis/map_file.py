"""The stored map of a collection: one file beside its store, derived from it, never its source.

It is drawn in a separate process, at low priority, when it is viewed and is out of date; viewers
meanwhile get the last one, or the progress of the first. Only one process draws at a time, however
many have the collection open. A file that is damaged, or belongs to another store or model, is
reported and drawn again.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import time
import zipfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from indexer.ann.faiss_index import threads_to_use
from indexer.background_task import BackgroundTask
from indexer.errors import BearingError, Damaged, StorageFailed
from indexer.reports import Cluster, Map, MapState, NeighboursKept, Step, Tell
from indexer.storage.analysis.map_layout import Drawing, draw
from indexer.storage.runtime.durable_files import Stamp, file_stamp, write_durably
from indexer.storage.runtime.locks import is_free, only_process
from indexer.storage.sqlite.schema import STORE
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store
from indexer.subprocess_job import Job, run_in_subprocess, say

FILE: Final = "map.bin"
LOCK: Final = "map.lock"
RETRY_SECONDS: Final = 60.0
"""After a map could not be drawn, viewing it does not try again for this long."""

_FORMAT: Final = 1
_DIGEST_BYTES: Final = 32
_POLL_SECONDS: Final = 0.1
_ORDER: Final = 2_654_435_761
"""A number's product with this, modulo 2^32, is as good as random (Knuth, 1973, 6.4)."""

_log = logging.getLogger(__name__)


class Maps:
    """The map of the collection in a folder; safe to use from several threads."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._known: tuple[Stamp | None, Drawing | None, str] = (None, None, "")
        self._task = BackgroundTask("map", self._draw_unless_busy, self._note_failure)
        self._failure: tuple[float, BearingError] | None = None

    def view(self, snapshot: Snapshot, model: str) -> Map:
        """The map as of a snapshot; starts drawing it if it is out of date."""
        drawing, version = self._current(snapshot, model)
        late = snapshot.count_changed(-1 if drawing is None else drawing.sequence)
        if not late and drawing is None:  # nothing is stored
            return _shown(None, MapState.READY, str(snapshot.sequence), [], 0, None)
        if late and self._fresh_failure() is None:
            self._task.start()
        if drawing is None:
            if failure := self._fresh_failure():
                raise failure.with_traceback(None)  # its traceback is that of an earlier call
            return _shown(None, MapState.BUILDING, "", [], late, self.progress())
        state, progress = MapState.READY, None
        if late:
            state, progress = MapState.STALE, self.progress()
        version = f"{version}-{snapshot.sequence}"
        return _shown(drawing, state, version, snapshot.ids(), late, progress)

    def draw(self, model: str, tell: Tell, *, anew: bool) -> None:
        """Draw the present state in this process, and wait, also for another that is drawing."""
        while True:
            with only_process(self._folder / LOCK) as lock:
                if lock is None:
                    time.sleep(_POLL_SECONDS)
                    continue
                lock.truncate(0)
                draw_and_keep(self._folder, self._store, model, tell, anew=anew)
                self._failure = None
                return

    def progress(self) -> Step | None:
        """The progress of the drawing, in whichever process; None if none draws."""
        try:
            with (self._folder / LOCK).open("r") as file:
                if is_free(file):
                    return None
                return Step(**json.loads(file.read()))
        except (OSError, ValueError, TypeError):  # not there yet, or half written
            return None

    def close(self) -> None:
        """Stop a drawing under way: it begins again when the map is viewed."""
        self._task.close()

    def _current(self, snapshot: Snapshot, model: str) -> tuple[Drawing | None, str]:
        """The map on disk and its version, if it is of this state or an earlier one."""
        stamp = file_stamp(self._folder / FILE)
        known = self._known
        if known[0] != stamp:
            known = self._known = (stamp, *read(self._folder))
        _, drawing, version = known
        if drawing is None or not drawing.is_of(snapshot.instance, model, snapshot.sequence):
            return None, ""
        return drawing, version

    def _fresh_failure(self) -> BearingError | None:
        failure = self._failure
        if failure is None or time.monotonic() - failure[0] > RETRY_SECONDS:
            return None
        return failure[1]

    def _draw_unless_busy(self) -> None:
        with only_process(self._folder / LOCK) as lock:
            if lock is not None:
                lock.truncate(0)
                self._run_apart(lock)
        self._failure = None

    def _note_failure(self, error: BearingError) -> None:
        if not self._task.stopping.is_set():
            self._failure = time.monotonic(), error
            _log.warning("%s: no map was drawn: %s", self._folder, error)

    def _run_apart(self, lock: IO[str]) -> None:
        try:
            run_in_subprocess(
                f"{__name__}:draw_job",
                {"folder": str(self._folder.absolute())},
                keep_open=[lock.fileno()],
                stopping=self._task.stopping,
                threads=max(1, threads_to_use() // 2),
                tell=lambda step: _tell_all(lock, Step(**step)),
            )
        except OSError as error:
            raise StorageFailed(f"no process could be started to draw in: {error}") from error


def draw_job(job: Job, given: bytes) -> Job:
    """Draw the map of a collection's folder in this process; the caller holds the lock."""
    del given
    folder = Path(job["folder"])
    with closing(Store(folder / STORE)) as store:
        with store.reading() as snapshot:
            model = snapshot.identity(snapshot.generation().number).fingerprint
        draw_and_keep(folder, store, model, lambda step: say(asdict(step)), anew=False)
    return {}


def draw_and_keep(folder: Path, store: Store, model: str, tell: Tell, *, anew: bool) -> None:
    """Draw a collection's map, given the last one, and replace that.

    The caller holds the lock for drawing. Raises MissingExtra or StorageFailed.
    """
    old, _ = read(folder)
    with store.reading() as snapshot:
        if old is not None and not old.is_of(snapshot.instance, model, snapshot.sequence):
            old = None
    drawn = draw(folder, store, old, tell, anew=anew)
    write(folder, drawn)
    _log.info(
        "%s: drew a map of %d documents, which keeps %s of neighbours, in %.1f s",
        folder, len(drawn.numbers), f"{drawn.kept.mean:.2f}" if drawn.kept else "all",
        drawn.seconds,
    )  # fmt: skip


def _tell_all(lock: IO[str], step: Step) -> None:
    """Write a step of progress to the lock's file, where every process reads it."""
    lock.seek(0)
    lock.truncate(0)
    lock.write(json.dumps(asdict(step)))
    lock.flush()


def _shown(
    drawing: Drawing | None,
    state: MapState,
    version: str,
    ids: list[tuple[int, str]],
    late: int,
    progress: Step | None,
) -> Map:
    """The part of a drawing whose documents still exist."""
    if drawing is None:
        places, clusters = np.zeros((0, 2), np.float32), np.zeros(0, np.int16)
        return Map(state, version, (), places, clusters, (), None, 0, late, 0.0, progress)
    by_number = dict(ids)
    order = np.argsort(drawing.numbers * _ORDER % 2**32, kind="stable")
    numbers = drawing.numbers[order].tolist()
    there = np.fromiter((one in by_number for one in numbers), dtype=np.bool_, count=len(numbers))
    clusters = drawing.clusters[order][there]
    return Map(
        state,
        version,
        [by_number[one] for one in numbers if one in by_number],
        drawing.places[order][there],
        clusters,
        _recounted(drawing.labels, clusters),
        drawing.kept,
        int(np.count_nonzero(drawing.fitted[order][there])),
        late,
        drawing.seconds,
        progress,
    )


def _recounted(labels: tuple[Cluster, ...], clusters: Any) -> tuple[Cluster, ...]:  # noqa: ANN401
    counts = np.bincount(clusters, minlength=len(labels)).tolist()
    return tuple(
        Cluster(one.words, count, one.x, one.y) for one, count in zip(labels, counts, strict=False)
    )


# The file


def write(folder: Path, drawing: Drawing) -> None:
    """Replace the stored map, durably; raises StorageFailed."""
    fields: dict[str, Any] = {
        "format": _FORMAT,
        "instance": drawing.instance,
        "model": drawing.model,
        "sequence": drawing.sequence,
        "labels": [asdict(one) for one in drawing.labels],
        "kept": drawing.kept and asdict(drawing.kept),
        "basis": drawing.basis,
        "added": drawing.added,
        "seconds": drawing.seconds,
    }
    file = io.BytesIO()
    np.savez(
        file,
        fields=np.frombuffer(json.dumps(fields).encode(), dtype=np.uint8),
        numbers=drawing.numbers,
        places=drawing.places,
        clusters=drawing.clusters,
        fitted=drawing.fitted,
        centroids=drawing.centroids,
    )
    encoded = file.getvalue()
    try:
        write_durably(folder / FILE, hashlib.sha256(encoded).digest() + encoded)
    except OSError as error:
        raise StorageFailed(f"cannot write {folder / FILE}: {error.strerror}") from error


def read(folder: Path) -> tuple[Drawing | None, str]:
    """The stored map and its version; None, with a warning, if it is damaged."""
    try:
        written = (folder / FILE).read_bytes()
        return _decode(written), written[:8].hex()
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile, Damaged) as error:
        _log.warning("%s is damaged (%s): it is drawn anew", folder / FILE, error)
        return None, ""


def _decode(written: bytes) -> Drawing:
    digest, encoded = written[:_DIGEST_BYTES], written[_DIGEST_BYTES:]
    if hashlib.sha256(encoded).digest() != digest:
        raise Damaged("it is not what was written")
    with np.load(io.BytesIO(encoded), allow_pickle=False) as file:
        fields = json.loads(file["fields"].tobytes())
        if fields.pop("format") != _FORMAT:
            raise Damaged("its format is unknown")
        labels = tuple(Cluster(**{**one, "words": tuple(one["words"])}) for one in fields["labels"])
        kept = fields["kept"] and NeighboursKept(**fields["kept"])
        arrays = ("numbers", "places", "clusters", "fitted", "centroids")
        return Drawing(
            **{**fields, "labels": labels, "kept": kept}, **{name: file[name] for name in arrays}
        )
