"""The order of documents: by falling score, ties by id.

So answers do not depend on when a document was stored, on the queries answered together, or on the
engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

_Key = TypeVar("_Key", bound=int)

Floats: TypeAlias = NDArray[np.floating[Any]]
"""(n,) scores."""


def first_of(
    keys: Sequence[_Key],
    scores: Floats,
    k: int,
    ids_of: Callable[[Iterable[_Key]], Mapping[_Key, str]],
) -> list[int]:
    """The places of the k largest scores, in order.

    Ids are looked up only of documents that tie: few ever do.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    if not (falling[1 : k + 1] == falling[:-1][:k]).any():
        first: list[int] = order[:k].tolist()
        return first
    last = falling[min(k, len(falling)) - 1]
    near = order[: int(np.count_nonzero(falling >= last))].tolist()
    ids = ids_of([keys[place] for place in near])
    near.sort(key=lambda place: (-scores[place], ids.get(keys[place], "")))
    return [int(place) for place in near[:k]]
