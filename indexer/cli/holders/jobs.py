"""Long work of a service, begun as a job, followed, and fetched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from indexer.cli.messages import Figures
from indexer.errors import AlreadyExists, InvalidInput, ServiceFailed, StorageFailed
from indexer.remote_service import RemoteService, path_of
from indexer.reports import Step, Tell

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0
_LIVING: Final = ("waiting", "running")
_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ServiceJobs:
    """The jobs of a service. What they raise is a BearingError that says why a job failed."""

    service: RemoteService

    def reindex(self, collection: str, change: Figures, tell: Tell) -> Figures:
        """Move a collection to another model or chunking, and return the outcome."""
        begun = self.service.call("POST", path_of(collection, "reindex"), change)
        return self._outcome(begun, tell)

    def back_up(self, collection: str, target: Path, tell: Tell) -> Figures:
        """Back a collection up into a new file here, and return the outcome."""
        if target.exists():
            raise AlreadyExists(f"{target} already exists: a backup never overwrites")
        begun = self.service.call("POST", path_of(collection, "backup"))
        outcome = self._outcome(begun, tell)
        draft = target.with_name(f".{target.name}.draft")
        try:
            self.service.fetch(f"{_path(begun)}/file", draft)
            draft.rename(target)
        except OSError as error:
            raise StorageFailed(f"cannot write {target}: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)
        self.service.call("DELETE", _path(begun))
        return outcome

    def restore(self, source: Path, collection: str, tell: Tell) -> Figures:
        """Make a collection of a backup here, and return the outcome."""
        if not source.is_file():
            raise InvalidInput(f"{source} is no file: give what bearing backup has written")
        path = path_of(collection, "restore")
        return self._outcome(self.service.send(path, _pieces(source)), tell)

    def _outcome(self, begun: Mapping[str, Any], tell: Tell) -> Figures:
        """The figures of a job that was begun, once it is done; raises ServiceFailed if it fails.

        Interrupted meanwhile, the job goes on, and what is raised says how it is ended.
        """
        pause, job = FIRST_PAUSE_SECONDS, begun
        try:
            while job["state"] in _LIVING:
                if job["phase"]:
                    tell(Step(job["phase"], job["done"], job["total"]))
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                job = self.service.call("GET", _path(begun))
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(
                f"the job goes on in the service: curl -X DELETE {self.service.url}{_path(begun)} "
                "ends it"
            ) from error
        if job["state"] != "done":
            why = job["error"] or "it has no more to say"
            raise ServiceFailed(f"{self.service.url}: the job is {job['state']}: {why}")
        return dict(job["outcome"])


def _path(job: Mapping[str, Any]) -> str:
    return f"/jobs/{quote(job['id'], safe='')}"


def _pieces(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
