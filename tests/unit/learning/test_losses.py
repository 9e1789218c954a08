"""The losses of training, held against their formulas and torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from indexer import similarity
from indexer.learning import losses

TEMPERATURE = 0.07
SCALE = 1 / TEMPERATURE


def rows(seed: int, count: int = 6, dimension: int = 8) -> NDArray[np.float64]:
    """Rows of any length."""
    return np.random.default_rng(seed).normal(size=(count, dimension))


def unit(given: NDArray[np.float64]) -> torch.Tensor:
    """The rows as training has them."""
    return functional.normalize(torch.from_numpy(given), dim=1)


A, B, NEGATIVES = rows(0), rows(1), rows(2, 4)
IGNORED = np.random.default_rng(3).random((6, 10)) < 0.3
GRADES = [0.0, 3.0, 1.0, 1.0, 2.0, 0.5]


def interleaved() -> NDArray[np.float64]:
    """A and B in pairs of neighbours, as NT-Xent's formula has them."""
    return np.stack([A, B], axis=1).reshape(-1, A.shape[1])


PAIRS_OF_FORMULAS: dict[str, tuple[Callable[[], torch.Tensor], Callable[[], float]]] = {
    "info_nce": (
        lambda: losses.info_nce(unit(A), unit(B), SCALE),
        lambda: similarity.retrieval_cross_entropy(A, B, TEMPERATURE),
    ),
    "negatives and ignored": (
        lambda: losses.info_nce(
            unit(A), unit(B), SCALE, negatives=unit(NEGATIVES), ignored=torch.from_numpy(IGNORED)
        ),
        lambda: similarity.retrieval_cross_entropy(
            A, B, TEMPERATURE, negatives=NEGATIVES, ignored=IGNORED
        ),
    ),
    "both directions": (
        lambda: losses.info_nce(unit(A), unit(B), SCALE, both=True),
        lambda: similarity.symmetric_cross_entropy(A, B, TEMPERATURE),
    ),
    "nt_xent": (
        lambda: losses.nt_xent(unit(A), unit(B), SCALE),
        lambda: similarity.info_nce(interleaved(), TEMPERATURE),
    ),
    "triplet": (
        lambda: losses.triplet(unit(A), unit(B), unit(rows(2)), 0.3),
        lambda: similarity.triplet_loss(A, B, rows(2), 0.3),
    ),
    "cosent": (
        lambda: losses.cosent(torch.from_numpy(A[:, 0]), torch.tensor(GRADES), SCALE),
        lambda: similarity.cosent(A[:, 0], GRADES, TEMPERATURE),
    ),
}


@pytest.mark.parametrize("name", PAIRS_OF_FORMULAS)
def test_equals_its_formula(name: str) -> None:
    """The loss is what NumPy makes of the formula."""
    ours, formula = PAIRS_OF_FORMULAS[name]
    assert float(ours()) == pytest.approx(formula(), rel=1e-9)


def test_info_nce_is_cross_entropy() -> None:
    """InfoNCE is torch's cross-entropy of scaled cosines, its own document the class."""
    scores = unit(A) @ torch.cat([unit(B), unit(NEGATIVES)]).T * SCALE
    expected = functional.cross_entropy(scores, torch.arange(6))
    found = losses.info_nce(unit(A), unit(B), SCALE, negatives=unit(NEGATIVES))
    assert float(found) == pytest.approx(float(expected), rel=1e-12)


def test_angle_is_sentence_transformers() -> None:
    """The similarity of AnglE is that of sentence-transformers, in torch as in the formula."""
    from sentence_transformers.util import pairwise_angle_sim

    expected: Any = pairwise_angle_sim(unit(A), unit(B))
    assert losses.angle_similarity(unit(A), unit(B)).tolist() == pytest.approx(expected.tolist())
    assert similarity.angle_similarity(A, B).tolist() == pytest.approx(expected.tolist())


def test_matryoshka_is_the_mean_over_sizes() -> None:
    """The loss over all components and over the first of them weigh the same."""
    found = losses.matryoshka(
        lambda sides: losses.info_nce(sides[0], sides[1], SCALE), [unit(A), unit(B)], (4, 2)
    )
    sizes = [similarity.retrieval_cross_entropy(A[:, :n], B[:, :n], TEMPERATURE) for n in (8, 4, 2)]
    assert float(found) == pytest.approx(np.mean(sizes), rel=1e-9)
