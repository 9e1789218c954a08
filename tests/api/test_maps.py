"""The map over HTTP: drawn when it is asked for, sent compressed, and not twice."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import service_here
from starlette.testclient import TestClient

Connect = Callable[..., TestClient]
WAIT_SECONDS = 60
TOPICS = ("heart and blood", "wings and lift", "stars and orbits")


def fill(client: TestClient, path: str = "", first: int = 0, count: int = 90) -> None:
    """Documents of three topics, with metadata."""
    documents = [
        {
            "id": f"d{i}",
            "text": f"{TOPICS[i % 3]} {i}",
            "metadata": {"topic": TOPICS[i % 3][:5], "year": 1950 + i, "odd": i % 2 == 1},
        }
        for i in range(first, first + count)
    ]
    assert client.put(f"{path}/documents", json={"documents": documents}).status_code == 200


def wait_for(client: TestClient, path: str = "/map", state: str = "ready") -> dict:
    """The description of the map, once it is in a state."""
    end = time.monotonic() + WAIT_SECONDS
    while (told := client.get(path).json())["state"] != state:
        assert time.monotonic() < end, told
        time.sleep(0.05)
    return told


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a collection with a map of 90 documents."""
    folder = tmp_path_factory.mktemp("drawn")
    with service_here(folder) as client:
        fill(client)
        wait_for(client)
    return folder


@pytest.fixture
def drawn(drawn_once: Path, tmp_path: Path, connect: Connect) -> TestClient:
    """A client of a service with a copy of that."""
    shutil.copytree(drawn_once, tmp_path / "data")
    return connect()


def test_a_map_is_accepted_first_and_then_there(client: TestClient) -> None:
    """202 says that it is being drawn and when to ask again; all its routes do."""
    fill(client)
    first = client.get("/map")
    assert first.status_code == 202
    assert first.headers["retry-after"] == "1"
    assert first.json()["state"] == "building"
    assert first.json()["late"] == 90
    for path in ("/map/points", "/map/values?field=year"):
        assert client.get(path).status_code in (200, 202)
    told = wait_for(client)
    assert (told["documents"], told["fitted"], told["late"]) == (90, 90, 0)
    kept = told["neighbours_kept"]
    assert 0 < kept["low"] <= kept["mean"] <= kept["high"] <= 1
    assert sum(one["documents"] for one in told["clusters"]) == 90
    words = {word for one in told["clusters"] for word in one["words"]}
    assert words & {"heart", "wings", "stars"}


def test_points_are_where_documents_are(drawn: TestClient) -> None:
    """One place of each list is of one document; a limit gives the first of them."""
    version = drawn.get("/map").json()["version"]
    points = drawn.get("/map/points").json()
    assert points["version"] == version
    assert sorted(points["ids"]) == sorted(f"d{i}" for i in range(90))
    for name in ("x", "y"):
        assert len(points[name]) == 90
        assert all(-1 <= one <= 1 for one in points[name])
    clusters = drawn.get("/map").json()["clusters"]
    for place, one in enumerate(clusters):
        assert points["cluster"].count(place) == one["documents"]
    some = drawn.get("/map/points", params={"limit": 10}).json()
    assert some["ids"] == points["ids"][:10]
    assert some["x"] == points["x"][:10]


def test_values_are_in_the_order_of_the_points(drawn: TestClient) -> None:
    """Words are categories, many numbers are amounts."""
    ids = drawn.get("/map/points").json()["ids"]
    topics = drawn.get("/map/values", params={"field": "topic"}).json()
    assert topics["kind"] == "category"
    named = [topics["categories"][place]["value"] for place in topics["values"]]
    assert named == [TOPICS[int(id[1:]) % 3][:5] for id in ids]
    assert [one["documents"] for one in topics["categories"]] == [30, 30, 30]
    years = drawn.get("/map/values", params={"field": "year", "limit": 20}).json()
    assert years["kind"] == "number"
    assert years["values"] == [1950 + int(id[1:]) for id in ids[:20]]
    odd = drawn.get("/map/values", params={"field": "odd"}).json()
    assert {one["value"] for one in odd["categories"]} == {True, False}
    unknown = drawn.get("/map/values", params={"field": "nothing"})
    assert (unknown.status_code, "nothing" in unknown.json()["detail"]) == (404, True)


def test_documents_without_a_value_have_null(drawn: TestClient) -> None:
    """And new metadata is seen though no place changed."""
    before = drawn.get("/map").json()["version"]
    changed = {"id": "d0", "text": f"{TOPICS[0]} 0", "metadata": {"note": "x"}}
    assert drawn.put("/documents", json={"documents": [changed]}).status_code == 200
    found = drawn.get("/map/values", params={"field": "note"}).json()
    assert found["values"].count(0) == 1
    assert found["values"].count(None) == 89
    assert found["version"] != before
    assert drawn.get("/map").json()["state"] == "ready"


def test_what_a_client_has_is_not_sent_again(drawn: TestClient) -> None:
    """Until something changes."""
    for path in ("/map", "/map/points", "/map/values?field=topic"):
        first = drawn.get(path)
        again = drawn.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    tags = {drawn.get(f"/map/values?field={name}").headers["etag"] for name in ("topic", "year")}
    assert len(tags) == 2
    kept = drawn.get("/map/points").headers["etag"]
    drawn.delete("/documents/d1")
    other = drawn.get("/map/points", headers={"if-none-match": kept})
    assert other.status_code == 200
    assert "d1" not in other.json()["ids"]


def test_it_is_compressed_for_who_takes_it(drawn: TestClient) -> None:
    """The same either way."""
    packed = drawn.get("/map/points", headers={"accept-encoding": "gzip"})
    plain = drawn.get("/map/points", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert packed.headers["vary"] == "accept-encoding"


def test_new_documents_find_their_place(drawn: TestClient) -> None:
    """The map serves on meanwhile, and says how many are late."""
    fill(drawn, first=90, count=10)
    told = drawn.get("/map")
    assert told.status_code == 200
    assert (told.json()["state"], told.json()["late"]) == ("stale", 10)
    told = wait_for(drawn)
    assert (told["documents"], told["fitted"]) == (100, 90)


def test_each_collection_has_a_map_of_its_own(client: TestClient) -> None:
    """And an empty one an empty map."""
    client.put("/collections/other")
    assert client.get("/map").json()["state"] == "ready"
    assert client.get("/map/points").json()["ids"] == []
    fill(client, "/collections/other", count=40)
    assert wait_for(client, "/collections/other/map")["documents"] == 40
    assert client.get("/map").json()["documents"] == 0


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/collections/nowhere/map", 404, "nowhere"),
        ("/map?x=1", 422, "x"),
        ("/map/points?limit=0", 422, "limit"),
        ("/map/points?limit=1000001", 422, "limit"),
        ("/map/values", 422, "field"),
        ("/map/values?field=", 422, "field"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    client: TestClient, path: str, status: int, told: str
) -> None:
    """With a problem that names what is wrong."""
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.text


def test_a_key_that_may_search_may_look(connect: Connect) -> None:
    """And who has none may not."""
    client = connect(api_keys="search:looking,admin:writing")
    assert client.get("/map").status_code == 401
    headers = {"x-api-key": "looking"}
    assert client.get("/map", headers=headers).status_code == 200
    assert client.get("/map/points", headers=headers).status_code == 200
