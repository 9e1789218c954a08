"""The typed client, held against the OpenAPI document and against the service itself."""

from __future__ import annotations

import asyncio
import inspect
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from app import client as clients
from app.client import AsyncClient, Client
from app.client.calls import PART_DOCUMENTS, SearchHow
from indexer.documents import Document
from indexer.embedding import open_embedder
from indexer.filters import Kind

LEFT_OUT = {
    ("GET", "/healthz"): "is for whatever starts the process",
    ("GET", "/metrics"): "is for Prometheus",
    ("GET", "/whoami"): "is for pages; whoever writes a program knows what its key may do",
    ("GET", "/formats"): "is for pages that take files",
    ("GET", "/collections/{collection}/search"): "is for links; it answers as POST does",
    (
        "POST",
        "/collections/{collection}/documents/files",
    ): "is for shells and pages",
    ("POST", "/v1/embeddings"): "is for OpenAI's clients",
    ("GET", "/v1/models"): "is for OpenAI's clients",
    ("GET", "/v1/models/{id}"): "is for OpenAI's clients",
    ("POST", "/v1/embed"): "is for Cohere's client",
    ("POST", "/v2/embed"): "is for Cohere's client",
    ("POST", "/v2/rerank"): "is for Cohere's client",
    ("POST", "/v1/rerank"): "is for clients of Jina, Cohere and Voyage",
    ("POST", "/api/embed"): "is for Ollama's client",
    ("POST", "/api/embeddings"): "is for Ollama's client",
    ("GET", "/api/tags"): "is for Ollama's client",
    ("GET", "/api/version"): "is for Ollama's client",
    ("POST", "/tokenize"): "is for clients of text-embeddings-inference",
    ("GET", "/health"): "is for clients of text-embeddings-inference",
    ("POST", "/similarity"): "is for clients of text-embeddings-inference",
    ("GET", "/info"): "is for clients of text-embeddings-inference",
}
DOCUMENTS = [
    Document("a", "a cat", metadata={"year": 2020}),
    Document("b/é ?#", "the moon", "Title", {"year": 2021}),
    {"id": "c", "text": "a cat on the moon"},
]


@pytest.fixture
def ask(connect: Callable[..., TestClient]) -> Callable[..., Client]:
    """Starts a service and gives the client of it."""

    def make(api_key: str | None = None, **settings: object) -> Client:
        return Client("http://localhost", api_key=api_key, http=connect(**settings), retries=0)

    return make


@pytest.fixture
def client(ask: Callable[..., Client]) -> Client:
    """A client of a service with three documents."""
    made = ask()
    assert made.put(DOCUMENTS).written == 3
    return made


def test_every_operation_has_a_method_or_a_reason(connect) -> None:
    """What the OpenAPI document offers, the methods ask for, but for what is listed with a why."""
    http = connect()
    paths = http.get("/openapi.json").json()["paths"]
    offered = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    short = {(m, p) for m, p in offered if (m, f"/collections/{{collection}}{p}") in offered}
    asked: set[tuple[str, str]] = set()

    def note(request: httpx2.Request) -> None:
        route = request.url.raw_path.decode().partition("?")[0]
        asked.update(
            (method, path)
            for method, path in offered
            if method == request.method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), route)
        )

    http.event_hooks = {"request": [note]}
    call_everything(Client("http://localhost", http=http))
    assert offered - asked - short == set(LEFT_OUT)


