"""Searching over REST, held against cosines computed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from serving import service_here
from starlette.testclient import TestClient

from indexer.embedding import open_embedder

TEXTS = {
    "north": "a bearing is a direction",
    "east": "the length of a vector is its magnitude",
    "south": "documents are kept in a collection",
    "west": "a direction has no length",
}
YEARS = {"north": 2019, "east": 2020, "south": 2021, "west": 2022}


def fill(client: TestClient) -> TestClient:
    """Store TEXTS in the default collection."""
    documents = [
        {"id": id, "text": text, "title": id.title(), "metadata": {"year": YEARS[id]}}
        for id, text in TEXTS.items()
    ]
    assert client.put("/documents", json={"documents": documents}).json()["written"] == len(TEXTS)
    return client


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service whose default collection holds TEXTS, for tests that only read."""
    with service_here(tmp_path_factory.mktemp("service"), raise_errors=False) as client:
        yield fill(client)


@pytest.fixture
def own(client: TestClient) -> TestClient:
    """The same for one test, which may write."""
    return fill(client)


def cosines(query: str) -> dict[str, float]:
    """What each document scores, by a model opened here."""
    with open_embedder("hashing", cache=Path()) as embedder:
        contents = [f"{id.title()} {text}" for id, text in TEXTS.items()]
        documents = embedder.embed(contents).vectors
        scores = documents @ embedder.embed([query]).vectors[0]
        return dict(zip(TEXTS, scores.tolist(), strict=True))


def ranked(scores: dict[str, float]) -> list[str]:
    """Ids by falling score."""
    return sorted(scores, key=scores.__getitem__, reverse=True)


def test_hits_are_all_documents_by_falling_cosine(filled: TestClient) -> None:
    """A search finds k documents if they exist, scored by cosine, negative ones too."""
    answer = filled.post("/search", json={"query": "a direction", "mode": "dense"}).json()
    expected = cosines("a direction")
    assert [hit["id"] for hit in answer["hits"]] == ranked(expected)
    for hit in answer["hits"]:
        assert hit["score"] == pytest.approx(expected[hit["id"]], abs=1e-6)
        assert hit["distance"] == pytest.approx(1 - hit["score"])


def test_a_hit_carries_its_document_and_passage(filled: TestClient) -> None:
    """A hit holds text, title, metadata, and the passage with its place in the text."""
    hit = filled.post("/search", json={"query": "a direction has no length", "k": 1}).json()["hits"]
    assert hit[0]["id"] == "west"
    assert hit[0]["text"] == TEXTS["west"]
    assert hit[0]["title"] == "West"
    assert hit[0]["metadata"] == {"year": 2022}
    passage = hit[0]["passage"]
    assert passage["text"] == TEXTS["west"][passage["start"] : passage["end"]]


def test_an_answer_says_how_it_came_about(filled: TestClient) -> None:
    """An answer names its mode, whether it is exact and truncated, and its times."""
    answer = filled.post("/search", json={"query": "x", "exact": True}).json()
    known = {"hits", "mode", "exact", "candidates", "truncated", "total", "cursor", "took_ms"}
    assert set(answer) == known | {"unknown_fields", "unknown", "significance"}
    assert (answer["mode"], answer["exact"], answer["truncated"]) == ("hybrid", True, False)
    assert set(answer["took_ms"]) == {"embed", "search", "total"}
    assert min(answer["took_ms"].values()) >= 0


def test_a_field_that_no_document_has_is_named(filled: TestClient) -> None:
    """It is no error: the answer is what the filter means, and says which field is unknown."""
    body = {"query": "x", "filter": {"yaer": {"$lt": 2000}}}
    answer = filled.post("/search", json=body).json()
    assert (answer["hits"], answer["unknown_fields"]) == ([], ["yaer"])
    body["filter"] = {"year": {"$lt": 2000}}
    assert filled.post("/search", json=body).json()["unknown_fields"] == []
    grouped = filled.post("/search", json={"query": "x", "group_by": "authr"}).json()
    assert grouped["unknown_fields"] == ["authr"]


def test_a_query_over_the_window_is_said_to_be_truncated(filled: TestClient) -> None:
    """A query of which a part was not read is answered, with truncated true."""
    answer = filled.post("/search", json={"query": "word " * 5_000}).json()
    assert answer["truncated"] is True


def test_k_bounds_the_hits(filled: TestClient) -> None:
    """No more than k hits come."""
    assert len(filled.post("/search", json={"query": "a", "k": 3}).json()["hits"]) == 3


