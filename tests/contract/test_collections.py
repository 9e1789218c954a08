"""What every collection promises, against exact search in NumPy and a dict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from samples import DIMENSION, make_null_vectors, random_units

from indexer.collection import Collection
from indexer.documents import Change, Chunk, Document, EmbeddedDocument, Vectors, normalise
from indexer.engine import Key
from indexer.errors import InvalidInput, InvalidQuery, InvalidVector, NotFound, Unsupported
from indexer.filters import Kind, Metadata, matches, parse_filter
from indexer.index_choice import IndexChoice, IndexKind, Language
from indexer.queries import ExampleText, Mode, PageExclusions, Query, Strategy
from indexer.reports import LONGEST_COMMON
from indexer.retrieval.search import search


def embedded(
    id: str, vectors: Vectors, text: str = "", metadata: dict[str, object] | None = None
) -> EmbeddedDocument:
    """A document with one chunk of ten characters for each vector."""
    text = text or f"the text of {id} " + "x" * 10 * len(vectors)
    chunks = tuple(Chunk(i, i * 10, i * 10 + 10) for i in range(len(vectors)))
    return EmbeddedDocument(Document(id, text, f"Title {id}", metadata or {}), chunks, vectors)


def fill(collection: Collection, vectors: Vectors) -> None:
    """One document for each vector, in batches, with its number as metadata."""
    for start in range(0, len(vectors), 700):
        collection.put(
            [
                embedded(f"d{i}", vectors[i : i + 1], metadata={"n": i, "odd": i % 2 == 1})
                for i in range(start, min(start + 700, len(vectors)))
            ]
        )


def ids(answer: object) -> list[str]:
    """The ids of an answer's hits."""
    return [hit.document.id for hit in answer.hits]


def best(vectors: Vectors, query: Vectors, among: Sequence[int], k: int) -> list[str]:
    """The oracle: cosine in float64 against every allowed vector."""
    scores = vectors.astype(np.float64) @ query
    return [f"d{i}" for i in sorted(among, key=lambda i: -scores[i])[:k]]


@pytest.mark.usefixtures("background")
def test_hits_are_the_nearest_documents_with_their_cosines(collection: Collection) -> None:
    """A search returns the k documents of largest cosine, best first, with that cosine."""
    vectors, query = random_units(1500), random_units(1, seed=5)[0]
    fill(collection, vectors)
    answer = collection.search([Query(vector=query * 17, k=20)])[0]
    assert ids(answer) == best(vectors, query, range(1500), 20)
    for hit in answer.hits:
        exact = float(vectors[int(hit.document.id[1:])].astype(np.float64) @ query)
        assert hit.score == pytest.approx(exact, abs=1e-6)
        assert hit.distance == 1 - hit.score
    assert answer.exact and answer.mode is Mode.DENSE


def test_k_over_the_number_of_documents_returns_all(collection: Collection) -> None:
    """Asked for more than there are, a search returns every document, negative scores too."""
    vectors = random_units(30)
    fill(collection, vectors)
    answer = collection.search([Query(vector=-vectors[0], k=1000)])[0]
    assert len(answer.hits) == 30
    assert answer.hits[-1].score == pytest.approx(-1.0, abs=1e-6)
    assert min(hit.score for hit in answer.hits) >= -1.0


def test_an_empty_collection_answers_with_no_hits(collection: Collection) -> None:
    """Searching nothing finds nothing, and is no error."""
    assert collection.search([Query(vector=random_units(1)[0])])[0].hits == ()
    assert collection.page().documents == ()
    assert len(collection.sample(5)) == 0


CONDITIONS = (
    {"n": {"$lt": 5}},
    {"odd": True},
    {"$and": [{"n": {"$gte": 100}}, {"odd": False}]},
    {"$or": [{"n": 3}, {"n": {"$gt": 690}}]},
    {"$not": {"odd": True}},
    {"n": {"$in": [1, 2, 3, 4000]}},
    {"absent": {"$exists": False}},
    {"absent": 1},
)


def test_a_filter_never_shortens_the_answer(collection: Collection) -> None:
    """With a filter, the answer is the k best among the documents that pass it."""
    vectors, query = random_units(700), random_units(1, seed=6)[0]
    fill(collection, vectors)
    for condition in CONDITIONS:
        parsed = parse_filter(condition)
        passing = [i for i in range(700) if matches(parsed, {"n": i, "odd": i % 2 == 1})]
        answer = collection.search([Query(vector=query, k=12, filter=parsed)])[0]
        assert ids(answer) == best(vectors, query, passing, 12), condition


