"""Writing, reading and deleting documents over REST, held against a dict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from called import run_bearing
from starlette.testclient import TestClient

from indexer.config import Config
from indexer.filters import parse_filter
from indexer.library import Library


def document(id: str, text: str = "some text", **metadata: object) -> dict[str, object]:
    """A document as it travels."""
    return {"id": id, "text": text, "title": None, "metadata": metadata}


def put(client: TestClient, *documents: dict[str, object]) -> dict[str, object]:
    """What writing these documents answers."""
    response = client.put("/documents", json={"documents": documents})
    assert response.status_code == 200, response.text
    written: dict[str, object] = response.json()
    return written


def test_a_write_counts_what_it_changed(client: TestClient) -> None:
    """New and changed documents are written, in content or metadata; others are unchanged."""
    assert put(client, document("a"), document("b")) == {
        "written": 2,
        "unchanged": 0,
        "repeated": 0,
        "truncated": [],
        "unknown": [],
    }
    again = put(client, document("a"), document("b", "other text"), document("c"))
    assert (again["written"], again["unchanged"]) == (2, 1)
    metadata = put(client, document("a", year=2020))
    assert (metadata["written"], metadata["unchanged"]) == (1, 0)


def test_a_write_names_documents_that_say_nothing(client: TestClient) -> None:
    """They are stored, counted, and come last for a query that says something."""
    written = put(client, document("a", "some words"), document("b", "---"), document("c", ""))
    assert written["unknown"] == ["b", "c"]
    assert client.get("/collections/default").json()["unknown"] == 2
    for _ in range(2):  # the second time, its vector is known
        answer = client.post("/search", json={"query": "hi"}).json()
        assert answer["unknown"] is False
        first, *others = answer["hits"]
        assert first["id"] == "a" and "unknown" not in first
        assert {hit["id"] for hit in others if hit["unknown"]} == {"b", "c"}
        assert client.post("/search", json={"query": "?!"}).json()["unknown"] is True


def test_of_two_documents_with_one_id_the_later_stays(client: TestClient) -> None:
    """Within one write the later of two equal ids wins, and the repeats are counted."""
    written = put(client, document("a", "first"), document("b"), *[document("a", "second")] * 2)
    assert written["repeated"] == 2
    assert client.get("/documents/a").json()["text"] == "second"


def test_a_document_comes_back_as_it_was_given(client: TestClient) -> None:
    """Text, title and metadata survive, of any script, with NUL and control characters."""
    given = {
        "id": "ü/漢字",
        "text": "tab\tnul\x00 emoji 🧭 العربية",
        "title": "Ti\ntle",
        "metadata": {"s": "x", "i": 2**53, "f": 0.5, "b": True, "n": None, "l": ["a", 1]},
    }
    put(client, given)
    assert client.get("/documents/" + quote("ü/漢字")).json() == given


@pytest.mark.parametrize(
    "id", ["a/b", "a//b", "a b", "ü", "a?b#c", "import", ".", "..", "../../etc", "-", "a/"]
)
def test_an_id_may_hold_what_a_path_may(client: TestClient, id: str) -> None:
    """A document is got and deleted by any id, percent-encoded; no id leads elsewhere."""
    put(client, document(id))
    path = "/documents/" + "".join(f"%{byte:02X}" for byte in id.encode())
    assert client.get(path).json()["id"] == id
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_a_document_that_is_not_there_is_not_found(client: TestClient) -> None:
    """Getting or deleting an unknown id is a 404 that names it."""
    for response in (client.get("/documents/a"), client.delete("/documents/a")):
        assert response.status_code == 404
        assert "'a'" in response.json()["detail"]


def test_a_document_says_which_files_give_it(
    connect: Callable[..., TestClient], tmp_path: Path
) -> None:
    """Those of sources that are kept in step; who sees a part of the collection is told none."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"id": "x", "text": "one", "of": "me"}\n')
    settings = {"BEARING_DATA": str(tmp_path / "data"), "BEARING_MODEL": "hashing"}
    words = ["index", str(folder), "--sync", "--source", "notes"]
    assert run_bearing(words, env=settings).exit_code == 0
    client = connect()
    put(client, document("own"))
    assert client.get("/documents/x").json()["origins"] == [{"source": "notes", "file": "a.jsonl"}]
    assert "origins" not in client.get("/documents/own").json()
    with Library(Config(data=str(tmp_path / "data"))) as library:
        part = library.open("default").restricted(parse_filter({"of": "me"}))
        assert part.get(["x"])[0] is not None
        assert part.trace("x") == []


def test_pages_hold_every_document_once_in_order(client: TestClient) -> None:
    """Following the cursor gives all documents in the order they came, then null."""
    ids = [f"d{number}" for number in range(25)]
    put(client, *map(document, ids))
    seen, cursor = [], None
    for _ in range(4):
        parameters = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        page = client.get("/documents", params=parameters).json()
        seen += [one["id"] for one in page["documents"]]
        cursor = page["cursor"]
    assert seen == ids
    assert cursor is None


