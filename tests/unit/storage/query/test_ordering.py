"""One order of documents and one score of each, whatever happened before and beside it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from local import create_local, open_local
from numpy.typing import NDArray
from samples import make_identity
from structured import DIMENSION, SPREAD, around, make_topical

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.filters import parse_filter
from indexer.index_choice import IndexChoice, IndexKind
from indexer.queries import Hit, Mode, Query, Strategy
from indexer.thresholds import Thresholds

COPIES, OTHERS = 500, 250
ALL = COPIES + OTHERS
REWRITTEN = 3_000
LOW = Thresholds(
    least_rows=200, unindexed_rows=10**6, unindexed_share=1e6, delta_rows=400, gather_rows=64
)


def name_of(place: int) -> str:
    """Ids in whose order documents are not stored."""
    return f"d{place * 7919 % 10_007:05}"


def embedded(place: int, vectors: Vectors, text: str = "word") -> EmbeddedDocument:
    """A document of one chunk for each of these vectors."""
    chunks = tuple(Chunk(i, i, i + 1) for i in range(len(vectors)))
    return EmbeddedDocument(Document(name_of(place), text, None, {"n": place}), chunks, vectors)


def fill(collection: Collection, vectors: Vectors, order: list[int]) -> None:
    """One document for each vector, stored in an order."""
    collection.put([embedded(place, vectors[place : place + 1]) for place in order])


def shown(hits: tuple[Hit, ...]) -> list[tuple[str, float]]:
    """Ids and scores."""
    return [(hit.document.id, hit.score) for hit in hits]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Rows of which the last are copies of the first, and some near copies."""
    return make_topical(ALL, copies=COPIES).vectors


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, vectors: Vectors
) -> Iterator[tuple[Collection, Collection]]:
    """The same documents stored at once, and in another order with updates and deletes."""
    folder = tmp_path_factory.mktemp("pair")
    places = list(range(len(vectors)))
    with (
        create_local(folder / "fresh", make_identity(DIMENSION)) as fresh,
        create_local(folder / "used", make_identity(DIMENSION), thresholds=LOW) as used,
    ):
        fill(fresh, vectors, places)
        random.Random(3).shuffle(places)
        fill(used, np.roll(vectors, 5, axis=0), places[:COPIES])
        used.rebuild(IndexChoice(IndexKind.SCAN, 0.9))
        used.delete([name_of(place) for place in places[:170]])
        fill(used, vectors, places[::-1])
        yield fresh, used


def test_exact_answers_do_not_depend_on_history(
    pair: tuple[Collection, Collection], vectors: Vectors
) -> None:
    """Ids and scores are equal to the last bit, for each mode, strategy, k, alone or in a batch."""
    rng = np.random.default_rng(4)
    asked = np.concatenate([vectors[-1:], around(np.array([0, 5]), SPREAD, rng), vectors[:1]])
    condition = parse_filter({"n": {"$gte": 125}})
    asks = {
        "dense": lambda v, k: Query(vector=v, k=k, exact=True),
        "filtered": lambda v, k: Query(vector=v, k=k, exact=True, filter=condition),
        "best": lambda v, k: Query(
            like=(v, vectors[3]), unlike=(vectors[9],), strategy=Strategy.BEST, k=k, exact=True
        ),
        "hybrid": lambda v, k: Query(text="word", vector=v, k=k, exact=True, mode=Mode.HYBRID),
    }
    for name, ask in asks.items():
        for k in (1, 10, ALL - 100):
            queries = [ask(vector, k) for vector in asked]
            wanted = [shown(answer.hits) for answer in pair[0].search(queries)]
            assert [shown(answer.hits) for answer in pair[1].search(queries)] == wanted, (name, k)
            for query, hits in zip(queries, wanted, strict=True):
                if k < 100 or query is queries[0]:  # a long answer alone is seen once
                    assert shown(pair[1].search([query])[0].hits) == hits, (name, k)
                assert hits == sorted(hits, key=lambda hit: (-hit[1], hit[0])), (name, k)