def test_fields_that_no_document_has_are_named(collection: Collection) -> None:
    """Those that a filter or a group asks for; a document that is deleted has none any more."""
    held: list[Metadata] = [{"n": 1, "tags": []}, {"n": None}, {"gone": True}]
    vectors = random_units(3)
    collection.put(
        [embedded(f"d{i}", vectors[i : i + 1], metadata=one) for i, one in enumerate(held)]
    )

    def unknown(condition: object, group_by: str | None = None) -> tuple[str, ...]:
        query = Query(vector=vectors[0], filter=parse_filter(condition), group_by=group_by)
        return collection.search([query])[0].unknown_fields

    assert unknown({"$or": [{"n": 1}, {"tags": "x"}, {"$not": {"gone": True}}]}) == ()
    assert unknown({"yaer": {"$ne": 1}, "$and": [{"n": 1}, {"colour": "red"}]}) == (
        "colour",
        "yaer",
    )
    assert unknown(None, group_by="kind") == ("kind",)
    collection.delete(["d2"])
    assert unknown({"gone": True}) == ("gone",)
    collection.delete(["d0", "d1"])
    assert unknown({"n": 1}) == ()  # where there is nothing, nothing is misspelt


@pytest.mark.parametrize("together", [True, False])
def test_filters_that_differ_in_type_only_are_told_apart(
    collection: Collection, together: bool
) -> None:
    """What passes for 1 does not pass for true, in one search or in two that follow."""
    vectors = random_units(4)
    held = (0, False, 1, True)
    collection.put(
        [embedded(f"d{i}", vectors[i : i + 1], metadata={"v": v}) for i, v in enumerate(held)]
    )
    asked = [Query(vector=vectors[0], filter=parse_filter({"v": value})) for value in held]
    batches = [asked] if together else [[query] for query in asked]
    answers = [answer for batch in batches for answer in collection.search(batch)]
    assert [ids(answer) for answer in answers] == [["d0"], ["d1"], ["d2"], ["d3"]]


def test_a_document_is_scored_by_its_best_chunk(collection: Collection) -> None:
    """Chunks are grouped: k documents come back, each once, with its best passage."""
    vectors = random_units(400, seed=2)
    documents = [embedded(f"d{i}", vectors[i * 20 : i * 20 + 20]) for i in range(20)]
    collection.put(documents)
    query = random_units(1, seed=3)[0]
    answer = collection.search([Query(vector=query, k=20)])[0]
    scores = (vectors.astype(np.float64) @ query).reshape(20, 20)
    assert ids(answer) == [f"d{i}" for i in np.argsort(-scores.max(axis=1))]
    for hit in answer.hits:
        chunk = int(scores[int(hit.document.id[1:])].argmax())
        assert (hit.passage.start, hit.passage.end) == (chunk * 10, chunk * 10 + 10)
        assert hit.passage.text == hit.document.text[chunk * 10 : chunk * 10 + 10]


def test_an_update_replaces_what_was_there(collection: Collection) -> None:
    """A document put again is found by its new vector only, and counted once."""
    old, new = random_units(2, seed=4)
    fill(collection, random_units(50))
    collection.put([embedded("x", old[None], text="before", metadata={"v": 1})])
    collection.put([embedded("x", new[None], text="after!", metadata={"v": 2})])
    hit = collection.search([Query(vector=new, k=1)])[0].hits[0]
    assert (hit.document.id, hit.document.text) == ("x", "after!")
    assert hit.score == pytest.approx(1.0, abs=1e-6)
    assert sum(id == "x" for id in ids(collection.search([Query(vector=old, k=99)])[0])) == 1
    assert collection.search([Query(vector=old, filter=parse_filter({"v": 1}))])[0].hits == ()
    assert collection.describe().documents == 51


def test_of_two_documents_with_one_id_in_a_batch_the_later_wins(collection: Collection) -> None:
    """One batch may name an id twice; the last stands."""
    first, second = random_units(2)
    collection.put([embedded("a", first[None], "one"), embedded("a", second[None], "two")])
    found = collection.get(["a"])[0]
    assert found is not None and found.text == "two"
    assert collection.describe().chunks == 1


def test_deleted_documents_are_gone_at_once(collection: Collection) -> None:
    """Delete counts what was there; the rest fill the answer up to k."""
    vectors = random_units(200)
    fill(collection, vectors)
    assert collection.delete(["d3", "d4", "d3", "never"]) == 2
    assert collection.delete_matching(parse_filter({"n": {"$gte": 150}})) == 50
    answer = collection.search([Query(vector=vectors[3], k=10)])[0]
    assert ids(answer) == best(vectors, vectors[3], [i for i in range(150) if i not in (3, 4)], 10)
    assert collection.get(["d3", "d5", "d199"])[1:] != [None, None]
    assert collection.get(["d3", "d199"]) == [None, None]
    assert collection.describe().documents == 148


def test_changes_tell_content_from_metadata(collection: Collection) -> None:
    """What storing would change is known before a vector is computed."""
    collection.put([embedded("a", random_units(1), "text", {"k": 1, "l": 2})])
    stored = collection.get(["a"])[0]
    assert stored is not None
    title = stored.title
    assert collection.changes(
        [
            Document("a", "text", title, {"l": 2, "k": 1}),
            Document("a", "text", title, {"k": 2}),
            Document("a", "other", title, {"k": 1, "l": 2}),
            Document("a", "text", "other", {"k": 1, "l": 2}),
            Document("b", "text", title),
        ]
    ) == [Change.NOTHING, Change.METADATA, Change.CONTENT, Change.CONTENT, Change.NEW]


