"""The records of jobs in a folder, which all processes of a service share.

A job's process holds the lock of a file beside its record for as long as the job lives, so one
whose process was killed is known. Records are replaced as wholes.
"""

from __future__ import annotations

import fcntl
import json
import logging
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final

from app.schemas.jobs import LIVING, JobKind, JobState
from indexer.errors import NotFound, StorageFailed

MOST_FINISHED: Final = 200
"""Records of finished jobs that are kept; the oldest go, with their files."""

FILE_SECONDS: Final = 24 * 3600.0
"""The time for which a file that a job made may be fetched, if it is kept beside the records."""

_ID: Final = re.compile(r"[0-9a-f]{16}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A job: ``done`` of ``total`` of its present ``phase``; times in seconds since 1970.

    ``outcome`` are the figures of one that is done, ``file`` the path of what it made.
    """

    id: str
    kind: JobKind
    collection: str
    state: JobState
    created: float
    phase: str = ""
    done: int = 0
    total: int = 0
    finished: float | None = None
    error: str | None = None
    outcome: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = None
    expires: float | None = None

    @property
    def is_living(self) -> bool:
        """Return whether it waits or runs."""
        return self.state in LIVING


class JobRecords:
    """The records in a folder, which is made when the first job begins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[Job]:
        """All jobs that are known, the newest first."""
        paths = self.folder.glob("*.json") if self.folder.is_dir() else ()
        found = [self._find(path.stem) for path in paths if _ID.fullmatch(path.stem)]
        return sorted((job for job in found if job), key=lambda job: job.created, reverse=True)

    def get(self, id: str) -> Job:
        """A job as it is now; raises NotFound."""
        job = self._find(id) if _ID.fullmatch(id) else None
        if job is None:
            raise NotFound(f"there is no job {id[:80]!r}: jobs are listed at /jobs")
        return job

    def file(self, id: str) -> Path:
        """The file that a job has made; raises NotFound."""
        job = self.get(id)
        path = Path(job.file) if job.file else None
        expired = job.expires is not None and job.expires < time.time()
        if path is None or expired or not path.is_file():
            why = "its file has expired" if path else f"it is {job.state}, and has made no file"
            raise NotFound(f"job {id}, {job.kind} of {job.collection!r}, has no file: {why}")
        return path

    def write(self, job: Job) -> None:
        """Keep this in place of the job's last record; raises StorageFailed."""
        path = self._beside(job.id, "json")
        draft = path.with_suffix(f".{secrets.token_hex(4)}.draft")
        try:
            draft.write_text(json.dumps(asdict(job)))
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise StorageFailed(f"cannot write {path}: {error.strerror}") from error

    def ended(self, job: Job) -> None:
        """Remove what is only of living jobs."""
        for suffix in ("lock", "cancel"):
            self._beside(job.id, suffix).unlink(missing_ok=True)

    def forget(self, job: Job) -> None:
        """Remove the record of a job, and its file unless that is kept elsewhere."""
        if job.file and self.keeps(Path(job.file)):
            Path(job.file).unlink(missing_ok=True)
        self._beside(job.id, "json").unlink(missing_ok=True)
        self.ended(job)

    def keeps(self, path: Path) -> bool:
        """Return whether a file is beside the records, and so goes with its time."""
        return path.parent == self.folder

    def ask_to_end(self, id: str) -> None:
        """Ask a job to end, whichever process does it."""
        self._beside(id, "cancel").touch()

    def is_asked_to_end(self, id: str) -> bool:
        """Return whether a job was asked to end."""
        return self._beside(id, "cancel").exists()

    def claim(self, id: str) -> IO[bytes]:
        """The file whose lock says that a new job lives; to be closed when it has ended."""
        file = self._beside(id, "lock").open("ab")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Let no other thread or process begin a job meanwhile; raises StorageFailed."""
        self.make_folder()
        try:
            file = (self.folder / "beginning.lock").open("ab")
        except OSError as error:
            raise StorageFailed(f"no jobs can be kept in {self.folder}: {error}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def make_folder(self) -> None:
        """Make the folder, unless it is there; raises StorageFailed."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageFailed(f"no jobs can be kept in {self.folder}: {error}") from error

    def sweep(self) -> None:
        """Forget the oldest jobs, and the files whose time is over."""
        now = time.time()
        finished = [job for job in self.all() if not job.is_living]
        for place, job in enumerate(finished):
            if place >= MOST_FINISHED:
                self.forget(job)
            elif job.expires is not None and job.expires < now and job.file:
                Path(job.file).unlink(missing_ok=True)
        for stray in self.folder.glob("upload-*"):
            if stray.stat().st_mtime < now - FILE_SECONDS:
                stray.unlink(missing_ok=True)

    def _find(self, id: str) -> Job | None:
        """A job as it is now: one whose lock nobody holds has lost its process."""
        job = self._read(id)
        if job is None or not job.is_living or not _is_free(self._beside(id, "lock")):
            return job
        job = self._read(id)  # it may have ended meanwhile
        return interrupted(job) if job is not None and job.is_living else job

    def _read(self, id: str) -> Job | None:
        try:
            kept = json.loads(self._beside(id, "json").read_bytes())
            kind, state = JobKind(kept["kind"]), JobState(kept["state"])
            return Job(**kept | {"kind": kind, "state": state})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is not the record of a job: %s", self._beside(id, "json"), error)
            return None

    def _beside(self, id: str, suffix: str) -> Path:
        return self.folder / f"{id}.{suffix}"


def interrupted(job: Job) -> Job:
    """A job whose process ended before it, with what to do."""
    again = "goes on where it was" if job.kind is JobKind.REINDEX else "begins anew"
    told = f"the service ended first, and nothing was changed: the same request {again}"
    return replace(job, state=JobState.INTERRUPTED, error=told)


def _is_free(path: Path) -> bool:
    """Return whether nobody holds a file's lock."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True