def test_pages_follow_a_cursor_to_the_end(own: TestClient) -> None:
    """Each page says where the next begins and how many hits there are in all; the last, null."""
    body, found = {"query": "a direction", "k": 3, "mode": "dense"}, []
    while True:
        answer = own.post("/search", json=body).json()
        found += [hit["id"] for hit in answer["hits"]]
        assert answer["total"] == len(TEXTS)
        if answer["cursor"] is None:
            break
        own.put("/documents", json={"documents": [{"id": f"n{len(found)}", "text": "a"}]})
        body["cursor"] = answer["cursor"]
    assert found == ranked(cosines("a direction"))


def test_a_cursor_of_another_search_is_refused(filled: TestClient) -> None:
    """So is one that was never given, and both are the client's fault."""
    cursor = filled.post("/search", json={"query": "a", "k": 1}).json()["cursor"]
    for body, reason in (
        ({"query": "b", "cursor": cursor}, "another search"),
        ({"query": "a", "cursor": "x"}, "not one that an answer gave"),
    ):
        response = filled.post("/search", json=body)
        assert response.status_code == 422 and reason in response.json()["detail"]


def test_pages_go_no_deeper_than_the_settings_allow(connect: Callable[..., TestClient]) -> None:
    """What goes deeper is refused with the setting named."""
    client = connect(max_paged=3)
    documents = [{"id": str(n), "text": f"text {n}"} for n in range(5)]
    client.put("/documents", json={"documents": documents})
    body = {"query": "text", "k": 2}
    cursor = client.post("/search", json=body).json()["cursor"]
    assert len(client.post("/search", json=body | {"cursor": cursor, "k": 1}).json()["hits"]) == 1
    response = client.post("/search", json=body | {"cursor": cursor})
    assert response.status_code == 413 and "BEARING_MAX_PAGED" in response.json()["detail"]


def test_diverse_hits_are_unlike_each_other(own: TestClient) -> None:
    """A copy of the best hit comes last, though it scores as high."""
    copy = {"id": "north-copy", "text": TEXTS["north"], "title": "North"}
    own.put("/documents", json={"documents": [copy]})
    body = {"query": "a direction", "k": 5}
    plain = [hit["id"] for hit in own.post("/search", json=body).json()["hits"]]
    assert plain.index("north-copy") == plain.index("north") + 1
    answer = own.post("/search", json=body | {"diversity": 0.9}).json()
    assert [hit["id"] for hit in answer["hits"]][-1] == "north-copy"


def test_candidates_are_bounded(connect: Callable[..., TestClient]) -> None:
    """What looks at more hits than the settings allow is refused with the setting named."""
    client = connect(max_candidates=60, max_hits=100)
    for body, setting in (
        ({"query": "a", "candidates": 61}, "BEARING_MAX_CANDIDATES"),
        ({"query": "a", "k": 20, "diversity": 0.5}, "BEARING_MAX_CANDIDATES"),
    ):
        response = client.post("/search", json=body)
        assert response.status_code == 413 and setting in response.json()["detail"]
    searches = [{"query": "a", "diversity": 0.5}] * 3
    response = client.post("/search/batch", json={"searches": searches})
    assert response.status_code == 413 and "BEARING_MAX_HITS" in response.json()["detail"]
    assert client.post("/search", json=searches[0]).status_code == 200


def test_hits_are_grouped_by_a_field(own: TestClient) -> None:
    """Each group comes with its value, its hits together; what lacks the field stands alone."""
    documents = [
        {"id": f"more{n}", "text": f"a direction {n}", "metadata": {"year": 2019}} for n in range(3)
    ] + [{"id": "lone", "text": "nothing of all that"}]
    own.put("/documents", json={"documents": documents})
    body = {"query": "a direction", "group_by": "year", "group_size": 2, "k": 9}
    answer = own.post("/search", json=body).json()
    groups = [hit["group"] for hit in answer["hits"]]
    assert sorted(groups, key=str) == [2019, 2019, 2020, 2021, 2022, None]
    assert abs(groups.index(2019) - (len(groups) - 1 - groups[::-1].index(2019))) == 1
    assert (answer["total"], answer["cursor"]) == (None, None)
    plain = own.post("/search", json={"query": "a direction"}).json()["hits"]
    assert all("group" not in hit for hit in plain)
    response = own.post("/search", json={"query": "a", "group_size": 2})
    assert response.status_code == 422 and "group_by" in response.json()["detail"]