def test_a_page_takes_a_filter_as_json_text(client: TestClient) -> None:
    """Only documents that pass the filter are listed."""
    put(client, *(document(f"d{year}", year=year) for year in range(2015, 2025)))
    condition = json.dumps({"year": {"$gte": 2022}})
    page = client.get("/documents", params={"filter": condition}).json()
    assert [one["id"] for one in page["documents"]] == ["d2022", "d2023", "d2024"]
    assert page["total"] is None
    counted = {"filter": condition, "total": True, "limit": 1}
    first = client.get("/documents", params=counted).json()
    assert (len(first["documents"]), first["total"]) == (1, 3)
    rest = client.get("/documents", params=counted | {"cursor": first["cursor"]}).json()
    assert (len(rest["documents"]), rest["total"]) == (1, 3)


@pytest.mark.parametrize(
    "parameters",
    [
        {"filter": "{"},
        {"filter": "[1]"},
        {"filter": '{"a": {"$foo": 1}}'},
        {"limit": 0},
        {"limit": "ten"},
        {"limit": 1_001},
        {"cursor": "no cursor"},
        {"page": 2},
    ],
)
def test_wrong_parameters_are_refused(client: TestClient, parameters: dict[str, object]) -> None:
    """A filter, limit, cursor or name that cannot be is a 422 that says which."""
    response = client.get("/documents", params=parameters)
    assert response.status_code == 422
    assert next(iter(parameters)) in response.json()["detail"]


def test_deleting_by_ids_counts_those_that_were_there(client: TestClient) -> None:
    """Unknown ids are not counted and no error."""
    put(client, document("a"), document("b"), document("c"))
    response = client.post("/documents/delete", json={"ids": ["a", "c", "x"]})
    assert response.json() == {"deleted": 2}
    assert [one["id"] for one in client.get("/documents").json()["documents"]] == ["b"]


def test_deleting_by_a_filter_takes_what_passes(client: TestClient) -> None:
    """All documents that pass, and no others, are deleted."""
    put(client, *(document(f"d{year}", year=year) for year in range(2015, 2025)))
    response = client.post("/documents/delete", json={"filter": {"year": {"$lt": 2024}}})
    assert response.json() == {"deleted": 9}
    assert client.post("/search", json={"query": "some text"}).json()["hits"][0]["id"] == "d2024"


@pytest.mark.parametrize(
    "body", [{}, {"ids": ["a"], "filter": {"a": 1}}, {"filter": {}}, {"ids": None}, {"ids": "a"}]
)
def test_a_delete_that_says_not_what_is_refused(client: TestClient, body: object) -> None:
    """Exactly one of ids and filter is needed, and an empty filter is no filter."""
    put(client, document("a"))
    assert client.post("/documents/delete", json=body).status_code == 422
    assert client.get("/documents/a").status_code == 200


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"id": "", "text": "x"}, "id"),
        ({"id": "a\x00b", "text": "x"}, "control"),
        ({"id": "a" * 513, "text": "x"}, "512"),
        ({"id": 1, "text": "x"}, "string"),
        ({"id": "a"}, "text"),
        ({"id": "a", "text": None}, "text"),
        ({"id": "a", "text": "x", "metadata": {"a": {"b": 1}}}, "metadata"),
        ({"id": "a", "text": "x", "metadata": {"$a": 1}}, "$"),
        ({"id": "a", "text": "x", "metadata": {"a": 2**70}}, "64 bits"),
        ({"id": "a", "text": "x", "metadata": []}, "metadata"),
        ({"id": "a", "text": "x", "meta": {}}, "meta"),
    ],
)
def test_one_wrong_document_keeps_all_out(
    client: TestClient, wrong: dict[str, object], word: str
) -> None:
    """A write is all or nothing, and the refusal names what is wrong."""
    response = client.put("/documents", json={"documents": [document("good"), wrong]})
    assert response.status_code in (400, 422)
    assert word in response.json()["detail"]
    assert client.get("/documents").json()["documents"] == []


def test_writing_to_default_makes_it_anew(client: TestClient) -> None:
    """`default` is there without being made; other collections must be made first."""
    assert client.delete("/collections/default").status_code == 204
    put(client, document("a"))
    response = client.put("/collections/other/documents", json={"documents": [document("a")]})
    assert response.status_code == 404


def test_reading_writes_nothing(client: TestClient) -> None:
    """No GET makes a collection."""
    client.delete("/collections/default")
    for path in ("/documents", "/documents/a", "/collections/default", "/collections/new"):
        assert client.get(path).status_code == 404
    assert client.get("/collections").json() == {"collections": []}


def test_a_restart_keeps_what_was_written(launch) -> None:
    """What was answered for is there for the next process."""
    with launch() as first:
        put(first, document("a", "kept"))
    with launch() as second:
        assert second.get("/documents/a").json()["text"] == "kept"
