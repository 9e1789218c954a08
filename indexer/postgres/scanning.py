"""All stored vectors of a state in parts, as whoever must see every one of them reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from indexer.engine import Sample
from indexer.postgres.state import PostgresState

_ROWS: Final = 2_048


def whole_documents(state: PostgresState) -> Iterator[Sample]:
    """All stored vectors, in parts of some thousand that cut no document in two."""
    dimension = state.identity.dimension
    vectors, keys = np.zeros((0, dimension), np.float32), np.zeros(0, np.int64)
    for one in state.scan(_ROWS):
        vectors, keys = np.concatenate([vectors, one.vectors]), np.concatenate([keys, one.keys])
        end = int(np.searchsorted(keys, keys[-1]))
        if end:
            yield Sample(vectors[:end], keys[:end])
        vectors, keys = vectors[end:], keys[end:]
    if len(keys):
        yield Sample(vectors, keys)