def test_hits_are_explained_where_it_is_asked_for(connect: Callable[..., TestClient]) -> None:
    """The first ones tell their passages and words, as many as the settings allow."""
    client = connect(max_explained=3)
    documents = [{"id": id, "text": text} for id, text in TEXTS.items()]
    client.put("/documents", json={"documents": documents})
    body = {"query": "a direction has no length"}
    for asked, count in ((True, 3), (2, 2), (0, 0), (False, 0)):
        hits = client.post("/search", json=body | {"explain": asked}).json()["hits"]
        assert ["explanation" in hit for hit in hits] == [place < count for place in range(4)]
    best = client.post("/search", json=body | {"explain": 1}).json()["hits"][0]
    passages = best["explanation"]["passages"]
    assert passages == [best["passage"] | {"score": pytest.approx(best["scores"]["dense"])}]
    word = best["explanation"]["words"][0]
    assert word["effect"] > 0
    assert all(best["text"][start:end] == word["text"] for start, end in word["spans"])
    response = client.post("/search", json=body | {"explain": 4})
    assert response.status_code == 413 and "BEARING_MAX_EXPLAINED" in response.json()["detail"]


def test_a_filter_leaves_k_hits_of_those_that_pass(filled: TestClient) -> None:
    """A filter is applied before ranking, so it never shortens the answer."""
    body = {"query": "a direction", "k": 2, "filter": {"year": {"$gte": 2020}}}
    hits = filled.post("/search", json=body).json()["hits"]
    scores = {id: score for id, score in cosines("a direction").items() if YEARS[id] >= 2020}
    assert [hit["id"] for hit in hits] == ranked(scores)[:2]


def test_min_score_leaves_out_what_scores_less(filled: TestClient) -> None:
    """Hits below min_score are left out."""
    scores = cosines("a direction")
    bar = sorted(scores.values())[2] - 1e-4
    hits = filled.post("/search", json={"query": "a direction", "min_score": bar}).json()["hits"]
    assert [hit["id"] for hit in hits] == ranked(scores)[:2]


def test_a_temperature_adds_probabilities(filled: TestClient) -> None:
    """With a temperature each hit carries softmax(cosine / temperature) over the hits."""
    hits = filled.post("/search", json={"query": "a", "temperature": 0.2}).json()["hits"]
    weights = np.exp(np.array([hit["scores"]["dense"] for hit in hits]) / 0.2)
    np.testing.assert_allclose([hit["probability"] for hit in hits], weights / weights.sum())


def test_without_a_temperature_there_are_no_probabilities(filled: TestClient) -> None:
    """A probability is there only if it was asked for."""
    hits = filled.post("/search", json={"query": "a"}).json()["hits"]
    assert all("probability" not in hit for hit in hits)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_a_vector_of_any_length_finds_what_its_direction_does(
    filled: TestClient, scale: float
) -> None:
    """A search by vector ranks by direction, whatever the vector's length."""
    with open_embedder("hashing", cache=Path()) as embedder:
        vector = embedder.embed(["a direction"]).vectors[0].astype(float) * scale
    by_vector = filled.post("/search", json={"vector": vector.tolist()}).json()["hits"]
    asked = {"query": "a direction", "mode": "dense"}
    by_text = filled.post("/search", json=asked).json()["hits"]
    assert [hit["id"] for hit in by_vector] == [hit["id"] for hit in by_text]
    for one, other in zip(by_vector, by_text, strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=1e-6)


def test_examples_find_others_like_them(filled: TestClient) -> None:
    """A search by example leaves the examples themselves out."""
    hits = filled.post("/search", json={"like": ["north"], "unlike": ["south"]}).json()["hits"]
    assert {hit["id"] for hit in hits} == {"east", "west"}


def test_examples_may_be_texts_and_vectors(filled: TestClient) -> None:
    """A text as an example is near what an equal document is near; so is its vector."""
    with open_embedder("hashing", cache=Path()) as embedder:
        vector = embedder.embed(["a direction"]).vectors[0].tolist()
    expected = ranked(cosines("a direction"))
    for example in ({"text": "a direction"}, vector):
        hits = filled.post("/search", json={"like": [example]}).json()["hits"]
        assert [hit["id"] for hit in hits] == expected
    mixed = {"like": [{"text": "a direction"}, "south"], "unlike": [vector], "strategy": "best"}
    hits = filled.post("/search", json=mixed).json()["hits"]
    assert {hit["id"] for hit in hits} == {"north", "east", "west"}


def test_by_the_best_example_what_is_nearer_to_the_unliked_comes_last(filled: TestClient) -> None:
    """A document that is nearer to something unliked scores at most -1, and is still a hit."""
    body = {"like": [{"text": "a direction"}], "unlike": [{"text": TEXTS["north"]}], "k": 9}
    hits = filled.post("/search", json=body | {"strategy": "best"}).json()["hits"]
    assert len(hits) == len(TEXTS)
    assert hits[-1]["id"] == "north" and hits[-1]["score"] <= -1


