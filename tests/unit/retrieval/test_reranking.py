"""The stages after the first ranking, driven by hand and through a collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local import create_local
from samples import DIMENSION, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, StoredVectors
from indexer.embedding.hashing_engine import open_hashing
from indexer.errors import InvalidQuery
from indexer.queries import Answer, Hit, Mode, Passage, Query, ScoreBreakdown
from indexer.ranking.calibration import Calibration, Curve, Errors
from indexer.ranking.grades import grade_of
from indexer.ranking.mmr import diversify
from indexer.retrieval.reranking import diversified, reranked
from indexer.retrieval.sans_io import Staged
from indexer.retrieval.search import search

DOCUMENTS = 120
VECTORS = random_units(2 * DOCUMENTS, seed=21)


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """A collection of DOCUMENTS documents of two chunks each, in VECTORS."""
    with create_local(tmp_path / "things", make_identity()) as collection:
        collection.put(
            [
                EmbeddedDocument(
                    Document(f"d{i}", "ab"),
                    (Chunk(0, 0, 1), Chunk(1, 1, 2)),
                    VECTORS[2 * i : 2 * i + 2],
                )
                for i in range(DOCUMENTS)
            ]
        )
        yield collection


def ask(collection: Collection, query: Query) -> Answer:
    """The answer to one query."""
    with open_hashing(DIMENSION) as embedder:
        return search(collection, embedder, [query])[0]


def drive(staged: Staged[Any], results: Sequence[Any]) -> Any:
    """What a stage makes of the results of its one need."""
    next(staged)
    with pytest.raises(StopIteration) as end:
        staged.send(results)
    return end.value.value


def passages(collection: Collection, query: Query) -> list[int]:
    """The rows of VECTORS of a search's best passages."""
    return [2 * int(h.document.id[1:]) + h.passage.start for h in ask(collection, query).hits]


@pytest.mark.parametrize(
    ("k", "candidates", "looked_at"), [(4, None, 50), (15, None, 75), (3, 7, 7)]
)
def test_diverse_hits_are_chosen_among_the_candidates_by_their_passages(
    collection: Collection, k: int, candidates: int | None, looked_at: int
) -> None:
    """What is compared are the passages that hits show; scores stay as they were."""
    vector = random_units(1, seed=5)[0]
    rows = passages(collection, Query(vector=vector, k=looked_at))
    scores = VECTORS[rows] @ vector
    chosen = diversify(scores, VECTORS[rows], k, 0.4)
    query = Query(vector=vector, k=k, diversity=0.4, candidates=candidates)
    assert passages(collection, query) == [rows[i] for i in chosen]
    hits = ask(collection, query).hits
    np.testing.assert_allclose([hit.score for hit in hits], scores[chosen], atol=1e-6)


@pytest.mark.parametrize("known", [True, False])
def test_hits_that_say_nothing_are_chosen_last(known: bool) -> None:
    """However high they score, unless the query says nothing either, or a word speaks for them."""
    units = np.eye(4, dtype=np.float32)
    passage, stored = Passage("", 0, 0), [StoredVectors((Chunk(0, 0, 0),), u[None]) for u in units]
    worded = ScoreBreakdown(lexical=1.0)
    hits = [
        Hit(Document("silent", ""), 0.9, passage, unknown=True),
        Hit(Document("worded", ""), 0.8, passage, scores=worded, unknown=True),
        Hit(Document("best", ""), 0.7, passage),
        Hit(Document("next", ""), 0.6, passage),
    ]
    query = Query(text="hi", vector=units[0], k=4, diversity=0.1, unknown=not known)
    chosen = drive(diversified(query, hits), stored[: 3 if known else 4])
    expected = ["worded", "best", "next", "silent"] if known else [h.document.id for h in hits]
    assert [hit.document.id for hit in chosen] == expected