def call_everything(client: Client) -> None:
    """Each method once, on a collection that is made and deleted."""
    client = client.collection("books")
    client.create()
    client.put(DOCUMENTS)
    client.import_documents(DOCUMENTS)
    client.sync(DOCUMENTS, "a program")
    client.search("cat")
    client.search_many([{"query": "cat"}])
    client.get("a")
    client.page()
    assert len(list(client.export())) == 3
    for picture_of in (client.thumbnail, client.picture):
        with pytest.raises(clients.NotFound):
            picture_of("a")
    client.remove("a")
    client.delete(["c"])
    client.describe()
    assert client.point("shelf") is None
    with pytest.raises(clients.Conflict):
        client.make_token()
    assert (client.aliases(), client.alias("shelf")) == ({"shelf": "books"}, "books")
    client.unpoint("shelf")
    made = client.wait_for(client.back_up().id)
    copy = client.collection("copy")
    assert copy.wait_for(copy.restore(made.id).id).outcome["documents"] == 1
    copy.drop()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "books.tar"
        client.fetch_backup(made.id, file)
        with pytest.raises(FileExistsError):
            client.fetch_backup(made.id, file)
        with pytest.raises(clients.NotFound):
            client.fetch_backup("nothing", Path(folder) / "lost.tar")
        assert copy.wait_for(copy.restore_file(file).id).outcome["documents"] == 1
        with pytest.raises(clients.Conflict):
            copy.restore_file(file)
        assert [one.name for one in Path(folder).iterdir()] == ["books.tar"]
    copy.drop()
    assert client.wait_for(client.reindex("hashing-8").id).outcome["documents"] == 1
    assert len(client.jobs()) == 4
    assert client.cancel(made.id) is None
    client.diagnose()
    client.duplicates()
    client.fields()
    client.examples()
    client.map()
    client.map_points()
    client.map_values("year")
    client.collections()
    client.similarity(["a"])
    client.embed(["a"])
    client.rerank("a", ["b"])
    with pytest.raises(clients.Conflict):
        client.judge("cat", "b/é ?#", relevant=True)
    assert (client.feedback(), client.clear_feedback()) == ([], 0)
    client.models()
    with pytest.raises(clients.NotFound):
        client.promote("none")
    with pytest.raises(clients.NotFound):
        client.roll_back()
    client.is_ready()
    client.drop()


def test_datetimes_are_sent_as_moments(client: Client) -> None:
    """Datetimes stand in metadata and in filters of every kind, and are compared as moments."""
    at = datetime.fromisoformat("2024-03-01T00:30:00+02:00")
    where = {"at": {"$lte": at.astimezone(UTC)}}
    client.put([{"id": "told", "text": "told", "metadata": {"at": at}}])
    assert client.get("told").metadata == {"at": "2024-03-01T00:30:00+02:00"}
    assert [one.id for one in client.documents(where)] == ["told"]
    assert [hit.id for hit in client.search("told", filter=where).hits] == ["told"]
    (at_field,) = (field for field in client.fields() if field.name == "at")
    assert (at_field.kinds, at_field.smallest) == ([Kind.MOMENT], "2024-03-01T00:30:00+02:00")
    assert client.delete_matching(where) == 1


def test_the_fields_of_a_search_are_those_of_the_contract(connect) -> None:
    """What may be said of a search is what the OpenAPI document says."""
    schemas = connect().get("/openapi.json").json()["components"]["schemas"]
    offered = set(schemas["SearchBody"]["properties"])
    known = {"query", *SearchHow.__annotations__}
    assert known == offered, "name in app.client.calls.SearchHow what is new"


def test_both_clients_have_the_same_methods() -> None:
    """AsyncClient has each method of Client, with its parameters and its documentation."""
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if name.startswith("_") or name == "close":
            continue
        twin = getattr(AsyncClient, name)
        assert list(inspect.signature(twin).parameters) == list(
            inspect.signature(method).parameters
        )
        assert twin.__doc__ == method.__doc__


def test_documents_are_written_found_and_deleted(client: Client) -> None:
    """A search gives typed hits; a document is had by its id, whatever characters that has."""
    hits = client.search("a cat", k=2, filter={"year": {"$gte": 2020}}).hits
    assert [hit.id for hit in hits] == ["a", "b/é ?#"]
    assert hits[0].scores.dense == pytest.approx(1.0, abs=1e-6)
    assert client.get("b/é ?#").title == "Title"
    assert [one.hits[0].id for one in client.search_many([{"query": "moon"}, {"like": ["a"]}])] == [
        "b/é ?#",
        "c",
    ]
    client.remove("b/é ?#")
    assert client.delete(["a", "nowhere"]) == 1
    assert client.delete_matching({"year": {"$exists": False}}) == 1
    assert client.describe().documents == 0


def test_all_documents_come_page_by_page(client: Client) -> None:
    """The iteration asks for as many pages as there are."""
    client.put({"id": f"n{n}", "text": "x"} for n in range(250))
    assert [one.id for one in client.documents()][:4] == ["a", "b/é ?#", "c", "n0"]
    assert len(list(client.documents())) == 253
    assert [one.id for one in client.documents({"year": 2021})] == ["b/é ?#"]
    newest = client.documents(order="descending")
    assert [one.id for one in newest] == [one.id for one in client.documents()][::-1]
    assert client.page(limit=1, sort="year", order="descending").documents[0].id == "b/é ?#"
    assert client.page(limit=1, total=True).total == len(list(client.documents()))


