"""Vectors on a plane: groups stay together, the same input gives the same map."""

from __future__ import annotations

import numpy as np
import pytest
from samples import random_units

from indexer.analysis.tsne import LEAST, Places, fit_square, place, principal_places, project
from indexer.documents import Vectors, normalise

GROUPS = 5


def grouped(count: int, seed: int = 0) -> Vectors:
    """Rows around some directions, each of a group by its place."""
    rng = np.random.default_rng(seed)
    directions = random_units(GROUPS, 32, seed=1) * 3
    return normalise(directions[np.arange(count) % GROUPS] + 0.3 * rng.normal(size=(count, 32)))


def nearest_others(vectors: Vectors, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and distances of each row's k nearest others, by all distances."""
    squares = np.square(vectors[:, None] - vectors[None]).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    nearest = np.argsort(squares, axis=1)[:, :k]
    distances = np.sqrt(np.take_along_axis(squares, nearest, axis=1))
    return nearest.astype(np.int64), distances.astype(np.float32)


def draw(vectors: Vectors, first: Places | None = None, told: list[int] | None = None) -> Places:
    """The map of some rows."""
    nearest, distances = nearest_others(vectors, 8)
    begun = principal_places(vectors) if first is None else first
    heard = [] if told is None else told
    return project(nearest, distances, begun, threads=1, tell=lambda done, _: heard.append(done))


@pytest.mark.parametrize("count", [300, 1_000])
def test_groups_stay_together_and_apart(count: int) -> None:
    """On the map, nearly every neighbour of a point is of its group, by a tree and by a grid."""
    places = draw(grouped(count))
    squares = np.square(places[:, None] - places[None]).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    beside = np.argsort(squares, axis=1)[:, :10]
    own = (beside % GROUPS == (np.arange(count) % GROUPS)[:, None]).mean()
    assert own > 0.98
    assert places.dtype == np.float32


def test_the_same_input_gives_the_same_map() -> None:
    """Nothing is left to chance."""
    vectors = grouped(120)
    assert np.array_equal(draw(vectors), draw(vectors))


def test_progress_rises_to_the_end() -> None:
    """Who waits hears how far it is."""
    told: list[int] = []
    draw(grouped(60), told=told)
    assert told == sorted(told)
    assert len(told) > 10


def test_a_map_begun_from_another_keeps_its_layout() -> None:
    """Groups lie to each other as they did, so readers find what they know."""
    vectors = grouped(200)
    mirrored = principal_places(vectors) * np.array([-1.0, 1.0], dtype=np.float32)
    plain, other = draw(vectors), draw(vectors, mirrored)
    assert np.corrcoef(plain[:, 0], other[:, 0])[0, 1] < -0.5
    assert np.corrcoef(plain[:, 1], other[:, 1])[0, 1] > 0.5


def test_few_vectors_are_drawn_by_their_principal_components() -> None:
    """Where there is no neighbourhood to speak of."""
    vectors = random_units(LEAST - 1)
    first = principal_places(vectors)
    nearest, distances = nearest_others(vectors, 2)
    found = project(nearest, distances, first, threads=1, tell=lambda *_: None)
    assert np.array_equal(found, first)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_principal_places_are_those_of_the_largest_variance(count: int) -> None:
    """They span what an eigendecomposition of the covariance spans; none is not a number."""
    vectors = random_units(count, 12)
    places = principal_places(vectors)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    if count > 3:
        largest = np.sort(np.linalg.eigvalsh(np.cov(vectors.T)))[::-1][:2]
        assert places.var(axis=0, ddof=1) == pytest.approx(largest, rel=1e-4)


def test_copies_of_one_text_can_be_drawn() -> None:
    """They lie together, far from those of another."""
    places = draw(np.repeat(random_units(4), 10, axis=0)).reshape(4, 10, 2)
    assert np.isfinite(places).all()
    within = np.ptp(places, axis=1).max()
    middles = places.mean(axis=1)
    between = np.linalg.norm(middles[0] - middles[1:], axis=1).min()
    assert within < between


def test_a_point_is_placed_where_its_neighbours_are_densest() -> None:
    """Between two groups there is nothing; at an equal it lies just there."""
    known = np.array([[0, 0], [0.1, 0], [0, 0.1], [0.9, 0.9], [1, 1]], dtype=np.float32)
    nearest = np.arange(5)[None]
    amid = place(np.array([[0.6, 0.6, 0.6, 0.6, 0.6]], np.float32), nearest, known)
    assert amid[0] == pytest.approx([0.033, 0.033], abs=0.01)
    at_equal = place(np.array([[0.5, 0.5, 0.4, 0.3, 1.0]], np.float32), nearest, known)
    assert at_equal[0] == pytest.approx([1, 1], abs=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_a_point_is_placed_where_all_known_ones_are_if_they_are_in_one_place(count: int) -> None:
    """As the second document of a collection is."""
    known = np.full((count, 2), 0.5, dtype=np.float32)
    nearest = np.arange(count)[None]
    found = place(np.full((1, count), 0.3, np.float32), nearest, known)
    assert found.tolist() == [[0.5, 0.5]]


def test_a_map_fits_a_square_in_its_own_shape() -> None:
    """The longer side spans it, the shorter is scaled by as much; one point is its middle."""
    fitted = fit_square(np.array([[10, 10], [30, 20]], dtype=np.float32))
    assert fitted.tolist() == [[-1.0, -0.5], [1.0, 0.5]]
    assert fit_square(np.array([[3, 4]], dtype=np.float32)).tolist() == [[0.0, 0.0]]
    assert fit_square(np.zeros((0, 2), dtype=np.float32)).shape == (0, 2)