def test_no_diversity_is_the_order_of_scores(collection: Collection) -> None:
    """At 0 nothing changes, and as many hits come as exist."""
    vector = random_units(1, seed=5)[0]
    for k in (7, 500):
        plain = passages(collection, Query(vector=vector, k=k))
        assert passages(collection, Query(vector=vector, k=k, diversity=0.0)) == plain
        assert len(ask(collection, Query(vector=vector, k=k, diversity=0.5)).hits) == len(plain)


def test_diversity_out_of_bounds_is_refused() -> None:
    """It is a share."""
    for diversity in (-0.1, 1.1, float("nan")):
        with pytest.raises(InvalidQuery, match="from 0 to 1"):
            Query(text="a", diversity=diversity)


def test_what_was_deleted_or_changed_meanwhile_is_no_fault() -> None:
    """A deleted hit comes last; a changed one is compared by the mean of what it is now."""
    x, y = np.eye(2, dtype=np.float32)
    hits = [Hit(Document(id, "ab"), 0.5, Passage("a", 0, 1)) for id in ("x", "gone", "x2", "y")]
    stored = [
        StoredVectors((Chunk(0, 0, 1), Chunk(1, 1, 2)), np.stack([x, y])),
        None,
        StoredVectors((Chunk(0, 0, 1),), x[None]),
        StoredVectors((Chunk(0, 0, 2),), y[None]),
    ]
    query = Query(vector=x, k=4, diversity=0.5)
    chosen = drive(diversified(query, hits), stored)
    assert [hit.document.id for hit in chosen] == ["x", "y", "x2", "gone"]
    assert drive(diversified(query, hits[1:2]), [None]) == hits[1:2]


def test_reranked_hits_are_ordered_by_the_new_score_and_keep_the_old(
    collection: Collection,
) -> None:
    """What lies within the depth is scored anew; what is deeper follows as it was."""
    vector = random_units(1, seed=5)[0]

    def rerank(**asked: Any) -> Answer:
        query = Query(text="a b", vector=vector, **asked)
        with open_hashing(DIMENSION) as embedder:
            return search(collection, embedder, [query], Backwards())[0]

    plain = ask(collection, Query(vector=vector, k=30)).hits
    for k, depth in ((5, 30), (30, 5), (30, 30)):
        hits = rerank(k=k, rerank=depth).hits
        expected = [*plain[:depth][::-1], *plain[depth:]][:k]
        assert [hit.document.id for hit in hits] == [hit.document.id for hit in expected]
        assert list(hits[depth:]) == expected[depth:]
        for hit in hits[:depth]:
            before = next(one for one in plain if one.document.id == hit.document.id)
            assert hit.scores.reranked == hit.score != before.score
            assert (hit.scores.dense, hit.scores.dense_rank) == (
                before.score,
                before.scores.dense_rank,
            )
            assert hit.distance == before.distance


class Backwards:
    """A reranker that turns every order around; it is asked once for all."""

    name = "backwards"

    def __init__(self) -> None:
        self.calls = 0

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """The place of each pair."""
        self.calls += 1
        assert self.calls == 1 and {query for query, _ in pairs} == {"a b"}
        return np.arange(len(pairs), dtype=np.float32)


def test_a_cross_encoder_reads_the_title_and_the_best_passage() -> None:
    """Of equal scores the better hit of the first ranking comes first; others are cut by score."""
    hits = [
        Hit(Document("x", "one two", "Title"), 0.9, Passage("one", 0, 3)),
        Hit(Document("y", "three"), 0.8, Passage("three", 0, 5)),
        Hit(Document("z", "four"), 0.7, Passage("four", 0, 4)),
    ]
    staged = reranked(Query(text="q", rerank=3), hits)
    assert next(staged).items == [("q", "Title one"), ("q", "three"), ("q", "four")]
    with pytest.raises(StopIteration) as end:
        staged.send([0.25, 0.5, 0.5])
    assert [(hit.document.id, hit.score) for hit in end.value.value] == [
        ("y", 0.5),
        ("z", 0.5),
        ("x", 0.25),
    ]


