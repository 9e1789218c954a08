"""Backups, restores and moves to another model as jobs, which go on when the client leaves."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import FileResponse

from app.access.roles import Role
from app.routing.requests import (
    BoundedRoute,
    CollectionName,
    GuardedRoute,
    ServiceNeeded,
    needs,
    pieces_before,
)
from app.schemas.jobs import JobKind, JobsView, JobView, ReindexBody, RestoreParameters
from app.serving.job_records import Job
from app.serving.jobs import Tell
from app.serving.service import Service
from indexer.collection import Collection
from indexer.errors import AlreadyExists, InvalidInput, StorageFailed, TooLarge
from indexer.index_choice import Chunking
from indexer.ingestion.reindex import Moved, reindex
from indexer.library import Library, check_name
from indexer.reports import Backup, Step

router = APIRouter(tags=["jobs"], route_class=BoundedRoute)
collection_router = APIRouter(tags=["jobs"], route_class=GuardedRoute)

WINDOW_DOCUMENTS: Final = 256
"""Documents embedded between two looks at whether a job was cancelled or its service stops."""

ARCHIVE: Final = "application/x-tar"
BEGUN: dict[int | str, dict[str, Any]] = {
    HTTPStatus.ACCEPTED: {"model": JobView, "description": "It has begun, or waits for room."}
}


@collection_router.post("/backup", status_code=HTTPStatus.ACCEPTED)
@needs(Role.ADMIN)
async def back_up_collection(name: CollectionName, service: ServiceNeeded) -> JobView:
    """Write the collection to one file, as a job: see `/jobs`. Searching and writing go on.

    The file is to be fetched at `/jobs/{id}/file`, for a day; it stays in BEARING_BACKUPS if that
    is set. A collection has one job at a time (409).
    """
    collection = await service.collection(name)
    job = await service.reads.run(_begin_backup, service, collection)
    return _view(job)


@collection_router.post("/reindex", status_code=HTTPStatus.ACCEPTED)
@needs(Role.ADMIN)
async def reindex_collection(
    body: ReindexBody, name: CollectionName, service: ServiceNeeded
) -> JobView:
    """Move the collection to another model, or cut its documents anew, as a job: see `/jobs`.

    Searching and writing go on, over what is there, until the job switches to the new in one step.

    Cancelled or interrupted, it changes nothing, and the same request goes on where it was.
    """
    collection = await service.collection(name)
    if body.model is None and body.chunking is None:
        raise InvalidInput("give what is to change: model, chunking")
    chunking = body.chunking.to_chunking() if body.chunking else None
    job = await service.reads.run(_begin_reindex, service, collection, body.model, chunking)
    return _view(job)


@collection_router.post(
    "/restore",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra={
        "requestBody": {
            "required": False,
            "content": {ARCHIVE: {"schema": {"type": "string", "format": "binary"}}},
            "description": "The backup as it is, unless `job` names one.",
        }
    },
)
@needs(Role.ADMIN)
async def restore_collection(
    parameters: Annotated[RestoreParameters, Query()],
    name: CollectionName,
    service: ServiceNeeded,
    request: Request,
) -> JobView:
    """Make a new collection of this name from a backup, as a job: see `/jobs`.

    The backup is the body, or was made by a job that is named. A collection that is there is never
    overwritten (409); a backup that was damaged or changed fails, and leaves nothing behind.
    """
    check_name(name)
    if await service.reads.run(_exists, service.library, name):
        raise AlreadyExists(f"collection {name!r} already exists: restore by another name")
    if parameters.job is not None:
        source = await service.reads.run(service.jobs.records.file, parameters.job)
        return _view(await service.reads.run(_begin_restore, service, name, source, None))
    with service.place_for_a_file():
        upload = await _receive(request, service)
        try:
            job = await service.reads.run(_begin_restore, service, name, upload, upload)
        except BaseException:
            upload.unlink(missing_ok=True)
            raise
    return _view(job)


@router.get("/jobs")
@needs(Role.ADMIN)
async def list_jobs(service: ServiceNeeded) -> JobsView:
    """All jobs that are known, the newest first: those that live, and the last that ended."""
    found = await service.reads.run(service.jobs.records.all)
    return JobsView(jobs=[_view(one) for one in found])


@router.get("/jobs/{id}")
@needs(Role.ADMIN)
async def get_job(id: str, service: ServiceNeeded) -> JobView:
    """A job, and how far it is. One whose process was killed is `interrupted`."""
    return _view(await service.reads.run(service.jobs.records.get, id))


@router.get(
    "/jobs/{id}/file",
    response_class=FileResponse,
    responses={HTTPStatus.OK: {"content": {ARCHIVE: {}}, "description": "The backup."}},
)
@needs(Role.ADMIN)
async def fetch_file(id: str, service: ServiceNeeded) -> FileResponse:
    """The file that a job has made; parts of it too (`Range`)."""
    path = await service.reads.run(service.jobs.records.file, id)
    job = await service.reads.run(service.jobs.records.get, id)
    name = f"{job.collection}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(job.created))}.tar"
    return FileResponse(path, media_type=ARCHIVE, filename=name)


@router.delete(
    "/jobs/{id}",
    responses={
        HTTPStatus.OK: {"model": JobView, "description": "It will end soon, as `cancelled`."},
        HTTPStatus.NO_CONTENT: {"description": "It had ended, and is forgotten with its file."},
    },
)
@needs(Role.ADMIN)
async def cancel_job(id: str, service: ServiceNeeded) -> Response:
    """Cancel a job; one that has ended is forgotten, with its file.

    A backup that stays in BEARING_BACKUPS stays.
    """
    job = await service.reads.run(service.jobs.cancel, id)
    if job is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return Response(_view(job).model_dump_json(), media_type="application/json")


def _view(job: Job) -> JobView:
    names = ("id", "kind", "collection", "state", "phase", "done", "total", "created")
    more = ("finished", "error", "expires")
    told = {name: getattr(job, name) for name in (*names, *more)}
    return JobView(**told, outcome=dict(job.outcome), has_file=job.file is not None)


def _begin_backup(service: Service, collection: Collection) -> Job:
    library, kept = service.library, service.settings.backups

    def work(job: Job, tell: Tell) -> Mapping[str, Any]:
        target = service.jobs.records.folder / f"{job.id}.tar"
        if kept is not None:
            moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(job.created))
            target = _folder(kept) / f"{collection.name}-{moment}-{job.id}.tar"
        return _figures(library.back_up(collection.name, target, tell)) | {"file": str(target)}

    return service.jobs.begin(JobKind.BACKUP, collection.name, work)


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"BEARING_BACKUPS: {path}: {error.strerror}") from error
    return path


def _begin_reindex(
    service: Service, collection: Collection, model: str | None, chunking: Chunking | None
) -> Job:
    def work(_: Job, tell: Tell) -> Mapping[str, Any]:
        before = collection.identity.name
        embedder = service.library.successor(collection, model, chunking)

        def moving(moved: Moved) -> None:
            tell(Step("documents", moved.documents, moved.total))

        tell(Step("documents", 0, collection.describe().documents))
        moved = reindex(collection, embedder, moving, window=WINDOW_DOCUMENTS)
        now = {"to": embedder.identity.name, "chunking": embedder.identity.chunking.plain}
        return {**asdict(moved), "from": before, **now}

    return service.jobs.begin(JobKind.REINDEX, collection.name, work)


def _begin_restore(service: Service, name: str, source: Path, upload: Path | None) -> Job:
    """A job that restores a file; an upload is deleted when it ends."""

    def work(_: Job, tell: Tell) -> Mapping[str, Any]:
        try:
            made = service.library.restore(source, name, tell)
            return _figures(made) | {"of": made.collection}
        finally:
            if upload is not None:
                upload.unlink(missing_ok=True)

    return service.jobs.begin(JobKind.RESTORE, name, work)


def _figures(made: Backup) -> dict[str, Any]:
    told = asdict(made)
    return {name: told[name] for name in ("model", "documents", "chunks", "bytes")}


def _exists(library: Library, name: str) -> bool:
    return name in library.names() or name in library.aliases()


async def _receive(request: Request, service: Service) -> Path:
    """The body in a file beside the records of jobs.

    Raises TooLarge, StorageFailed, or InvalidInput if there is none.
    """
    limit = service.settings.max_backup_bytes
    if int(request.headers.get("content-length", 0)) > limit:
        raise _too_large(limit)
    records = service.jobs.records
    await service.reads.run(records.make_folder)
    path = records.folder / f"upload-{secrets.token_hex(8)}"
    try:
        await _hold(pieces_before(request, service.settings.body_seconds), path, limit)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageFailed(f"cannot hold the backup: {error.strerror}") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


async def _hold(pieces: AsyncIterable[bytes], path: Path, limit: int) -> None:
    """Write the pieces to a file; raises TooLarge, or InvalidInput if there are none."""
    size = 0
    async with await anyio.open_file(path, "wb") as file:
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            await file.write(piece)
    if not size:
        raise InvalidInput("give a backup as the body, or a job that made one (?job=ID)")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the backup has more than {limit} bytes (BEARING_MAX_BACKUP_BYTES)")
