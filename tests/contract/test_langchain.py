"""LangChain's vector store, held against LangChain's own suite, and by its further promises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_tests.integration_tests import VectorStoreIntegrationTests
from starlette.testclient import TestClient

from app.client import Client
from app.main import create_app
from app.settings import load_settings
from indexer.config import Config
from indexer.errors import InvalidDocument, InvalidInput, InvalidQuery, ModelMismatch
from indexer.integrations.langchain import BearingVectorStore
from indexer.integrations.stores import CollectionStore
from indexer.library import Library

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """What runs the suite's asynchronous tests."""
    return "asyncio"


class TestOverACollectionWithLangChainsModel(VectorStoreIntegrationTests):
    """The suite, over a collection whose vectors LangChain's model computes."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[BearingVectorStore]:
        """An empty store."""
        with BearingVectorStore.open(tmp_path, embedding=self.get_embeddings()) as store:
            yield store


class TestOverACollectionWithBearingsModel(VectorStoreIntegrationTests):
    """The suite, over a collection whose vectors Bearing computes."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[BearingVectorStore]:
        """An empty store."""
        with BearingVectorStore.open(tmp_path, model="hashing") as store:
            yield store


class TestOverAService(VectorStoreIntegrationTests):
    """The suite, over a service that is asked by its client."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[BearingVectorStore]:
        """An empty store."""
        settings = load_settings(data=tmp_path, cache=tmp_path, model="hashing")
        with TestClient(create_app(settings), base_url="http://localhost") as http:
            yield BearingVectorStore.connect(Client("http://localhost", http=http))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BearingVectorStore]:
    """A store with three documents, by the hashing model."""
    with BearingVectorStore.open(tmp_path, model="hashing") as opened:
        opened.add_texts(
            ["a cat", "the moon", "a cat on the moon"],
            [{"year": 2020}, {"year": 2021}, {}],
            ids=["a", "b", "c"],
        )
        yield opened


def test_filters_narrow_every_kind_of_search(store: BearingVectorStore) -> None:
    """A filter is in Bearing's language; what it passes is searched and nothing else."""
    where = {"year": {"$gt": 2020}}
    assert [one.id for one in store.similarity_search("a cat", filter=where)] == ["b"]
    assert [one.id for one in store.max_marginal_relevance_search("a cat", filter=where)] == ["b"]
    (found,) = store.similarity_search_with_score("the moon", filter=where)
    assert found[1] == pytest.approx(1.0, abs=1e-6)


def test_datetimes_are_told_as_moments(store: BearingVectorStore) -> None:
    """Datetimes and dates in metadata become texts, and filters take them in any search."""
    at = datetime.fromisoformat("2024-03-01T00:30:00+02:00")
    told = [Document("x", id="x", metadata={"at": at, "all": [at, date(2024, 3, 1)]})]
    store.add_documents(told)
    for where in ({"at": {"$lte": at.astimezone(UTC)}}, {"all": {"$in": [date(2024, 3, 1)]}}):
        (found,) = store.similarity_search("x", filter=where)
        assert found.metadata == {"at": at.isoformat(), "all": [at.isoformat(), "2024-03-01"]}
        assert len(store.max_marginal_relevance_search("x", filter=where)) == 1
        vector = [1.0] * 256
        assert len(store.similarity_search_by_vector(vector, filter=where)) == 1


def test_diverse_hits_are_unlike_each_other(store: BearingVectorStore) -> None:
    """With lambda 0 the second hit is the least like the first; with 1 the next best."""
    for mixed, expected in ((0.0, ["a", "b"]), (1.0, ["a", "c"])):
        found = store.max_marginal_relevance_search("a cat", k=2, lambda_mult=mixed)
        assert [one.id for one in found] == expected


def test_a_vector_is_searched_for(store: BearingVectorStore) -> None:
    """Vectors of any length are taken; equal directions are nearest."""
    with Library(Config(model="hashing")) as library:
        vector = library.model("hashing").embed(["the moon"]).vectors[0] * 3
    assert store.similarity_search_by_vector(vector.tolist(), k=1)[0].id == "b"
    found = store.max_marginal_relevance_search_by_vector(vector.tolist(), k=2)
    assert found[0].id == "b"


def test_relevance_is_in_0_to_1(store: BearingVectorStore) -> None:
    """Relevance scores are cosines, none below 0, so that thresholds work."""
    found = store.similarity_search_with_relevance_scores("a cat", k=3)
    assert all(0.0 <= score <= 1.0 for _, score in found)
    retriever = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.99}
    )
    assert [one.id for one in retriever.invoke("a cat")] == ["a"]


async def test_a_retriever_finds_asynchronously(store: BearingVectorStore) -> None:
    """as_retriever works as LangChain's chains use it."""
    found = await store.as_retriever(search_kwargs={"k": 1}).ainvoke("a cat")
    assert [one.page_content for one in found] == ["a cat"]


def test_deleting_nothing_by_name_deletes_all(store: BearingVectorStore) -> None:
    """`delete()` without ids empties the store."""
    store.delete()
    assert store.similarity_search("a cat") == []


def test_what_cannot_be_kept_is_refused(store: BearingVectorStore) -> None:
    """Nested metadata, lists of unequal length and unknown options are errors, not silence."""
    with pytest.raises(InvalidDocument, match="metadata"):
        store.add_documents([Document("x", metadata={"deep": {"a": 1}})])
    with pytest.raises(InvalidInput, match="2 texts"):
        store.add_texts(["x", "y"], ids=["x"])
    with pytest.raises(InvalidQuery, match="colour"):
        store.similarity_search("x", colour="red")


def test_a_collection_stays_with_its_model(tmp_path: Path) -> None:
    """What one model filled is not opened with another of LangChain's, nor with Bearing's."""
    texts, model = ["a", "b"], DeterministicFakeEmbedding(size=6)
    with BearingVectorStore.from_texts(texts, model, data=tmp_path, ids=["a", "b"]):
        pass
    with BearingVectorStore.open(tmp_path, embedding=model) as store:
        assert [one.id for one in store.get_by_ids(["b", "a"])] == ["b", "a"]
        assert store.embeddings is model
    with pytest.raises(ModelMismatch):
        BearingVectorStore.open(tmp_path, embedding=DeterministicFakeEmbedding(size=7))
    with pytest.raises(ModelMismatch):
        CollectionStore.open(tmp_path, "default", None, "hashing")
