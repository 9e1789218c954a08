"""Arrays that grow: with room for more, so that few appends copy what is there."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.storage.vector_file import BLOCK_ROWS

_Item = TypeVar("_Item", bound=np.generic)


def extended(held: NDArray[_Item], size: int) -> NDArray[_Item]:
    """``held`` extended to a size, in the same memory if there is room.

    The present items stay; only the last state may be extended.
    """
    room = held.base
    if isinstance(room, np.ndarray) and len(room) >= size:
        return room[:size]
    return with_room(held, size)


def with_room(held: NDArray[_Item], size: int) -> NDArray[_Item]:
    """A longer copy, with room for an eighth more."""
    room = np.empty((size + max(size // 8, BLOCK_ROWS), *held.shape[1:]), held.dtype)
    room[: len(held)] = held
    return room[:size]
