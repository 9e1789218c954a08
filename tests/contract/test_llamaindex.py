"""LlamaIndex's vector store, by its index and retrievers, and held against its own filters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import BaseNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn
from starlette.testclient import TestClient

from app.client import Client
from app.main import create_app
from app.settings import load_settings
from indexer.embedding import open_embedder
from indexer.errors import InvalidFilter, InvalidQuery, InvalidVector, ModelMismatch
from indexer.integrations.llamaindex import BearingVectorStore


class Hashing(MockEmbedding):
    """The hashing model, as LlamaIndex's."""

    def _vector(self, text: str) -> list[float]:
        with open_embedder(f"hashing-{self.embed_dim}", cache=Path()) as embedder:
            return embedder.embed([text]).vectors[0].tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vector(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vector(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._vector(query)


MODEL = Hashing(embed_dim=256)
METADATA = {
    "a": {"year": 2020, "kind": "animal", "tags": ["x", "y"]},
    "b": {"year": 2021, "kind": "place", "tags": ["y"]},
    "c": {"kind": "animal", "score": 0.5},
}
TEXTS = {"a": "a cat", "b": "the moon", "c": "a cat on the moon"}


def nodes() -> list[BaseNode]:
    """Three nodes of two documents, with their embeddings."""
    made = []
    for id, text in TEXTS.items():
        source = RelatedNodeInfo(node_id="first" if id == "a" else "second")
        node = TextNode(
            id_=id,
            text=text,
            metadata=dict(METADATA[id]),
            relationships={NodeRelationship.SOURCE: source},
        )
        node.embedding = MODEL.get_text_embedding(text)
        made.append(node)
    return made


@pytest.fixture(params=["collection", "service"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BearingVectorStore]:
    """A store with three nodes, over each of what it may stand on."""
    if request.param == "collection":
        opened = BearingVectorStore.open(tmp_path, MODEL)
        opened.add(nodes())
        yield opened
        opened.client.close()
        return
    settings = load_settings(data=tmp_path, cache=tmp_path, model="hashing")
    with TestClient(create_app(settings), base_url="http://localhost") as http:
        opened = BearingVectorStore.connect(Client("http://localhost", http=http))
        opened.add(nodes())
        yield opened


def ask(store: BearingVectorStore, text: str, **given: object) -> list[str]:
    """The ids of the nodes that answer."""
    embedding = MODEL.get_query_embedding(text) if store.is_embedding_query else None
    query = VectorStoreQuery(query_embedding=embedding, query_str=text, **given)
    return store.query(query).ids


def test_an_index_finds_whole_nodes(store: BearingVectorStore) -> None:
    """A retriever of LlamaIndex gives nodes as they were, with cosines."""
    index = VectorStoreIndex.from_vector_store(store, embed_model=MODEL)
    found = index.as_retriever(similarity_top_k=2).retrieve("a cat")
    assert [one.node_id for one in found] == ["a", "c"]
    assert found[0].score == pytest.approx(1.0, abs=1e-6)
    assert found[0].text == "a cat"
    assert found[0].metadata == METADATA["a"]
    assert found[0].node.ref_doc_id == "first"


def test_an_index_is_built_of_nodes(tmp_path: Path) -> None:
    """An index embeds nodes by its model and keeps them in the collection, which stays."""
    store = BearingVectorStore.open(tmp_path, MODEL)
    context = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex(nodes(), storage_context=context, embed_model=MODEL)
    store.client.close()
    store = BearingVectorStore.open(tmp_path, MODEL)
    assert ask(store, "the moon", similarity_top_k=1) == ["b"]
    store.client.close()
    with pytest.raises(ModelMismatch):
        BearingVectorStore.open(tmp_path, Hashing(embed_dim=8))


def test_nodes_are_had_and_deleted(store: BearingVectorStore) -> None:
    """By their ids, by their document, by filters, and all of them."""
    assert [node.node_id for node in store.get_nodes(["c", "a", "nowhere"])] == ["a", "c"]
    store.delete("first")
    assert [node.node_id for node in store.get_nodes()] == ["b", "c"]
    store.delete_nodes(filters=MetadataFilters(filters=[MetadataFilter(key="year", value=2021)]))
    assert [node.node_id for node in store.get_nodes()] == ["c"]
    with pytest.raises(InvalidQuery, match="clear"):
        store.delete_nodes()
    store.clear()
    assert store.get_nodes() == []


OP, JOIN = FilterOperator, FilterCondition
CONDITIONS = [
    ("kind", OP.EQ, "animal"),
    ("kind", OP.NE, "animal"),
    ("year", OP.NE, 2020),
    ("year", OP.GT, 2020),
    ("year", OP.GTE, 2020),
    ("year", OP.LT, 2021),
    ("score", OP.LTE, 0.5),
    ("year", OP.IN, [2020, 1999]),
    ("year", OP.NIN, [2020, 1999]),
    ("tags", OP.CONTAINS, "y"),
    ("tags", OP.ANY, ["x", "z"]),
    ("tags", OP.ALL, ["x", "y"]),
]


def passed(filters: MetadataFilters) -> list[str]:
    """The nodes that LlamaIndex's own evaluation lets pass."""
    passes = build_metadata_filter_fn(METADATA.__getitem__, filters)
    return [id for id in METADATA if passes(id)]


def test_a_filter_means_what_it_means_to_llamaindex(store) -> None:
    """Each operator passes the nodes that LlamaIndex's in-memory store would."""
    for key, operator, value in CONDITIONS:
        one = MetadataFilter(key=key, operator=operator, value=value)
        filters = MetadataFilters(filters=[one])
        found = ask(store, "a cat", similarity_top_k=3, filters=filters)
        assert sorted(found) == passed(filters), (key, operator)


DATES = {
    "a": "2024-03-01T00:30:00+02:00",
    "b": "2024-02-29T22:30:00Z",
    "c": "2024-02-29T18:00:00-05:00",
}


OPERATORS = ("==", "!=", ">", ">=", "<", "<=", "in", "nin")


@pytest.mark.parametrize("bound", [*DATES.values(), "2024-03-01T04:00:00+05:00"])
def test_dates_compare_as_moments(store: BearingVectorStore, bound: str) -> None:
    """The nodes that pass are those that LlamaIndex passes if it is given datetimes for texts."""
    dated = nodes()
    for node in dated:
        node.metadata["at"] = DATES[node.node_id]
    store.add(dated)
    moments = {id: {"at": datetime.fromisoformat(at)} for id, at in DATES.items()}
    for operator in OPERATORS:
        asked, meant = (
            held_against(operator, value) for value in (bound, datetime.fromisoformat(bound))
        )
        passes = build_metadata_filter_fn(moments.__getitem__, meant)
        found = [node.node_id for node in store.get_nodes(filters=asked)]
        assert found == [id for id in DATES if passes(id)], operator


def held_against(operator: str, value: object) -> MetadataFilters:
    """The filter of what is, by an operator, as this value."""
    given = [value] if "in" in operator else value
    one = MetadataFilter.model_construct(key="at", value=given, operator=FilterOperator(operator))
    return MetadataFilters.model_construct(filters=[one], condition=JOIN.AND)


@pytest.mark.parametrize("condition", [JOIN.AND, JOIN.OR])
def test_filters_are_joined(store: BearingVectorStore, condition: FilterCondition) -> None:
    """And and or hold between filters, and nest."""
    inner = MetadataFilters(
        filters=[
            MetadataFilter(key="kind", value="animal"),
            MetadataFilter(key="year", operator=OP.GTE, value=2021),
        ],
        condition=condition,
    )
    expected = {JOIN.AND: [], JOIN.OR: ["a", "b", "c"]}[condition]
    filters = MetadataFilters(filters=[inner], condition=JOIN.AND)
    assert [node.node_id for node in store.get_nodes(filters=filters)] == expected
    negated = MetadataFilters(filters=[inner], condition=JOIN.NOT)
    left = [id for id in TEXTS if id not in expected]
    assert [node.node_id for node in store.get_nodes(filters=negated)] == left


def test_searches_are_narrowed_to_documents_and_nodes(store: BearingVectorStore) -> None:
    """doc_ids and node_ids leave out all others."""
    assert ask(store, "a cat", similarity_top_k=3, doc_ids=["second"]) == ["c", "b"]
    assert ask(store, "a cat", similarity_top_k=3, node_ids=["b"]) == ["b"]


def test_diverse_nodes_are_unlike_each_other(store: BearingVectorStore) -> None:
    """Mode mmr weighs likeness to the query by its threshold."""
    mode = VectorStoreQueryMode.MMR
    assert ask(store, "a cat", similarity_top_k=2, mode=mode, mmr_threshold=0.0) == ["a", "b"]
    assert ask(store, "a cat", similarity_top_k=2, mode=mode, mmr_threshold=1.0) == ["a", "c"]


def test_what_cannot_be_done_is_refused(store: BearingVectorStore) -> None:
    """Unknown modes, weights and operators are errors, not silence."""
    with pytest.raises(InvalidQuery, match="svm"):
        ask(store, "x", mode=VectorStoreQueryMode.SVM)
    with pytest.raises(InvalidQuery, match="alpha"):
        ask(store, "x", alpha=0.5)
    with pytest.raises(InvalidQuery, match="query_str"):
        store.query(VectorStoreQuery())
    for operator in (OP.TEXT_MATCH, OP.IS_EMPTY):
        one = MetadataFilter(key="kind", operator=operator, value="x")
        with pytest.raises(InvalidFilter, match=operator.value):
            store.get_nodes(filters=MetadataFilters(filters=[one]))


def test_a_vector_without_direction_is_refused(tmp_path: Path) -> None:
    """A zero embedding is an error and nothing is stored."""
    store = BearingVectorStore.open(tmp_path, MODEL)
    node = TextNode(id_="z", text="z", embedding=[0.0] * 256)
    with pytest.raises(InvalidVector, match="embedding of node 0"):
        store.add([node])
    assert store.get_nodes() == []
    store.client.close()
