"""The test that an engine must pass before it is trusted: known texts and their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.embedder import CANARIES, Embedder, TextRole
from indexer.errors import InvalidVector

FAITHFUL_COSINE: Final = 0.9999
"""Promise 7: the least cosine to sentence-transformers' float32 vectors."""

CHECK_TEXTS: Final = (*CANARIES, " ".join([*CANARIES] * 12))
"""The canaries, and a text longer than most windows, and than those of local attention."""


def worst_cosine(embedder: Embedder, reference: Mapping[TextRole, Vectors]) -> float:
    """The smallest cosine between an embedder's vectors of CHECK_TEXTS and the reference's.

    The texts are embedded together and one by one, which exposes a graph that was fixed to one
    shape or lets padding into its vectors. A text whose reference is zero is left out.
    """
    return min(_worst(embedder, role, rows) for role, rows in reference.items())


def _worst(embedder: Embedder, role: TextRole, rows: Vectors) -> float:
    directed = np.flatnonzero(rows.any(axis=1))
    texts = [CHECK_TEXTS[place] for place in directed]
    try:
        together = embedder.embed(texts, role).vectors
        alone = np.concatenate([embedder.embed([text], role).vectors for text in texts])
    except InvalidVector:
        return -1.0
    return float(min(_cosines(vectors, rows[directed]).min() for vectors in (together, alone)))


def _cosines(ours: Vectors, theirs: Vectors) -> Vectors:
    cosines: Vectors = np.einsum("ij,ij->i", ours, theirs)
    return cosines
