"""Other names of collections over HTTP: set, followed by every route, swapped, deleted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from called import run_bearing
from starlette.testclient import TestClient

from indexer.config import Config
from indexer.errors import Damaged, OtherFormat
from indexer.library import Library

DOCUMENTS = {"documents": [{"id": "a", "text": "a cat"}]}


@pytest.fixture
def shelves(client: TestClient) -> TestClient:
    """A service of two collections, each with a document that says which."""
    for name in ("one", "two"):
        assert client.put(f"/collections/{name}").status_code == 201
        document = {"id": "which", "text": "a cat", "metadata": {"shelf": name}}
        assert client.put(
            f"/collections/{name}/documents", json={"documents": [document]}
        ).is_success
    assert client.put("/aliases/now", json={"collection": "one"}).status_code == 201
    return client


def shelf(client: TestClient) -> str:
    """The collection that the alias leads to, as a search finds it."""
    answer = client.post("/collections/now/search", json={"query": "a cat"}).json()
    return str(answer["hits"][0]["metadata"]["shelf"])


def test_an_alias_stands_wherever_a_collection_is_named(shelves: TestClient) -> None:
    """Searches, documents, fields and writes go to what it names; lists have the name itself."""
    assert shelf(shelves) == "one"
    assert shelves.get("/collections/now/documents/which").json()["metadata"] == {"shelf": "one"}
    assert shelves.get("/collections/now/search").json()["total"] == 1
    assert shelves.get("/collections/now/fields").json()["fields"][0]["name"] == "shelf"
    assert shelves.put("/collections/now/documents", json=DOCUMENTS).json()["written"] == 1
    described = shelves.get("/collections/now").json()
    assert (described["name"], described["documents"], described["aliases"]) == ("one", 2, ["now"])
    listed = {
        one["name"]: one["aliases"] for one in shelves.get("/collections").json()["collections"]
    }
    assert listed == {"default": [], "one": ["now"], "two": []}
    body = {"a": ["a cat", {"id": "which"}], "collection": "now"}
    assert shelves.post("/admin/similarity", json=body).json()["similarity"][0][1] == pytest.approx(
        1
    )


def test_a_swap_is_seen_by_the_next_search_and_loses_none(shelves: TestClient) -> None:
    """While it goes to and fro, every search is answered by one or the other."""
    done = threading.Event()
    seen: list[str] = []

    def search() -> None:
        while not done.is_set():
            seen.append(shelf(shelves))

    thread = threading.Thread(target=search)
    thread.start()
    for target, before in (("two", "one"), ("one", "two")) * 5:
        told = shelves.put("/aliases/now", json={"collection": target})
        assert (told.status_code, told.json()["before"]) == (200, before)
        assert shelf(shelves) == target
    done.set()
    thread.join()
    assert set(seen) <= {"one", "two"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("PUT", "/aliases/two", {"collection": "one"}, 409, "name of a collection"),
        ("PUT", "/aliases/new", {"collection": "nowhere"}, 404, "nowhere"),
        ("PUT", "/aliases/new", {"collection": "now"}, 422, "is an alias itself"),
        ("PUT", "/aliases/a b", {"collection": "one"}, 422, "letters, digits"),
        ("PUT", "/collections/now", None, 200, ""),
        ("DELETE", "/collections/one", None, 409, "bearing alias set"),
        ("DELETE", "/collections/now", None, 409, "is an alias of 'one'"),
        ("DELETE", "/aliases/never", None, 404, "there are: now"),
        ("GET", "/aliases/never", None, 404, "there are: now"),
    ],
)
def test_names_stay_unambiguous(
    shelves: TestClient, method: str, path: str, body: object, status: int, said: str
) -> None:
    """What would make them otherwise is refused, with what to do; nothing is changed."""
    answer = shelves.request(method, path, json=body)
    assert (answer.status_code, said in answer.text) == (status, True)
    assert shelves.get("/aliases").json() == {"aliases": [{"name": "now", "collection": "one"}]}
    assert shelf(shelves) == "one"


def test_a_deleted_alias_is_no_name_any_more(shelves: TestClient) -> None:
    """Its collection stays, and may be deleted then."""
    assert shelves.get("/aliases/now").json() == {"name": "now", "collection": "one"}
    assert shelves.delete("/aliases/now").status_code == 204
    assert shelves.get("/collections/now").status_code == 404
    assert shelves.delete("/collections/one").status_code == 204


def test_commands_set_and_follow_aliases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another process too: a library that is open finds what a command has set."""
    monkeypatch.setenv("BEARING_DATA", str(tmp_path))
    monkeypatch.setenv("BEARING_MODEL", "hashing")

    def call(*words: str) -> str:
        done = run_bearing(list(words))
        assert done.exit_code == 0, done.stderr
        return done.stdout

    with Library(Config(data=tmp_path, model="hashing", cache=tmp_path)) as library:
        for name in ("one", "two"):
            library.create(name)
        assert "'now' is 'one' from now on" in call("alias", "set", "now", "one")
        assert library.open("now").name == "one"
        assert "and no longer 'one'" in call("alias", "set", "now", "two")
        assert library.open("now").name == "two"
        assert '"name": "two"' in call("stats", "-c", "now", "--json")
        assert "now two" in " ".join(call("alias", "list").split())
        call("alias", "delete", "now")
        assert library.aliases() == {}


def test_a_file_of_aliases_that_is_not_ours_is_told(tmp_path: Path) -> None:
    """With what to do; collections by their own names are found nevertheless."""
    with Library(Config(data=tmp_path, model="hashing", cache=tmp_path)) as library:
        library.create("one")
        library.point("now", "one")
        for content, error in (("{", Damaged), ('{"format": 2, "aliases": {}}', OtherFormat)):
            (tmp_path / ".aliases.json").write_text(content)
            with pytest.raises(error, match=r"aliases\.json"):
                library.open("now")
            assert library.open("one").name == "one"