def test_amend_replaces_metadata_and_keeps_vectors(collection: Collection) -> None:
    """Metadata changes without a new vector, and filters see it."""
    vector = random_units(1)
    collection.put([embedded("a", vector, "text", {"k": 1, "gone": True})])
    title = "Title a"
    collection.amend([Document("a", "text", title, {"k": [2, "x", None]})])
    for condition, expected in (({"k": "x"}, 1), ({"k": 1}, 0), ({"gone": True}, 0), ({"k": 2}, 1)):
        found = collection.search([Query(vector=vector[0], filter=parse_filter(condition))])[0]
        assert len(found.hits) == expected, condition
    with pytest.raises(InvalidInput, match="'a'"):
        collection.amend([Document("a", "another text", title, {})])
    with pytest.raises(InvalidInput, match="'zz'"):
        collection.amend([Document("zz", "text", title, {})])


def test_fields_are_counted_over_all_documents(collection: Collection) -> None:
    """Each field has its kinds, values by falling count, and the range of its numbers."""
    held: list[dict[str, object]] = [
        {"kind": "class", "year": 2001, "tags": ["io", "net", "io"], "open": True},
        {"kind": "class", "year": 1999.5, "tags": [], "open": False},
        {"kind": "function", "year": None, "tags": ["net"], "open": True},
        {"kind": "x" * (LONGEST_COMMON + 1), "year": "unknown", "gone": 1},
        {},
    ]
    units = random_units(len(held))
    for number, metadata in enumerate(held):
        collection.put([embedded(f"d{number}", units[number : number + 1], metadata=metadata)])
    collection.put([embedded("d3", units[3:4], metadata={**held[3], "gone": []})])
    counted = {field.name: field for field in collection.fields()}
    assert list(counted) == ["gone", "kind", "open", "tags", "year"]
    values = {
        name: [(one.value, one.documents) for one in field.common]
        for name, field in counted.items()
    }
    assert values == {
        "gone": [],
        "kind": [("class", 2), ("function", 1)],
        "open": [(True, 2), (False, 1)],
        "tags": [("net", 2), ("io", 1)],
        "year": [(None, 1), (1999.5, 1), (2001, 1), ("unknown", 1)],
    }
    assert [type(value) for value, _ in values["open"]] == [bool, bool]
    assert [counted[name].distinct for name in ("kind", "year", "tags")] == [3, 4, 2]
    assert counted["year"].kinds == (Kind.NULL, Kind.NUMBER, Kind.STRING)
    assert (counted["year"].smallest, counted["year"].largest) == (1999.5, 2001)
    assert (counted["kind"].smallest, counted["kind"].largest) == (None, None)
    for field in counted.values():  # what is counted is what a filter finds
        for one in field.common:
            passing = collection.page(parse_filter({field.name: {"$in": [one.value]}})).documents
            there = [document for document in passing if field.name in document.metadata]
            assert len(there) == one.documents


MOMENTS: list[object] = [
    "2024-03-01T00:30:00+01:00",
    "2024-02-29T23:30:00Z",
    ["2024-02-29T19:30:00-05:00", "2024-03-01T00:30:00.0Z"],
    "2024-03-01",
    "unknown",
    ["2024-03-02T00:00:00", 7],
]


def with_moments(collection: Collection) -> None:
    """A document for each of the values above, as its field ``at``."""
    units = random_units(len(MOMENTS))
    for i, held in enumerate(MOMENTS):
        collection.put([embedded(f"d{i}", units[i : i + 1], metadata={"at": held})])


HELD_AGAINST_MOMENTS: tuple[tuple[object, list[int]], ...] = (
    ("2024-02-29T18:30:00-05:00", [0, 1]),
    ({"$ne": "2024-02-29 23:30:00.000+00:00"}, [2, 3, 4, 5]),
    ({"$in": ["2024-03-01T01:30:00+01:00", "unknown"]}, [2, 4]),
    ({"$lt": "2024-03-01T00:00:00Z"}, [0, 1]),
    ({"$lte": "2024-03-01T01:00:00+01:00"}, [0, 1, 3]),
    ({"$gt": "2024-03-01T01:00:00+01:00"}, [2, 5]),
    ({"$gte": "2024-03-01T01:30:00.000000001+01:00"}, [5]),
    ({"$gt": "2024-02-29T24"}, [0, 2, 3, 4, 5]),  # by letters: the bound names no moment
    ({"$lt": "2024-03"}, [1, 2]),
    ({"$gt": "2024-03-01T00:00:00Z", "$lt": "2024-03-02T00:00:00Z"}, [2]),
)
"""Conditions, and the documents of MOMENTS that pass."""


def test_moments_are_compared_whatever_their_offsets(collection: Collection) -> None:
    """Equality and order are those of moments; a bound that names none is held against letters."""
    with_moments(collection)
    for condition, passing in HELD_AGAINST_MOMENTS:
        page = collection.page(parse_filter({"at": condition}))
        assert [one.id for one in page.documents] == [f"d{i}" for i in passing], condition


