"""Rankings of hits that are relevant and diverse: maximal marginal relevance.

Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
producing summaries", SIGIR 1998, https://doi.org/10.1145/290941.291025
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors


def diversify(
    relevance: NDArray[np.floating], vectors: Vectors, k: int, diversity: float
) -> NDArray[np.int64]:
    """The places of k candidates, (min(k, n),), in the order in which they are chosen.

    The first is the most relevant; each further one has the largest
    ``(1 - diversity) * relevance - diversity * c``, where c is its largest cosine to any chosen
    before it. ``relevance`` is (n,), ``vectors`` (n, d) of unit length, ``diversity`` in [0, 1]:
    1 - lambda of the paper. Of ties the earlier is chosen. O(k n d) time, O(n) memory.
    """
    count = min(k, len(relevance))
    chosen = np.empty(count, dtype=np.int64)
    gain = (1.0 - diversity) * np.asarray(relevance, dtype=np.float64)  # (n,)
    nearest = np.full(len(relevance), -np.inf)  # (n,) the largest cosine to any chosen
    for step in range(count):
        marginal = gain - diversity * nearest if step else np.asarray(relevance, dtype=np.float64)
        marginal[chosen[:step]] = -np.inf
        best = int(np.argmax(marginal))
        chosen[step] = best
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return chosen


def rescaled(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores of any scale as (n,) relevance from 0, for the smallest, to 1; 1 if all are equal.

    Not needed for cosines, which are already on the scale of those they are weighed against.
    """
    exact = np.asarray(scores, dtype=np.float64)
    span = np.ptp(exact) if len(exact) else 0.0
    return (exact - exact.min()) / span if span > 0 else np.ones(len(exact))
