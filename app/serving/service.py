"""The service behind the routes: the library, with bounded queues before its models and disks."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import tempfile
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Self, TypeAlias, TypeVar

import anyio
import anyio.to_thread
import numpy as np

from app.access.bounds import UNBOUNDED, Bounds
from app.serving.batching import (
    Batcher,
    Overloaded,
    QuickThread,
    SerialThread,
    Threads,
    Watch,
)
from app.serving.complaints import Complaints
from app.serving.instruments import Instruments
from app.serving.jobs import Jobs
from app.serving.model import EmbeddedText, Model
from app.settings import Settings
from indexer.collection import Collection
from indexer.config import Config
from indexer.documents import BroughtVectors, Document, StoredVectors, Vectors
from indexer.embedding import HUB_ORGANISATION
from indexer.embedding.cross_encoders.reranker import Pair
from indexer.embedding.embedder import Embedder, Identity, Modality, TextRole
from indexer.engines import is_lasting, local_folder
from indexer.errors import (
    BearingError,
    Conflict,
    Forbidden,
    ModelChanged,
    NotFound,
    OtherFormat,
)
from indexer.ingestion.changes import Stored, store
from indexer.ingestion.pictures import PictureReading, accepted, developed
from indexer.library import DEFAULT_COLLECTION, Library, check_name
from indexer.pictures import Developed, Fitted
from indexer.queries import Answer, Mode, Query
from indexer.readers.pictures import fitted, read_pictures
from indexer.readers.reading import Illustrated, Read
from indexer.reports import Broken, Description
from indexer.retrieval.sans_io import Searches, Work
from indexer.retrieval.search import Searched, required, staged

log = logging.getLogger(__name__)

CHANGES: Final = 3
"""Retries of a request whose collection, or its model, changed meanwhile."""

BRIEF: Final = 100
"""Hits of a search at most that is made in the model's thread, where no one waits behind it."""

BRIEF_CHARACTERS: Final = 2_000
"""Characters at most of a text that is embedded on the event loop, by a model that is quick."""

QUICK_BACKENDS: Final = frozenset({"static", "hashing"})
"""Backends that embed a query in less time than handing it to a thread takes."""

QUICK_BATCH: Final = 32
"""Searches that are made on the event loop at a time, which answers nobody else meanwhile."""

STAGES: Final = {
    Work.EMBED: "embed",
    Work.FIND: "find",
    Work.SCORE: "rerank",
    Work.VECTORS: "vectors",
    Work.TEXTS: "texts",
}
"""The names of a search's stages in metrics and traces."""

Result = TypeVar("Result")

OpenLibrary: TypeAlias = Callable[[Config], Library]


