"""Searching by words over REST, alone and together with meaning."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

TEXTS = {
    "a": "the quick brown fox jumps",
    "b": "a lazy dog sleeps",
    "c": "foxes and dogs are animals",
    "d": "code E1234 means that the disk is full",
}


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """A client of a service whose default collection holds TEXTS."""
    documents = [
        {"id": id, "text": text, "metadata": {"n": i}} for i, (id, text) in enumerate(TEXTS.items())
    ]
    assert client.put("/documents", json={"documents": documents}).status_code == 200
    return client


def ids(answer: dict) -> list[str]:
    """The ids of the hits."""
    return [hit["id"] for hit in answer["hits"]]


def test_words_are_found_by_their_stems(filled: TestClient) -> None:
    """Mode lexical gives the documents that hold a word, scored by BM25, without a distance."""
    answer = filled.post("/search", json={"query": "a running fox", "mode": "lexical"}).json()
    assert sorted(ids(answer)) == ["a", "c"]
    assert (answer["mode"], answer["exact"], answer["total"]) == ("lexical", True, None)
    for rank, hit in enumerate(answer["hits"], start=1):
        assert hit["distance"] is None
        assert hit["scores"] == {"lexical": hit["score"], "lexical_rank": rank}


def test_a_code_is_found_where_meaning_is_not(filled: TestClient) -> None:
    """A rare word decides a hybrid search; both parts are told."""
    answer = filled.post("/search", json={"query": "what is e1234?", "mode": "hybrid"}).json()
    assert ids(answer)[0] == "d" and len(ids(answer)) == 4
    best = answer["hits"][0]
    assert best["score"] == best["scores"]["fused"]
    assert best["distance"] == pytest.approx(1 - best["scores"]["dense"])
    assert best["scores"]["lexical_rank"] == 1 and best["scores"]["dense_rank"] >= 1
    assert answer["hits"][-1]["scores"]["lexical"] == 0


def test_fusion_can_be_chosen(filled: TestClient) -> None:
    """Reciprocal ranks give scores of 1 / (60 + rank), summed."""
    given = {"query": "fox", "mode": "hybrid", "fusion": "reciprocal_rank"}
    for hit in filled.post("/search", json=given).json()["hits"]:
        ranks = [hit["scores"].get(name) for name in ("dense_rank", "lexical_rank")]
        assert hit["score"] == pytest.approx(sum(1 / (60 + rank) for rank in ranks if rank))


def test_modes_mix_in_a_batch(filled: TestClient) -> None:
    """Each search of a batch has its own mode."""
    searches = [{"query": "dogs", "mode": mode} for mode in ("lexical", "dense", "hybrid")]
    results = filled.post("/search/batch", json={"searches": searches}).json()["results"]
    assert [len(one["hits"]) for one in results] == [2, 4, 4]
    assert [one["mode"] for one in results] == ["lexical", "dense", "hybrid"]


def test_filters_and_cursors_work_in_every_mode(filled: TestClient) -> None:
    """Pages of one hit give the hits of one page of all, in order."""
    for mode in ("dense", "lexical", "hybrid"):
        given = {"query": "fox dog disk", "mode": mode, "filter": {"n": {"$gt": 0}}}
        whole = ids(filled.post("/search", json=given).json())
        assert sorted(whole) == ["b", "c", "d"]
        pages, cursor = [], None
        while cursor is not None or not pages:
            answer = filled.post("/search", json={**given, "k": 1, "cursor": cursor}).json()
            pages += ids(answer)
            cursor = answer["cursor"]
        assert sorted(pages) == sorted(whole)


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({"query": "fox"}, "hybrid"),
        ({"query": "fox", "mode": None}, "hybrid"),
        ({"query": "fox", "mode": "dense"}, "dense"),
        ({"query": "fox", "min_score": 0.1}, "dense"),
        ({"like": ["a"]}, "dense"),
    ],
    ids=["text", "null", "dense", "bounded", "examples"],
)
def test_a_text_is_searched_for_by_both_unless_said(
    filled: TestClient, given: dict, mode: str
) -> None:
    """A bound on scores is one on cosines, and examples have no words."""
    assert filled.post("/search", json=given).json()["mode"] == mode


@pytest.mark.parametrize("given", [{"mode": "fuzzy"}, {"mode": "hybrid", "fusion": "sum"}])
def test_unknown_modes_are_refused(filled: TestClient, given: dict) -> None:
    """The message names those that there are."""
    answer = filled.post("/search", json={"query": "x", **given})
    assert answer.status_code == 422
    assert "hybrid" in answer.text or "convex" in answer.text


def test_words_need_a_text(filled: TestClient) -> None:
    """Examples have no words of their own to search for."""
    answer = filled.post("/search", json={"like": ["a"], "mode": "lexical"})
    assert answer.status_code == 422
    assert "needs a text" in answer.text


def test_a_collection_has_a_language(client: TestClient) -> None:
    """It is chosen once, told, and not changed."""
    made = client.put("/collections/de", json={"language": "german"})
    assert made.status_code == 201
    assert made.json()["index"]["lexical"]["language"] == "german"
    assert made.json()["index"]["modes"] == ["dense", "lexical", "hybrid"]
    assert client.put("/collections/de", json={"language": "german"}).status_code == 200
    assert client.put("/collections/de").status_code == 200
    refused = client.put("/collections/de", json={"language": "french"})
    assert refused.status_code == 422
    assert "german" in refused.text
    client.put(
        "/collections/de/documents", json={"documents": [{"id": "1", "text": "zwei Häuser"}]}
    )
    answer = client.post("/collections/de/search", json={"query": "Haus", "mode": "lexical"})
    assert ids(answer.json()) == ["1"]


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_an_explanation_names_the_words_in_common(filled: TestClient, mode: str) -> None:
    """With explain, the first hits say which words of the query they hold, and where."""
    body = {"query": "running foxes", "mode": mode, "explain": 1}
    first, *others = filled.post("/search", json=body).json()["hits"]
    (term,) = first["explanation"]["terms"]
    (span,) = term["spans"]
    assert first["text"][slice(*span)] == term["text"] in ("fox", "foxes")
    assert term["score"] == pytest.approx(first["scores"]["lexical"], rel=0.05)
    assert all("explanation" not in hit for hit in others)
