"""The data that training does not see: held out by query, and by document.

A part is decided by a hash, so that it stays the same when data is added, and is known without a
list. Queries go by their words, so that one asked twice is on one side only. A pair is trained on
if neither its query nor its document is held out. Held out by query: queries that training did not
see, whose relevant documents it may have seen with others. Held out by document: only relevant
documents count that training did not see; those it saw are neither a success nor a failure, so
they are left out of the ranking (a residual collection: Chang, Cirillo and Razon, "Evaluation of
feedback retrieval using modified freezing, residual collection, and test and control groups", in
Salton, "The SMART retrieval system", 1971).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from indexer.evaluation.dataset import Qrels

QUERIES: Final = "queries"
DOCUMENTS: Final = "documents"
"""The names of the two splits, in figures and reports."""


class Part(StrEnum):
    """The use that something is put to; the validation part ends training, the held-out judges."""

    TRAIN = "train"
    VALIDATION = "validation"
    HELD_OUT = "held out"


@dataclass(frozen=True, slots=True)
class Splitting:
    """A rule that puts queries and documents into parts: the shares of those not trained on."""

    held_out: float = 0.2
    validation: float = 0.1
    salt: str = "bearing"

    def __post_init__(self) -> None:
        if not (self.held_out >= 0 and self.validation >= 0):
            raise ValueError(f"shares are at least 0, got {self.held_out} and {self.validation}")
        if self.held_out + self.validation >= 1:
            raise ValueError(f"nothing is left to train on: {self.held_out} and {self.validation}")

    def of_query(self, text: str) -> Part:
        """The part of a query, by its words; case and spaces make no difference."""
        place = self._place("query", normal_text(text))
        if place < self.held_out:
            return Part.HELD_OUT
        return Part.VALIDATION if place < self.held_out + self.validation else Part.TRAIN

    def of_document(self, id: str) -> Part:
        """The part of a document: it is held out or trained on."""
        return Part.HELD_OUT if self._place("document", id) < self.held_out else Part.TRAIN

    def trains(self, query: str, document: str) -> bool:
        """Return whether a pair of a query's text and a document's id is trained on."""
        return self.of_query(query) is Part.TRAIN and self.of_document(document) is Part.TRAIN

    def fold(self, query: str, folds: int) -> int:
        """The fold of a query, from 0: for fits that leave out one fold at a time."""
        return int(self._place("fold", normal_text(query)) * folds)

    def _place(self, what: str, key: str) -> float:
        """A number in [0, 1), evenly spread."""
        given = f"{self.salt}\0{what}\0{key}".encode()
        digest = hashlib.blake2b(given, digest_size=6).digest()
        return float(int.from_bytes(digest) / 2**48)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Judged queries that training did not see; ``ignored`` documents are in no ranking of theirs.

    All are by the query's id.
    """

    split: str
    queries: Mapping[str, str]
    qrels: Qrels
    ignored: Mapping[str, frozenset[str]]


def normal_text(text: str) -> str:
    """A text as it is compared: without case, with single spaces."""
    return " ".join(text.casefold().split())


def by_query(queries: Mapping[str, str], qrels: Qrels) -> HeldOut:
    """These queries, held out, with all of their judgements."""
    judged = {id: qrels[id] for id in queries if _has_relevant(qrels.get(id, {}))}
    return HeldOut(QUERIES, {id: queries[id] for id in judged}, judged, {})


def by_document(queries: Mapping[str, str], qrels: Qrels, seen: AbstractSet[str]) -> HeldOut:
    """These queries, held out, with only the relevant documents that training did not see.

    ``seen`` are the documents that were trained on. Queries without another are left out.
    """
    judged: dict[str, Mapping[str, int]] = {}
    ignored: dict[str, frozenset[str]] = {}
    for id in queries:
        grades = qrels.get(id, {})
        known = {one for one, grade in grades.items() if grade > 0 and one in seen}
        rest = {one: grade for one, grade in grades.items() if one not in known}
        if _has_relevant(rest):
            judged[id], ignored[id] = rest, frozenset(known)
    return HeldOut(DOCUMENTS, {id: queries[id] for id in judged}, judged, ignored)


def _has_relevant(grades: Mapping[str, int]) -> bool:
    return any(grade > 0 for grade in grades.values())
