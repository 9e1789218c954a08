"""The facets of answers over REST, against counting in Python."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from starlette.testclient import TestClient

KINDS = {f"d{n}": ("cat" if n % 3 else "dog") for n in range(30)}


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """A client of a service with thirty documents."""
    documents: list[dict[str, Any]] = [
        {
            "id": id,
            "text": f"word{n} {'even' if n % 2 == 0 else 'odd'} number",
            "metadata": {"kind": kind, "n": n},
        }
        for n, (id, kind) in enumerate(KINDS.items())
    ]
    assert client.put("/documents", json={"documents": documents}).is_success
    return client


def facets(client: TestClient, **search: Any) -> dict[str, Any]:
    """The facets of an answer to a search by a text."""
    answer = client.post("/search", json={"query": "even number", "facets": ["kind"], **search})
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()["facets"]
    return found


def counted(ids: list[str]) -> dict[str, Any]:
    """The facets of these documents."""
    kinds = Counter(KINDS[id] for id in ids)
    values = [{"value": kind, "documents": n} for kind, n in kinds.most_common()]
    kind = {"documents": len(ids), "distinct": len(values), "values": values}
    return {"documents": len(ids), "fields": {"kind": kind}}


def test_an_answer_counts_its_matches_where_that_is_asked(filled: TestClient) -> None:
    """Of all pages, grouped or not; an answer that was not asked has no counts."""
    everything = counted(list(KINDS))
    assert facets(filled, k=2) == everything
    assert facets(filled, k=2, group_by="n") == everything
    assert facets(filled, k=2, group_by="kind", group_size=3, fields=[]) == everything
    assert facets(filled, filter={"n": {"$lt": 7}}) == counted([f"d{n}" for n in range(7)])
    holding = [f"d{n}" for n in range(0, 30, 2)]
    assert facets(filled, query="even", mode="lexical", k=1) == counted(holding)
    assert "facets" not in filled.post("/search", json={"query": "x"}).json()


def test_a_depth_counts_the_best_documents_only(filled: TestClient) -> None:
    """These are the hits that as large a k would give."""
    for mode in ("dense", "lexical", "hybrid"):
        search = {"query": "even number", "mode": mode, "k": 10}
        hits = filled.post("/search", json=search).json()["hits"]
        assert facets(filled, mode=mode, k=1, facet_depth=10) == counted([h["id"] for h in hits])


def test_links_and_lists_have_facets(filled: TestClient) -> None:
    """By commas; a list counts all that pass its filter."""
    asked = {"q": "even number", "facets": "kind,other", "facet_values": "1"}
    answer = filled.get("/search", params=asked).json()
    assert answer["facets"]["fields"]["kind"]["values"] == [{"value": "cat", "documents": 20}]
    assert answer["facets"]["fields"]["other"] == {"documents": 0, "distinct": 0, "values": []}
    assert answer["unknown_fields"] == ["other"]
    listed = {"facets": "kind", "filter": '{"n": {"$lt": 7}}', "k": 2}
    found = filled.get("/search", params=listed).json()
    assert found["facets"] == counted([f"d{n}" for n in range(7)])
    refusal = filled.get("/search", params={"facet_depth": 3, "facets": "kind"})
    assert "facet_depth is of searches" in refusal.json()["detail"]


def test_what_cannot_be_counted_is_refused(filled: TestClient) -> None:
    """It is said why, and what to ask instead."""
    for given, said in (
        ({"min_score": 0.1, "mode": "hybrid"}, "give facet_depth, or leave min_score out"),
        ({"facets": [], "facet_depth": 3}, "facet_depth needs the fields"),
        ({"facets": ["f"] * 33}, "facets"),
        ({"facet_depth": 10**6}, "BEARING_MAX_CANDIDATES"),
        ({"facet_values": 0}, "facet_values"),
    ):
        answer = filled.post("/search", json={"query": "x", "facets": ["kind"], **given})
        assert answer.status_code in (413, 422)
        assert said in answer.json()["detail"]
