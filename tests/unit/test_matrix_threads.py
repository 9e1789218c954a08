"""Small matrix products are computed on one thread, and leave the others as they were."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Thread

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


def test_one_that_ends_leaves_those_under_way_their_one_thread() -> None:
    """Whichever began first: products of several threads overlap as they please."""
    usual = threads()
    with ExitStack() as later:
        with threads_for_product(1):
            later.enter_context(threads_for_product(1))
        assert set(threads()) == {1}
    assert threads() == usual


def test_every_thread_has_one_thread_for_its_small_products() -> None:
    """Not only the first that asked for it."""
    usual, seen = threads(), []

    def multiply() -> None:
        with threads_for_product(1):
            seen.extend(threads())

    with threads_for_product(1):
        pass
    other = Thread(target=multiply)
    other.start()
    other.join()
    assert set(seen) == {1}
    assert threads() == usual