def test_min_score_bounds_the_score_that_hits_are_ordered_by(collection: Collection) -> None:
    """A hit that the first ranking scores low may be one that the cross-encoder scores high."""
    query = Query(text="a", vector=VECTORS[0], k=12, rerank=9, min_score=6)
    with open_hashing(DIMENSION) as embedder:
        (answer,) = search(collection, embedder, [replace(query, text="a b")], Backwards())
    assert [hit.score for hit in answer.hits] == [8, 7, 6]
    assert answer.total is None


def test_groups_and_diversity_follow_the_reranked_order(collection: Collection) -> None:
    """A group is where the best of its hits is by the new score."""
    query = Query(text="a b", vector=VECTORS[0], k=7, rerank=40)
    with open_hashing(DIMENSION) as embedder:
        (plain,) = search(collection, embedder, [query], Backwards())
        grouped = replace(query, group_by="nothing has it")
        (alone,) = search(collection, embedder, [grouped], Backwards())
        (diverse,) = search(collection, embedder, [replace(query, diversity=0.5)], Backwards())
    assert [hit.document.id for hit in alone.hits] == [hit.document.id for hit in plain.hits]
    assert diverse.hits[0] == plain.hits[0] and diverse.hits != plain.hits
    assert all(hit.scores.reranked is not None for hit in diverse.hits)


def test_reranking_without_a_cross_encoder_says_how_to_have_one(collection: Collection) -> None:
    """It names the option and the variable; what has no text to read is refused at once."""
    with pytest.raises(InvalidQuery, match=r"--reranker.*BEARING_RERANKER"):
        ask(collection, Query(text="a", vector=VECTORS[0], rerank=5))
    with pytest.raises(InvalidQuery, match="needs a text"):
        Query(vector=VECTORS[0], rerank=5)
    with pytest.raises(InvalidQuery, match="at least 1"):
        Query(text="a", rerank=0)


def test_scores_that_are_no_cosines_are_rescaled() -> None:
    """The order does not change if all scores are multiplied."""
    vectors = random_units(6, 2, seed=3)
    stored = [StoredVectors((Chunk(0, 0, 1),), vectors[i : i + 1]) for i in range(6)]
    orders = []
    for scale in (1e-3, 1.0, 50.0):
        hits = [Hit(Document(f"d{i}", "a"), (6 - i) * scale, Passage("a", 0, 1)) for i in range(6)]
        query = Query(text="a", mode=Mode.LEXICAL, k=6, diversity=0.6)
        orders.append([hit.document.id for hit in drive(diversified(query, hits), stored)])
    assert orders[0] == orders[1] == orders[2] != [f"d{i}" for i in range(6)]


def test_reranked_hits_have_the_relevance_that_was_learned_of_the_cross_encoder(
    collection: Collection,
) -> None:
    """By its scores and the new places, of the hits within its depth; of another, none."""
    curve = Curve(1.0, 1.0, 0.0, (-4.0, 4.0), (0.0, 1.0))
    errors = Errors(0.1, 0.1, 0.1, 0.1, 0.1)
    learned = Calibration(
        "dense, reranked by another", collection.mark, curve, None, errors, 20, 99, "x"
    )
    collection.keep_calibration(learned)
    vector = random_units(1, seed=5)[0]

    def hits(**asked: Any) -> tuple[Hit, ...]:
        query = Query(text="a b", vector=vector, k=5, **asked)
        with open_hashing(DIMENSION) as embedder:
            return search(collection, embedder, [query], Backwards())[0].hits

    assert {hit.relevance for hit in hits(rerank=3)} == {None}
    collection.keep_calibration(replace(learned, ranking="dense, reranked by backwards"))
    found = hits(rerank=3)
    expected = curve(np.array([hit.score for hit in found]), np.arange(1, 6)).tolist()
    assert [hit.relevance for hit in found] == [*expected[:3], None, None]
    assert [hit.grade for hit in found[:3]] == [grade_of(one) for one in expected[:3]]
    assert {hit.relevance for hit in hits()} == {None}
