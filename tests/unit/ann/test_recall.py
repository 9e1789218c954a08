"""Compressed indexes against exact search: never short, exact scores, honest recall."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from samples import random_units

from indexer.ann.approximate import Layer, approximate_search
from indexer.ann.efforts import FIRST, Efforts
from indexer.ann.faiss_index import AnnIndex, exact_search
from indexer.ann.kinds import INDEX_KINDS, SearchParams
from indexer.ann.recall import draw_sample, estimate_recall, measure, share_found, tune
from indexer.documents import Vectors, normalise
from indexer.errors import Damaged, InvalidInput
from indexer.index_choice import IndexKind
from indexer.storage.ann.index_file import Sealed, build, fastest

ROWS, DIMENSION = 20_000, 32  # more than are always compared one by one


def clustered(count: int, seed: int = 0) -> Vectors:
    """Unit vectors in 60 groups, as texts on 60 subjects would be."""
    rng = np.random.default_rng(seed)
    centres = random_units(60, DIMENSION, seed=77)
    return normalise(
        centres[rng.integers(60, size=count)] + 0.25 * rng.normal(size=(count, DIMENSION))
    )


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Rows to search, of which an index holds all but the last thousand."""
    return clustered(ROWS)


@pytest.fixture(scope="module", params=list(INDEX_KINDS))
def index(request: pytest.FixtureRequest, vectors: Vectors) -> AnnIndex:
    """An index of each kind."""
    return AnnIndex.build(request.param, vectors[: ROWS - 1000])


def thorough(index: AnnIndex) -> Layer:
    """An index that tries the most it can."""
    return Layer(index, INDEX_KINDS[index.kind].search_params[-1])


