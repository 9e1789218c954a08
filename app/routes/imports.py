"""The import: documents as JSON Lines, of any number, stored while they are still being sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.access.roles import Role
from app.http.headers import header_of
from app.http.problems import describe, problem_document
from app.middleware.audit import note_counts
from app.routing.brought import check_trust, unvouched
from app.routing.requests import CollectionName, GuardedRoute, ServiceNeeded, needs, pieces_before
from app.schemas.imports import (
    ImportParameters,
    ImportProgress,
    ImportRejection,
    ImportSummary,
    PrunedView,
)
from app.serving.batching import Overloaded
from app.serving.service import Service
from app.settings import PREFIX, Settings
from indexer.collection import Collection
from indexer.documents import Document
from indexer.errors import BearingError, TooLarge, Unreadable
from indexer.ingestion.changes import Stored
from indexer.ingestion.given import Part, Rehearsal, check_source
from indexer.ingestion.pruning import Pruned, parse_share
from indexer.readers.image_files import illustrated
from indexer.readers.reading import Fields, Illustrated, Read, Rejection, VectorTrust
from indexer.readers.records import document_of, parse_json
from indexer.readers.repeats import Repeats
from indexer.readers.vectors import (
    MODEL_FIELD,
    VECTOR_FIELD,
    brought_in,
    is_vector,
    without_brought,
)

router = APIRouter(tags=["documents"], route_class=GuardedRoute)

NDJSON: Final = "application/x-ndjson"
BATCH_DOCUMENTS: Final = 256
BATCH_CHARACTERS: Final = 4_000_000


@router.post(
    "/documents/import",
    response_class=Response,
    responses={
        200: {
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "A line for each batch, each rejected line, and the end.",
        }
    },
    openapi_extra={
        "requestBody": {
            "required": False,
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "A document as JSON on each line: id, text, title?, metadata?, image?, "
            "vector? with model?.",
        }
    },
)
@needs(Role.WRITE)
async def import_documents(
    parameters: Annotated[ImportParameters, Query()],
    name: CollectionName,
    service: ServiceNeeded,
    request: Request,
) -> Response:
    """Add or replace documents, one JSON object a line, however many.

    Answers while it reads, in JSON Lines: `{"event": "rejected", "line", "reason"}` for a line
    that holds no document, `{"event": "progress", ...}` when a batch is durable, and at the end
    `{"event": "done", ...}`, or `{"event": "failed", "problem": {...}}`. Read while you send, else
    both ends may wait for each other. Reported progress stays, whatever comes after.

    A `source` that gives all its documents again is kept in step: with `prune`, those that it gives
    no longer are deleted at the end. It may come in several imports, of one `run`.
    """
    check_trust(parameters.vectors, request.scope)
    collection = await service.writable(name)
    step = await _step(collection, service, parameters)
    intake = Intake(service, collection, parameters.vectors, step)
    body = pieces_before(request, service.settings.body_seconds)
    return Conversation(intake.answer(body, request.scope))


class Conversation(Response):
    """A response that is sent while the request is still being received.

    Starlette's StreamingResponse watches for a disconnect meanwhile, and would consume the pieces
    of the body.
    """

    def __init__(self, lines: AsyncGenerator[bytes, None]) -> None:
        super().__init__(media_type=NDJSON)
        del self.headers["content-length"]
        self._lines = lines

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the lines as they come.

        A client that asks first whether to send its body (``Expect``) is told so when the body is
        read; after the head of an answer it would not send it any more.
        """
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        async with aclosing(self._lines) as lines:
            first = await anext(lines, b"") if header_of(scope, b"expect") else b""
            await send(start)
            if first:
                await send({"type": "http.response.body", "body": first, "more_body": True})
            async for line in lines:
                await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass(slots=True)
class Tally:
    """The totals of the documents so far."""

    written: int = 0
    unchanged: int = 0
    rejected: int = 0
    repeated: int = 0
    truncated: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    repeats: Repeats = field(default_factory=Repeats)

    def add(self, documents: Sequence[Document], stored: Stored) -> None:
        """Add the outcome of a batch."""
        self.written += stored.written + stored.amended
        self.unchanged += stored.unchanged
        left_out = {place for place, _ in stored.refused}
        kept = [one.id for place, one in enumerate(documents) if place not in left_out]
        self.repeated += self.repeats.count(kept)
        self.truncated.extend(stored.truncated)
        self.unknown.extend(stored.unknown)

    def tell(self, scope: Scope) -> None:
        """Report the totals to the audit log."""
        counts = {"written": self.written, "unchanged": self.unchanged, "rejected": self.rejected}
        note_counts(scope, **counts)


