"""A model with the queues in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from app.serving.batching import Batcher, SerialThread, Watch
from app.serving.instruments import Instruments
from app.serving.query_cache import CachedVector, VectorCache
from app.settings import Settings
from indexer.documents import Vector
from indexer.embedding.embedder import Embedder, Input, TextRole
from indexer.pictures import Fitted
from indexer.queries import Query
from indexer.retrieval.search import embed_queries

T = TypeVar("T")

BATCH_IMAGES: Final = 8
"""Images in one forward pass, each of which costs some hundreds of tokens."""

BATCH_CHARACTERS: Final = 16_384
"""Characters in one forward pass: a query waits for about this much, a tenth of a second's work."""

TOKEN_CHARACTERS: Final = 4
"""Characters in an English token, roughly."""


@dataclass(frozen=True, slots=True)
class EmbeddedText:
    """A text's unit vector, (d,), and whether the text was longer than the model's window."""

    vector: Vector
    truncated: bool


def _missing(queries: Sequence[Query], known: Sequence[CachedVector | None]) -> list[Query]:
    """The queries without a cached vector."""
    return [query for query, kept in zip(queries, known, strict=True) if kept is None]


def _weigh(given: Input) -> int:
    """The characters of a text; of tokens, about as many as their text had."""
    return len(given) if isinstance(given, str) else TOKEN_CHARACTERS * len(given.ids)


class Model:
    """An open model with the queues in front of it: one forward pass at a time.

    ``vectors`` caches those of recent query texts, so that a repeated search skips the queue.
    """

    def __init__(self, embedder: Embedder, settings: Settings, instruments: Instruments) -> None:
        self.embedder = embedder
        self._thread = thread = SerialThread("model")
        batch, queue = settings.batch_texts, settings.queue_texts
        self.queries = Batcher(
            self._embed_queries,
            batch=batch,
            queue=queue,
            thread=thread,
            watch=instruments.queue("queries"),
        )
        texts = instruments.queue("texts")
        self.texts = self._batcher(self._embed_documents, settings, thread, texts)
        self.questions = self._batcher(self._embed_questions, settings, thread, texts)
        self.images: Batcher[Fitted, Vector] = Batcher(
            lambda images: list(self.embedder.embed_images(images)),
            batch=BATCH_IMAGES,
            queue=queue,
            thread=thread,
            watch=instruments.queue("images"),
        )
        self.vectors = VectorCache(settings.query_cache_bytes)
        self._warming: asyncio.Task[None] | None = None

    def warm(self) -> None:
        """Begin the work after which short texts are quicker; texts are embedded meanwhile."""
        if self._warming is None:
            self._warming = asyncio.create_task(SerialThread("warm").run(self.embedder.warm))

    @staticmethod
    def _batcher(
        call: Callable[[Sequence[Input]], list[EmbeddedText]],
        settings: Settings,
        thread: SerialThread,
        watch: Watch,
    ) -> Batcher[Input, EmbeddedText]:
        return Batcher(
            call,
            batch=settings.batch_texts,
            queue=settings.queue_texts,
            thread=thread,
            weigh=_weigh,
            budget=BATCH_CHARACTERS,
            watch=watch,
        )

    @property
    def name(self) -> str:
        """The model's name: on the hub without sentence-transformers/, or a path."""
        return self.embedder.identity.name

    async def embed_queries(self, queries: Sequence[Query]) -> list[tuple[Query, bool]]:
        """The queries with their texts' vectors, and whether each text was truncated; in order."""
        known = self._known(queries)
        embedded = await self.queries.submit(_missing(queries, known))
        return self._joined(queries, known, embedded)

    def embed_now(self, queries: Sequence[Query]) -> list[tuple[Query, bool]]:
        """The same for a call made by :meth:`take_turn`, without a queue."""
        known = self._known(queries)
        missing = _missing(queries, known)
        embedded = self.queries.make(missing) if missing else []
        return self._joined(queries, known, embedded)

    @property
    def is_idle(self) -> bool:
        """Return whether nothing waits for the model or is being embedded."""
        return self.queries.is_idle and not self.waiting and self._thread.is_idle

    async def take_turn(self, call: Callable[[], T]) -> T:
        """The result of a call made in the model's own thread, which counts as one text."""
        return await self.queries.take_turn(call)

    def _known(self, queries: Sequence[Query]) -> list[CachedVector | None]:
        """The cached vector of each query's text, None where there is none."""
        return [None if one.text is None else self.vectors.get(one.text) for one in queries]

    def _joined(
        self,
        queries: Sequence[Query],
        known: Sequence[CachedVector | None],
        embedded: Iterable[tuple[Query, bool]],
    ) -> list[tuple[Query, bool]]:
        """The queries in order, with their cached vectors or as they were ``embedded``."""
        coming, mark = iter(embedded), self.embedder.identity.mark
        return [
            next(coming)
            if kept is None
            else (
                replace(query, vector=kept.vector, model=mark, unknown=kept.unknown),
                kept.truncated,
            )
            for query, kept in zip(queries, known, strict=True)
        ]

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """The vectors of texts, embedded as documents, in order."""
        return [embedded.vector for embedded in await self.texts.submit(texts)]

    def _embed_queries(self, queries: Sequence[Query]) -> list[tuple[Query, bool]]:
        embedded = list(zip(*embed_queries(self.embedder, queries), strict=True))
        for query, truncated in embedded:
            if query.text is not None and query.vector is not None:  # else it is by examples
                self.vectors.keep(
                    query.text, query.vector, truncated=truncated, unknown=bool(query.unknown)
                )
        return embedded

    def _embed_documents(self, inputs: Sequence[Input]) -> list[EmbeddedText]:
        return self._embed(inputs, TextRole.DOCUMENT)

    def _embed_questions(self, inputs: Sequence[Input]) -> list[EmbeddedText]:
        return self._embed(inputs, TextRole.QUERY)

    def _embed(self, inputs: Sequence[Input], role: TextRole) -> list[EmbeddedText]:
        embedded = self.embedder.embed(inputs, role)
        truncated = frozenset(embedded.truncated)
        return [
            EmbeddedText(vector, index in truncated)
            for index, vector in enumerate(embedded.vectors)
        ]

    async def close(self) -> None:
        """Cancel the callers that still wait; work under way runs to its end."""
        await self.queries.close()
        await self.texts.close()
        await self.questions.close()
        await self.images.close()
        if self._warming is not None:
            await self._warming

    @property
    def waiting(self) -> int:
        """The number of texts and images waiting or being embedded."""
        of_texts = self.texts.waiting + self.questions.waiting
        return self.queries.waiting + of_texts + self.images.waiting
