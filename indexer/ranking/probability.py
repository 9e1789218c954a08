"""A distribution over scores: sharpened by a low temperature, flattened by a high one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def softmax(scores: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Softmax of scores / temperature along the last axis; each row sums to 1.

    The largest score is taken off first, so that no temperature above 0 overflows.
    """
    exact = np.asarray(scores, dtype=np.float64)
    shifted = exact - exact.max(axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # a tiny temperature sends the rest to -inf, that is to 0
        weights = np.exp(shifted / temperature)
    shares: NDArray[np.float64] = weights / weights.sum(axis=-1, keepdims=True)
    return shares