def test_an_import_goes_in_parts_and_names_rejected_lines(client: Client) -> None:
    """Documents are drawn as they are sent; lines are counted over all parts."""
    given = [{"id": f"n{n}", "text": f"text {n}"} for n in range(PART_DOCUMENTS * 2 + 5)]
    given[3] = {"text": "no id"}
    given[PART_DOCUMENTS + 1] = {"id": "x", "text": 1}
    heard: list[int] = []
    done = client.import_documents(iter(given), lambda so_far: heard.append(so_far.written))
    assert done.written == len(given) - 2
    assert [one.line for one in done.rejected] == [4, PART_DOCUMENTS + 2]
    assert heard == [PART_DOCUMENTS - 1, 2 * PART_DOCUMENTS - 2, len(given) - 2]
    again = client.import_documents(given)
    assert (again.unchanged, again.repeated) == (len(given) - 2, 0)


def test_an_import_counts_ids_that_any_part_had_before(client: Client) -> None:
    """Within a part and over all parts."""
    given = [{"id": f"n{n}", "text": "x"} for n in range(PART_DOCUMENTS)]
    heard: list[int] = []
    done = client.import_documents(
        [*given, given[0], given[7], given[7]], lambda so_far: heard.append(so_far.repeated)
    )
    assert (done.repeated, heard) == (3, [0, 3])


def test_an_import_names_documents_that_say_nothing(client: Client) -> None:
    """Of all its parts together."""
    given = [{"id": f"n{n}", "text": "x"} for n in range(PART_DOCUMENTS)]
    dashes = [{"id": id, "text": "---", "metadata": {"kind": "dashes"}} for id in ("first", "last")]
    done = client.import_documents([dashes[0], *given, dashes[1]])
    assert done.unknown == ("first", "last")
    assert client.search("??").unknown
    found = client.search("x", k=3, filter={"kind": "dashes"})
    assert not found.unknown
    assert [hit.unknown for hit in found.hits] == [True, True]


def test_an_import_of_nothing_does_nothing(client: Client) -> None:
    """No request is made for no documents."""
    assert client.import_documents([]) == clients.Imported()


def test_texts_are_embedded_compared_and_ranked(client: Client) -> None:
    """Vectors are the model's, similarities and ranks are of them."""
    texts = ["a cat", "the moon"]
    with open_embedder("hashing", cache=Path()) as embedder:
        expected = embedder.embed(texts).vectors
    vectors = client.embed(texts)
    np.testing.assert_array_equal(vectors, expected)
    assert vectors.dtype == np.float32
    compared = client.similarity(["a cat", {"id": "a"}], [expected[0]], metrics=["dot"])
    np.testing.assert_allclose(compared.similarity, [[1.0], [1.0]], atol=1e-6)
    assert [one.index for one in client.rerank("the moon", texts)] == [1, 0]


def test_collections_are_made_listed_and_dropped(client: Client) -> None:
    """A client bound to another collection uses the same connections."""
    books = client.collection("books")
    assert books.create("hashing-8").dimension == 8
    assert [one.name for one in client.collections()] == ["books", "default"]
    books.drop()
    with pytest.raises(clients.NotFound, match="books"):
        books.describe()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda client: client.get("nowhere"), clients.NotFound),
        (lambda client: client.search("x", k=0), clients.InvalidRequest),
        (lambda client: client.search("x", filter={"$where": 1}), clients.InvalidRequest),
        (lambda client: client.create("hashing-8"), clients.Conflict),
        (lambda client: client.put([{"id": "x"}]), clients.InvalidRequest),
        (
            lambda client: client.put([{"id": "x", "text": "x" * 34_000_000}]),
            clients.InvalidRequest,
        ),
        (lambda client: client.collection("no").search("x"), clients.NotFound),
        (lambda client: client.embed([]), clients.InvalidRequest),
    ],
)
def test_a_refusal_is_raised_with_its_problem(client: Client, call, error) -> None:
    """Each status has a class of its own; the problem says what was wrong."""
    with pytest.raises(error) as refusal:
        call(client)
    assert str(refusal.value.status) in str(refusal.value)
    if refusal.value.problem is not None:
        assert refusal.value.problem.status == refusal.value.status
        assert refusal.value.problem.request_id


