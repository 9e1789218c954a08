"""The threads of NumPy's matrix products.

Threads that share a product wait for one another in a loop. Where other programs or other threads
want the processors, that takes many times as long as the product: 8 queries times 5,000 vectors
of 384 components, two cores, five programs beside: 2.4 ms of processor time on one thread, 12 to
17 ms on two; 64 queries 5.7 and 24 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from threadpoolctl import LibController, ThreadpoolController

SMALL: Final = 1 << 29
"""Multiplications of a product that one core does in some 20 ms, and more cores not much sooner."""


@contextmanager
def threads_for_product(multiplications: int) -> Iterator[None]:
    """Have NumPy compute products of so many multiplications on one thread, if they are few.

    The number of threads is the process's: at worst a large product beside has one, too.
    """
    if multiplications > SMALL:
        yield
        return
    libraries = _libraries()
    for library, _ in libraries:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, usual in libraries:  # not as before, since others may be computing
            library.set_num_threads(usual)


@cache
def _libraries() -> tuple[tuple[LibController, int], ...]:
    """NumPy's libraries of matrix products, each with its usual number of threads.

    FAISS has another, whose threads are those of OpenMP.
    """
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    ours = (one for one in found if one.info().get("threading_layer") != "openmp")
    return tuple((one, one.num_threads) for one in ours if one.num_threads)
