"""Passages of which the model knows no word come behind all others, whatever their cosine is.

The empty text, a line of dashes and a text in a script that the model cannot read each have a
vector, and it may be the nearest of all to a short query such as "hi". It says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from indexer.collection.groups import Group
from indexer.documents import Vector
from indexer.engine import Candidate, ChunkKey, EngineState
from indexer.queries import Query

MOST_PASSED_OVER: Final = 1_000
"""Documents that are passed over at most to find others that are known."""


def known_first(
    state: EngineState,
    group: Group,
    query: Query,
    direction: Vector,
    nearest: list[Candidate],
    depth: int,
) -> list[Candidate]:
    """The ``depth`` nearest documents, those that say something first.

    ``nearest`` are as many by the cosine alone. They stay as they are unless the model is known to
    know a word of the query.
    """
    if query.unknown is not False or not (silent := unknown_chunks(state, nearest)):
        return nearest
    if len(nearest) == depth:
        more = depth + min(state.counts.unknown, MOST_PASSED_OVER)
        (nearest,) = state.nearest(direction[None], more, group.scope, exact=group.exact)
        silent = unknown_chunks(state, nearest)
    return sorted(nearest, key=lambda one: one.chunk in silent)[:depth]


def unknown_chunks(state: EngineState, candidates: Sequence[Candidate]) -> set[ChunkKey]:
    """The chunks of which the model knows no word, of the documents of these candidates."""
    if not state.counts.unknown:
        return set()
    return state.unknown_chunks([one.key for one in candidates])
