"""Haystack's document store, held against Haystack's own suites and filters, and its retriever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from haystack import Document, Pipeline, component, default_to_dict
from haystack.components.writers import DocumentWriter
from haystack.core.errors import DeserializationError
from haystack.dataclasses import ByteStream
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DocumentStore, DuplicatePolicy
from haystack.errors import FilterError
from haystack.telemetry import _telemetry
from haystack.testing.document_store import (
    CountDocumentsByFilterTest,
    DocumentStoreBaseExtendedTests,
)
from haystack.utils import Secret
from haystack.utils.filters import document_matches_filter
from serving import service_here
from starlette.testclient import TestClient

from app.client import Client
from indexer.embedding import open_embedder
from indexer.errors import (
    InvalidDocument,
    InvalidFilter,
    InvalidInput,
    InvalidQuery,
    InvalidVector,
    ModelMismatch,
)
from indexer.integrations.haystack import BearingDocumentStore, BearingRetriever
from indexer.integrations.haystack_filters import KEPT, UntranslatableFilter

ALLOWED = ["indexer.integrations.haystack", "app.client.*", __name__]


@component
class Hashing:
    """The hashing model, as a text embedder of Haystack's."""

    def __init__(self, model: str = "hashing-768") -> None:
        self.model = model

    def to_dict(self) -> dict[str, Any]:
        """How to make it again."""
        return default_to_dict(self, model=self.model)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        """The embedding of a text."""
        with open_embedder(self.model, cache=Path()) as embedder:
            return {"embedding": embedder.embed([text]).vectors[0].tolist()}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service with the hashing model."""
    with service_here(tmp_path_factory.mktemp("served")) as http:
        yield http


@pytest.fixture
def client(served: TestClient) -> Client:
    """A client of that service, which holds nothing."""
    for one in served.get("/collections").json()["collections"]:
        served.delete(f"/collections/{one['name']}").raise_for_status()
    served.put("/collections/default", json={}).raise_for_status()
    return Client("http://localhost", http=served)


class Suite(DocumentStoreBaseExtendedTests, CountDocumentsByFilterTest):
    """Haystack's suites, with the one test that each store has to write itself."""

    def test_write_documents(self, document_store: BearingDocumentStore) -> None:
        """Without a policy, a document that is there is an error and stays as it is."""
        first, second = Document(id="1", content="first"), Document(id="1", content="second")
        assert document_store.write_documents([first]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([Document(id="2", content="new"), second])
        assert document_store.filter_documents() == [first]


class TestOverACollectionWithBearingsModel(Suite):
    """The suites, over a collection whose vectors Bearing computes."""

    @pytest.fixture
    def document_store(self, tmp_path: Path) -> Iterator[BearingDocumentStore]:
        """An empty store."""
        with BearingDocumentStore(tmp_path, model="hashing") as store:
            yield store


@pytest.mark.long
class TestOverACollectionWithHaystacksModel(Suite):
    """The suites, over a collection of documents' own embeddings, or of an embedder's.

    The suite asks each kind of store by the fixture ``store``.
    """

    @pytest.fixture
    def document_store(self, tmp_path: Path) -> Iterator[BearingDocumentStore]:
        """An empty store."""
        with BearingDocumentStore(tmp_path, embedder=Hashing()) as store:
            yield store


class TestOverAService(Suite):
    """The suites, over a service that is asked by its client."""

    @pytest.fixture
    def document_store(self, client: Client) -> BearingDocumentStore:
        """An empty store."""
        return BearingDocumentStore(client=client)


META = {
    "a": {"year": 2020, "kind": "animal", "written": "2024-05-01"},
    "b": {"year": 2021, "kind": "place", "by": {"name": "Ann", "born": 1970}},
    "c": {"kind": "animal", "share": 0.5, "written": "2023-05-01", "note": None},
}
TEXTS = {"a": "a cat", "b": "the moon", "c": "a cat on the moon"}


def documents() -> list[Document]:
    """Three documents, one with nested metadata."""
    return [Document(id=id, content=text, meta=META[id]) for id, text in TEXTS.items()]


@pytest.fixture(params=["model", "embedder", "service"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BearingDocumentStore]:
    """A store with three documents, over each of what it may stand on."""
    if request.param == "service":
        opened = BearingDocumentStore(client=request.getfixturevalue("client"))
    elif request.param == "model":
        opened = BearingDocumentStore(tmp_path, model="hashing")
    else:
        opened = BearingDocumentStore(tmp_path, embedder=Hashing())
    with opened:
        opened.write_documents(documents())
        yield opened


def found(retriever: BearingRetriever, *given: object, **how: object) -> list[str]:
    """The ids of the documents that answer."""
    return [one.id for one in retriever.run(*given, **how)["documents"]]


def test_telemetry_is_off_here() -> None:
    """Nothing that the tests run is told to anyone."""
    assert _telemetry.telemetry is None


def test_a_retriever_finds_documents_as_they_were_written(store: BearingDocumentStore) -> None:
    """Hits are whole documents, best first, with cosines; filters and top_k narrow them."""
    retriever = BearingRetriever(store, top_k=2)
    first, second = retriever.run("a cat")["documents"]
    assert (first.id, first.content, first.meta) == ("a", "a cat", META["a"])
    assert first.score == pytest.approx(1.0, abs=1e-6)
    assert second.id == "c"
    assert second.score < first.score
    assert found(retriever, "a cat", top_k=1) == ["a"]
    where = {"field": "meta.year", "operator": ">", "value": 2020}
    assert found(retriever, "a cat", filters=where) == ["b"]


def test_a_retriever_searches_for_an_embedding(tmp_path: Path) -> None:
    """A query's embedding is searched for, of any length; a document's own is what is found."""
    cat, moon = (Hashing().run(text)["embedding"] for text in ("a cat", "the moon"))
    with BearingDocumentStore(tmp_path, embedder=Hashing()) as store:
        store.write_documents(
            [
                Document(id="crossed", content="a cat", embedding=[3 * part for part in moon]),
                Document(id="own", content="a cat"),
            ]
        )
        retriever = BearingRetriever(store, top_k=1)
        assert found(retriever, query_embedding=moon) == ["crossed"]
        assert found(retriever, query_embedding=cat) == ["own"]
        assert found(retriever, "a cat", moon) == ["crossed"]


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_a_retriever_searches_by_words(store: BearingDocumentStore, mode: str) -> None:
    """The mode is the retriever's, or the search's."""
    assert found(BearingRetriever(store, mode=mode), "moon")[0] == "b"
    assert found(BearingRetriever(store), "moon", mode=mode)[0] == "b"
    with pytest.raises(InvalidQuery, match="as text"):
        BearingRetriever(store).run(query_embedding=[1.0], mode=mode)


def test_a_retriever_takes_further_options(store: BearingDocumentStore) -> None:
    """What else a search may be told goes with each."""
    assert found(BearingRetriever(store, options={"min_score": 0.99}), "a cat") == ["a"]
    assert found(BearingRetriever(store, top_k=2, options={"diversity": 1.0}), "a cat") == [
        "a",
        "b",
    ]


def test_filters_of_a_retriever_are_replaced_or_merged(store: BearingDocumentStore) -> None:
    """By the policy, as Haystack's own retrievers do."""
    animal = {"field": "meta.kind", "operator": "==", "value": "animal"}
    early = {"field": "meta.year", "operator": "<", "value": 2022}
    assert found(BearingRetriever(store, filters=animal), "a cat") == ["a", "c"]
    assert found(BearingRetriever(store, filters=animal), "a cat", filters=early) == ["a", "b"]
    merging = BearingRetriever(store, filters=animal, filter_policy="merge")
    assert found(merging, "a cat", filters=early) == ["a"]


CONDITIONS = [
    ("meta.kind", "==", "animal"),
    ("kind", "==", "animal"),
    ("meta.kind", "!=", "animal"),
    ("meta.year", "==", None),
    ("meta.year", "!=", None),
    ("meta.note", "==", None),
    ("meta.year", "!=", 2020),
    ("meta.year", ">", 2020),
    ("meta.year", ">=", 2020),
    ("meta.year", "<", 2021),
    ("meta.share", "<=", 0.5),
    ("meta.year", ">", None),
    ("meta.written", ">", "2023-05-01"),
    ("meta.written", "<=", "2023-05-01"),
    ("meta.year", "in", [2020, 1999]),
    ("meta.year", "in", [2020, None]),
    ("meta.year", "in", []),
    ("meta.year", "not in", [2020, 1999]),
    ("meta.by.name", "==", "Ann"),
    ("meta.by.born", "<", 1980),
    ("meta.by.born", "!=", 1970),
]


def comparison(condition: tuple[str, str, object]) -> dict[str, Any]:
    """A condition in Haystack's language."""
    return dict(zip(("field", "operator", "value"), condition, strict=True))


def passed(filters: dict[str, Any]) -> list[str]:
    """The documents that Haystack's own evaluation lets pass."""
    return [one.id for one in documents() if document_matches_filter(filters, one)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BearingDocumentStore]:
    """A store with three documents that is only read."""
    with BearingDocumentStore(tmp_path_factory.mktemp("shared"), model="hashing") as opened:
        opened.write_documents(documents())
        yield opened


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
def test_a_filter_means_what_it_means_to_haystack(shared, condition) -> None:
    """Each operator passes the documents that Haystack's in-memory store would."""
    filters = comparison(condition)
    assert [one.id for one in shared.filter_documents(filters)] == passed(filters)


ABSOLUTE = [
    "2024-03-01T00:00:00Z",
    "2024-03-01T01:00:00+01:00",
    "2024-02-29T23:59:59.5-00:30",
    "2024-02-29T19:00:00-05:00",
    "2024-03-01T05:29:59.999999+05:30",
    "2024-03-01 00:00:00.000001+00:00",
]
LOCAL = ["2024-03-01", "2024-03-01T00:00:00", "2024-03-01T00:30:00.25", "2024-02-29 23:30:00"]
UTC_ONLY = ["2024-03-01T00:00:00Z", "2024-02-29T23:30:00+00:00"]
NO_DATES = ["unknown", 2024, None]


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[DocumentStore]]:
    """Bearing's store and Haystack's, with a document for each date, read only."""
    held = [{"at": at, "kind": "absolute"} for at in ABSOLUTE]
    held += [{"at": at, "kind": "local"} for at in (*LOCAL, *UTC_ONLY)]
    held += [{"at": at, "kind": "none"} for at in NO_DATES]
    stored = [Document(id=f"{i:02}", content="x", meta=meta) for i, meta in enumerate(held)]
    own = InMemoryDocumentStore()
    own.write_documents(stored)
    with BearingDocumentStore(tmp_path_factory.mktemp("dated"), model="hashing") as opened:
        opened.write_documents(stored)
        yield [opened, own]


def bounds(texts: list[str]) -> list[object]:
    """Texts, and the datetimes that they stand for."""
    return [*texts, *(datetime.fromisoformat(text) for text in texts)]


def alike(dated: list[DocumentStore], kind: str, operator: str, value: object) -> bool:
    """True if the same documents of a kind pass in both stores."""
    conditions = [comparison(("meta.kind", "==", kind)), comparison(("at", operator, value))]
    where = {"operator": "AND", "conditions": conditions}
    found, wanted = ({one.id for one in store.filter_documents(where)} for store in dated)
    return found == wanted


@pytest.mark.parametrize("operator", ["==", "!=", ">", ">=", "<", "<="])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("absolute", value) for value in bounds(ABSOLUTE)),
        *(("local", value) for value in bounds([*LOCAL, *UTC_ONLY])),
    ],
    ids=str,
)
def test_dates_compare_as_in_haystacks_own_store(dated, kind, operator, value) -> None:
    """Whatever the offsets and forms, the documents that pass are those of the in-memory store."""
    assert alike(dated, kind, operator, value)