def test_of_many_copies_the_smallest_ids_come_first(
    pair: tuple[Collection, Collection], vectors: Vectors
) -> None:
    """Ten of hundreds that tie are the first ten by id, and begin longer answers."""
    copies = sorted(
        name_of(place) for place in range(len(vectors)) if (vectors[place] == vectors[0]).all()
    )
    for collection in pair:
        answers = [
            collection.search([Query(vector=vectors[0], k=k, exact=True)])[0].hits
            for k in (3, 10, ALL)
        ]
        assert [hit.document.id for hit in answers[1]] == copies[:10]
        for shorter in answers:
            assert shown(answers[2])[: len(shorter)] == shown(shorter)


def test_the_total_is_the_number_of_hits_that_score_enough(
    pair: tuple[Collection, Collection], vectors: Vectors
) -> None:
    """A score that is exactly the least asked for counts, in both."""
    for collection in pair:
        for vector in vectors[:4]:
            hits = collection.search([Query(vector=vector, k=60, exact=True)])[0].hits
            for least in {hits[0].score, hits[9].score, hits[-1].score, 1.0}:
                query = Query(vector=vector, k=len(vectors), exact=True, min_score=least)
                (answer,) = collection.search([query])
                assert answer.total == len(answer.hits)


def test_a_document_counts_by_its_best_chunk_and_the_first_of_equals(tmp_path: Path) -> None:
    """Documents of a hundred equal chunks leave room for others; their first chunk is shown."""
    vectors = make_topical(40).vectors
    with create_local(tmp_path / "c", make_identity(DIMENSION)) as collection:
        collection.put(
            [
                embedded(place, np.repeat(vectors[place : place + 1], 100, axis=0), "x" * 100)
                for place in range(30)
            ]
            + [embedded(place, vectors[place : place + 1]) for place in range(30, 40)]
        )
        for exact in (True, False):
            hits = collection.search([Query(vector=vectors[3], k=20, exact=exact)])[0].hits
            products = vectors.astype(np.float64) @ vectors[3]
            assert [hit.score for hit in hits] == pytest.approx(
                sorted(products, reverse=True)[:20], abs=1e-6
            )
            assert {(hit.passage.start, hit.passage.end) for hit in hits} == {(0, 1)}


def rewrite_topic(collection: Collection, vectors: Vectors, topics: NDArray[np.int64]) -> Vectors:
    """The vectors after all but a few documents of the largest topic were given new ones."""
    places = np.flatnonzero(topics == 0)[20:]
    now = vectors.copy()
    now[places] = around(topics[places], SPREAD, np.random.default_rng(6))
    with collection.writing("rewrite"):
        fill(collection, now, places.tolist())
    return now


@pytest.mark.parametrize(
    "kind",
    [
        IndexKind.REDUCED,
        IndexKind.GRAPH,
        pytest.param(IndexKind.PARTITIONED, marks=pytest.mark.long),
    ],
)
def test_a_topic_that_was_rewritten_is_found(tmp_path: Path, kind: IndexKind) -> None:
    """Where an index's rows near a query are dead, the late ones that replace them are returned."""
    topical = make_topical(REWRITTEN)
    choice = IndexChoice(kind, 0.97)
    create_local(tmp_path / "c", make_identity(DIMENSION)).close()
    with open_local(tmp_path / "c", choice, LOW) as collection:
        fill(collection, topical.vectors, list(range(REWRITTEN)))
        collection.rebuild()
        now = rewrite_topic(collection, topical.vectors, topical.topics)
        end = time.monotonic() + 60
        while collection.describe().index["compared_rows"]:
            assert time.monotonic() < end
            time.sleep(0.02)
        asked = around(np.zeros(100, dtype=np.int64), SPREAD, np.random.default_rng(7))
        for condition in (None, {"n": {"$lt": 2_700}}, {"n": {"$gte": 2_000}}):
            passing = None if condition is None else parse_filter(condition)
            mask = np.ones(REWRITTEN, dtype=np.bool_)
            if condition is not None:
                (bound,) = condition["n"].values()
                place = np.arange(REWRITTEN)
                mask = place < bound if "$lt" in condition["n"] else place >= bound
            answers = collection.search([Query(vector=q, k=10, filter=passing) for q in asked])
            scores = np.array([[hit.score for hit in answer.hits] for answer in answers])
            products = asked.astype(np.float64) @ now[mask].astype(np.float64).T
            bars = -np.partition(-products, 9, axis=1)[:, 9:10] - 1e-6
            assert float((scores >= bars).mean()) >= 0.95
