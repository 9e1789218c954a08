"""Facets of searches, counted over all documents that could be hits, on any page."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.collection.by_example import best_by_example
from indexer.collection.groups import Group
from indexer.engine import EngineState, Key
from indexer.facets import Facets
from indexer.queries import Mode


def facets_of(state: EngineState, group: Group, index: int) -> Facets | None:
    """The facets of one of these queries; None if it asks for none, or only over its best hits.

    They are counted over the documents in scope: in mode lexical those that hold a word, and with
    a bound on scores those that reach it.
    """
    query = group.queries[index]
    if not query.facets or query.facet_depth is not None:
        return None
    keys = _matches(state, group, index)
    documents = group.scope.total if keys is None else len(keys)
    counts = state.count_values(query.facets, group.scope, query.facet_values, keys)
    return Facets(documents, counts)


def _matches(state: EngineState, group: Group, index: int) -> Sequence[Key] | None:
    """The documents in scope that could be hits; None for all."""
    query, scope = group.queries[index], group.scope
    if group.mode is not Mode.LEXICAL and query.min_score is None:
        return None
    found: Sequence[tuple[Key, float]]
    if not scope.total:
        return []
    if group.mode is Mode.LEXICAL:
        matches = state.lexical.matches(state.lexical.asked(query.text or ""))
        found = matches.best(scope.total, scope)
    elif group.best is not None:
        near = best_by_example(state, group.best, scope.total, scope, exact=group.exact)
        found = [(one.key, one.score) for one in near]
    else:
        direction = group.directions[index : index + 1]
        (near,) = state.nearest(direction, scope.total, scope, exact=True)
        found = [(one.key, one.score) for one in near]
    return [key for key, score in found if query.min_score is None or score >= query.min_score]