def test_moments_are_counted_as_moments_and_shown_as_given(collection: Collection) -> None:
    """Texts of one moment are one value, told by the least of them, and ends are told as given."""
    with_moments(collection)
    (at,) = collection.fields()
    assert at.kinds == (Kind.NUMBER, Kind.STRING, Kind.MOMENT)
    assert [(one.value, one.documents) for one in at.common] == [
        ("2024-02-29T23:30:00Z", 2),
        (7, 1),
        ("unknown", 1),
        ("2024-03-01", 1),
        ("2024-02-29T19:30:00-05:00", 1),
        ("2024-03-02T00:00:00", 1),
    ]
    assert at.distinct == 6
    assert (at.smallest, at.largest) == (7, 7)
    held = [one.metadata["at"] for one in collection.page().documents]
    assert held == MOMENTS
    assert collection.column("at")["d2"] == "2024-02-29T19:30:00-05:00"
    collection.delete(["d5"])
    (at,) = collection.fields()
    assert (at.smallest, at.largest) == ("2024-02-29T23:30:00Z", "2024-03-01T00:30:00.0Z")
    collection.delete([f"d{i}" for i in range(len(MOMENTS))])
    assert collection.fields() == []


def test_fields_come_no_more_than_asked(collection: Collection) -> None:
    """Only so many fields, with so many values each; a field of no document is none."""
    assert collection.fields() == []
    fill(collection, random_units(30))
    (n,) = collection.fields(limit=1, common=3)
    assert (n.name, n.distinct, len(n.common)) == ("n", 30, 3)
    assert [field.common for field in collection.fields(common=0)] == [(), ()]
    collection.delete([f"d{i}" for i in range(30)])
    assert collection.fields() == []


def test_pages_cover_every_document_once(collection: Collection) -> None:
    """Following the cursor visits all documents in the order they came, with and without filter."""
    fill(collection, random_units(25))
    collection.delete(["d7"])
    for condition, expected in (
        (None, [f"d{i}" for i in range(25) if i != 7]),
        (parse_filter({"odd": True}), [f"d{i}" for i in range(1, 25, 2) if i != 7]),
    ):
        seen: list[str] = []
        cursor = None
        while True:
            page = collection.page(condition, cursor, limit=4)
            assert len(page.documents) <= 4
            seen += [document.id for document in page.documents]
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == expected
    for cursor in ("../x", "-1", "", "9" * 40):
        with pytest.raises(InvalidInput):
            collection.page(cursor=cursor)


def test_examples_find_their_like_and_are_left_out(collection: Collection) -> None:
    """Like and unlike search by the difference of means; no example is among the hits."""
    vectors = random_units(300)
    fill(collection, vectors)
    like, unlike = ("d1", "d2"), ("d3",)
    answer = collection.search([Query(like=like, unlike=unlike, k=8)])[0]
    direction = normalise(((vectors[1] + vectors[2]) / 2 - vectors[3])[None])[0]
    others = [i for i in range(300) if i not in (1, 2, 3)]
    assert ids(answer) == best(vectors, direction, others, 8)
    with pytest.raises(NotFound, match="'nope'"):
        collection.search([Query(like=("nope",))])


def test_examples_may_be_vectors(collection: Collection) -> None:
    """A vector of any length is an example as a document of its direction is, and hides none."""
    vectors = random_units(200)
    fill(collection, vectors)
    mixed = Query(like=("d1", vectors[2] * 9), unlike=(vectors[3],), k=199)
    direction = normalise(((vectors[1] + vectors[2]) / 2 - vectors[3])[None])[0]
    found = ids(collection.search([mixed])[0])
    assert found == best(vectors, direction, [i for i in range(200) if i != 1], 199)
    with pytest.raises(InvalidVector, match=str(DIMENSION)):
        collection.search([Query(like=(np.ones(DIMENSION - 1),))])
    with pytest.raises(InvalidVector):
        collection.search([Query(unlike=(np.zeros(DIMENSION),))])
    with pytest.raises(InvalidQuery):
        collection.search([Query(like=(ExampleText("words"),))])


@pytest.mark.parametrize("k", [5, 400])
def test_by_the_best_example_all_documents_are_ranked_by_the_rule(
    collection: Collection, k: int
) -> None:
    """The nearest liked example counts, but for what is nearer to an unliked one: that is last."""
    vectors = random_units(400, seed=3)
    fill(collection, vectors)
    cosines = vectors.astype(np.float64) @ vectors.T
    for liked, unliked in (((1,), ()), ((1, 2, 3), (4, 5)), ((), (6, 7)), ((8,), (8, 9))):
        scores = [rule(cosines[i], liked, unliked) for i in range(400)]
        others = [i for i in range(400) if i not in liked + unliked]
        query = Query(
            like=tuple(f"d{i}" for i in liked),
            unlike=tuple(f"d{i}" for i in unliked),
            strategy=Strategy.BEST,
            k=k,
        )
        hits = collection.search([query])[0].hits
        assert [hit.document.id for hit in hits] == [
            f"d{i}" for i in sorted(others, key=scores.__getitem__, reverse=True)[:k]
        ]
        for hit in hits:
            assert hit.score == pytest.approx(scores[int(hit.document.id[1:])], abs=1e-6)


