"""A LlamaIndex vector store over a collection, or over a service.

from indexer.integrations.llamaindex import BearingVectorStore

store = BearingVectorStore.open("data", embed_model=Settings.embed_model)
index = VectorStoreIndex.from_vector_store(store)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from indexer.documents import Document, normalise
from indexer.errors import InvalidFilter, InvalidQuery, MissingExtra
from indexer.integrations.stores import (
    CollectionStore,
    ForeignEmbedder,
    ServiceStore,
    Sought,
    StoreBackend,
)
from indexer.library import DEFAULT_COLLECTION
from indexer.queries import Mode
from indexer.workspace import Where

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.schema import BaseNode, MetadataMode
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        FilterCondition,
        FilterOperator,
        MetadataFilter,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
except ModuleNotFoundError as error:
    raise MissingExtra("llama-index-core", "llamaindex") from error

NODE_ID: Final = "_node_id"
SOURCE_ID: Final = "ref_doc_id"
DEFAULT_DIVERSITY: Final = 0.5

MODES: Final[Mapping[VectorStoreQueryMode, Mode]] = {
    VectorStoreQueryMode.DEFAULT: Mode.DENSE,
    VectorStoreQueryMode.MMR: Mode.DENSE,
    VectorStoreQueryMode.SPARSE: Mode.LEXICAL,
    VectorStoreQueryMode.TEXT_SEARCH: Mode.LEXICAL,
    VectorStoreQueryMode.HYBRID: Mode.HYBRID,
    VectorStoreQueryMode.SEMANTIC_HYBRID: Mode.HYBRID,
}
OPERATORS: Final[Mapping[FilterOperator, str]] = {
    FilterOperator.EQ: "$eq",
    FilterOperator.NE: "$ne",
    FilterOperator.GT: "$gt",
    FilterOperator.GTE: "$gte",
    FilterOperator.LT: "$lt",
    FilterOperator.LTE: "$lte",
    FilterOperator.IN: "$in",
    FilterOperator.NIN: "$nin",
    FilterOperator.ANY: "$in",
    FilterOperator.CONTAINS: "$eq",
}


class BearingVectorStore(BasePydanticVectorStore):
    """Nodes in a collection of Bearing, for LlamaIndex.

    Over a collection the vectors are LlamaIndex's own, by the model that it was opened with; over
    a service they are the service's, which embeds nodes and queries itself.
    """

    stores_text: bool = True
    is_embedding_query: bool = True

    _store: StoreBackend = PrivateAttr()

    def __init__(self, store: StoreBackend, *, is_embedding_query: bool = True) -> None:
        super().__init__(stores_text=True, is_embedding_query=is_embedding_query)
        self._store = store

    @classmethod
    def open(
        cls, data: Path | str, embed_model: BaseEmbedding, collection: str = DEFAULT_COLLECTION
    ) -> Self:
        """A store over a collection in a data directory, created if there is none."""
        return cls(CollectionStore.open(data, collection, _foreign(embed_model)))

    @classmethod
    def connect(cls, client: Any) -> Self:  # noqa: ANN401 -- see ServiceStore
        """A store over a service, by its client."""
        return cls(ServiceStore(client), is_embedding_query=False)

    @property
    def client(self) -> StoreBackend:
        """The store that holds the nodes."""
        return self._store

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:  # noqa: ANN401 -- LlamaIndex's
        """Add or replace nodes, and return their ids."""
        documents = [_document(node) for node in nodes]
        if isinstance(self._store, CollectionStore) and nodes:
            given = np.asarray([node.get_embedding() for node in nodes], dtype=np.float64)
            self._store.put_vectors(documents, normalise(given, "the embedding of node"))
        else:
            self._store.put(documents)
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **_: Any) -> None:  # noqa: ANN401 -- LlamaIndex's
        """Delete the nodes of a document."""
        self._delete({SOURCE_ID: ref_doc_id})

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **_: Any,  # noqa: ANN401 -- LlamaIndex's
    ) -> None:
        """Delete the nodes with these ids that pass the filters."""
        if node_ids is None and filters is None:
            raise InvalidQuery("delete_nodes needs node ids or filters; clear() deletes all")
        self._delete(_where(node_ids, None, filters))

    def clear(self) -> None:
        """Delete all nodes."""
        self._delete(None)

    def _delete(self, where: Where) -> None:
        ids = [document.id for document in self._store.documents(where)]
        if ids:
            self._store.delete(ids)

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """The nodes with these ids that pass the filters, in insertion order."""
        return [_node(one) for one in self._store.documents(_where(node_ids, None, filters))]

    def query(self, query: VectorStoreQuery, **_: Any) -> VectorStoreQueryResult:  # noqa: ANN401 -- LlamaIndex's
        """The nodes that answer best, best first, with their scores: cosines in mode default."""
        sought, how = self._asked(query)
        # An index opened over a store passes no ids ([]) and means any.
        where = _where(query.node_ids or None, query.doc_ids or None, query.filters)
        hits = self._store.search(sought, where, how)
        return VectorStoreQueryResult(
            nodes=[_node(hit.document) for hit in hits],
            similarities=[hit.score for hit in hits],
            ids=[hit.document.id for hit in hits],
        )

    def _asked(self, query: VectorStoreQuery) -> tuple[Sought, dict[str, Any]]:
        """The text or vector to search for, and options; raises InvalidQuery if unsupported."""
        if query.mode not in MODES:
            known = ", ".join(mode.value for mode in MODES)
            raise InvalidQuery(f"mode {query.mode.value!r} is not offered; offered are {known}")
        if query.alpha is not None:
            raise InvalidQuery("alpha is not taken: both sides of a hybrid search weigh the same")
        mode = MODES[query.mode]
        how: dict[str, Any] = {"k": query.similarity_top_k, "mode": mode.value}
        if mode is Mode.HYBRID:
            how["k"] = query.hybrid_top_k or query.similarity_top_k
        if query.mode is VectorStoreQueryMode.MMR:
            threshold = query.mmr_threshold
            how["diversity"] = DEFAULT_DIVERSITY if threshold is None else 1.0 - threshold
        if mode is Mode.DENSE and query.query_embedding is not None and self.is_embedding_query:
            return query.query_embedding, how
        if query.query_str is None:
            raise InvalidQuery(f"mode {query.mode.value!r} needs the text of the query (query_str)")
        return query.query_str, how


def _foreign(model: BaseEmbedding) -> ForeignEmbedder:
    name = f"llamaindex {type(model).__name__} {model.model_name}"
    return ForeignEmbedder(name, model.get_text_embedding_batch, model.get_query_embedding)


def _document(node: BaseNode) -> Document:
    metadata = node_to_metadata_dict(node, remove_text=True) | {NODE_ID: node.node_id}
    return Document(node.node_id, node.get_content(MetadataMode.NONE), None, metadata)


def _node(document: Document) -> BaseNode:
    return metadata_dict_to_node(dict(document.metadata), document.text)


def _where(
    node_ids: Sequence[str] | None,
    source_ids: Sequence[str] | None,
    filters: MetadataFilters | None,
) -> Where:
    """All of these conditions as one filter."""
    conditions: list[dict[str, Any]] = []
    if node_ids is not None:
        conditions.append({NODE_ID: {"$in": list(node_ids)}})
    if source_ids is not None:
        conditions.append({SOURCE_ID: {"$in": list(source_ids)}})
    if filters is not None and filters.filters:
        conditions.append(_joined(filters))
    return {"$and": conditions} if conditions else None


def _joined(filters: MetadataFilters) -> dict[str, Any]:
    conditions = [
        _joined(one) if isinstance(one, MetadataFilters) else _condition(one)
        for one in filters.filters
    ]
    if filters.condition is FilterCondition.OR:
        return {"$or": conditions}
    if filters.condition is FilterCondition.NOT:
        return {"$not": {"$or": conditions}}
    return {"$and": conditions}


def _condition(one: MetadataFilter) -> dict[str, Any]:
    if one.operator is FilterOperator.ALL and isinstance(one.value, list):
        return {"$and": [{one.key: {"$eq": value}} for value in one.value]}
    if one.operator not in OPERATORS:
        known = ", ".join(operator.value for operator in (*OPERATORS, FilterOperator.ALL))
        raise InvalidFilter(
            f"filter on {one.key!r}: operator {one.operator.value!r} is not offered; offered are "
            f"{known}"
        )
    return {one.key: {OPERATORS[one.operator]: one.value}}
