"""Hits grouped by a metadata field: k groups with a bounded number of hits each.

A document belongs to the best-ranked of the existing groups that its values name; if there is
none, it opens one, named by the first of its values. So a document with a list in the field never
appears twice. A document without the field, or with null, is a group of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from indexer.filters import (
    Condition,
    Every,
    Filter,
    Key,
    Kind,
    Metadata,
    Operator,
    Scalar,
    key_of,
)
from indexer.queries import Answer, Hit, PageExclusions, Query
from indexer.retrieval.sans_io import Staged

Rank: TypeAlias = Callable[[Sequence[Query]], Staged[Sequence[Answer]]]
"""Ranks queries whose k is the number of hits to look at, with all stages except grouping."""

NOTHING: Final = (Kind.NULL, None)


@dataclass(slots=True)
class Group:
    """Hits with one value, best first; ``complete`` if no other document can belong to them."""

    key: Key
    value: Scalar
    hits: list[Hit]
    complete: bool


@dataclass(slots=True)
class Groups:
    """The groups by a field so far, best first: in the order in which they were opened."""

    by: str
    all: list[Group] = field(default_factory=list)
    named: dict[Key, int] = field(default_factory=dict)

    def add(self, hits: Iterable[Hit], *, complete: bool) -> None:
        """Sort further hits, best first, into their groups."""
        for hit in hits:
            values = _values(hit.document.metadata, self.by)
            keys = [key_of(value) for value in values]
            place = min((self.named[key] for key in keys if key in self.named), default=None)
            if place is None:
                self._open(hit, values[0] if values else None, complete)
            else:
                group = self.all[place]
                group.hits.append(replace(hit, group=group.value))

    def _open(self, hit: Hit, value: Scalar, complete: bool) -> None:
        key = key_of(value)
        if key != NOTHING:
            self.named[key] = len(self.all)
        alone = key == NOTHING
        self.all.append(Group(key, value, [replace(hit, group=value)], complete or alone))

    @property
    def values(self) -> tuple[Scalar, ...]:
        """The values that name the groups, best first."""
        return tuple(self.all[place].value for place in self.named.values())


def grouped(query: Query, rank: Rank, depth: int) -> Staged[Answer]:
    """The hits of the k best groups, group by group, each with its ``group``.

    Further documents are fetched, ``depth`` at a time and none of a known group, until there are k
    groups or no more documents; then groups that may lack hits are filled.
    """
    assert query.group_by is not None
    groups, asked, first = Groups(query.group_by), replace(query, k=depth), None
    keys = query.exclusions.keys if query.exclusions else ()
    while True:
        (answer,) = yield from rank([asked])
        first = first or answer
        complete = len(answer.hits) < depth
        groups.add(filter(query.admits, answer.hits), complete=complete)
        if complete or len(groups.all) >= query.k:
            break
        keys += tuple(hit.key for hit in answer.hits)
        condition = without_groups(query.filter, groups.by, groups.values)
        exclusions = PageExclusions(answer.token, keys)
        asked = _uncounted(replace(asked, filter=condition, exclusions=exclusions))
    best = groups.all[: query.k]
    yield from _fill(query, rank, groups, [group for group in best if _may_lack(group, query)])
    if query.rerank is not None and not query.diversity:  # a later round may have found better ones
        best.sort(key=lambda group: -_reranked(group.hits[0]))
    hits = [hit for group in best for hit in group.hits[: query.group_size]]
    return replace(first, hits=tuple(hits), total=None)


def _uncounted(query: Query) -> Query:
    """The query without facets, which are counted once."""
    return replace(query, facets=(), facet_depth=None) if query.facets else query


def _reranked(hit: Hit) -> float:
    return -math.inf if hit.scores.reranked is None else hit.scores.reranked


def _may_lack(group: Group, query: Query) -> bool:
    return len(group.hits) < query.group_size and not group.complete


def _fill(query: Query, rank: Rank, groups: Groups, lacking: Sequence[Group]) -> Staged[None]:
    """Search each of these groups by itself for the hits it lacks."""
    if not lacking:
        return
    answers = yield from rank(
        [
            replace(
                _uncounted(query),
                k=query.group_size,
                rerank=query.rerank and query.group_size,
                filter=_within(query.filter, groups, group),
            )
            for group in lacking
        ]
    )
    for group, answer in zip(lacking, answers, strict=True):
        hits = filter(query.admits, answer.hits)
        group.hits = [replace(hit, group=group.value) for hit in hits] or group.hits


def without_groups(condition: Filter | None, name: str, values: Sequence[Scalar]) -> Filter | None:
    """A filter that passes only documents in none of the groups of these values."""
    if not values:
        return condition
    none = Condition(name, Operator.NIN, tuple(values))
    return none if condition is None else Every((condition, none))


def _within(condition: Filter | None, groups: Groups, group: Group) -> Filter:
    """A filter that passes only documents of this group: those that no better group claims."""
    own = Condition(groups.by, Operator.EQ, (group.value,))
    better = groups.values[: list(groups.named).index(group.key)]
    others = without_groups(condition, groups.by, better)
    return own if others is None else Every((others, own))


def _values(metadata: Metadata, name: str) -> list[Scalar]:
    """A document's values of a field, without null."""
    held = metadata.get(name)
    if isinstance(held, str) or not isinstance(held, Sequence):
        held = (held,)
    return [value for value in held if value is not None]