def rule(cosines: np.ndarray, liked: Sequence[int], unliked: Sequence[int]) -> float:
    """The score of a document by its cosines to all examples."""
    near = max((cosines[j] for j in liked), default=-np.inf)
    away = max((cosines[j] for j in unliked), default=-np.inf)
    return -away if not liked else near if near > away + 1e-6 else -2 - away


def test_by_the_best_example_a_document_counts_by_its_best_chunk(collection: Collection) -> None:
    """Chunks are grouped, filters hold, and k documents come."""
    vectors = random_units(400, seed=2)
    collection.put(
        [embedded(f"d{i}", vectors[i * 20 : i * 20 + 20], metadata={"n": i}) for i in range(20)]
    )
    likes = random_units(3, seed=8)
    query = Query(like=tuple(likes), strategy=Strategy.BEST, filter=parse_filter({"n": {"$ne": 4}}))
    answer = collection.search([replace(query, k=19)])[0]
    scores = (vectors.astype(np.float64) @ likes.T).max(axis=1).reshape(20, 20).max(axis=1)
    assert ids(answer) == [f"d{i}" for i in np.argsort(-scores) if i != 4]


def test_totals_are_counted_where_they_are_known(collection: Collection) -> None:
    """Documents, not chunks, that pass the filter, are no examples, and score enough."""
    vectors = random_units(600, seed=4)
    collection.put(
        [
            embedded(f"d{i}", vectors[i * 2 : i * 2 + 2], metadata={"odd": i % 2 == 1})
            for i in range(300)
        ]
    )
    collection.delete([f"d{i}" for i in range(30)])
    query, odd = Query(vector=vectors[90], k=3), parse_filter({"odd": True})
    scores = (vectors.astype(np.float64) @ vectors[90]).reshape(300, 2).max(axis=1)[30:]
    for asked, expected in (
        (query, 270),
        (replace(query, filter=odd), 135),
        (replace(query, min_score=0.2), np.count_nonzero(scores >= 0.2)),
        (replace(query, min_score=0.2, filter=odd), np.count_nonzero(scores[1::2] >= 0.2)),
        (replace(query, min_score=2), 0),
        (Query(like=("d33", "d34"), unlike=("d35", "d35")), 267),
        (Query(like=("d33", "d34"), filter=odd), 134),
        (Query(like=("d33",), strategy=Strategy.BEST), 269),
        (Query(like=("d33",), strategy=Strategy.BEST, min_score=0.1), None),
    ):
        assert collection.search([asked])[0].total == expected, asked


def test_a_cursor_needs_what_it_stands_for(collection: Collection) -> None:
    """A collection reads no cursors itself, but leaves that to indexer.search."""
    with pytest.raises(InvalidQuery):
        collection.search([Query(vector=np.ones(DIMENSION), cursor="x")])


def test_queries_of_one_call_are_answered_each_by_itself(collection: Collection) -> None:
    """Many queries with different k and filters give what they give one by one."""
    fill(collection, random_units(500))
    queries = [
        Query(
            vector=vector,
            k=1 + i % 7,
            filter=parse_filter({"odd": True}) if i % 3 == 0 else None,
            min_score=0.3 if i % 2 else None,
        )
        for i, vector in enumerate(random_units(25, seed=8))
    ]
    for strategy in Strategy:
        queries += [
            Query(like=("d1",), strategy=strategy),
            Query(unlike=("d1",), strategy=strategy),
        ]
    together = collection.search(queries)
    for query, answer in zip(queries, together, strict=True):
        assert ids(answer) == ids(collection.search([query])[0])
        assert all(query.min_score is None or h.score >= query.min_score for h in answer.hits)


def test_temperature_gives_the_softmax_over_the_hits(collection: Collection) -> None:
    """Probabilities are softmax(score / temperature) over the k hits and sum to one."""
    fill(collection, random_units(100))
    answer = collection.search([Query(vector=random_units(1, seed=9)[0], k=6, temperature=0.1)])[0]
    scores = np.array([hit.score for hit in answer.hits])
    expected = np.exp(scores / 0.1) / np.exp(scores / 0.1).sum()
    assert [hit.probability for hit in answer.hits] == pytest.approx(expected.tolist())


def test_a_query_without_a_direction_is_refused(collection: Collection) -> None:
    """A zero, non-finite or misshapen query vector is an error."""
    fill(collection, random_units(3))
    for vector in (np.zeros(DIMENSION), np.full(DIMENSION, np.nan), np.ones(DIMENSION + 1)):
        with pytest.raises(InvalidVector):
            collection.search([Query(vector=vector)])


