"""Uploaded files: received one at a time, read by the library's readers, and stored."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from app.access.roles import Role
from app.http.problems import describe, problem_document
from app.routes.imports import (
    BATCH_CHARACTERS,
    BATCH_DOCUMENTS,
    NDJSON,
    Conversation,
    Tally,
    failure_line,
    report_line,
)
from app.routing.brought import check_trust
from app.routing.limits import check_file
from app.routing.requests import CollectionName, GuardedRoute, ServiceNeeded, needs, pieces_before
from app.schemas.imports import (
    FileParameters,
    FileProgress,
    FileRejection,
    FileSummary,
    FormatsView,
    FormatView,
)
from app.serving.batching import Overloaded
from app.serving.service import Service
from app.settings import PREFIX
from indexer.collection import Collection
from indexer.documents import Document
from indexer.errors import BearingError, StorageFailed, TooLarge
from indexer.readers import Fields, Illustrated, Read, Rejection, known_formats, read_file
from indexer.readers.reading import VectorTrust

router = APIRouter(tags=["documents"], route_class=GuardedRoute)
formats_router = APIRouter(tags=["documents"], route_class=GuardedRoute)

BINARY: Final = "application/octet-stream"


@formats_router.get("/formats")
async def list_formats(service: ServiceNeeded) -> FormatsView:
    """The file formats that are read, by the suffixes of names, and the largest size."""
    formats = [FormatView(name=name, suffixes=list(found)) for name, found in known_formats()]
    return FormatsView(formats=formats, max_file_bytes=service.settings.max_file_bytes)


@router.post(
    "/documents/files",
    response_class=Response,
    responses={
        200: {
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "A line for each batch, each rejected part, and the end.",
        }
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
            "description": "The file as it is.",
        }
    },
)
@needs(Role.WRITE)
async def take_file(
    parameters: Annotated[FileParameters, Query()],
    name: CollectionName,
    service: ServiceNeeded,
    request: Request,
) -> Response:
    """Add or replace the documents of a file, read as `bearing index` would: see /formats.

    Answers in JSON Lines as the import does: `{"event": "rejected", "place", "reason"}` for a part
    that holds no document, `{"event": "progress", ...}` when a batch is durable, and at the end
    `{"event": "done", ...}`, or `{"event": "failed", "problem": {...}}`. Reported progress stays,
    whatever comes after.
    """
    check_file(request.headers, service.settings)
    check_trust(parameters.vectors, request.scope)
    collection = await service.writable(name)
    intake = FileIntake(service, collection, parameters.name, parameters.vectors)
    body = pieces_before(request, service.settings.body_seconds)
    return Conversation(intake.answer(body, request.scope))


@dataclass(slots=True)
class FileTally(Tally):
    """The totals of a file so far."""

    size: int = 0
    consumed: int = 0

    def progress(self) -> FileProgress:
        """The part that is durable by now."""
        return FileProgress(
            bytes=self.consumed,
            size=self.size,
            written=self.written,
            unchanged=self.unchanged,
            rejected=self.rejected,
            repeated=self.repeated,
        )

    def summary(self) -> FileSummary:
        """The totals of the whole file."""
        return FileSummary(
            size=self.size,
            written=self.written,
            unchanged=self.unchanged,
            rejected=self.rejected,
            repeated=self.repeated,
            truncated=self.truncated,
            unknown=self.unknown,
        )


class FileIntake:
    """One file: held on disk while it arrives, since some formats start at their end; then read."""

    def __init__(
        self, service: Service, collection: Collection, name: str, trust: VectorTrust
    ) -> None:
        self._service = service
        self._collection = collection
        self._name = name
        self._trust = trust
        self._tally = FileTally()

    async def answer(self, body: AsyncIterable[bytes], scope: Scope) -> AsyncGenerator[bytes, None]:
        """The lines of the answer; they end without a summary if the client leaves early."""
        try:
            async with self._received(body) as path:
                async for report in self._reports(path):
                    yield report_line(report)
        except ClientDisconnect:
            return
        except (BearingError, Overloaded) as error:
            yield failure_line(describe(scope, error))
        except HTTPException as error:
            yield failure_line(problem_document(scope, error.status_code, error.detail))
        finally:
            self._tally.tell(scope)

    @asynccontextmanager
    async def _received(self, body: AsyncIterable[bytes]) -> AsyncIterator[Path]:
        """The complete file; it is deleted afterwards."""
        with self._service.place_for_a_file(), _temporary_folder() as folder:
            path = folder / "file"
            try:
                await self._hold(body, path)
            except OSError as error:
                raise StorageFailed(f"cannot hold {self._name!r}: {error.strerror}") from error
            yield path

    async def _hold(self, body: AsyncIterable[bytes], path: Path) -> None:
        async with await anyio.open_file(path, "wb") as file:
            async for piece in body:
                self._tally.size += len(piece)
                self._refuse_over(self._service.settings.max_file_bytes)
                await file.write(piece)

    def _refuse_over(self, limit: int) -> None:
        if self._tally.size > limit:
            raise TooLarge(f"the file has more than {limit} bytes ({PREFIX}MAX_FILE_BYTES)")

    async def _reports(self, path: Path) -> AsyncIterator[BaseModel]:
        sees = await self._service.writes.run(self._service.sees, self._collection)
        ocr = self._service.settings.ocr or None
        fields = Fields(ocr=ocr, pictures=sees, vectors=self._trust)
        held = read_file(path, self._name, fields)
        with closing(self._service.develop(self._collection, held)) as reads:
            while taken := await self._service.writes.run(_next_reads, reads):
                batch: list[Document] = []
                kept: list[Read] = []
                for read in taken:
                    item = self._within_bounds(read.item)
                    if isinstance(item, Rejection):
                        yield self._rejected(item)
                    else:
                        batch.append(item)
                        kept.append(read)
                for rejection in await self._store(batch, kept):
                    yield self._rejected(rejection)
                self._tally.consumed = taken[-1].consumed
                yield self._tally.progress()
        yield self._tally.summary()

    async def _store(self, batch: Sequence[Document], reads: Sequence[Read]) -> list[Rejection]:
        """Store documents, and return those that bring vectors which are not taken."""
        if not batch:
            return []
        pictures, brought = [one.developed for one in reads], [one.brought for one in reads]
        stored = await self._service.store(self._collection, batch, pictures, brought)
        self._tally.add(batch, stored)
        return [
            Rejection(its.place if (its := brought[place]) else batch[place].id, reason)
            for place, reason in stored.refused
        ]

    def _rejected(self, one: Rejection) -> FileRejection:
        self._tally.rejected += 1
        return FileRejection(place=one.place, reason=one.reason)

    def _within_bounds(self, item: Document | Rejection | Illustrated) -> Document | Rejection:
        limit = self._service.settings.max_characters
        assert not isinstance(item, Illustrated)
        if isinstance(item, Rejection) or len(item.content) <= limit:
            return item
        reason = f"{len(item.content)} characters, at most {limit} ({PREFIX}MAX_CHARACTERS)"
        return Rejection(f"{self._name}: document {item.id!r}", reason)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A temporary folder in the system's place for them (TMPDIR)."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="bearing-")
    except OSError as error:
        raise StorageFailed(f"there is no folder to hold files in: {error.strerror}") from error
    with folder:
        yield Path(folder.name)


def _next_reads(reads: Iterator[Read]) -> list[Read]:
    """About a batch of the next documents; empty at the end."""
    taken: list[Read] = []
    characters = 0
    for read in reads:
        taken.append(read)
        characters += len(read.item.text) if isinstance(read.item, Document) else 0
        characters += read.developed.nbytes if read.developed else 0
        if len(taken) >= BATCH_DOCUMENTS or characters >= BATCH_CHARACTERS:
            break
    return taken