@dataclass(frozen=True, slots=True)
class EmbeddedTexts:
    """Texts' unit vectors, (n, d), the positions of truncated texts, and the tokens embedded."""

    vectors: Vectors
    truncated: tuple[int, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Load:
    """The load of the models: texts waiting or being embedded, and the caches of query vectors."""

    waiting: int
    cache_bytes: int
    cache_hits: int
    cache_misses: int


@dataclass(frozen=True, slots=True)
class Whole:
    """The answer to a search that was made as a whole, and the time that each work took."""

    answer: Answer
    milliseconds: Mapping[Work, float]


def _is_quick(query: Query) -> bool:
    """Return whether a search is brief and by meaning alone, among all documents."""
    more = query.filter or query.cursor or query.exclusions
    by_text = query.text is not None and len(query.text) <= BRIEF_CHARACTERS
    return query.mode is Mode.DENSE and by_text and not more and _is_brief(query)


def _is_brief(query: Query) -> bool:
    """Return whether a search needs no more than a text embedded and its few best hits found."""
    more = query.examples or query.rerank or query.explain or query.diversity or query.group_by
    return not (more or query.facets) and query.k <= BRIEF


def jobs_folder(config: Config) -> Path:
    """The folder of the records of jobs: in the data directory, or beside converted models.

    Where collections are lost with the process, it is one of this process alone.
    """
    data = local_folder(str(config.data))
    if data is not None:
        return data / ".jobs"
    if not is_lasting(str(config.data)):
        return Path(tempfile.gettempdir()) / f"bearing-jobs-{secrets.token_hex(8)}"
    return config.cache / f"jobs-{blake2b(str(config.data).encode(), digest_size=8).hexdigest()}"


class Reopened(Conflict):
    """The collection is no longer the one that the search began with, so it must begin again."""


async def _on_one_state(work: Callable[[], Awaitable[Result]]) -> Result:
    """The result of the work, repeated if the collection or its model changed meanwhile."""
    for _ in range(CHANGES):
        try:
            return await work()
        except (ModelChanged, Reopened) as error:
            log.info("repeated, as the collection has changed: %s", error)
    return await work()


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A collection as it was opened by its name, with its model at that time."""

    collection: Collection
    identity: Identity
    embedder: Embedder

    def is_same(self, other: Opened) -> bool:
        """Return whether collection and model are the same as in the other."""
        return (
            self.collection is other.collection
            and self.identity is other.identity
            and self.embedder is other.embedder
        )


class CollectionQueue:
    """An open collection, its model, and the queue of searches in front of it.

    Reading it does not touch the disk. Instead each batch of searches checks, in its own thread,
    that the name still stands for this collection.
    """

    def __init__(
        self,
        name: str,
        opened: Opened,
        model: Model,
        library: Library,
        settings: Settings,
        watch: Watch,
    ) -> None:
        self.opened = opened
        self.model = model
        self.searches: Batcher[Query, Answer] = Batcher(
            self._search, batch=settings.batch_texts, queue=settings.queue_texts, watch=watch
        )
        self.quick: Batcher[Query, Whole] = Batcher(
            self._search_whole,
            batch=min(settings.batch_texts, QUICK_BATCH),
            queue=settings.queue_texts,
            thread=QuickThread("quick"),
        )
        self._may_be_quick = (
            opened.embedder.runtime.backend in QUICK_BACKENDS
            and not opened.collection.capabilities.many_writers
        )
        self._name = name
        self._library = library
        self._is_left = False

    @property
    def is_quick(self) -> bool:
        """Return whether searches may be made on the event loop.

        If the model is quick, the collection on this machine, and nothing to be waited for first.
        """
        return self._may_be_quick and self.collection.is_prepared and self._library.is_free

    @property
    def collection(self) -> Collection:
        """The open collection."""
        return self.opened.collection

    @property
    def is_idle(self) -> bool:
        """Return whether nobody's search waits, for the model or for the collection."""
        return self.model.is_idle and not self.searches.waiting

    @property
    def is_current(self) -> bool:
        """Return whether collection and model, as far as is known, are those it was made with."""
        return not self._is_left and self.collection.identity is self.opened.identity

    def _search_whole(self, queries: Sequence[Query]) -> list[Whole]:
        """Brief searches from their texts to their answers, all together."""
        searches = self.complete(queries)
        return [Whole(answer, searches.milliseconds) for answer in searches.answers]

    def complete(
        self,
        queries: Sequence[Query],
        stage: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> Searches:
        """Brief searches, made here and now, each stage of all of them within ``stage``."""
        work: Mapping[Work, Callable[[Sequence[Any]], Iterable[Any]]] = {
            Work.EMBED: self.model.embed_now,
            Work.FIND: self.searches.make,
        }
        searches = Searches(staged(query, self.collection.name) for query in queries)
        for need in searches.needs():
            with stage(STAGES[need.work]):
                searches.give(work[need.work](need.items))
        return searches

    def _search(self, queries: Sequence[Query]) -> list[Answer]:
        try:
            self._is_left = self._library.open(self._name) is not self.collection
        except NotFound:
            self._is_left = True
        if self._is_left:
            raise Reopened(f"collection {self._name!r} was deleted or recreated meanwhile")
        return self.collection.search(queries)


class Service:
    """A library, served asynchronously: to everyone, or within the bounds of one caller."""

    def __init__(self, settings: Settings, library: Library, instruments: Instruments) -> None:
        self.settings = settings
        self._library = library
        self.bounds = UNBOUNDED
        self._instruments = instruments
        queue = settings.queue_requests
        self.reads = Threads(settings.readers, queue, instruments.queue("reads"))
        # Of their own, so that searches find a thread however many writes are waiting.
        self.writes = Threads(settings.writers, queue, instruments.queue("writes"))
        self._files = anyio.Semaphore(settings.writers)
        self._counted: dict[Embedder, Embedder] = {}
        self._collection_queues: dict[str, CollectionQueue] = {}
        self._models: dict[Embedder, Model] = {}
        self._judges: list[Batcher[Pair, float]] = []
        self._preparing: asyncio.Task[None] | None = None
        self._is_closing = False
        self._complaints = Complaints()
        self.jobs = Jobs(jobs_folder(settings.config), self._instruments)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        settings: Settings,
        open_library: OpenLibrary,
        instruments: Instruments | None = None,
    ) -> AsyncIterator[Self]:
        """A service with its collections and models open; closed in reverse order."""
        with open_library(settings.config) as library:
            service = cls(settings, library, instruments or Instruments())
            try:
                await service._warm()
                service._preparing = asyncio.create_task(service._prepare())
                yield service
            finally:
                await service._close()

    @contextmanager
    def place_for_a_file(self) -> Iterator[None]:
        """Hold one of the few places for files kept on disk; raises Overloaded."""
        try:
            self._files.acquire_nowait()
        except anyio.WouldBlock:
            writers = self.settings.writers
            raise Overloaded(f"{writers} files", writers, "BEARING_WRITERS") from None
        try:
            yield
        finally:
            self._files.release()

    @property
    def load(self) -> Load:
        """The texts waiting, and the size and hits of the caches of query vectors."""
        waiting = kept = hits = misses = 0
        for model in self._models.values():
            waiting += model.waiting
            kept += model.vectors.bytes
            hits += model.vectors.hits
            misses += model.vectors.misses
        return Load(waiting, kept, hits, misses)

    def within(self, bounds: Bounds) -> Service:
        """The service as if it kept only what these bounds admit; it shares models and queues.

        It opens no other collection, and in each only the documents that pass the filter. What
        needs more raises Forbidden.
        """
        if not bounds:
            return self
        part = copy(self)
        part.bounds = self.bounds.within(bounds)
        return part

    @property
    def is_bounded(self) -> bool:
        """Return whether it is a part of the service."""
        return bool(self.bounds)

    @property
    def sees_all_documents(self) -> bool:
        """Return whether no filter keeps documents of its collections back."""
        return self.bounds.condition is None

    @property
    def library(self) -> Library:
        """All that is kept; raises Forbidden for a part of the service."""
        if self.bounds:
            raise Forbidden("this needs the whole service, and the key is bound to a part of it")
        return self._library

    async def collection(self, name: str) -> Collection:
        """An open collection; raises NotFound."""
        return await self.reads.run(self._seen, name)

    async def writable(self, name: str) -> Collection:
        """A collection to write to; ``default`` is created if it does not exist."""
        make = name == DEFAULT_COLLECTION and not self.bounds
        return await self.writes.run(self._library.obtain if make else self._seen, name)

    def _seen(self, name: str) -> Collection:
        """A collection as far as it is within the bounds."""
        collection = self._within_bounds(name)
        condition = self.bounds.condition
        return collection if condition is None else collection.restricted(condition)

    def _within_bounds(self, name: str) -> Collection:
        """A collection that the bounds admit, whole; raises NotFound as if there were no others."""
        if not self.bounds:
            return self._library.open(name)
        if self.bounds.admits(check_name(name)):
            with suppress(NotFound):  # which names all that there are
                return self._library.open(name)
        there = ", ".join(self._names()) or "none"
        raise NotFound(f"there is no collection {name!r} (there are: {there})")

    def _names(self) -> list[str]:
        """The collections there are within the bounds, by the names that those give them."""
        names = self._library.names()
        if self.bounds.collections is not None:
            names = sorted({*names, *self._library.aliases()})
        return [name for name in names if self.bounds.admits(name)]

    async def store(
        self,
        collection: Collection,
        documents: Sequence[Document],
        pictures: Sequence[Developed | None] | None = None,
        brought: Sequence[BroughtVectors | None] | None = None,
        *,
        whole: bool = False,
    ) -> Stored:
        """Store documents durably; they are embedded again if the model changes meanwhile.

        ``pictures`` is what became of each one's picture, see :meth:`develop`; ``brought`` and
        ``whole`` are as in indexer.ingestion.changes.
        """
        own = [self.bounds.complete(document) for document in documents]

        def embed_and_store() -> Stored:
            embedder = self._filling(collection)
            return store(collection, embedder, own, pictures, brought, whole=whole)

        with self._instruments.stage("store"):
            return await _on_one_state(lambda: self.writes.run(embed_and_store))

    async def store_all(self, collection: Collection, reads: Sequence[Read]) -> Stored:
        """Store documents, all or none, and read the pictures of those with one first.

        Raises InvalidInput, which names the place of a picture that cannot be read, or of vectors
        that are not taken.
        """
        if any(isinstance(read.item, Illustrated) for read in reads):
            reads = await self.writes.run(list, self.develop(collection, reads))
        documents = [accepted(read) for read in reads]
        pictures = [read.developed for read in reads]
        brought = [read.brought for read in reads]
        return await self.store(collection, documents, pictures, brought, whole=True)

    def develop(self, collection: Collection, reads: Iterable[Read]) -> Generator[Read, None, None]:
        """The reads with the pictures of documents read; to be iterated in a thread for writes."""
        how = PictureReading(self._library.config.max_pixels)
        yield from developed(reads, collection, self._filling(collection), how)

    def sees(self, collection: Collection) -> bool:
        """Return whether images are taken into a collection; to be asked in a thread."""
        return Modality.IMAGE in self._filling(collection).modalities

    def _filling(self, collection: Collection) -> Embedder:
        return self._counted_once(self._library.filling(collection))

    async def model_of(self, name: str) -> Model:
        """The model of a collection; raises NotFound."""
        return (await self._collection_queue(name)).model

    async def _collection_queue(self, name: str) -> CollectionQueue:
        """An open collection, whole, with its model and queues; raises NotFound."""
        opened = await self.reads.run(self._open, name)
        known = self._collection_queues.get(name)
        if known is None or not known.opened.is_same(opened):
            known = self._collection_queues[name] = self._new_collection_queue(name, opened)
        return known

    async def search(self, name: str, queries: Sequence[Query]) -> Searched:
        """The answer to each query, in order; embedded and searched along with other requests."""
        return await _on_one_state(lambda: self._search(name, queries))

    async def _search(self, name: str, queries: Sequence[Query]) -> Searched:
        if not self.sees_all_documents:
            return await self._search_part(name, queries)
        collection_queue = self._collection_queues.get(name) if self.bounds.admits(name) else None
        if collection_queue is None or not collection_queue.is_current:
            collection_queue = await self._collection_queue(name)
        if len(queries) == 1 and _is_quick(queries[0]) and self._takes_quick(collection_queue):
            return await self._search_quickly(collection_queue, queries)
        if collection_queue.is_idle and len(queries) == 1 and _is_brief(queries[0]):
            alone = partial(self._search_alone, collection_queue, queries)
            return await collection_queue.model.take_turn(alone)
        collection = collection_queue.collection
        find = collection_queue.searches.submit
        return await self._stages(
            collection.name, queries, collection_queue.model, find, collection.vectors
        )

    def _takes_quick(self, collection_queue: CollectionQueue) -> bool:
        """Return whether searches may be made as a whole: their stages have no spans then."""
        return collection_queue.is_quick and not self._instruments.traces

    async def _search_quickly(
        self, collection_queue: CollectionQueue, queries: Sequence[Query]
    ) -> Searched:
        """The answer to a search that is made together with all that are there by now."""
        (whole,) = await collection_queue.quick.submit(queries)
        for work, milliseconds in whole.milliseconds.items():
            self._instruments.note(STAGES[work], milliseconds / 1e3)
        return Searched((whole.answer,), whole.milliseconds)

    async def _search_part(self, name: str, queries: Sequence[Query]) -> Searched:
        """The same in the documents that pass the filter: without a queue, as few share it."""

        async def find(asked: Sequence[Query]) -> list[Answer]:
            return await self.reads.run(lambda: self._seen(name).search(asked))

        def vectors(ids: Sequence[str]) -> list[StoredVectors | None]:
            return self._seen(name).vectors(ids)

        queue = await self._collection_queue(name)
        return await self._stages(queue.collection.name, queries, queue.model, find, vectors)

    async def _stages(
        self,
        name: str,
        queries: Sequence[Query],
        model: Model,
        find: Callable[[Sequence[Query]], Awaitable[Iterable[Answer]]],
        vectors: Callable[[Sequence[str]], Iterable[StoredVectors | None]],
    ) -> Searched:
        work: Mapping[Work, Callable[[Sequence[Any]], Awaitable[Iterable[Any]]]] = {
            Work.EMBED: model.embed_queries,
            Work.FIND: find,
            Work.SCORE: self.score,
            Work.TEXTS: model.embed_documents,
            Work.VECTORS: lambda ids: self.reads.run(vectors, ids),
        }
        asked = [await self._naming_reranker(query) for query in queries]
        searches = Searches(staged(query, name) for query in asked)
        for need in searches.needs():
            with self._instruments.stage(STAGES[need.work]):
                searches.give(await work[need.work](need.items))
        return Searched(tuple(searches.answers), searches.milliseconds)

    def _search_alone(
        self, collection_queue: CollectionQueue, queries: Sequence[Query]
    ) -> Searched:
        """The same of one brief search that nobody waits behind, in the model's thread.

        Each thread that a search is handed to costs as much as a few of its stages.
        """
        searches = collection_queue.complete(queries, self._instruments.stage)
        return Searched(tuple(searches.answers), searches.milliseconds)

    async def _naming_reranker(self, query: Query) -> Query:
        """The query with the name of the cross-encoder that it needs, if there is one."""
        if query.rerank is None or not self.settings.reranker:
            return query
        reranker = required(await self.reads.run(self._library.reranker))
        return replace(query, reranker=reranker.name)

    async def embed(
        self, model: Model, texts: Sequence[str], role: TextRole = TextRole.DOCUMENT
    ) -> EmbeddedTexts:
        """The vectors of any number of texts, at most max_texts at a time."""
        batcher = model.questions if role is TextRole.QUERY else model.texts
        embedded: list[EmbeddedText] = []
        tokens = 0
        for start in range(0, len(texts), self.settings.max_texts):
            part = texts[start : start + self.settings.max_texts]
            tokenised = await self.reads.run(model.embedder.tokenize, part, role)
            tokens += sum(len(one.ids) for one in tokenised)
            embedded += await batcher.submit(tokenised)
        cut = tuple(place for place, one in enumerate(embedded) if one.truncated)
        return EmbeddedTexts(np.stack([one.vector for one in embedded]), cut, tokens)

    async def embed_images(
        self, model: Model, contents: Sequence[bytes], names: Sequence[str]
    ) -> Vectors:
        """The unit vectors of image files, (n, d), n > 0; they are read in a process apart.

        Raises InvalidInput, which begins with the image's name, for one that is not read, or a
        model of texts only.
        """
        found = await self.reads.run(self._read_images, model, contents, names)
        return np.stack(await model.images.submit(found))

    async def see(self, name: str, contents: Sequence[bytes], names: Sequence[str]) -> Vectors:
        """The vectors of image files among a collection's texts; see :meth:`embed_images`."""
        embedder = await self.reads.run(self._seeing, name)
        if embedder not in self._models:
            self._models[embedder] = Model(embedder, self.settings, self._instruments)
        return await self.embed_images(self._models[embedder], contents, names)

    def _seeing(self, name: str) -> Embedder:
        return self._counted_once(self._library.seeing(self._within_bounds(name)))

    def _read_images(
        self, model: Model, contents: Sequence[bytes], names: Sequence[str]
    ) -> list[Fitted]:
        pixels = self._library.config.max_pixels
        return fitted(read_pictures(contents, model.embedder.fit, max_pixels=pixels, names=names))

    async def models(self) -> dict[str, Model]:
        """The models of the collections that can be opened, by name."""
        found: dict[str, Model] = {}
        for name in await self.reads.run(self._names):
            try:
                model = await self.model_of(name)
            except BearingError as error:
                self._complaints.tell(name, error)
            else:
                found[model.name] = model
        return found

    async def default_model(self) -> Model:
        """The model of the collection ``default``, or of the first where that is out of bounds."""
        if self.bounds.admits(DEFAULT_COLLECTION):
            return await self.model_of(DEFAULT_COLLECTION)
        for model in (await self.models()).values():
            return model
        raise NotFound("no model is served here: there is no collection within the key's bounds")

    async def configured_model(self) -> Embedder:
        """The model that new collections are made for."""
        return await self.reads.run(self._library.model, self.settings.model)

    async def model(self, name: str) -> Model:
        """A served model, by its name with or without its organisation; raises NotFound."""
        short = name.removeprefix(f"{HUB_ORGANISATION}/")
        opened = {} if self.bounds else {one.name: one for one in self._models.values()}
        if name not in opened and short not in opened:
            opened = await self.models()
        found = opened.get(name) or opened.get(short)
        if found is None:
            raise NotFound(f"no model {name[:200]!r} is served here; served: {', '.join(opened)}")
        return found

    async def score(self, pairs: Sequence[Pair]) -> list[float]:
        """The relevance of passages by the cross-encoder, scored together with other requests."""
        if not self._judges:
            reranker = required(await self.reads.run(self._library.reranker))
            batch, queue = self.settings.batch_texts, self.settings.queue_texts
            judge: Batcher[Pair, float] = Batcher(
                lambda pairs: reranker.score(pairs).tolist(),
                batch=batch,
                queue=queue,
                watch=self._instruments.queue("pairs"),
            )
            if not self._judges:  # another request may have set it during the await
                self._judges.append(judge)
        return await self._judges[0].submit(pairs)

    def describe_all(self) -> list[Description | Broken]:
        """Summaries of all collections, also of those that cannot be opened."""
        found = [self._describe(name) for name in self._names()]
        for one in found:
            if isinstance(one, Broken):
                self._complaints.tell(one.name, one.error)
        return found

    def describe(self, name: str) -> Description:
        """A summary of a collection, as far as it is within the bounds; raises NotFound.

        Within bounds a collection has the name that it was asked for by, and no other.
        """
        if not self.bounds:
            return self._library.describe(name)
        return replace(self._seen(name).describe(), name=name)

    def _describe(self, name: str) -> Description | Broken:
        try:
            return self.describe(name)
        except BearingError as error:
            return Broken(name, error)

    async def delete(self, name: str) -> None:
        """Delete a collection; raises NotFound."""
        await self.writes.run(self.library.delete, name)
        self._collection_queues.pop(name, None)

    def _open(self, name: str) -> Opened:
        collection = self._within_bounds(name)
        identity = collection.identity
        return Opened(collection, identity, self._embedder(collection))

    def _embedder(self, collection: Collection) -> Embedder:
        """The collection's model with its tokens counted; one object for all its collections."""
        return self._counted_once(self._library.embedder(collection))

    def _counted_once(self, embedder: Embedder) -> Embedder:
        return self._counted.setdefault(embedder, self._instruments.counted(embedder))

    def _new_collection_queue(self, name: str, opened: Opened) -> CollectionQueue:
        embedder = opened.embedder
        if embedder not in self._models:
            self._models[embedder] = Model(embedder, self.settings, self._instruments)
        watch = self._instruments.queue("searches")
        return CollectionQueue(
            name, opened, self._models[embedder], self._library, self.settings, watch
        )

    async def _warm(self) -> None:
        unread: dict[str, BearingError] = {}
        if self.settings.reranker:
            await self.score([("warm", "warm")])
        with suppress(OtherFormat):  # reported below; the other collections still open
            await self.writes.run(self._library.obtain, DEFAULT_COLLECTION)
        for name in await self.reads.run(self._library.names):
            try:
                await self._warm_collection(name)
            except BearingError as error:
                if name == DEFAULT_COLLECTION and not isinstance(error, OtherFormat):
                    raise
                unread[name] = error
        refusal = None if self._collection_queues else unread.pop(DEFAULT_COLLECTION, None)
        for name, reason in unread.items():
            self._complaints.tell(name, reason)
        if refusal is not None:
            raise refusal

    async def _warm_collection(self, name: str) -> None:
        collection_queue = await self._collection_queue(name)
        await collection_queue.model.texts.submit(["warm"])
        collection_queue.model.warm()

    async def _prepare(self) -> None:
        """Make, beside the first searches, what the first search of a collection else waits for."""
        thread = SerialThread("prepare")
        for collection_queue in list(self._collection_queues.values()):
            if self._is_closing:
                return
            try:
                await thread.run(collection_queue.collection.prepare)
            except BearingError as error:
                log.info("%s is not prepared: %s", collection_queue.collection.name, error)

    async def _close(self) -> None:
        self._is_closing = True
        if self._preparing is not None:
            await self._preparing
        await anyio.to_thread.run_sync(self.jobs.close)
        if not is_lasting(str(self.settings.data)):
            shutil.rmtree(self.jobs.records.folder, ignore_errors=True)
        for collection_queue in self._collection_queues.values():
            await collection_queue.searches.close()
            await collection_queue.quick.close()
        for model in self._models.values():
            await model.close()
        for judge in self._judges:
            await judge.close()