@pytest.mark.parametrize("example", [1, None, {"id": "north"}, {"text": 1}, [], ["a"], True])
def test_what_is_no_example_is_refused(filled: TestClient, example: object) -> None:
    """The error says where it is and what an example may be."""
    response = filled.post("/search", json={"like": ["north", example]})
    assert response.status_code == 422
    assert "like" in response.text


def test_examples_are_bounded(connect: Callable[..., TestClient]) -> None:
    """More examples, or longer ones, than the settings allow are refused with the setting named."""
    client = connect(max_texts=2, max_characters=5, max_dimension=3)
    for like, setting in (
        (["a", "b", "c"], "BEARING_MAX_TEXTS"),
        ([{"text": "longer"}], "BEARING_MAX_CHARACTERS"),
        ([[1.0] * 4], "BEARING_MAX_DIMENSION"),
    ):
        response = client.post("/search", json={"like": like})
        assert response.status_code == 413 and setting in response.json()["detail"]
    searches = [{"like": [{"text": "a"}, {"text": "b"}]}, {"like": [{"text": "a"}]}]
    response = client.post("/search/batch", json={"searches": searches})
    assert response.status_code == 413 and "example texts" in response.json()["detail"]


def test_an_example_that_is_not_stored_is_not_found(filled: TestClient) -> None:
    """An unknown example is a 404 that names it."""
    response = filled.post("/search", json={"like": ["nowhere"]})
    assert response.status_code == 404
    assert "nowhere" in response.json()["detail"]


def test_a_batch_answers_as_its_searches_do_alone(filled: TestClient) -> None:
    """A batch gives each search the hits it would have alone, in order."""
    searches = [
        {"query": "a direction", "k": 2},
        {"like": ["north"]},
        {"query": "length", "filter": {"year": 2022}},
        {"query": "length", "temperature": 1.0},
    ]
    results = filled.post("/search/batch", json={"searches": searches}).json()["results"]
    alone = [filled.post("/search", json=search).json() for search in searches]
    for one, other in zip(results, alone, strict=True):
        assert [hit["id"] for hit in one["hits"]] == [hit["id"] for hit in other["hits"]]
        for mine, theirs in zip(one["hits"], other["hits"], strict=True):
            assert mine["score"] == pytest.approx(theirs["score"], abs=1e-6)


def test_a_named_collection_is_searched_by_its_own_route(own: TestClient) -> None:
    """Routes without a collection act on `default`; others see nothing of it."""
    assert own.put("/collections/other").status_code == 201
    assert own.post("/collections/other/search", json={"query": "a"}).json()["hits"] == []
    default = own.post("/collections/default/search", json={"query": "a"}).json()["hits"]
    assert [hit["id"] for hit in default] == [
        hit["id"] for hit in own.post("/search", json={"query": "a"}).json()["hits"]
    ]


def test_a_collection_that_is_not_there_is_not_found(filled: TestClient) -> None:
    """A search of an unknown collection is a 404 that names those that exist."""
    response = filled.post("/collections/nowhere/search", json={"query": "a"})
    assert response.status_code == 404
    assert "'nowhere'" in response.json()["detail"]
    assert "default" in response.json()["detail"]


def test_a_written_document_is_found_at_once(own: TestClient) -> None:
    """What a write has answered for is found by the next search."""
    document = {"id": "new", "text": "entirely different words"}
    own.put("/documents", json={"documents": [document]})
    hits = own.post("/search", json={"query": document["text"], "k": 1}).json()["hits"]
    assert hits[0]["id"] == "new"
    assert hits[0]["scores"]["dense"] == pytest.approx(1.0, abs=1e-6)


def test_an_answer_of_more_than_a_few_documents_has_a_significance(client: TestClient) -> None:
    """It is small where something is asked for that is there; hits have none of their own."""
    documents = [{"id": f"n{i}", "text": f"word{i} and word{i * 7 % 61}"} for i in range(60)]
    assert client.put("/documents", json={"documents": documents}).status_code == 200
    answer = client.post("/search", json={"query": "word3", "k": 7, "temperature": 0.1}).json()
    unrelated = client.post("/search", json={"query": "nothing of these"}).json()
    assert answer["significance"] < 0.01 < 0.1 < unrelated["significance"]
    assert not {"significance", "grade"} & set(answer["hits"][0])
    assert answer["candidates"] == 7
    assert sum(hit["probability"] for hit in answer["hits"]) == pytest.approx(1)
    assert "relevance" not in answer["hits"][0]


def test_an_answer_of_a_few_documents_has_no_significance(filled: TestClient) -> None:
    """Chance decides too much of what is found in them; the second page has none either."""
    answer = filled.post("/search", json={"query": "a"}).json()
    assert answer["hits"]
    assert answer["significance"] is None