def test_a_vector_that_is_not_a_unit_is_never_stored(collection: Collection) -> None:
    """The error names the document, and none of the batch is written."""
    good = embedded("good", random_units(1))
    for vector in (np.zeros(DIMENSION), np.full(DIMENSION, np.inf), np.ones(DIMENSION)):
        bad = embedded("bad", vector.astype(np.float32)[None])
        with pytest.raises(InvalidVector, match="'bad'"):
            collection.put([good, bad])
        assert collection.get(["good", "bad"]) == [None, None]


def test_a_text_needs_its_vector(collection: Collection) -> None:
    """A collection embeds nothing itself, and says who does."""
    with pytest.raises(InvalidQuery):
        collection.search([Query(text="words")])


def test_vectors_come_back_as_they_were_put(collection: Collection) -> None:
    """Stored vectors are the given ones to the last bit, with their chunks in order."""
    vectors = random_units(5)
    one = embedded("a", vectors)
    collection.put([one, embedded("b", random_units(1, seed=1))])
    found, missing = collection.vectors(["a", "zz"])
    assert missing is None and found is not None
    assert found.chunks == one.chunks
    np.testing.assert_array_equal(found.vectors, vectors)
    with collection._engine.reading() as state:
        keys = state.keys(["a", "b"])
        sample = state.chunk_vectors([keys["b"], keys["a"], Key(keys["b"] + 1)])
        assert sorted(sample.keys.tolist()) == [keys["a"]] * 5 + [keys["b"]]
        np.testing.assert_array_equal(sample.vectors[sample.keys == keys["a"]], vectors)
        assert state.chunk_vectors([]).vectors.shape == (0, collection.identity.dimension)


def test_cosines_of_own_documents_are_those_of_all(collection: Collection) -> None:
    """To the bit, whichever documents a direction has of its own; none, or some that are gone."""
    vectors, directions = random_units(9, seed=2), random_units(3, seed=3)
    collection.put([embedded(f"d{i}", vectors[i : i + 1 + i % 3]) for i in range(6)])
    collection.delete(["d3"])
    with collection._engine.reading() as state:
        keys = list(state.keys(["d5", "d0", "d2", "d4", "d1"]).values())
        own = [keys[:3], [], [*keys[1:], Key(max(keys) + 9)]]
        for asked, direction, found in zip(
            own, directions, state.own_cosines(own, directions), strict=True
        ):
            every = state.chunk_cosines(keys, direction[None])
            held = np.isin(every.keys, asked)
            due = np.column_stack([every.chunks[held], every.cosines[held]])
            there = np.column_stack([found.chunks, found.cosines])
            assert sorted(there.tolist()) == sorted(due.tolist())
            assert set(found.keys.tolist()) == set(asked) & set(keys)


def test_documents_come_back_embedded_as_they_were_put(collection: Collection) -> None:
    """With their vectors and chunks, of the model whose they are; of the newest text."""
    one = replace(embedded("a", random_units(3)), truncated=True)
    collection.put([embedded("a", random_units(2, seed=1)), embedded("b", random_units(1))])
    collection.put([one])
    found, missing = collection.embedded(["a", "zz"])
    assert missing is None and found is not None
    assert (found.document, found.chunks, found.truncated) == (one.document, one.chunks, True)
    assert found.model == collection.identity.mark
    np.testing.assert_array_equal(found.vectors, one.vectors)


def test_a_sample_holds_only_what_is_stored(collection: Collection) -> None:
    """Sampled vectors are live ones, without repeats."""
    vectors = random_units(60)
    fill(collection, vectors)
    collection.delete_matching(parse_filter({"n": {"$lt": 30}}))
    sample = collection.sample(100)
    assert len(sample) == 30
    assert {row.tobytes() for row in sample} == {row.tobytes() for row in vectors[30:]}
    assert len(collection.sample(7, seed=1)) == 7


@pytest.mark.usefixtures("background")
def test_searches_see_one_state_while_documents_are_written(collection: Collection) -> None:
    """While a document is replaced over and over, each search finds it exactly once, whole."""
    vectors = random_units(40)
    fill(collection, vectors)
    stop, problems = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            answer = collection.search([Query(vector=vectors[0], k=41)])[0]
            texts = [hit.document.text for hit in answer.hits if hit.document.id == "x"]
            if len(answer.hits) not in (40, 41) or len(texts) > 1:
                problems.append((len(answer.hits), texts))

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i, vector in enumerate(random_units(60, seed=12)):
        collection.put([embedded("x", vector[None], f"version {i:04}")])
        if i % 10 == 9:
            collection.delete(["x"])
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []


def test_odd_texts_and_keys_survive(collection: Collection) -> None:
    """Text, titles, ids and metadata come back as given: NUL, emoji, right-to-left, quotes."""
    odd = 'a\x00b 🧭 שלום "quoted" \u202e\ufeff'
    document = Document("id/with ?&#%/🧭", odd, odd, {"key.with $ and ' \"": odd, "n": [1, 2.5]})
    collection.put([EmbeddedDocument(document, (Chunk(0, 0, len(odd)),), random_units(1))])
    assert collection.get([document.id]) == [document]
    for condition in ({"key.with $ and ' \"": odd}, {"n": {"$in": [2.5]}}, {"n": {"$gt": 2}}):
        found = collection.search(
            [Query(vector=np.ones(DIMENSION), filter=parse_filter(condition))]
        )
        assert ids(found[0]) == [document.id]


