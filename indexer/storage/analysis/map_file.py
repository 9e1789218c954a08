"""The stored map of a collection: one file beside its store, derived from it, never its source.

It is drawn in a separate process, at low priority, when it is viewed and is out of date; viewers
meanwhile get the last one, or the progress of the first. Only one process draws at a time, however
many have the collection open. A file that is damaged, or belongs to another store or model, is
reported and drawn again.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final

from indexer.analysis.map_drawing import Drawing, map_of, version_of
from indexer.analysis.map_task import MapTask
from indexer.ann.faiss_index import threads_to_use
from indexer.errors import Damaged, StorageFailed
from indexer.reports import Map, Step, Tell
from indexer.storage.runtime.durable_files import Stamp, file_stamp, write_durably
from indexer.storage.runtime.locks import is_free, only_process
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store
from indexer.subprocess_job import run_in_subprocess

FILE: Final = "map.bin"
LOCK: Final = "map.lock"
DRAWN_BY: Final = "indexer.storage.analysis.map_job:draw_job"
_POLL_SECONDS: Final = 0.1

_log = logging.getLogger(__name__)


class Maps:
    """The map of the collection in a folder; safe to use from several threads."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._known: tuple[Stamp | None, Drawing | None, str] = (None, None, "")
        self._task = MapTask(self._draw_unless_busy, str(folder))

    def view(self, snapshot: Snapshot, model: str) -> Map:
        """The map as of a snapshot; starts drawing it if it is out of date."""
        drawing, version = self._current(snapshot, model)
        late = snapshot.count_changed(-1 if drawing is None else drawing.clock[0])
        if late:
            self._task.start()
            if drawing is None:
                self._task.require()
        version = f"{version}-{snapshot.sequence}"
        return map_of(drawing, version, late, snapshot.ids, self.progress)

    def draw(self, model: str, tell: Tell, *, anew: bool) -> None:
        """Draw the present state in this process, and wait, also for another that is drawing."""
        from indexer.storage.analysis.map_job import draw_and_keep  # drawing imports much

        while True:
            with only_process(self._folder / LOCK) as lock:
                if lock is None:
                    time.sleep(_POLL_SECONDS)
                    continue
                lock.truncate(0)
                draw_and_keep(self._folder, self._store, model, tell, anew=anew)
                self._task.forget()
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
        if drawing is None or not drawing.is_of(snapshot.instance, model, (snapshot.sequence,)):
            return None, ""
        return drawing, version

    def _draw_unless_busy(self, stopping: threading.Event) -> None:
        with only_process(self._folder / LOCK) as lock:
            if lock is not None:
                lock.truncate(0)
                self._run_apart(lock, stopping)

    def _run_apart(self, lock: IO[str], stopping: threading.Event) -> None:
        try:
            run_in_subprocess(
                DRAWN_BY,
                {"folder": str(self._folder.absolute())},
                keep_open=[lock.fileno()],
                stopping=stopping,
                threads=max(1, threads_to_use() // 2),
                tell=lambda step: _tell_all(lock, Step(**step)),
            )
        except OSError as error:
            raise StorageFailed(f"no process could be started to draw in: {error}") from error


def _tell_all(lock: IO[str], step: Step) -> None:
    """Write a step of progress to the lock's file, where every process reads it."""
    lock.seek(0)
    lock.truncate(0)
    lock.write(json.dumps(asdict(step)))
    lock.flush()


# The file


def write(folder: Path, drawing: Drawing) -> None:
    """Replace the stored map, durably; raises StorageFailed."""
    try:
        write_durably(folder / FILE, drawing.encode())
    except OSError as error:
        raise StorageFailed(f"cannot write {folder / FILE}: {error.strerror}") from error


def read(folder: Path) -> tuple[Drawing | None, str]:
    """The stored map and its version; None, with a warning, if it is damaged."""
    try:
        written = (folder / FILE).read_bytes()
        return Drawing.decode(written), version_of(written)
    except FileNotFoundError:
        return None, ""
    except (OSError, Damaged) as error:
        _log.warning("%s is damaged (%s): it is drawn anew", folder / FILE, error)
        return None, ""
