"""The gradient by a grid is that of all pairs, in every stage of a map."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray
from openTSNE.tsne import kl_divergence_bh
from scipy.sparse import csr_matrix

from indexer.analysis.grid_gradient import GridGradient

Doubles = NDArray[np.float64]

COUNT: Final = 600


def graph(places: Doubles, k: int = 7) -> csr_matrix:
    """Affinities of each point to the next ones by number, both ways, of sum 1."""
    count = len(places)
    rows = np.repeat(np.arange(count), k)
    columns = (rows + np.tile(np.arange(1, k + 1), count)) % count
    one_way = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    both = (one_way + one_way.T).tocsr()
    return both / both.sum()


def groups(count: int, apart: float, seed: int = 0) -> Doubles:
    """Points around eight places; the last twenty lie in one place."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(scale=apart, size=(8, 2))
    places = centres[np.arange(count) % 8] + rng.normal(scale=apart / 8, size=(count, 2))
    places[-20:] = places[-1]
    return places


def line(count: int) -> Doubles:
    """Points on a line along the first axis, with gaps of chance."""
    places = np.zeros((count, 2))
    places[:, 0] = np.random.default_rng(3).normal(scale=20.0, size=count)
    return places


def all_pairs(places: Doubles, affinities: csr_matrix) -> tuple[float, Doubles]:
    """The divergence and the gradient by their formulas, over dense matrices."""
    apart = places[:, None] - places
    near = 1.0 / (1.0 + np.square(apart).sum(axis=2))
    np.fill_diagonal(near, 0.0)
    given, drawn = affinities.toarray(), near / near.sum()
    gradient = np.einsum("ij,ij,ijd->id", given - drawn, near, apart)
    return float(np.sum(given * np.log(np.where(given > 0, given / (drawn + 1e-300), 1)))), gradient


@pytest.mark.parametrize(
    ("places", "off"),
    [
        pytest.param(groups(COUNT, 1e-4), 1e-3, id="at-the-start"),
        pytest.param(groups(COUNT, 0.05), 1e-3, id="close"),
        pytest.param(groups(COUNT, 5.0), 1e-3, id="apart"),
        pytest.param(groups(COUNT, 12.0), 1e-2, id="far-apart"),
        pytest.param(groups(COUNT, 60.0), 1e-1, id="nearly-all-alone"),
        pytest.param(line(COUNT), 2e-2, id="on-a-line"),
    ],
)
def test_it_is_the_gradient_of_all_pairs(places: Doubles, off: float) -> None:
    """The gradient is the exact one but for so much of its mean length, and the divergence too."""
    affinities = graph(places)
    divergence, exact = all_pairs(places, affinities)
    with GridGradient(threads=2) as gradient:
        told, found = gradient(places, affinities, should_eval_error=True)
    lengths = np.linalg.norm(exact, axis=1)
    assert np.linalg.norm(found - exact, axis=1).mean() < off * lengths.mean()
    assert told == pytest.approx(divergence, rel=3e-3)


def test_the_divergence_is_openTSNEs() -> None:  # noqa: N802 - its name
    """What its optimiser is told at its callbacks is what its own objective tells."""
    places = groups(COUNT, 12.0)
    affinities = graph(places)
    theirs = kl_divergence_bh(places, affinities, 1, {"theta": 0.0}, should_eval_error=True)[0]
    with GridGradient(threads=1) as gradient:
        assert gradient(places, affinities, should_eval_error=True)[0] == pytest.approx(
            theirs, rel=1e-3
        )
        assert gradient(places, affinities)[0] == 0.0


def test_forces_are_those_of_all_pairs() -> None:
    """The sum over pairs and the forces, by their formula in float64."""
    places = groups(COUNT, 12.0, seed=2)
    apart = places[:, None] - places
    near = 1.0 / (1.0 + np.square(apart).sum(axis=2))
    with GridGradient(threads=1) as gradient:
        total, forces = gradient.repulsion(places)
    exact = (np.square(near)[:, :, None] * apart).sum(axis=1)
    assert total == pytest.approx(near.sum() - COUNT, rel=2e-3)
    assert np.abs(forces - exact).max() < 0.1 * np.linalg.norm(exact, axis=1).mean()


def test_narrower_cells_are_more_exact() -> None:
    """A third of the error by three quarters of the spacing, as a cubic spline's slope has."""
    places = groups(COUNT, 60.0, seed=4)
    apart = places[:, None] - places
    exact = (apart / np.square(1.0 + np.square(apart).sum(axis=2))[:, :, None]).sum(axis=1)
    errors = []
    for spacing in (0.4, 0.3):
        with GridGradient(threads=1, spacing=spacing) as gradient:
            errors.append(np.square(gradient.repulsion(places)[1] - exact).mean() ** 0.5)
    assert errors[1] < 0.5 * errors[0]


def test_threads_change_nothing() -> None:
    """The same map is drawn on any machine's number of cores."""
    places = groups(20_000, 30.0)
    affinities, found = graph(places), []
    for threads in (1, 2, 3):
        with GridGradient(threads) as gradient:
            found.append(gradient(places, affinities)[1])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_a_point_without_neighbours_is_pushed_alone() -> None:
    """No other point's attraction is taken for its own, also as the first and the last."""
    places = groups(COUNT, 12.0)
    alone = np.array([0, 100, 101, COUNT - 1])
    affinities = graph(places).tolil()
    affinities[alone] = 0
    affinities = affinities.tocsr()
    affinities.eliminate_zeros()
    with GridGradient(threads=1) as gradient:
        total, forces = gradient.repulsion(places)
        found = gradient(places, affinities)[1]
    assert np.allclose(found[alone], -forces[alone] / total, rtol=1e-6, atol=0)
    assert not np.allclose(found[99], -forces[99] / total, rtol=1e-3, atol=0)


@pytest.mark.parametrize("apart", [1.0, 10.0, 60.0, 1e5])
def test_the_sum_leaves_out_each_point_itself(apart: float) -> None:
    """Also where hardly any two are near, and what a point reads of itself is nearly all."""
    rng = np.random.default_rng(5)
    nodes = np.stack(np.meshgrid(np.arange(25.0), np.arange(24.0)), axis=-1).reshape(-1, 2)
    places = (nodes + rng.normal(scale=0.3, size=nodes.shape)) * apart
    near = 1.0 / (1.0 + np.square(places[:, None] - places).sum(axis=2))
    with GridGradient(threads=1) as gradient:
        total, _ = gradient.repulsion(places)
    assert total > 0
    if apart < 1e5:  # cells are wider than the kernel there
        assert total == pytest.approx(near.sum() - len(places), rel=5e-3)


def test_a_point_far_away_does_not_take_all_memory() -> None:
    """Its grid would have 25 million nodes along one side."""
    places = groups(COUNT, 12.0)
    places[0] = (1e7, 1e7)
    with GridGradient(threads=1) as gradient:
        total, forces = gradient.repulsion(places)
    assert total > 0
    assert np.isfinite(forces).all()


def test_points_in_one_place_have_no_direction() -> None:
    """They neither move nor fail."""
    places = np.ones((COUNT, 2))
    with GridGradient(threads=1) as gradient:
        total, forces = gradient.repulsion(places)
        assert total == pytest.approx(COUNT * (COUNT - 1), rel=1e-5)
        assert np.abs(gradient(places, graph(places))[1]).max() < 1e-6
    assert np.abs(forces).max() < 1e-2