@pytest.mark.usefixtures("background")
def test_an_answer_says_how_rarely_unrelated_queries_find_as_near_a_document(
    collection: Collection,
) -> None:
    """Counted over the best cosines of all null queries; 5 in 100 unrelated ones are below 0.05."""
    vectors = random_units(3_000, seed=21)
    fill(collection, vectors)
    null = np.sort((make_null_vectors(collection.identity) @ vectors.T).max(axis=1))
    queries = random_units(400, seed=22)
    answers = collection.search([Query(vector=query, k=1) for query in queries])
    found = np.array([answer.significance for answer in answers])
    assert 0.02 < (found < 0.05).mean() < 0.08
    best = np.array([answer.hits[0].score for answer in answers])
    reached = 1 + len(null) - np.searchsorted(null, best)
    expected = reached / (len(null) + 1)
    body = expected > 0.15
    np.testing.assert_allclose(found[body], expected[body], atol=0.03)  # lengths differ a little
    (itself,) = collection.search([Query(vector=vectors[7], k=2)])
    assert itself.significance < 0.01


@pytest.mark.usefixtures("background")
def test_significance_is_of_the_answer_however_many_hits_it_has(collection: Collection) -> None:
    """And whatever is left out of it for its score; of hits by words alone nothing is known."""
    fill(collection, random_units(60))
    query = Query(text="text", vector=random_units(1, seed=5)[0], k=1)
    (first,) = collection.search([query])
    assert first.significance is not None
    same = (
        replace(query, k=20),
        replace(query, mode=Mode.HYBRID),
        replace(query, min_score=1.0),
        replace(query, exact=True),
    )
    for each in same:
        assert collection.search([each])[0].significance == first.significance
    assert collection.search([replace(query, mode=Mode.LEXICAL)])[0].significance is None
    filtered = replace(query, filter=parse_filter({"field": "none has it"}))
    assert collection.search([filtered])[0].significance is None


@pytest.mark.usefixtures("background")
def test_the_null_knows_the_length_of_a_query(collection: Collection) -> None:
    """It is that of its text; without one, the mean."""
    fill(collection, random_units(60))
    vector = random_units(1, seed=6)[0]
    background = collection.background()
    texts = ("a", "a long question " * 10)
    answers = collection.search([Query(text=text, vector=vector) for text in texts])
    for text, answer in zip(texts, answers, strict=True):
        expected = background.significance(answer.hits[0].score, len(text))
        assert answer.significance == pytest.approx(expected)
    (plain,) = collection.search([Query(vector=vector)])
    assert plain.significance == pytest.approx(background.significance(plain.hits[0].score))


@pytest.mark.usefixtures("background")
def test_later_pages_and_unknown_queries_have_no_significance(collection: Collection) -> None:
    """The best is on the first page; and cosines to what the model does not know say nothing."""
    fill(collection, random_units(60))
    query = Query(text="a", vector=random_units(1, seed=8)[0], k=5)
    (first,) = collection.search([query])
    assert first.significance is not None
    given = PageExclusions(first.token, tuple(hit.key for hit in first.hits))
    (second,) = collection.search([replace(query, cursor="of the first", exclusions=given)])
    assert second.hits
    assert second.significance is None
    assert collection.search([replace(query, unknown=True)])[0].significance is None


@pytest.mark.usefixtures("background")
def test_answers_by_examples_have_no_significance(collection: Collection) -> None:
    """Documents are not like queries, which the null is made of."""
    fill(collection, random_units(100))
    for strategy in Strategy:
        (answer,) = collection.search([Query(like=("d1", "d2"), strategy=strategy)])
        assert answer.hits
        assert answer.significance is None


@pytest.mark.usefixtures("background")
def test_a_collection_of_a_few_documents_has_no_significance(collection: Collection) -> None:
    """From 50 on it has."""
    vectors = random_units(50)
    fill(collection, vectors[:49])
    query = Query(vector=random_units(1, seed=7)[0])
    assert collection.search([query])[0].significance is None
    assert collection.background() is None
    fill(collection, vectors)
    assert collection.search([query])[0].significance is not None


@pytest.mark.usefixtures("background")
@pytest.mark.parametrize("count", [0, 60])
def test_preparing_changes_no_answer(collection: Collection, count: int) -> None:
    """Whether there is anything or not; the background of scores is there then, if it can be."""
    if count:
        fill(collection, random_units(count))
    query = Query(vector=random_units(1, seed=3)[0], k=5)
    expected = collection.search([query])[0].hits
    collection.prepare()
    assert collection.search([query])[0].hits == expected
    assert (collection.background() is not None) is bool(count)


