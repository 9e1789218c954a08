"""Small matrix products are computed on one thread, and leave the others as they were."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from indexer.matrix_threads import SMALL, threads_for_product


def threads() -> list[int]:
    """Those of each library of matrix products, but FAISS's own."""
    np.ones((2, 2)) @ np.ones((2, 2))
    found = ThreadpoolController().select(user_api="blas").info()
    return [one["num_threads"] for one in found if one["threading_layer"] != "openmp"]


def test_a_small_product_has_one_thread_and_a_large_one_all() -> None:
    """Also where it fails, and where one is within another."""
    usual = threads()
    with threads_for_product(SMALL + 1):
        assert threads() == usual
    with pytest.raises(ZeroDivisionError), threads_for_product(SMALL), threads_for_product(1):
        assert set(threads()) == {1}
        1 / 0  # noqa: B018 -- for its error
    assert threads() == usual
