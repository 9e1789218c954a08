"""Ids that occur more than once in an input: the last document stays, and the rest are reported."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 8


class Repeats:
    """Counts repeated ids; takes 8 bytes an id, as inputs may be of any length.

    Two ids with equal digests count as one: about once in 37 million inputs of a million documents.
    """

    def __init__(self) -> None:
        self._sorted: list[NDArray[np.uint64]] = []  # each at least twice as long as the next

    def count(self, ids: Sequence[str]) -> int:
        """The number of these ids that came before, in an earlier call or in this one."""
        if not ids:
            return 0
        digests = b"".join(
            hashlib.blake2b(id.encode(), digest_size=DIGEST_BYTES).digest() for id in ids
        )
        new = np.unique(np.frombuffer(digests, dtype=np.uint64))
        for known in self._sorted:
            places = np.searchsorted(known, new).clip(max=len(known) - 1)
            new = new[known[places] != new]
        self._add(new)
        return len(ids) - len(new)

    def _add(self, new: NDArray[np.uint64]) -> None:
        while self._sorted and len(self._sorted[-1]) < 2 * len(new):
            new = np.sort(np.concatenate([self._sorted.pop(), new]), kind="stable")
        if len(new):
            self._sorted.append(new)