def test_it_has_a_name_and_a_language(make: Callable[..., Collection]) -> None:
    """Those that it was made with, and it says so."""
    collection = make("letters", language=Language.FRENCH)
    assert (collection.name, collection.language) == ("letters", Language.FRENCH)
    described = collection.describe()
    assert (described.name, described.model) == ("letters", collection.identity.name)
    assert described.dimension == collection.identity.dimension == DIMENSION


def test_who_holds_the_right_to_write_may_write_from_any_thread(collection: Collection) -> None:
    """Over many writes, which others see one by one; it may be held twice."""
    vectors = random_units(3)
    with collection.writing("fill"), collection.writing():
        collection.put([embedded("a", vectors[:1])])
        writer = threading.Thread(target=collection.put, args=([embedded("b", vectors[1:2])],))
        writer.start()
        writer.join()
        assert collection.describe().documents == 2
    collection.put([embedded("c", vectors[2:])])
    assert collection.describe().documents == 3


@pytest.mark.parametrize("order", [1, -1])
def test_equals_come_in_the_order_of_their_ids(collection: Collection, order: int) -> None:
    """In whatever order they came, however many of them are asked for, in every mode."""
    vectors = random_units(5)
    names = [f"{letter}{i}" for letter in "zbma" for i in range(9)][::order]
    collection.put([embedded(name, vectors[:1], "one word") for name in names])
    collection.put([embedded(f"far{i}", vectors[i : i + 1], "another") for i in range(1, 5)])
    asked = [
        Query(vector=vectors[0]),
        Query(vector=vectors[0], exact=True),
        Query(like=(vectors[0],)),
        Query(like=(vectors[0],), strategy=Strategy.BEST),
        Query(text="word", mode=Mode.LEXICAL),
        Query(text="word", mode=Mode.HYBRID, vector=vectors[0]),
        Query(text="word", mode=Mode.HYBRID, vector=vectors[0], candidates=36),
    ]
    for query in asked:
        for k in (3, 36):
            (answer,) = collection.search([replace(query, k=k)])
            if query.mode is not Mode.HYBRID or k == 36:
                assert ids(answer) == sorted(names)[:k], query


def test_a_cosine_is_the_same_however_it_was_asked_for(collection: Collection) -> None:
    """Alone, with others, exactly, with words, as an example: the very same number."""
    vectors = random_units(300, seed=14)
    fill(collection, vectors)
    query = random_units(1, seed=15)[0]
    others = [Query(vector=one) for one in random_units(20, seed=16)]
    dense = Query(vector=query, k=50)
    asked = [
        [dense],
        [*others, dense],
        [replace(dense, exact=True)],
        [replace(dense, filter=parse_filter({"n": {"$gte": 0}}))],
        [replace(dense, text="text", mode=Mode.HYBRID)],
        [Query(like=(query,), strategy=Strategy.BEST, k=50)],
    ]
    found = [
        {hit.document.id: hit.scores.dense for hit in collection.search(queries)[-1].hits}
        for queries in asked
    ]
    for one in found[1:]:
        assert all(found[0].get(id, cosine) == cosine for id, cosine in one.items())
    assert found[0] == found[1] == found[2] == found[3]


def test_pages_hold_what_was_there_at_the_first(collection: Collection) -> None:
    """Each document once, whatever is added, replaced or deleted between pages."""
    vectors = random_units(60)
    fill(collection, vectors)
    query = Query(vector=random_units(1, seed=3)[0], k=7)
    given: list[str] = []
    for page in range(99):
        (answer,) = search(collection, None, [query])  # nothing is to be embedded
        given += ids(answer)
        if answer.cursor is None:
            break
        query = replace(query, cursor=answer.cursor)
        collection.put([embedded(f"new{page}", vectors[page : page + 1])])
        collection.put([embedded(given[0], vectors[:1], "replaced")])
    assert sorted(given) == sorted(f"d{i}" for i in range(60))


def test_an_index_that_it_cannot_keep_is_refused(collection: Collection) -> None:
    """And every kind that it says it can is kept, and finds what is near."""
    vectors = random_units(500)
    fill(collection, vectors)
    for kind in IndexKind:
        if kind is IndexKind.AUTO or kind in collection.capabilities.index_kinds:
            collection.rebuild(IndexChoice(kind))
            (answer,) = collection.search([Query(vector=vectors[3], k=5)])
            assert (len(answer.hits), ids(answer)[0]) == (5, "d3")
        else:
            with pytest.raises(Unsupported, match=str(kind)):
                collection.rebuild(IndexChoice(kind))


def test_compacting_lets_go_of_nothing_that_is_there(collection: Collection) -> None:
    """What is stored stays as it is, and can be written to."""
    vectors = random_units(30)
    fill(collection, vectors)
    collection.delete([f"d{i}" for i in range(10)])
    query = Query(vector=vectors[20], k=40)
    before = collection.search([query])
    assert collection.compact()
    assert collection.search([query]) == before
    collection.put([embedded("x", vectors[:1])])
    assert collection.describe().documents == 21
