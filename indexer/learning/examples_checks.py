"""Refusing examples that are unfit to train by, each with its place and the reason."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.learning.examples import Example, Examples
from indexer.learning.run import Material
from indexer.readers import Rejection

IDENTICAL: Final = "an identical pair: the positive is the query itself"
REPEATED: Final = "a pair that came before"
SHARED: Final = (
    "a duplicate of another query's positive: if queries share an answer, give its document's id"
)


def gather(
    found: Iterable[Example | Rejection],
    on_reject: Callable[[Rejection], None],
    material: Material = Material.PAIRS,
) -> Examples:
    """The examples that are fit to train by, in their order; the caller closes them.

    Refused are those whose text is their query, those that came before, and those whose text, if it
    is known by no id and has no grade, answers another query; a picture may answer several. Memory
    grows by 32 bytes for each.
    """
    examples, seen = Examples(), _Seen()
    for one in found:
        if isinstance(one, Rejection):
            on_reject(one)
        elif material is Material.PAIRS and _is_identical(one):
            on_reject(Rejection(one.place, IDENTICAL))
        else:
            examples.add(one)
            seen.add(one)
    refused = dict(seen.refused())
    for place, reason in sorted(refused.items()):
        on_reject(Rejection(examples[place].place, reason))
    examples.keep([place for place in range(len(examples)) if place not in refused])
    return examples


class _Seen:
    """Hashes of the examples so far."""

    def __init__(self) -> None:
        self._queries, self._answers = array("Q"), array("Q")
        self._lone = array("B")

    def add(self, example: Example) -> None:
        self._queries.append(_hash(_plain(example.query)))
        known = example.positive_id is not None or bool(example.picture)
        self._answers.append(_hash(example.document if known else _plain(example.positive)))
        self._lone.append(not known and example.grade is None)

    def refused(self) -> Iterator[tuple[int, str]]:
        """The places of examples to refuse, with the reason; a place may come twice."""
        queries = np.frombuffer(self._queries, np.uint64)
        answers = np.frombuffer(self._answers, np.uint64)
        lone = np.flatnonzero(np.frombuffer(self._lone, np.bool_))
        firsts = _firsts(answers[lone])
        for place in lone[queries[lone] != queries[lone][firsts]].tolist():
            yield place, SHARED
        pairs = queries ^ (answers * np.uint64(3))
        for place in np.flatnonzero(_firsts(pairs) != np.arange(len(pairs))).tolist():
            yield place, REPEATED


def _is_identical(one: Example) -> bool:
    return not one.picture and _plain(one.query) == _plain(one.positive)


def _firsts(keys: NDArray[np.uint64]) -> NDArray[np.intp]:
    """(n,) the place of the first key that equals each."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    places: NDArray[np.intp] = first[inverse]
    return places


def _plain(text: str) -> str:
    """The text without differences of case and white space."""
    return " ".join(text.casefold().split())


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