@pytest.mark.parametrize("share", [None, 0.7, 0.3, 0.05, 0.001])
@pytest.mark.parametrize("queries", [1, 5])
def test_k_hits_with_exact_scores_at_any_filter(
    index: AnnIndex, vectors: Vectors, share: float | None, queries: int
) -> None:
    """Whatever is allowed, k allowed rows come back, best first, scored as exact search would."""
    asked = clustered(queries, seed=5)
    allowed = None if share is None else np.random.default_rng(3).random(ROWS) < share
    scores, rows = approximate_search(thorough(index), asked, vectors, 10, allowed)
    expected, _ = exact_search(asked, vectors, 10, allowed)
    assert scores.shape == expected.shape
    assert (rows >= 0).all()
    assert allowed is None or allowed[rows].all()
    exact = np.einsum("qd,qkd->qk", asked.astype(np.float64), vectors[rows].astype(np.float64))
    np.testing.assert_allclose(scores, exact, atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()
    found = [share_found(own, best) for own, best in zip(scores, expected, strict=True)]
    assert np.mean(found) >= 0.95


def test_rows_that_came_late_are_found(index: AnnIndex, vectors: Vectors) -> None:
    """A row behind the index is as findable as one inside."""
    for row in (ROWS - 1, ROWS - 1000, 5):
        scores, rows = approximate_search(thorough(index), vectors[row : row + 1], vectors, 1, None)
        assert rows[0, 0] == row
        assert scores[0, 0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("share", [None, 0.7, 0.05, 0.001])
def test_a_delta_index_proposes_the_first_of_unindexed_rows(share: float | None) -> None:
    """Rows of the index, of the delta index and behind both are found alike, scored exactly."""
    vectors = clustered(32_000)
    index = AnnIndex.build(IndexKind.SCAN, vectors[:18_000])
    delta = AnnIndex.build(IndexKind.SCAN, vectors[18_000:28_000])
    allowed = None if share is None else np.random.default_rng(3).random(len(vectors)) < share
    asked = clustered(50, seed=5)
    expected, places = exact_search(asked, vectors, 10, allowed)
    scores, rows = approximate_search(
        thorough(index), asked, vectors, 10, allowed, delta=Layer(delta, SearchParams(0, 400))
    )
    assert allowed is None or allowed[rows].all()
    exact = np.einsum("qd,qkd->qk", asked.astype(np.float64), vectors[rows].astype(np.float64))
    np.testing.assert_allclose(scores, exact, atol=1e-6)
    for first, last in ((0, 18_000), (18_000, 28_000), (28_000, 32_000)):
        wanted = [set(line[(first <= line) & (line < last)].tolist()) for line in places]
        found = [len(own & set(line.tolist())) for own, line in zip(wanted, rows, strict=True)]
        assert sum(found) >= 0.9 * sum(map(len, wanted)) > 0, (first, scores, expected)


def test_an_index_comes_back_from_bytes(index: AnnIndex, vectors: Vectors) -> None:
    """Encoded and decoded it proposes the same rows."""
    copy = AnnIndex.decode(index.kind, index.encode(), "copy")
    asked = clustered(3, seed=6)
    np.testing.assert_array_equal(
        copy.candidates(asked, 20, 64)[1], index.candidates(asked, 20, 64)[1]
    )
    with pytest.raises(Damaged, match="rubbish is not an index"):
        AnnIndex.decode(index.kind, np.zeros(100, dtype=np.uint8), "rubbish")


@pytest.mark.parametrize("share", [None, 0.5])
def test_a_query_alone_is_proposed_what_it_is_among_others(
    index: AnnIndex, share: float | None
) -> None:
    """In whatever order its lists are gone through, and though the index was let go of."""
    selects = share is not None and INDEX_KINDS[index.kind].selects
    allowed = np.random.default_rng(3).random(index.rows) < share if selects else None
    asked = clustered(8, seed=7)
    scores, rows = AnnIndex.decode(index.kind, index.encode(), "copy").candidates(
        asked, 40, 64, allowed
    )
    for query, own_scores, own_rows in zip(asked, scores, rows, strict=True):
        alone = index.candidates(query[None], 40, 64, allowed)
        np.testing.assert_allclose(alone[0][0], own_scores, atol=1e-5)
        assert len(set(alone[1][0].tolist()) & set(own_rows.tolist())) >= 36  # others may tie


def test_an_extended_copy_leaves_the_original(index: AnnIndex, vectors: Vectors) -> None:
    """Rows are added to a copy; searches of the original go on as before."""
    before = index.candidates(vectors[:2], 5, 64)[1]
    longer = index.extended(vectors[index.rows :])
    assert (longer.rows, index.rows) == (ROWS, ROWS - 1000)
    np.testing.assert_array_equal(index.candidates(vectors[:2], 5, 64)[1], before)
    _, rows = approximate_search(thorough(longer), vectors[-1:], vectors, 1, None)
    assert rows[0, 0] == ROWS - 1


def test_a_kind_that_takes_no_selector_is_refused_before_faiss(vectors: Vectors) -> None:
    """What FAISS would abort on is an error of ours."""
    index = AnnIndex.build(IndexKind.SCAN, vectors[:1000])
    with pytest.raises(InvalidInput, match="kind scan takes no set"):
        index.candidates(vectors[:1], 5, 0, np.ones(1000, dtype=np.bool_))
    with pytest.raises(InvalidInput, match="kind exact has nothing to build"):
        AnnIndex.build(IndexKind.EXACT, vectors[:1000])


@pytest.mark.parametrize("dimension", [3, 10, 33, 64])
def test_any_dimension_can_be_compressed(dimension: int) -> None:
    """Dimensions that codes do not divide are padded, and answers stay right."""
    vectors = random_units(3000, dimension)
    for kind in [one for one in INDEX_KINDS if one is not IndexKind.GRAPH]:
        index = AnnIndex.build(kind, vectors)
        params = INDEX_KINDS[kind].search_params[-1]
        _, rows = approximate_search(Layer(index, params), vectors[:5], vectors, 1, None)
        assert rows[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_what_all_vectors_share_does_not_drown_the_rest() -> None:
    """Where rows share a direction, as with many models, codes of what they do not share win."""
    falling = 0.85 ** np.arange(DIMENSION)
    shared = 2.0 * random_units(1, DIMENSION, seed=8)
    vectors, asked = (normalise(clustered(n, n) * falling + shared) for n in (ROWS, 100))
    best, _ = exact_search(asked, vectors, 10)
    recall = {}
    for kind in (IndexKind.REDUCED, IndexKind.SCAN):
        index = AnnIndex.build(kind, vectors)
        scores, _ = approximate_search(Layer(index, SearchParams(0, 400)), asked, vectors, 10)
        shares = [share_found(own, nearest) for own, nearest in zip(scores, best, strict=True)]
        recall[kind] = np.mean(shares)
    assert recall[IndexKind.REDUCED] >= recall[IndexKind.SCAN] + 0.2, recall


def test_a_scan_of_whole_vectors_is_built_where_one_of_reduced_ones_misses() -> None:
    """Where half of the dimensions hold what there is they are enough; else none can be spared."""
    kinds = (IndexKind.REDUCED, IndexKind.SCAN)
    even = random_units(ROWS, DIMENSION)
    narrow = normalise(even * 0.8 ** np.arange(DIMENSION))
    assert build(kinds, narrow, None, 0.95).index.kind is IndexKind.REDUCED
    assert build(kinds, even, None, 0.95).index.kind is IndexKind.SCAN


def test_the_fastest_for_one_query_and_for_many_is_chosen() -> None:
    """Of those that reach the target, the sum decides; one that misses it comes behind."""
    vectors = random_units(2_000, DIMENSION)
    one = build((IndexKind.SCAN,), vectors, None, 0.5)

    def taking(query_ms: float, low: float) -> Sealed:
        recall = replace(one.measured.recall, low=low)
        first = replace(one.measured, query_ms=query_ms, recall=recall)
        return replace(one, efforts=Efforts({FIRST: first}))

    slow, even, quick = taking(2.0, 0.95), taking(2.1, 0.93), taking(1.0, 0.8)
    assert fastest([slow, even, quick], [1.0, 0.5, 0.1], 0.9) is even
    assert fastest([slow, even, quick], [1.0, 1.5, 0.1], 0.9) is slow
    assert fastest([slow, even, quick], [1.0, 1.5, 0.1], 0.8) is quick
    assert fastest([slow, even, quick], [1.0, 1.5, 0.1], 0.99) is slow


def test_tuning_reaches_the_target_or_says_so(index: AnnIndex, vectors: Vectors) -> None:
    """The parameters chosen are the quickest whose measured lower bound is the target's."""
    inside = vectors[: index.rows]
    sample = draw_sample(inside)
    tuned = tune(index, inside, sample, 0.9)
    search_params = INDEX_KINDS[index.kind].params_for(10)
    place = search_params.index(tuned.params)
    assert tuned.recall.low >= 0.9 or place == len(search_params) - 1
    if place:
        assert measure(index, search_params[place - 1], inside, sample).recall.low < 0.9
    asked = clustered(200, seed=9)
    expected, _ = exact_search(asked, inside, 10)
    scores, _ = approximate_search(Layer(index, tuned.params), asked, inside, 10)
    found = [share_found(own, best) for own, best in zip(scores, expected, strict=True)]
    assert np.mean(found) >= 0.87


def test_what_is_tuned_with_many_queries_is_stated_by_all_of_them(vectors: Vectors) -> None:
    """A quarter of them only tells what misses."""
    inside = vectors[:4_000]
    index = AnnIndex.build(IndexKind.SCAN, inside)
    many = draw_sample(inside, count=600)
    tuned = tune(index, inside, many, 0.9)
    assert tuned.recall.queries == 600
    assert tuned.recall.low >= 0.9
    assert tuned.recall == measure(index, tuned.params, inside, many).recall
    first, rest = many.parted()
    assert len(first.queries) == 150
    assert len(rest.queries) == len(rest.nearest) == len(rest.allowed) == 450


def test_without_queries_nothing_is_known_of_recall(vectors: Vectors) -> None:
    """All rows may be deleted: nothing is known of recall then, and nothing fails."""
    inside = vectors[:4_000]
    index = AnnIndex.build(IndexKind.SCAN, inside)
    none = draw_sample(inside, np.zeros(len(inside), dtype=np.bool_))
    tuned = tune(index, inside, none, 0.9)
    assert (tuned.recall.queries, tuned.recall.low, tuned.recall.high) == (0, 0.0, 1.0)
    assert tuned.params == INDEX_KINDS[IndexKind.SCAN].params_for(10)[-1]


def test_ties_with_the_last_are_not_misses() -> None:
    """A row as good as the k-th counts as found, whichever of them was returned."""
    assert share_found(np.float32([0.9, 0.5]), np.float32([0.9, 0.5])) == 1
    assert share_found(np.float32([0.9, 0.4]), np.float32([0.9, 0.5])) == 0.5
    assert share_found(np.float32([]), np.float32([])) == 1


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Over many samples the 95 % interval holds the true recall about 95 % of the time."""
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        rates = rng.beta(30, 1, size=256)  # queries differ in difficulty
        shares = rng.binomial(10, rates) / 10
        recall = estimate_recall(shares, 10)
        covered += recall.low <= 30 / 31 <= recall.high
    assert 0.91 <= covered / 400 <= 0.99
