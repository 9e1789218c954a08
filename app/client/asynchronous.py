"""The client for asyncio and trio: the methods of Client, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, Unpack

import anyio
import httpx2
import numpy as np

from app.client import calls
from app.client.calls import (
    PIECE_BYTES,
    Call,
    Cuts,
    Filter,
    Given,
    Imported,
    Order,
    Parts,
    Point,
    Ranked,
    SearchHow,
    SearchOptions,
    VectorsTaken,
)
from app.client.errors import Busy, NotFound, Unreachable, refusal_of
from app.client.sending import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    JsonLines,
    RetryPolicy,
    read,
    unreachable,
    whole_file,
)
from app.schemas.collections import BrokenView, CollectionView, DiagnosticsView, FieldView
from app.schemas.documents import DocumentView, PageView, TracedView, WrittenView
from app.schemas.duplicates import DuplicatesView
from app.schemas.feedback import JudgementView
from app.schemas.jobs import LIVING, JobView
from app.schemas.maps import ColumnView, MapView, PointsView
from app.schemas.models import BrokenModelView, ModelView, PromotionView
from app.schemas.search import SearchView
from app.schemas.similarity import SimilarityView
from app.schemas.tokens import TokenView
from indexer.documents import Vectors

T = TypeVar("T")


class AsyncClient:
    """A service, asked about one collection; as :class:`Client` does, but asynchronously."""

    def __init__(
        self,
        url: str = "http://localhost:8000",
        *,
        api_key: str | None = None,
        collection: str = "default",
        timeout_seconds: float = 60.0,
        retries: int = 4,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self.name = collection
        self._url = url.rstrip("/")
        self._retry_policy = RetryPolicy(api_key, retries)
        self._own = None if http else httpx2.AsyncClient(timeout=timeout_seconds)
        opened = http or self._own
        assert opened is not None
        self._http = opened

    @property
    def url(self) -> str:
        """The address of the service, without a trailing slash."""
        return self._url

    def collection(self, name: str) -> AsyncClient:
        """The same service, asked about another collection over the same connections."""
        other = object.__new__(type(self))
        other.name, other._url, other._retry_policy = name, self._url, self._retry_policy
        other._own, other._http = None, self._http
        return other

    async def search(self, query: str | None = None, **how: Unpack[SearchHow]) -> SearchView:
        """The k documents that answer best: by a text, a ``vector``, an ``image`` or ``like``."""
        return await self._do(calls.search(self.name, {"query": query, **how}))

    async def search_many(self, searches: Sequence[SearchOptions]) -> Sequence[SearchView]:
        """The answer to each search, in order; made together."""
        return await self._do(calls.search_many(self.name, searches))

    async def put(
        self, documents: Iterable[Given], vectors: VectorsTaken = "checked"
    ) -> WrittenView:
        """Add or replace documents; they are durable and searchable when this returns.

        ``vectors`` says which of those that documents bring are taken: see ``PUT /documents``.
        """
        return await self._do(calls.put(self.name, documents, vectors))

    async def import_documents(
        self,
        documents: Iterable[Given],
        tell: Callable[[Imported], object] = lambda _: None,
        vectors: VectorsTaken = "checked",
    ) -> Imported:
        """Add or replace any number of documents, a part at a time.

        ``tell`` is called with the totals after each part. A rejected document stops nothing. If a
        part fails, those before it are stored. ``vectors`` is as of :meth:`put`.
        """
        done, sent, parts = Imported(), 0, Parts()
        for document in documents:
            if part := parts.add(document):
                done, sent = done.plus(await self._import(part, vectors), sent), sent + len(part)
                tell(parts.counted(done))
        if rest := parts.rest():
            done = done.plus(await self._import(rest, vectors), sent)
            tell(parts.counted(done))
        return parts.counted(done)

    async def sync(
        self,
        documents: Iterable[Given],
        source: str,
        *,
        prune_at_most: str = "30%",
        dry_run: bool = False,
        tell: Callable[[Imported], object] = lambda _: None,
        vectors: VectorsTaken = "checked",
    ) -> Imported:
        """Import all documents of a source, and delete those that it gave before and not now.

        Nothing is deleted if a document is rejected, or if more than this share of the source's
        would go; ``pruned`` tells. If a part fails, or iterating raises, nothing is deleted. With
        ``dry_run`` nothing is changed, and all documents are held at once.
        """
        if dry_run:
            step = calls.rehearsal(source, prune_at_most)
            return await self._do(calls.import_part(self.name, list(documents), vectors, step))
        following, parts = calls.Following(source, prune_at_most), Parts()
        done, sent = Imported(), 0
        for document in documents:
            if part := parts.add(document):
                call = calls.import_part(self.name, part, vectors, following.step(last=False))
                done = done.plus(following.sent(await self._do(call)), sent)
                sent += len(part)
                tell(parts.counted(done))
        call = calls.import_part(self.name, parts.rest(), vectors, following.step(last=True))
        done = parts.counted(done.plus(following.sent(await self._do(call)), sent))
        tell(done)
        return done

    async def _import(self, part: Sequence[Given], vectors: VectorsTaken) -> Imported:
        return await self._do(calls.import_part(self.name, part, vectors))

    async def delete(self, ids: Iterable[str]) -> int:
        """Delete those of these documents that exist, and return their number."""
        return await self._do(calls.delete(self.name, ids))

    async def delete_matching(self, filter: Filter) -> int:
        """Delete the documents that pass a filter, and return their number."""
        return await self._do(calls.delete_matching(self.name, filter))

    async def get(self, id: str) -> TracedView:
        """A document; raises NotFound."""
        return await self._do(calls.get(self.name, id))

    async def find(self, id: str) -> TracedView | None:
        """A document, or None if there is none of this id."""
        try:
            return await self.get(id)
        except NotFound as refusal:
            if refusal.problem is not None and refusal.problem.type.endswith(":not-found"):
                return None
            raise

    async def thumbnail(self, id: str) -> bytes:
        """A document's picture as a small JPEG; raises NotFound if it has none."""
        return await self._do(calls.thumbnail(self.name, id))

    async def picture(self, id: str) -> bytes:
        """A document's picture as it was given; raises NotFound, or Gone."""
        return await self._do(calls.picture(self.name, id))

    async def remove(self, id: str) -> None:
        """Delete a document; raises NotFound."""
        return await self._do(calls.remove(self.name, id))

    async def page(
        self,
        filter: Filter | None = None,
        cursor: str | None = None,
        limit: int = 100,
        *,
        sort: str | None = None,
        order: Order | None = None,
        total: bool = False,
    ) -> PageView:
        """A page of the documents that pass a filter, with the next cursor.

        In insertion order, or by the field ``sort``; ``order`` says from which end.
        With ``total`` it says how many there are on all pages.
        """
        return await self._do(calls.page(self.name, filter, cursor, limit, sort, order, total))

    async def documents(
        self, filter: Filter | None = None, *, sort: str | None = None, order: Order | None = None
    ) -> AsyncIterator[DocumentView]:
        """All documents that pass a filter, in insertion order or another."""
        cursor, more = None, True
        while more:
            page = await self.page(filter, cursor, sort=sort, order=order)
            for document in page.documents:
                yield document
            cursor, more = page.cursor, page.cursor is not None

    async def export(self, filter: Filter | None = None) -> AsyncGenerator[Mapping[str, Any], None]:
        """All documents that pass a filter, each with its vectors, as an import takes them.

        They are read as they come: use them, or close the iterator. Raises Unreachable if the
        answer is cut.
        """
        async with self._streamed(calls.export(self.name, filter)) as answer:
            lines = JsonLines()
            async for piece in answer.aiter_bytes():
                for one in lines.values(piece):
                    yield one

    async def judge(
        self,
        query: str,
        id: str,
        *,
        relevant: bool | None = None,
        clicked: Literal[True] | None = None,
        rank: int | None = None,
    ) -> None:
        """Say how well a document answers a query; give one: relevant, clicked, or a click's rank.

        Raises Conflict where the service keeps no judgements, NotFound if there is no such
        document.
        """
        verdict = {"relevant": relevant, "clicked": clicked, "rank": rank}
        await self._do(calls.judge(self.name, query, id, verdict))

    async def feedback(self) -> Sequence[JudgementView]:
        """The judgements that are kept of documents that exist, the oldest first."""
        return await self._do(calls.feedback(self.name))

    async def clear_feedback(self) -> int:
        """Delete all judgements of the collection, and return their number."""
        return await self._do(calls.clear_feedback(self.name))

    async def describe(self) -> CollectionView:
        """A summary of the collection; raises NotFound."""
        return await self._do(calls.describe(self.name))

    async def fields(self, limit: int = 100, common: int = 20) -> Sequence[FieldView]:
        """The first metadata fields by name, each with its most common values."""
        return await self._do(calls.fields(self.name, limit, common))

    async def examples(self, limit: int = 6) -> Sequence[str]:
        """Queries to begin with, in the words of documents of all kinds."""
        return await self._do(calls.examples(self.name, limit))

    async def diagnose(self) -> DiagnosticsView:
        """Duplicates, spread, hubs and truncation, and what to do about them; takes seconds."""
        return await self._do(calls.diagnose(self.name))

    async def duplicates(self, limit: int = 100, documents: int = 10_000) -> DuplicatesView:
        """The documents that have copies, with these, among the first ``documents``."""
        return await self._do(calls.duplicates(self.name, limit, documents))

    async def map(self) -> MapView:
        """The state of the collection's map; an outdated one is redrawn in the background."""
        return await self._do(calls.show_map(self.name))

    async def map_points(self, limit: int = 100_000) -> PointsView | None:
        """The coordinates of each document on the map; None while none is drawn yet."""
        return await self._do(calls.map_points(self.name, limit))

    async def map_values(self, field: str, limit: int = 100_000) -> ColumnView | None:
        """A field's value in each of these documents; raises NotFound if none has the field."""
        return await self._do(calls.map_values(self.name, field, limit))

    async def create(
        self, model: str | None = None, *, chunking: Cuts | None = None
    ) -> CollectionView:
        """Create the collection, for this model or the service's own; an existing one is kept.

        ``chunking`` is how documents are cut; raises InvalidRequest if an existing one differs.
        """
        return await self._do(calls.create(self.name, model, chunking))

    async def drop(self) -> None:
        """Delete the collection with all that is in it; raises NotFound."""
        return await self._do(calls.drop(self.name))

    async def collections(self) -> Sequence[CollectionView | BrokenView]:
        """All collections of the service."""
        return await self._do(calls.collections())

    async def back_up(self) -> JobView:
        """Begin a backup of the collection, and return its job; raises Conflict if it has one."""
        return await self._do(calls.back_up(self.name))

    async def reindex(self, model: str | None = None, *, chunking: Cuts | None = None) -> JobView:
        """Begin a move of the collection to another model or chunking, and return its job.

        Raises Conflict if it has one.
        """
        return await self._do(calls.reindex(self.name, model, chunking))

    async def restore(self, job: str) -> JobView:
        """Begin to make this collection, which must not exist, of the backup that a job has made.

        Raises Conflict if the collection exists, NotFound if there is no such backup any more.
        """
        return await self._do(calls.restore(self.name, job))

    async def restore_file(self, path: str | Path) -> JobView:
        """Begin to make this collection, which must not exist, of a backup here; returns the job.

        Raises Conflict if the collection exists, OSError for a file that cannot be read.
        """
        call = calls.restore_file(self.name)
        options = self._retry_policy.upload_options(call)
        try:
            async with await anyio.open_file(path, "rb") as file:
                url, pieces = self._url + call.path, _pieces(file)
                answer = await self._http.request(call.method, url, content=pieces, **options)
                return read(call, answer)
        except httpx2.TransportError as error:
            raise unreachable(call, error) from error

    async def fetch_backup(self, job: str, path: str | Path) -> None:
        """Write the backup that a job has made to a new file, which is there once it is whole.

        Raises NotFound if there is no such backup any more, FileExistsError or another OSError.
        """
        target = Path(path)
        draft = whole_file(target)
        try:
            async with (
                self._streamed(calls.backup_file(job)) as answer,
                await anyio.open_file(draft, "xb") as file,
            ):
                async for piece in answer.aiter_bytes(PIECE_BYTES):
                    await file.write(piece)
            draft.rename(target)
        finally:
            draft.unlink(missing_ok=True)

    async def jobs(self) -> Sequence[JobView]:
        """The jobs of the service that are known, the newest first."""
        return await self._do(calls.jobs())

    async def job(self, id: str) -> JobView:
        """A job, and how far it is; raises NotFound."""
        return await self._do(calls.job(id))

    async def wait_for(
        self, id: str, tell: Callable[[JobView], object] = lambda _: None
    ) -> JobView:
        """The job once it has ended, however that was; ``tell`` hears of it now and then.

        Raises NotFound.
        """
        pause = FIRST_PAUSE_SECONDS
        while (job := await self.job(id)).state in LIVING:
            tell(job)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return job

    async def cancel(self, id: str) -> JobView | None:
        """Ask a job to end soon; one that has ended is forgotten, and None comes back.

        Raises NotFound.
        """
        return await self._do(calls.cancel(id))

    async def make_token(
        self,
        minutes: float = 15,
        role: Literal["search", "write"] = "search",
        filter: Filter | None = None,
        rate: str | None = None,
    ) -> TokenView:
        """A token that may use this collection only, for a page or another program.

        It ends after so many minutes. Of the documents it sees those that pass the filter, and
        those of the client's own key at most.
        """
        rights = {"minutes": minutes, "role": role, "filter": filter, "rate": rate}
        return await self._do(calls.make_token(self.name, rights))

    async def aliases(self) -> Mapping[str, str]:
        """The collection that each alias of the service names."""
        return await self._do(calls.aliases())

    async def alias(self, name: str) -> str:
        """The collection that an alias names; raises NotFound."""
        return await self._do(calls.alias(name))

    async def point(self, alias: str) -> str | None:
        """Let an alias name this collection from now on; returns the one it named before.

        Raises Conflict if a collection has that name.
        """
        return await self._do(calls.point(alias, self.name))

    async def unpoint(self, alias: str) -> None:
        """Delete an alias; the collection that it names stays. Raises NotFound."""
        return await self._do(calls.unpoint(alias))

    async def models(self) -> Sequence[ModelView | BrokenModelView]:
        """All that was trained, with its figures and where it serves."""
        return await self._do(calls.models())

    async def promote(self, model: str, *, force: bool = False) -> PromotionView:
        """Let a trained model or map serve this collection if it is shown to be better.

        A refusal is told by ``serves`` and ``verdict``. Waits until it serves.
        """
        return await self._do(calls.promote(self.name, model, force=force))

    async def roll_back(self) -> PromotionView:
        """Take the last promotion in this collection back; raises NotFound if there is none."""
        return await self._do(calls.promote(self.name, None))

    async def similarity(
        self,
        a: Sequence[Point],
        b: Sequence[Point] | None = None,
        *,
        metrics: Sequence[str] = (),
        temperature: float | None = None,
    ) -> SimilarityView:
        """Each text, vector or stored document of ``a`` compared with each of ``b``."""
        return await self._do(calls.similarity(self.name, a, b, metrics, temperature))

    async def embed(self, texts: Sequence[str], side: str | None = None) -> Vectors:
        """(n, d) float32 unit rows, by the model of the collection ``default``.

        ``side`` is ``query`` or ``document`` (None), for models with a prompt for each.
        """
        return np.asarray(await self._do(calls.embed(texts, side)), dtype=np.float32)

    async def embed_images(self, images: Sequence[bytes], model: str | None = None) -> Vectors:
        """(n, d) float32 unit rows of image files, in the space of the texts of a model.

        ``model`` may be left out where only one is served.
        """
        return np.asarray(await self._do(calls.embed_images(images, model)), dtype=np.float32)

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[Ranked]:
        """Texts by how well they answer a query, the best first."""
        return await self._do(calls.rerank(query, texts))

    async def is_ready(self) -> bool:
        """Return whether the service can answer."""
        try:
            await self._do(calls.ready())
        except (Busy, Unreachable):
            return False
        return True

    async def _do(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            try:
                return read(call, await self._send(call))
            except Busy as error:
                await anyio.sleep(self._retry_policy.wait_seconds(error, attempt))
            attempt += 1

    async def _send(self, call: Call[T]) -> httpx2.Response:
        try:
            options = self._retry_policy.options(call)
            return await self._http.request(call.method, self._url + call.path, **options)
        except httpx2.TransportError as error:
            raise unreachable(call, error) from error

    @asynccontextmanager
    async def _streamed(self, call: Call[T]) -> AsyncIterator[httpx2.Response]:
        """The answer to a call, whose body is still to be read."""
        options = self._retry_policy.options(call)
        try:
            async with self._http.stream(call.method, self._url + call.path, **options) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise refusal_of(answer)
                yield answer
        except httpx2.TransportError as error:
            raise unreachable(call, error) from error

    async def aclose(self) -> None:
        """Close the connections that it has opened."""
        if self._own is not None:
            await self._own.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


async def _pieces(file: anyio.AsyncFile[bytes]) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE_BYTES):
        yield piece
