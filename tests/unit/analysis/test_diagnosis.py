"""The counts of a diagnosis are those of exact arithmetic, in whichever order documents came."""

from __future__ import annotations

import numpy as np
import pytest
from samples import make_identity

from indexer.analysis.diagnosis import EQUAL
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors, normalise
from indexer.index_choice import Language
from indexer.memory.engine import MemoryEngine

DIMENSION = 384
PAIRS = 150


@pytest.fixture(scope="module")
def nearly_equal() -> Vectors:
    """(2 * PAIRS, DIMENSION): pairs of which rounding could decide whether they are equal."""
    rng = np.random.default_rng(5)
    first = rng.normal(size=(PAIRS, DIMENSION))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    across = rng.normal(size=(PAIRS, DIMENSION))
    across -= np.einsum("nd,nd->n", across, first)[:, None] * first
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    cosines = (EQUAL + rng.uniform(-2e-7, 2e-7, PAIRS))[:, None]
    second = cosines * first + np.sqrt(1 - cosines**2) * across
    return normalise(np.concatenate([first, second]))


@pytest.mark.parametrize("order", ["as they are", "in pairs", "shuffled"])
def test_equal_vectors_are_told_by_their_exact_cosine(nearly_equal: Vectors, order: str) -> None:
    """However a matrix product rounds where the rows stand."""
    places = {
        "as they are": np.arange(2 * PAIRS),
        "in pairs": np.arange(2 * PAIRS).reshape(2, PAIRS).T.ravel(),
        "shuffled": np.random.default_rng(6).permutation(2 * PAIRS),
    }[order]
    exact = nearly_equal.astype(np.float64)
    equal = np.einsum("nd,nd->n", exact[:PAIRS], exact[PAIRS:]) >= EQUAL
    assert 20 < equal.sum() < PAIRS - 20
    identity = make_identity(DIMENSION)
    with Collection(MemoryEngine("things", identity, Language.NONE)) as collection:
        collection.put([_document(place, nearly_equal[place]) for place in places.tolist()])
        found = collection.diagnose(lambda _: None).near
    assert (found.looked, found.near) == (2 * PAIRS, 2 * PAIRS)
    assert found.equal == 2 * equal.sum()


def _document(number: int, vector: np.ndarray) -> EmbeddedDocument:
    text = f"text {number}"
    return EmbeddedDocument(Document(str(number), text), (Chunk(0, 0, len(text)),), vector[None])
