"""Kinds of queries that a candidate may not lose on: by length, by rare words, by metadata."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from indexer.collection import Collection
from indexer.evaluation.dataset import Qrels
from indexer.filters import Scalar

LEAST: Final = 10
"""Of fewer queries a slice says nothing."""

TEXTS: Final = 2_000
"""Documents in which words are counted, at most."""

MOST_VALUES: Final = 12
"""A field of more values is no kind of document, but a name or a number."""

MOST_FIELDS: Final = 3
_WORD: Final = re.compile(r"\w+")


def slices_of(
    queries: Mapping[str, str], qrels: Qrels, collection: Collection
) -> dict[str, frozenset[str]]:
    """The queries of each slice, by its name; those that are long enough to say something."""
    lengths = {id: len(_words(text)) for id, text in queries.items()}
    found = dict(_thirds(lengths, "short queries", "long queries"))
    counted = _counted(collection)
    rarest = {
        id: min((counted[word] for word in _words(text)), default=0) for id, text in queries.items()
    }
    rare = dict(_thirds(rarest, "queries with rare words", ""))
    found |= {name: ids for name, ids in rare.items() if name}
    found |= dict(_by_field(queries, qrels, collection))
    return {name: ids for name, ids in found.items() if len(ids) >= LEAST}


def _thirds(values: Mapping[str, int], low: str, high: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The queries of the lowest and of the highest third."""
    order = sorted(sorted(values), key=values.__getitem__)
    third = len(order) // 3
    yield low, frozenset(order[:third])
    yield high, frozenset(order[len(order) - third :])


def _counted(collection: Collection) -> Counter[str]:
    """The number of documents, of some, that each word is in."""
    counted: Counter[str] = Counter()
    for document in collection.page(limit=TEXTS).documents:
        counted.update(set(_words(document.content)))
    return counted


def _by_field(
    queries: Mapping[str, str], qrels: Qrels, collection: Collection
) -> Iterator[tuple[str, frozenset[str]]]:
    """The queries whose relevant documents have a value of a field of few values."""
    fields = [one for one in collection.fields(common=0) if 2 <= one.distinct <= MOST_VALUES]
    for field in fields[:MOST_FIELDS]:
        column = collection.column(field.name)
        values: dict[Scalar, set[str]] = {}
        for id in queries:
            for document in _relevant(qrels.get(id, {})):
                if document in column:
                    values.setdefault(column[document], set()).add(id)
        for value, ids in values.items():
            yield f"queries for {field.name} {value}", frozenset(ids)


def _relevant(grades: Mapping[str, int]) -> Iterable[str]:
    return (one for one, grade in grades.items() if grade > 0)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