def test_a_key_is_sent_and_a_wrong_one_refused(ask) -> None:
    """The key goes with each request."""
    client = ask("right", api_keys="right")
    assert client.collections()
    with pytest.raises(clients.Unauthorised):
        ask("wrong", api_keys="right").collections()


def busy(times: int, after: str = "0") -> tuple[httpx2.MockTransport, list[httpx2.Request]]:
    """A service that refuses so many requests and answers the next; and what it was asked."""
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        if len(asked) <= times:
            return httpx2.Response(503, headers={"retry-after": after}, text="a proxy's page")
        return httpx2.Response(200, json={"deleted": 1})

    return httpx2.MockTransport(answer), asked


def test_a_busy_service_is_asked_again() -> None:
    """After 503 the client comes back when it was told to, as often as it may."""
    transport, asked = busy(2)
    with httpx2.Client(transport=transport) as http:
        assert Client(http=http, retries=2).delete(["a"]) == 1
    assert [request.content for request in asked] == [b'{"ids":["a"]}'] * 3
    transport, asked = busy(2)
    with httpx2.Client(transport=transport) as http:
        with pytest.raises(clients.Busy) as refusal:
            Client(http=http, retries=1).delete(["a"])
        assert refusal.value.retry_after_seconds == 0
    assert len(asked) == 2


def test_the_asynchronous_client_comes_back_too() -> None:
    """After 503 it waits without holding up anything else."""

    async def delete() -> int:
        transport, _ = busy(2)
        async with httpx2.AsyncClient(transport=transport) as http:
            return await AsyncClient(http=http, retries=2).delete(["a"])

    assert asyncio.run(delete()) == 1


def test_a_service_that_is_not_there_is_unreachable() -> None:
    """A failed connection is an error of the client's own, and means not ready."""
    with Client("http://127.0.0.1:9", timeout_seconds=5) as client:
        with pytest.raises(clients.Unreachable, match="GET /collections"):
            client.collections()
        assert not client.is_ready()


@pytest.fixture
def url(listen: Callable[..., int]) -> Iterator[str]:
    """Where a service listens."""
    return f"http://127.0.0.1:{listen()}"


def test_the_asynchronous_client_does_the_same(url: str, tmp_path: Path) -> None:
    """Each of its methods is answered like that of the other client."""

    async def use() -> None:
        async with AsyncClient(url, collection="books") as client:
            assert client.url == url
            assert await client.is_ready()
            await client.create()
            assert (await client.put(DOCUMENTS)).written == 3
            more = [{"id": f"n{n}", "text": "x"} for n in range(PART_DOCUMENTS + 150)]
            assert (await client.import_documents(more)).written == len(more)
            assert (await client.search("a cat", k=1)).hits[0].id == "a"
            assert len(await client.search_many([{"query": "a"}, {"query": "b"}])) == 2
            assert len([one async for one in client.documents()]) == len(more) + 3
            assert (await client.get("a")).text == "a cat"
            await client.remove("a")
            assert await client.delete(["c"]) == 1
            assert await client.delete_matching({"year": 2021}) == 1
            assert (await client.describe()).documents == len(more)
            assert len(await client.collections()) == 2
            assert (await client.embed(["a"])).shape == (1, 256)
            assert (await client.rerank("a", ["b"]))[0].index == 0
            assert (await client.similarity(["a"])).similarity == [[pytest.approx(1, abs=1e-6)]]
            assert (await client.collection("default").describe()).documents == 0
            made = await client.wait_for((await client.back_up()).id)
            await client.fetch_backup(made.id, tmp_path / "books.tar")
            copy = client.collection("copy")
            done = await copy.wait_for((await copy.restore_file(tmp_path / "books.tar")).id)
            assert done.outcome["documents"] == len(more)
            with pytest.raises(clients.NotFound):
                await client.fetch_backup("nothing", tmp_path / "lost.tar")
            await client.drop()

    asyncio.run(use())


def test_the_client_opens_and_closes_its_own_connections(url: str) -> None:
    """Without an HTTP client of the caller's it brings one."""
    with Client(url) as client:
        assert client.is_ready()
    with pytest.raises(RuntimeError, match="closed"):
        client.is_ready()