@pytest.mark.parametrize("operator", [">", ">=", "<", "<="])
@pytest.mark.parametrize("value", ["20240301T010000+0100", "2024-W09-5T01+01", "20240229T235959Z"])
def test_an_order_takes_dates_in_all_forms_of_iso(dated, operator, value) -> None:
    """A bound in a form that Bearing keeps as a text is a date to Haystack, and to the store."""
    assert alike(dated, "absolute", operator, value)


@pytest.mark.parametrize("operator", ["in", "not in"])
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("absolute", ABSOLUTE[1:3]),
        ("local", [LOCAL[0], UTC_ONLY[1]]),
        ("none", [UTC_ONLY[0], "unknown", None]),
    ],
    ids=str,
)
def test_dates_are_among_others_as_in_haystacks_own_store(dated, kind, operator, values) -> None:
    """A date is in a list where one of the list is the same moment."""
    assert alike(dated, kind, operator, values)


def test_datetimes_come_back_and_compare(store: BearingDocumentStore) -> None:
    """Datetimes in meta, nested and in lists too, are those that were written, and are filtered."""
    at = datetime.fromisoformat("2024-03-01T00:30:00+02:00")
    written = Document(content="x", meta={"at": at, "by": {"at": at}, "all": [at, "unknown"]})
    store.write_documents([written])
    for field in ("at", "by.at", "all"):
        where = comparison((field, "<=", "2024-02-29T22:30:00Z"))
        assert [one.meta for one in store.filter_documents(where)] == [written.meta]
        assert store.filter_documents(comparison((field, ">", at))) == []


