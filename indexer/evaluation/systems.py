"""Systems to evaluate: anything that answers queries with ids of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from indexer.collection import Collection
from indexer.embedding.cross_encoders.reranker import Reranker
from indexer.embedding.embedder import Embedder
from indexer.queries import Answer, Mode, Query
from indexer.retrieval.search import embed_queries, search

Settings: TypeAlias = Mapping[str, object]
"""Fields of Query that say how to search, not what for."""


@dataclass(frozen=True, slots=True)
class SystemAnswer:
    """The ids of the documents that answer a query, best first, as in Answer."""

    ids: tuple[str, ...]
    exact: bool
    truncated: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """The description of a system; ``url`` is that of a service, None for a collection here."""

    collection: str
    model: str
    documents: int
    index: str
    settings: Settings
    url: str | None = None

    def figures(self) -> dict[str, Any]:
        """All of it except the settings, as a JSON object."""
        figures = {"collection": self.collection, "model": self.model, "index": self.index}
        return figures | ({"url": self.url} if self.url else {})


class System(Protocol):
    """A system that answers queries and is evaluated by its answers."""

    @property
    def name(self) -> str:
        """The name of its collection."""
        ...

    def describe(self) -> Facts:
        """The collection and the settings of its search."""
        ...

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of these documents that are not in the collection."""
        ...

    def filling(self, corpus: Path) -> str:
        """Advice on how to put the documents of a corpus into the collection."""
        ...

    def ask(self, text: str, k: int) -> SystemAnswer:
        """The k best for a query, searched as users do; this is what is timed."""
        ...

    def ask_all(self, texts: Sequence[str], k: int) -> Iterator[SystemAnswer]:
        """The k best for each query, in order, searched in the fastest way."""
        ...


class LocalSystem:
    """A collection with its model, in this process."""

    def __init__(
        self,
        collection: Collection,
        embedder: Embedder,
        settings: Settings | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._collection = collection
        self._embedder = embedder
        self._reranker = reranker
        self._settings = {"mode": Mode.DENSE, "exact": False, **(settings or {})}
        self._ready: dict[str, Query] = {}

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self._collection.name

    def describe(self) -> Facts:
        """The collection and the settings of its search."""
        told = self._collection.describe()
        kind = str(told.index.get("kind", ""))
        return Facts(told.name, told.model, told.documents, kind, self._settings)

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of these documents that are not stored."""
        return [
            id
            for start in range(0, len(ids), 256)
            for id, document in _pair(ids[start : start + 256], self._collection.get)
            if document is None
        ]

    def filling(self, corpus: Path) -> str:
        """Advice to index the corpus."""
        return f"index {corpus} first"

    def ask(self, text: str, k: int) -> SystemAnswer:
        """Embed the query, and search."""
        (query,), (cut,) = embed_queries(self._embedder, [self._query(text, k)])
        (answer,) = search(self._collection, self._embedder, [query], self._reranker)
        self._ready[text] = query
        return _found(answer, cut)

    def ask_all(self, texts: Sequence[str], k: int) -> Iterator[SystemAnswer]:
        """Search for each query; queries embedded before are not embedded again."""
        for text in texts:
            query = self._ready.get(text, self._query(text, k))
            deeper = replace(query, k=k)
            (answer,) = search(self._collection, self._embedder, [deeper], self._reranker)
            yield _found(answer, answer.truncated)

    def _query(self, text: str, k: int) -> Query:
        settings: dict[str, Any] = dict(self._settings)
        return Query(text=text, k=k, **settings)


def _pair(
    ids: Sequence[str], get: Callable[[Sequence[str]], Sequence[object]]
) -> Iterator[tuple[str, object]]:
    return zip(ids, get(ids), strict=True)


def _found(answer: Answer, truncated: bool) -> SystemAnswer:
    return SystemAnswer(tuple(hit.document.id for hit in answer.hits), answer.exact, truncated)
