"""Jobs, and what is asked of them, as sent over HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from app.schemas.base import Closed, Given, Returned
from app.schemas.collections import ChunkingBody


class JobKind(StrEnum):
    """The kinds of work that jobs do."""

    BACKUP = "backup"
    RESTORE = "restore"
    REINDEX = "reindex"


class JobState(StrEnum):
    """The states of a job; the last four are final."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


LIVING: Final = (JobState.WAITING, JobState.RUNNING)


class ReindexBody(Given):
    """The model that a collection is to be moved to, or how its documents are to be cut anew."""

    model: str | None = Field(
        None,
        min_length=1,
        description="By hub name, or a folder on the service's machine; its own if null.",
    )
    chunking: ChunkingBody | None = Field(None, description="As they are cut now if null.")


class RestoreParameters(Closed):
    """The backup to restore. Not strict: all parameters of a URL are text."""

    job: str | None = Field(
        None, description="A job that made a backup, which is here still; else the body is one."
    )


class JobView(Returned):
    """A job and how far it is; times in seconds since 1970."""

    id: str
    kind: JobKind
    collection: str
    state: JobState
    phase: str = Field(description="What it is at, in a word; empty before it begins.")
    done: int = Field(description="How much of that is done, in the phase's own units.")
    total: int
    created: float
    finished: float | None
    error: str | None = Field(description="Why it failed or was interrupted, and what to do.")
    outcome: dict[str, Any] = Field(description="The figures of a job that is done.")
    has_file: bool = Field(description="Whether `/jobs/{id}/file` has something to fetch.")
    expires: float | None = Field(description="Until when; null if it stays.")


class JobsView(Returned):
    """The jobs that are known, the newest first."""

    jobs: list[JobView]
