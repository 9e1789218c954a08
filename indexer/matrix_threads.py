"""The threads of NumPy's matrix products.

Threads that share a product wait for one another in a loop. Where other programs or other threads
want the processors, that takes many times as long as the product: 8 queries times 5,000 vectors
of 384 components, two cores, five programs beside: 2.4 ms of processor time on one thread, 12 to
17 ms on two; 64 queries 5.7 and 24 ms.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Final

from threadpoolctl import LibController, OpenBLASController, ThreadpoolController

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
    limit = _limit()
    limit.lower()
    try:
        yield
    finally:
        limit.raise_again()


class _Limit:
    """The number of threads of products: one as long as any thread computes a small one.

    If each gave the number back by itself, the first to end would give its threads to the others.
    """

    def __init__(self, libraries: Sequence[LibController]) -> None:
        self._libraries = [(one, one.num_threads) for one in libraries if one.num_threads]
        self._changing = threading.Lock()
        self._small = 0

    def lower(self) -> None:
        """Begin a small product."""
        with self._changing:
            self._small += 1
            if self._small == 1:
                for library, _ in self._libraries:
                    _set_threads(library, 1)

    def raise_again(self) -> None:
        """End one; with the last, products have their threads again."""
        with self._changing:
            self._small -= 1
            if not self._small:
                for library, usual in self._libraries:
                    _set_threads(library, usual)


def _set_threads(library: LibController, count: int) -> None:
    """Set a library's number of threads, and leave it to the next thread that wants to.

    From threadpoolctl 3.8 on the first thread that sets OpenBLAS's is the only one that may, and
    those of others are ignored without a word.
    """
    library.set_num_threads(count)
    if isinstance(library, OpenBLASController):
        library.clear_controlling_thread()


@cache
def _limit() -> _Limit:
    """The limit for NumPy's libraries of matrix products.

    FAISS has another, whose threads are those of OpenMP.
    """
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return _Limit([one for one in found if one.info().get("threading_layer") != "openmp"])
