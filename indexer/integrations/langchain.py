"""A LangChain vector store over a collection, or over a service.

from indexer.integrations.langchain import BearingVectorStore

store = BearingVectorStore.open("data", embedding=OpenAIEmbeddings())  # LangChain's model
store = BearingVectorStore.open("data")                                # Bearing's own
store = BearingVectorStore.connect(Client("http://localhost:8000"))    # a service
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from indexer.documents import Document
from indexer.errors import InvalidInput, MissingExtra
from indexer.integrations.stores import (
    CollectionStore,
    ForeignEmbedder,
    ServiceStore,
    StoreBackend,
)
from indexer.library import DEFAULT_COLLECTION
from indexer.moments import told_dates
from indexer.queries import Hit, Mode
from indexer.workspace import Where

try:
    from langchain_core.documents import Document as LangChainDocument
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore
except ModuleNotFoundError as error:
    raise MissingExtra("langchain-core", "langchain") from error


class BearingVectorStore(VectorStore):
    """Documents in a collection of Bearing, for LangChain.

    Scores are cosines; other search options (``mode``, ``min_score``, ``exact``) are passed by
    keyword, and ``filter`` is in Bearing's language. Datetimes become texts, in metadata and in
    filters. A context manager.
    """

    def __init__(self, store: StoreBackend, embedding: Embeddings | None = None) -> None:
        self._store = store
        self._embedding = embedding

    @classmethod
    def open(
        cls,
        data: Path | str,
        *,
        collection: str = DEFAULT_COLLECTION,
        embedding: Embeddings | None = None,
        model: str | None = None,
    ) -> Self:
        """A store over a collection in a data directory, created if there is none.

        Texts are embedded by LangChain's ``embedding``, or by Bearing's model of this name.
        """
        embedder = None if embedding is None else _foreign(embedding)
        return cls(CollectionStore.open(data, collection, embedder, model), embedding)

    @classmethod
    def connect(cls, client: Any) -> Self:  # noqa: ANN401 -- see ServiceStore
        """A store over a service, by its client; the service embeds."""
        return cls(ServiceStore(client))

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        data: Path | str = "data",
        collection: str = DEFAULT_COLLECTION,
        **_: Any,  # noqa: ANN401 -- LangChain's
    ) -> Self:
        """A store over a collection in a data directory, to which these texts are added."""
        opened = cls.open(data, collection=collection, embedding=embedding)
        opened.add_texts(texts, metadatas, ids=ids)
        return opened

    @property
    def embeddings(self) -> Embeddings | None:
        """LangChain's model, if it is the one that embeds."""
        return self._embedding

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **_: Any,  # noqa: ANN401 -- LangChain's
    ) -> list[str]:
        """Add or replace texts, and return their ids, which are generated where none is given."""
        given = list(texts)
        all_metadata: Sequence[dict[str, Any]] = metadatas or [{} for _ in given]
        wanted: Sequence[str | None] = ids or [None for _ in given]
        if not len(given) == len(all_metadata) == len(wanted):
            raise InvalidInput(
                f"{len(given)} texts, but {len(all_metadata)} metadatas and {len(wanted)} ids: "
                "give one of each for each text, or none"
            )
        made = [id or str(uuid.uuid4()) for id in wanted]
        columns = zip(made, given, all_metadata, strict=True)
        self._store.put(
            [Document(id, text, None, told_dates(about)) for id, text, about in columns]
        )
        return made

    def add_documents(
        self,
        documents: list[LangChainDocument],
        ids: list[str] | None = None,
        **_: Any,  # noqa: ANN401 -- LangChain's
    ) -> list[str]:
        """Add or replace documents, by ``ids``, else by their own, and return their ids."""
        return self.add_texts(
            [document.page_content for document in documents],
            [document.metadata for document in documents],
            ids=ids or [document.id or str(uuid.uuid4()) for document in documents],
        )

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool | None:  # noqa: ANN401 -- LangChain's
        """Delete these documents, all if None."""
        if ids is None:
            ids = [document.id for document in self._store.documents()]
        self._store.delete(ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[LangChainDocument]:
        """Those of these documents that exist, in this order."""
        found = self._store.get(list(ids))
        return [_translated(document) for document in found if document is not None]

    def similarity_search(
        self,
        query: str,
        k: int = 4,
        filter: Where = None,
        **how: Any,  # noqa: ANN401 -- see the class
    ) -> list[LangChainDocument]:
        """The k documents that answer best, best first."""
        return [
            document for document, _ in self.similarity_search_with_score(query, k, filter, **how)
        ]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        filter: Where = None,
        **how: Any,  # noqa: ANN401 -- see the class
    ) -> list[tuple[LangChainDocument, float]]:
        """The k documents that answer best, with their cosines: larger is closer."""
        given = {"k": k, "mode": Mode.DENSE.value, **how}
        return _scored(self._store.search(query, told_dates(filter), given))

    def similarity_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        filter: Where = None,
        **how: Any,  # noqa: ANN401 -- see the class
    ) -> list[LangChainDocument]:
        """The k documents nearest to a vector."""
        hits = self._store.search(embedding, told_dates(filter), {"k": k, **how})
        return [_translated(hit.document) for hit in hits]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where = None,
        **how: Any,  # noqa: ANN401 -- see the class
    ) -> list[LangChainDocument]:
        """K of the best ``fetch_k`` documents that are unlike each other."""
        return self._diverse(query, k, fetch_k, lambda_mult, filter, how)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where = None,
        **how: Any,  # noqa: ANN401 -- see the class
    ) -> list[LangChainDocument]:
        """K of the ``fetch_k`` documents nearest to a vector that are unlike each other."""
        return self._diverse(embedding, k, fetch_k, lambda_mult, filter, how)

    def _diverse(
        self,
        sought: str | list[float],
        k: int,
        fetch_k: int,
        lambda_mult: float,
        where: Where,
        how: dict[str, Any],
    ) -> list[LangChainDocument]:
        usual = {"k": k, "mode": Mode.DENSE.value, "candidates": max(k, fetch_k)}
        given = {**usual, "diversity": 1.0 - lambda_mult, **how}
        hits = self._store.search(sought, told_dates(where), given)
        return [_translated(hit.document) for hit in hits]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """A cosine as relevance in [0, 1]; a negative one is 0."""
        return lambda cosine: min(max(cosine, 0.0), 1.0)

    def close(self) -> None:
        """Close what this store opened."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _foreign(embedding: Embeddings) -> ForeignEmbedder:
    model = getattr(embedding, "model", None) or getattr(embedding, "model_name", None)
    name = f"langchain {type(embedding).__name__}" + (f" {model}" if isinstance(model, str) else "")
    return ForeignEmbedder(name, embedding.embed_documents, embedding.embed_query)


def _translated(document: Document) -> LangChainDocument:
    metadata = dict(document.metadata)
    return LangChainDocument(id=document.id, page_content=document.text, metadata=metadata)


def _scored(hits: Sequence[Hit]) -> list[tuple[LangChainDocument, float]]:
    return [(_translated(hit.document), hit.score) for hit in hits]
