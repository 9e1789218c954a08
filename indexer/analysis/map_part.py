"""The map of a part of a collection: its own documents where the map of all has them.

Clusters, their words and their counts are of these documents alone; of the others, nothing shows
but that near and far were told among all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from indexer.analysis.map_layout import regrouped
from indexer.analysis.tsne import fit_square
from indexer.documents import Document, encode_metadata
from indexer.lexical.analyzer import Analyzer
from indexer.reports import Map, MapState

_DIGEST_BYTES: Final = 8


def part_of(
    whole: Map,
    own: Iterable[tuple[int, Document]],
    analyzer: Analyzer,
    documents: Callable[[Sequence[int]], Mapping[int, Document]],
) -> Map:
    """The map of ``own``, documents by number, which ``documents`` gives once more."""
    digest = hashlib.blake2b(whole.state.encode(), digest_size=_DIGEST_BYTES)
    numbers: dict[str, int] = {}
    for number, document in own:
        numbers[document.id] = number
        digest.update(f"{document.id}\n{encode_metadata(document.metadata)}\n".encode())
    there = [place for place, id in enumerate(whole.ids) if id in numbers]
    ids = [whole.ids[place] for place in there]
    places = fit_square(whole.places[np.array(there, np.int64)])
    chosen = np.array([numbers[id] for id in ids], np.int64)
    clusters, labels = regrouped(chosen, places, analyzer, documents)
    digest.update(places.tobytes())
    late = len(numbers) - len(ids)
    return Map(
        _state(whole, late),
        digest.hexdigest(),
        ids,
        places,
        clusters,
        labels,
        kept=None,
        fitted=len(ids),
        late=late,
        seconds=0.0,
        progress=None,
    )


def _state(whole: Map, late: int) -> MapState:
    """The state: being drawn as long as that of all is, or behind if own documents are missing."""
    if not late:
        return MapState.READY
    return MapState.BUILDING if whole.state is MapState.BUILDING else MapState.STALE
