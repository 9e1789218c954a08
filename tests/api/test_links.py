"""Searches and lists by GET."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

YEARS = {"north": 2019, "east": 2021, "south": 2020, "west": None, "up": 2021}


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """A client of a service with five documents, one without a year."""
    documents: list[dict[str, Any]] = [
        {"id": id, "text": f"a bearing {id}", "title": id.title(), "metadata": {"year": year}}
        for id, year in YEARS.items()
    ]
    assert client.put("/documents", json={"documents": documents}).is_success
    return client


def got(client: TestClient, path: str = "/search", **parameters: Any) -> dict[str, Any]:
    """The answer to a GET, without the time it took."""
    response = client.get(path, params=parameters)
    assert response.is_success, response.text
    answer: dict[str, Any] = response.json()
    return {name: value for name, value in answer.items() if name != "took_ms"}


def ids(answer: dict[str, Any], of: str = "hits") -> list[str]:
    """The ids of an answer's hits."""
    return [hit["id"] for hit in answer[of]]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 2, "mode": "dense", "exact": True},
        {"filter": {"year": {"$gte": 2020}}, "fields": ["title", "metadata.year"]},
        {"group_by": "year", "group_size": 2, "passages_only": True},
        {"mode": "lexical", "explain": 1},
        {"min_score": 0.1, "diversity": 0.3},
    ],
    ids=lambda options: "+".join(options) or "none",
)
def test_a_link_answers_as_a_post_does(filled: TestClient, options: dict[str, Any]) -> None:
    """With every option, for the default collection and for one that is named."""
    posted = filled.post("/search", json={"query": "bearing west", **options}).json()
    del posted["took_ms"]
    told = {
        name: json.dumps(value)
        if isinstance(value, dict)
        else ",".join(value)
        if isinstance(value, list)
        else value
        for name, value in options.items()
    }
    assert posted["hits"]
    assert got(filled, q="bearing west", **told) == posted
    assert got(filled, "/collections/default/search", q="bearing west", **told) == posted


def test_pages_of_a_link_follow_each_other(filled: TestClient) -> None:
    """A cursor of either method continues the search of the other."""
    first = got(filled, q="bearing", k=2)
    rest = filled.post("/search", json={"query": "bearing", "k": 9, "cursor": first["cursor"]})
    assert {*ids(first), *ids(rest.json())} == YEARS.keys()
    assert ids(got(filled, q="bearing", k=9, cursor=first["cursor"])) == ids(rest.json())


def test_without_a_query_documents_are_listed(filled: TestClient) -> None:
    """The newest first, or by a field, with those without a value last; no hit has a score."""
    answer = got(filled, q=" ")
    assert ids(answer) == ["up", "west", "south", "east", "north"]
    assert (answer["total"], answer["unknown_fields"], answer["cursor"]) == (5, [], None)
    assert answer["hits"][0] == {
        "id": "up", "title": "Up", "text": "a bearing up", "metadata": {"year": 2021},
    }  # fmt: skip
    assert ids(got(filled, order="ascending")) == list(YEARS)
    assert ids(got(filled, sort="year")) == ["north", "south", "east", "up", "west"]
    down = {"sort": "year", "order": "descending", "fields": "title"}
    assert got(filled, k=2, **down)["hits"] == [
        {"id": "up", "title": "Up"},
        {"id": "east", "title": "East"},
    ]
    narrow = got(filled, filter='{"year": {"$lt": 2021}}', sort="years")
    assert (ids(narrow), narrow["total"], narrow["unknown_fields"]) == (
        ["north", "south"], 2, ["years"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "of", "most"), [("/search", "hits", "k"), ("/documents", "documents", "limit")]
)
def test_lists_are_paged_in_their_order(filled: TestClient, path: str, of: str, most: str) -> None:
    """Each document comes once, though others are written and deleted between the pages."""
    how = {"sort": "year", "order": "descending", most: 2}
    first = got(filled, path, **how)
    assert ids(first, of) == ["up", "east"]
    filled.delete("/documents/east")
    filled.put("/documents", json={"documents": [{"id": "x", "text": "x"}]})
    second = got(filled, path, cursor=first["cursor"], **how)
    third = got(filled, path, cursor=second["cursor"], **how)
    assert ids(second, of) + ids(third, of) == ["south", "north", "x", "west"]
    refusal = filled.get(path, params=how | {"sort": "other", "cursor": first["cursor"]})
    assert (refusal.status_code, "another order" in refusal.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"q": "x", "sort": "year"}, "sort and order are of lists"),
        ({"mode": "dense"}, "mode is of searches"),
        ({"explain": 0}, "explain is of searches"),
        ({"q": "x", "filter": "{year"}, "filter: expected a JSON object as text, got '{year'"),
        ({"filter": "[1]"}, "filter"),
        ({"q": "x", "fields": "body"}, "fields: 'body' is none of: text, title, passage"),
        ({"order": "up"}, "'ascending' or 'descending'"),
        ({"k": 0}, "k"),
        ({"k": 100_000}, "BEARING_MAX_PAGE"),
        ({"q": "x", "k": 100_000}, "BEARING_MAX_K"),
        ({"query": "x"}, "unknown field 'query'; known are"),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_parameter_is_refused(
    filled: TestClient, parameters: dict[str, Any], said: str
) -> None:
    """With what is allowed."""
    refusal = filled.get("/search", params=parameters)
    assert refusal.status_code == 422
    assert said in refusal.json()["detail"]


@pytest.mark.parametrize("q", ["bearing", ""])
def test_an_answer_that_the_client_has_is_not_sent_again(filled: TestClient, q: str) -> None:
    """Its tag changes when the answer does, and no shared cache may keep it."""
    first = filled.get("/search", params={"q": q})
    assert first.headers["cache-control"] == "private, no-cache"
    known = {"if-none-match": first.headers["etag"]}
    again = filled.get("/search", params={"q": q}, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    filled.put("/documents", json={"documents": [{"id": "new", "text": "a new bearing"}]})
    assert filled.get("/search", params={"q": q}, headers=known).status_code == 200