@dataclass(slots=True)
class LineTally(Tally):
    """The totals of an import so far."""

    line: int = 0

    def progress(self) -> ImportProgress:
        """The part that is durable by now."""
        return ImportProgress(
            line=self.line,
            written=self.written,
            unchanged=self.unchanged,
            rejected=self.rejected,
            repeated=self.repeated,
        )

    def summary(self, run: int | None = None, pruned: Pruned | None = None) -> ImportSummary:
        """The totals of the whole import."""
        told = None
        if pruned is not None:
            kept = list(pruned.foreign)
            told = PrunedView(deleted=pruned.deleted, kept=kept, refused=pruned.refused)
        return ImportSummary(
            run=run,
            pruned=told,
            line=self.line,
            written=self.written,
            unchanged=self.unchanged,
            rejected=self.rejected,
            repeated=self.repeated,
            truncated=self.truncated,
            unknown=self.unknown,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """The part of a run over a source that an import is, or a rehearsal of the whole run.

    ``most`` is the share of its documents that may go at the end; None if it is not the end.
    """

    of: Part | Rehearsal
    most: float | None

    def end(self, *, rejected: int) -> Pruned | None:
        """Note that all was stored, and prune if this is the end."""
        if isinstance(self.of, Part) and not rejected:
            self.of.end()
        if self.most is None:
            return None
        if isinstance(self.of, Rehearsal) and rejected:
            return Pruned(refused="lines were rejected")
        return self.of.prune(self.most)


async def _step(collection: Collection, service: Service, given: ImportParameters) -> Step | None:
    if given.source is None:
        return None
    most = parse_share(given.prune_at_most)
    if given.dry_run:
        return Step(Rehearsal(collection, check_source(given.source)), most)
    begin = partial(Part.begin, collection, given.source, given.run, given.part)
    part = await service.writes.run(begin)
    return Step(part, most if given.prune else None)


class Intake:
    """One import: lines in, batches stored, reports out. At most a batch is in memory."""

    def __init__(
        self, service: Service, collection: Collection, trust: VectorTrust, step: Step | None
    ) -> None:
        self._service = service
        self._collection = collection
        self._trust = trust
        self._step = step
        self._count = LineTally()
        self._batch: list[Read] = []
        self._fields = Fields()

    async def answer(self, body: AsyncIterable[bytes], scope: Scope) -> AsyncGenerator[bytes, None]:
        """The lines of the answer; they end without a summary if the client leaves."""
        try:
            async for report in self._reports(body):
                yield report_line(report)
        except ClientDisconnect:
            return
        except (BearingError, Overloaded) as error:
            yield failure_line(describe(scope, error))
        except HTTPException as error:
            yield failure_line(problem_document(scope, error.status_code, error.detail))
        finally:
            self._count.tell(scope)

    async def _reports(self, body: AsyncIterable[bytes]) -> AsyncIterator[BaseModel]:
        sees = await self._service.writes.run(self._service.sees, self._collection)
        self._fields = Fields(pictures=sees, vectors=self._trust)
        async for line in split_lines(body, self._service.settings.max_line_bytes):
            self._count.line += 1
            rejection = self._take(line)
            if rejection is not None:
                yield rejection
            if self._is_full():
                async for report in self._store():
                    yield report
        if self._batch:
            async for report in self._store():
                yield report
        yield await self._end()

    async def _end(self) -> ImportSummary:
        step = self._step
        if step is None:
            return self._count.summary()
        if isinstance(step.of, Rehearsal):
            self._count.written, self._count.unchanged = step.of.written, step.of.unchanged
        rejected = self._count.rejected
        pruned = await self._service.writes.run(partial(step.end, rejected=rejected))
        return self._count.summary(step.of.run if isinstance(step.of, Part) else None, pruned)

    def _take(self, line: bytes | TooLarge) -> ImportRejection | None:
        try:
            given = _parse(line, self._count.line, self._service.settings, self._fields)
        except BearingError as error:
            return self._rejected(self._count.line, str(error))
        if given is None:
            return None
        read = illustrated(given, self._fields, None)
        if isinstance(read.item, Rejection):
            return self._rejected(self._count.line, read.item.reason)
        self._batch.append(read)
        return None

    def _rejected(self, line: int, reason: str) -> ImportRejection:
        self._count.rejected += 1
        return ImportRejection(line=line, reason=reason)

    def _is_full(self) -> bool:
        if len(self._batch) >= BATCH_DOCUMENTS:
            return True
        return sum(map(_size, self._batch)) >= BATCH_CHARACTERS

    async def _store(self) -> AsyncIterator[BaseModel]:
        reads, self._batch = self._batch, []
        if any(isinstance(read.item, Illustrated) for read in reads):
            found = self._service.develop(self._collection, reads)
            reads = await self._service.writes.run(list, found)
        batch: list[Document] = []
        kept: list[Read] = []
        for read in reads:
            if isinstance(read.item, Rejection):
                yield self._rejected(read.consumed, read.item.reason)
            elif isinstance(read.item, Document):
                batch.append(read.item)
                kept.append(read)
        if self._step is not None:
            note = self._step.of.claim if isinstance(self._step.of, Part) else self._step.of.add
            await self._service.writes.run(note, batch)
        if batch and not self._is_rehearsed:
            pictures, brought = [one.developed for one in kept], [one.brought for one in kept]
            stored = await self._service.store(self._collection, batch, pictures, brought)
            for place, reason in stored.refused:
                yield self._rejected(kept[place].consumed, reason)
            self._count.add(batch, stored)
        if not self._is_rehearsed:  # which may be sent whole before its answer is read
            yield self._count.progress()

    @property
    def _is_rehearsed(self) -> bool:
        return self._step is not None and isinstance(self._step.of, Rehearsal)


def _size(read: Read) -> int:
    item = read.item
    if isinstance(item, Illustrated):
        return len(item.image) if isinstance(item.image, bytes) else 0
    return len(item.text) if isinstance(item, Document) else 0


def _parse(line: bytes | TooLarge, number: int, settings: Settings, fields: Fields) -> Read | None:
    """The document on a line, with the vectors that it brings; None for a blank line."""
    if isinstance(line, TooLarge):
        raise line
    if not line.strip():
        return None
    record = parse_json(line)
    brought = None
    if isinstance(record, dict):
        brought = brought_in(record, fields, f"line {number}")
        if brought is not None or fields.vectors is VectorTrust.IGNORED:
            record = without_brought(record, fields)
        elif is_vector(record.get(VECTOR_FIELD)):
            raise Unreadable(unvouched(record.get(MODEL_FIELD)))
    document = document_of(record, fields, default_id=None)
    length, limit = len(document.content), settings.max_characters
    if length > limit:
        raise TooLarge(f"{length} characters, at most {limit} ({PREFIX}MAX_CHARACTERS)")
    return Read(document, number, brought=brought)


async def split_lines(body: AsyncIterable[bytes], limit: int) -> AsyncIterator[bytes | TooLarge]:
    """The lines of a body without their ends; an error in place of one over ``limit`` bytes.

    No more than ``limit`` bytes of a line are held.
    """
    held, length = bytearray(), 0
    async for piece in body:
        *ends, rest = piece.split(b"\n")
        for end in ends:
            yield _whole(held, length, end, limit)
            held, length = bytearray(), 0
        length += len(rest)
        if length <= limit:
            held += rest
        else:
            held.clear()
    if length:
        yield _whole(held, length, b"", limit)


def _whole(held: bytearray, length: int, end: bytes, limit: int) -> bytes | TooLarge:
    total = length + len(end)
    if total > limit:
        return TooLarge(f"{total} bytes, at most {limit} are allowed ({PREFIX}MAX_LINE_BYTES)")
    return bytes(held) + end


def failure_line(problem: dict[str, object]) -> bytes:
    """The last line of an answer that was cut short by a problem."""
    return orjson.dumps({"event": "failed", "problem": problem}) + b"\n"


def report_line(report: BaseModel) -> bytes:
    """A report as a line of the answer."""
    return report.model_dump_json().encode() + b"\n"
