"""Long work that outlives the request that began it."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from prometheus_client import Counter, Gauge

from app.schemas.jobs import JobKind, JobState
from app.serving.batching import Overloaded
from app.serving.instruments import Instruments
from app.serving.job_records import FILE_SECONDS, Job, JobRecords, interrupted
from indexer.errors import BearingError, Conflict, StorageFailed
from indexer.reports import Step

AT_ONCE: Final = 2
"""Jobs of one process that run at once; further ones wait."""

MOST_WAITING: Final = 50
RETRY_SECONDS: Final = 60
_NOTE_SECONDS: Final = 0.5
_log = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[Step], None]
Work: TypeAlias = Callable[[Job, Tell], Mapping[str, Any]]
"""Does a job, telling of its progress, and returns its figures; ``file`` is what it made.

It lets pass what ``tell`` raises.
"""


class Stopped(BaseException):
    """Ends work whose job was cancelled, or whose service stops; no error of the work's."""


class Jobs:
    """The jobs of a service. Safe to use from several threads and processes."""

    def __init__(self, folder: Path, instruments: Instruments) -> None:
        self.records = JobRecords(folder)
        self._outcomes: Counter = instruments.counter(
            "bearing_jobs", "Jobs that ended, by their state.", ("kind", "state")
        )
        self._running: Gauge = instruments.gauge("bearing_jobs_running", "Jobs being done now.")
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="job")
        self._waiting = 0
        self._stopping = threading.Event()

    def begin(self, kind: JobKind, collection: str, work: Work) -> Job:
        """Let work begin as soon as there is room.

        Raises Conflict if a job of this collection lives, Overloaded if too many wait.
        """
        job = Job(secrets.token_hex(8), kind, collection, JobState.WAITING, time.time())
        with self.records.beginning():
            for other in self.records.all():
                if other.is_living and other.collection == collection:
                    raise Conflict(
                        f"collection {collection!r} has a job already, {other.kind} {other.id}: "
                        f"wait for it, or cancel it (DELETE /jobs/{other.id})"
                    )
            if self._waiting >= MOST_WAITING:
                raise Overloaded(f"{MOST_WAITING} jobs", MOST_WAITING, "fixed", RETRY_SECONDS)
            self.records.sweep()
            lock = self.records.claim(job.id)
            self.records.write(job)
            self._waiting += 1
        self._threads.submit(self._do, job, work, lock)
        return job

    def cancel(self, id: str) -> Job | None:
        """Ask a living job to end soon, and return it; a finished one is forgotten with its file.

        None if it was forgotten. Raises NotFound.
        """
        job = self.records.get(id)
        if job.is_living:
            self.records.ask_to_end(id)
            return job
        self.records.forget(job)
        return None

    def close(self) -> None:
        """Let living jobs of this process end soon, as interrupted, and wait for them."""
        self._stopping.set()
        self._threads.shutdown(wait=True)

    def require_going_on(self, job: Job) -> None:
        """Raise Stopped if a job was cancelled or its service stops."""
        if self._stopping.is_set() or self.records.is_asked_to_end(job.id):
            raise Stopped

    def _do(self, job: Job, work: Work, lock: IO[bytes]) -> None:
        with lock:
            self._waiting -= 1
            with self._running.track_inprogress():
                ended = replace(self._outcome(job, work), finished=time.time())
            self._outcomes.labels(str(job.kind), str(ended.state)).inc()
            with suppress(StorageFailed):  # then it reads as interrupted, which is true enough
                self.records.write(ended)
        self.records.ended(job)

    def _outcome(self, job: Job, work: Work) -> Job:
        progress = _Progress(self, job)
        try:
            progress.note()
            outcome = dict(work(job, progress.tell))
        except Stopped:
            cancelled = self.records.is_asked_to_end(job.id)
            stopped = progress.job
            return replace(stopped, state=JobState.CANCELLED) if cancelled else interrupted(stopped)
        except (BearingError, Overloaded) as error:
            return replace(progress.job, state=JobState.FAILED, error=str(error))
        except Exception:  # noqa: BLE001 - it has no caller: the log has it whole
            _log.exception("%s of %r failed", job.kind, job.collection)
            fault = "a fault of the service: its log says more"
            return replace(progress.job, state=JobState.FAILED, error=fault)
        return self._done(progress.job, outcome)

    def _done(self, job: Job, outcome: dict[str, Any]) -> Job:
        file = outcome.pop("file", None)
        own = file is not None and self.records.keeps(Path(file))
        expires = time.time() + FILE_SECONDS if own else None
        return replace(job, state=JobState.DONE, outcome=outcome, file=file, expires=expires)


class _Progress:
    """Notes how far a job is, now and then, and stops it if that is asked for."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self.job = replace(job, state=JobState.RUNNING)
        self._jobs = jobs
        self._noted = 0.0

    def tell(self, step: Step) -> None:
        """Note a step, the first of a phase at once; raises Stopped."""
        if step.name != self.job.phase:
            self._noted = 0.0
        self.job = replace(self.job, phase=step.name, done=step.done, total=step.total)
        self.note()

    def note(self) -> None:
        """Keep the record, if that is due; raises Stopped."""
        self._jobs.require_going_on(self.job)
        now = time.monotonic()
        if now - self._noted >= _NOTE_SECONDS:
            self._noted = now
            self._jobs.records.write(self.job)
