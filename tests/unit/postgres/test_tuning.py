"""Effort of a graph's searches: its queries, their exact answers, and where it stops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from structured import make_topical

from indexer.documents import Vector, Vectors
from indexer.engine import Candidate, ChunkKey, Key, Sample
from indexer.postgres.scope import PostgresScope
from indexer.postgres.tuning import BANDS, KEPT, Find, Trial, draw_trials, tune

DOCUMENTS = 1_500
CHUNKS = 2
TARGET = 0.95


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Two chunks of each document, the second like another one's; fifty documents are copies."""
    return make_topical(DOCUMENTS * CHUNKS, seed=5, copies=100).vectors


@pytest.fixture(scope="module")
def drawn(vectors: Vectors) -> Vectors:
    """Stored vectors in an order of chance."""
    return np.random.default_rng(2).permutation(vectors)[:1_024]


@pytest.fixture(scope="module")
def trials(vectors: Vectors, drawn: Vectors) -> list[Trial]:
    """Those of all documents, of some at random, and of some on one subject."""
    whole, filtered = draw_trials(drawn, parts_of(vectors))
    return [whole, *filtered]


def parts_of(vectors: Vectors) -> Iterator[Sample]:
    """All chunks, some hundred documents at a time."""
    keys = np.repeat(np.arange(len(vectors) // CHUNKS), CHUNKS) + 7
    for start in range(0, len(vectors), 400):
        yield Sample(vectors[start : start + 400], keys[start : start + 400])


def cosines(vectors: Vectors, query: Vector) -> np.ndarray:
    """The score of each document by float64: that of its better chunk."""
    products = vectors.astype(np.float64) @ query.astype(np.float64)
    return products.reshape(-1, CHUNKS).max(axis=1)


def passing(trial: Trial) -> np.ndarray:
    """The documents that pass, by place."""
    return np.arange(DOCUMENTS) if trial.scope.keys is None else trial.scope.keys - 7


def test_exact_answers_are_those_of_comparing_with_all(
    vectors: Vectors, trials: list[Trial]
) -> None:
    """Best first, by the best chunk of each document that passes."""
    for trial in trials:
        for query, nearest in zip(trial.queries, trial.nearest, strict=True):
            expected = np.sort(cosines(vectors, query)[passing(trial)])[::-1][: len(nearest)]
            np.testing.assert_allclose(nearest, expected, atol=2e-6)


def test_queries_differ_and_filters_share_them(trials: list[Trial]) -> None:
    """Copies make one query; filters pass a third, or more where chunks differ in subject."""
    whole, chance, near = trials
    assert len({one.tobytes() for one in whole.queries}) == len(whole.queries) == BANDS[10]
    assert len(chance.queries) == len(near.queries) == BANDS[10] // 2
    for one in (chance, near):
        assert one.scope.total == len(passing(one)) <= 2 * KEPT * DOCUMENTS
    assert chance.scope.total == pytest.approx(KEPT * DOCUMENTS, rel=0.2)
    assert near.scope.total >= KEPT * DOCUMENTS * 0.9


def test_filters_are_of_chance_and_of_a_subject(
    vectors: Vectors, drawn: Vectors, trials: list[Trial]
) -> None:
    """What passes the second is nearer to one vector than all else."""
    near = cosines(vectors, drawn[0])
    apart = []
    for trial in trials[1:]:
        passes = np.isin(np.arange(DOCUMENTS), passing(trial))
        apart.append(near[passes].min() - near[~passes].max())
    assert apart[0] < -0.5
    assert apart[1] >= -1e-6


def lossy(vectors: Vectors, found: dict[int, float]) -> Find:
    """A graph that finds each document with a chance by the chunks in view; itself always."""
    dice = np.random.default_rng(3)

    def find(scope: PostgresScope, query: Vector, k: int, view: int) -> list[Candidate]:
        keys = np.arange(DOCUMENTS) if scope.keys is None else scope.keys - 7
        scores = cosines(vectors, query)[keys]
        order = np.argsort(-scores)
        kept = order[dice.random(len(order)) < found[view]]
        best = np.concatenate([order[:1], kept[kept != order[0]]])[:k]
        return [Candidate(Key(int(i)), float(scores[i]), ChunkKey(int(i))) for i in best]

    return find


def test_effort_rises_until_recall_surely_reaches_the_target(
    vectors: Vectors, trials: list[Trial]
) -> None:
    """No further than that, in no band less than in one of fewer hits, and stated as measured."""
    found = dict.fromkeys([40, 50, 64, 80, 100, 125], 0.7) | {160: 0.99}
    found |= dict.fromkeys([200, 250, 320, 400], 0.9) | dict.fromkeys([500, 640, 800, 1_000], 1.0)
    efforts = tune(lossy(vectors, found), trials[:1], TARGET)
    assert [(one.k, one.view) for one in efforts.bands] == [(10, 160), (100, 160), (300, 500)]
    for one in efforts.bands:
        assert one.low >= TARGET
        assert one.recall == pytest.approx(found[one.view], abs=0.02)
        assert one.queries == BANDS[one.k]
        assert not one.filtered


def test_what_misses_the_target_is_stated(vectors: Vectors, trials: list[Trial]) -> None:
    """The most there is in view, with the recall that it has, not counting the query itself."""
    always = dict.fromkeys([40, 50, 64, 80, 100, 125, 160, 200, 250, 320, 400], 0.6)
    efforts = tune(lossy(vectors, always | dict.fromkeys([500, 640, 800, 1_000], 0.6)),
                   trials[1:], TARGET)  # fmt: skip
    for one in efforts.bands[:2]:
        assert one.view == 1_000
        assert one.filtered
        assert one.recall == pytest.approx(0.6, abs=0.05)
        assert one.low < 0.6 < one.high or one.k == 100


def test_what_a_graph_gives_too_few_of_is_not_missed(trials: list[Trial]) -> None:
    """For then all are compared with."""
    efforts = tune(lambda *_: [], trials[1:], TARGET)
    assert [(one.view, one.recall) for one in efforts.bands] == [(40, 1.0), (160, 1.0), (500, 1.0)]