@pytest.mark.parametrize("outer", ["AND", "OR", "NOT"])
@pytest.mark.parametrize("inner", ["AND", "OR", "NOT"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_filters_are_joined(shared, outer: str, inner: str, count: int) -> None:
    """And, or and not hold between any number of filters, and nest."""
    conditions = [comparison(("meta.kind", "==", "animal")), comparison(("year", ">", 2020))]
    within = {"operator": inner, "conditions": conditions[:count]}
    filters = {"operator": outer, "conditions": [within, conditions[0]]}
    assert [one.id for one in shared.filter_documents(filters)] == passed(filters)


REFUSED = [
    (comparison(("id", "==", "a")), "only fields of meta"),
    (comparison(("embedding", "==", None)), "only fields of meta"),
    (comparison(("meta", "==", None)), "meta.year"),
    (comparison((f"meta.{KEPT}", "!=", None)), "meta.year"),
    (comparison(("meta.year", "~", 1)), "not in"),
    (comparison(("meta.year", ">", True)), "number or a string"),
    (comparison(("meta.kind", ">", "animal")), "ISO form"),
    (comparison(("meta.kind", "==", ["a"])), "string, number"),
    (comparison(("meta.kind", "in", [{}])), "string, number"),
    ({"operator": "XOR", "conditions": []}, "AND, OR, NOT"),
    ({"operator": "AND", "conditions": ["x"]}, "object"),
]


@pytest.mark.parametrize(("filters", "message"), REFUSED, ids=str)
def test_a_filter_that_cannot_be_translated_is_refused(shared, filters, message) -> None:
    """As an error of Haystack's and of Bearing's, which says what is allowed."""
    with pytest.raises(UntranslatableFilter, match=message) as caught:
        shared.filter_documents(filters)
    assert isinstance(caught.value, FilterError)
    assert isinstance(caught.value, InvalidFilter)


NESTED = {"_split_overlap": [{"doc_id": "x", "range": [0, 3]}], "by": {"a": {"b": []}}, "n": 1}


@pytest.mark.parametrize("embedding", [None, [0.5] * 768, [0.1] * 768, [1e300] * 768])
def test_a_document_comes_back_as_it_was(store: BearingDocumentStore, embedding) -> None:
    """With nested metadata and the very numbers of its embedding."""
    written = Document(id="d", content="another text", meta=NESTED, embedding=embedding)
    store.write_documents([written])
    assert store.filter_documents(comparison(("n", "==", 1))) == [written]


def test_what_cannot_be_kept_is_refused(store: BearingDocumentStore) -> None:
    """Nothing is dropped silently, and nothing of what came with it is written."""
    for given, message in (
        (Document(id="z"), "no content"),
        (Document(id="z", content="z", blob=ByteStream(b"z")), "blob"),
        (Document(id="z", content="z", meta={KEPT: "x"}), KEPT),
        (Document(id="z", content="z", meta={"x": {1, 2}}), "JSON"),
        (Document(id="z", content="z", meta={"$x": 1}), "start with"),
    ):
        with pytest.raises(InvalidDocument, match=message):
            store.write_documents([Document(id="y", content="y"), given])
    assert store.count_documents() == 3


def test_a_foreign_embedding_is_refused(tmp_path: Path) -> None:
    """An embedding of another dimension than the embedder's, or without direction, is an error."""
    with BearingDocumentStore(tmp_path, embedder=Hashing()) as store:
        with pytest.raises(InvalidVector, match="'z': its embedding has 2 dimensions"):
            store.write_documents([Document(id="z", content="z", embedding=[1.0, 2.0])])
        with pytest.raises(InvalidVector, match="document 0 is zero"):
            store.write_documents([Document(id="z", content="z", embedding=[0.0] * 768)])
        assert store.count_documents() == 0
    other = BearingDocumentStore(tmp_path, embedder=Hashing("hashing-8"))
    with pytest.raises(ModelMismatch):
        other.count_documents()


def test_policies_hold_within_one_batch(store: BearingDocumentStore) -> None:
    """Of two documents with one id the first is skipped to, and the last overwrites."""
    twice = [Document(id="d", content="first"), Document(id="d", content="last")]
    with pytest.raises(DuplicateDocumentError, match="1 of 2"):
        store.write_documents(twice, policy=DuplicatePolicy.FAIL)
    assert store.write_documents(twice, policy=DuplicatePolicy.SKIP) == 1
    where = {"operator": "NOT", "conditions": [comparison(("kind", "!=", None))]}
    assert [one.content for one in store.filter_documents(where)] == ["first"]
    assert store.write_documents(twice, policy=DuplicatePolicy.OVERWRITE) == 2
    assert [one.content for one in store.filter_documents(where)] == ["last"]


def test_more_documents_are_written_than_one_request_takes(client: Client) -> None:
    """A service gets them, and their deletion, in parts."""
    store = BearingDocumentStore(client=client)
    many = [Document(id=str(number), content=str(number)) for number in range(2_500)]
    assert store.write_documents(many, policy=DuplicatePolicy.OVERWRITE) == 2_500
    assert store.count_documents() == 2_500
    store.delete_all_documents()
    assert store.count_documents() == 0


def test_a_pipeline_writes_and_another_finds(store: BearingDocumentStore) -> None:
    """The store goes with Haystack's writer, and the retriever with pipelines."""
    indexing = Pipeline()
    indexing.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE))
    new = Document(id="d", content="a dog", meta={"year": 2022})
    assert indexing.run({"writer": {"documents": [new]}})["writer"]["documents_written"] == 1
    asking = Pipeline()
    asking.add_component("retriever", BearingRetriever(store, top_k=1))
    answer = asking.run({"retriever": {"query": "a dog"}})
    assert [one.id for one in answer["retriever"]["documents"]] == ["d"]


def test_an_embedder_before_the_retriever_searches_by_its_embedding(tmp_path: Path) -> None:
    """The embedding that a component computes is connected as Haystack's retrievers have it."""
    with BearingDocumentStore(tmp_path, embedder=Hashing()) as store:
        store.write_documents(documents())
        asking = Pipeline()
        asking.add_component("embedder", Hashing())
        asking.add_component("retriever", BearingRetriever(store, top_k=1))
        asking.connect("embedder.embedding", "retriever.query_embedding")
        answer = asking.run({"embedder": {"text": "the moon"}})
        assert [one.id for one in answer["retriever"]["documents"]] == ["b"]


@pytest.mark.parametrize("model", ["model", "embedder"])
def test_a_pipeline_over_a_collection_is_loaded_again(tmp_path: Path, model: str) -> None:
    """What is dumped names directory, collection and model, and finds the same when loaded."""
    given = {"model": "hashing"} if model == "model" else {"embedder": Hashing()}
    with BearingDocumentStore(tmp_path, "notes", **given) as store:
        store.write_documents(documents())
        animal = comparison(("meta.kind", "==", "animal"))
        retriever = BearingRetriever(
            store, filters=animal, top_k=1, options={"exact": True}, filter_policy="merge"
        )
        asking = Pipeline()
        asking.add_component("retriever", retriever)
        dumped = asking.dumps()
    with pytest.raises(DeserializationError):
        Pipeline.loads(dumped)
    loaded = Pipeline.loads(dumped, allowed_modules=ALLOWED)
    assert loaded.dumps() == dumped
    answer = loaded.run({"retriever": {"query": "the moon"}})
    assert [one.id for one in answer["retriever"]["documents"]] == ["c"]
    loaded.get_component("retriever").document_store.close()


def test_a_store_over_a_service_is_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By address and collection; the key is where the environment has it, and not in the dump."""
    monkeypatch.setenv("MY_KEY", "a-secret-of-the-service")
    asked = Client("http://nowhere.invalid", collection="notes", api_key="a-secret-of-the-service")
    with asked:
        store = BearingDocumentStore(client=asked, api_key=Secret.from_env_var("MY_KEY"))
        asking = Pipeline()
        asking.add_component("retriever", BearingRetriever(store))
        dumped = asking.dumps()
    assert "a-secret" not in dumped
    loaded = Pipeline.loads(dumped, allowed_modules=ALLOWED)
    assert loaded.dumps() == dumped
    loaded.get_component("retriever").document_store.close()
    given = store.to_dict()["init_parameters"]
    assert given["client"]["init_parameters"] == {
        "url": "http://nowhere.invalid",
        "collection": "notes",
    }
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(DeserializationError, match="MY_KEY"):
        Pipeline.loads(dumped, allowed_modules=ALLOWED)


def test_a_store_is_opened_at_first_use(tmp_path: Path) -> None:
    """Making one touches nothing; a closed one is opened again."""
    store = BearingDocumentStore(tmp_path / "data", model="hashing")
    assert not (tmp_path / "data").exists()
    for _ in range(2):
        assert store.count_documents() == 0
        store.close()


def test_contradictions_are_refused(tmp_path: Path, shared: BearingDocumentStore) -> None:
    """Two places, two models, no place, another store or an unknown mode are errors."""
    with pytest.raises(InvalidInput, match="give data"):
        BearingDocumentStore()
    with pytest.raises(InvalidInput, match="no data"):
        BearingDocumentStore(tmp_path, client=object())
    with pytest.raises(InvalidInput, match="not both"):
        BearingDocumentStore(tmp_path, model="hashing", embedder=Hashing())
    with pytest.raises(InvalidInput, match="BearingDocumentStore, got a str"):
        BearingRetriever("data")
    with pytest.raises(InvalidQuery, match="dense, lexical, hybrid"):
        BearingRetriever(shared, mode="sparse")
    with pytest.raises(InvalidQuery, match="query_embedding"):
        BearingRetriever(shared).run()
