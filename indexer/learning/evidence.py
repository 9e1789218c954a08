"""The evidence that a model's folder keeps: what it was trained on, and queries to judge it by.

What was trained on is kept as hashes, so that no query can be held out and trained on unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from indexer.collection import Collection
from indexer.errors import Damaged
from indexer.evaluation.dataset import Qrels
from indexer.learning.examples import Example
from indexer.learning.split import Part, Splitting, normal_text

SEEN: Final = "seen.npz"
JUDGED: Final = "judged.jsonl"

MOST_GRADE: Final = 1_000
"""Grades above it count as it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Queries and documents that were trained on, as sorted hashes, (n,) uint64."""

    queries: NDArray[np.uint64]
    documents: NDArray[np.uint64]

    @classmethod
    def of(cls, queries: Iterable[str], documents: Iterable[str]) -> Self:
        """Those of these texts, and of these ids."""
        return cls(_hashes(map(normal_text, queries)), _hashes(documents))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those that :meth:`write` wrote; raises Damaged, also where there are none."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(arrays["queries"], arrays["documents"])
        except (OSError, ValueError, KeyError) as error:
            raise Damaged(f"{path} does not say what was trained on ({error})") from error

    def write(self, path: Path) -> None:
        """Write it to a file."""
        np.savez(path, allow_pickle=False, queries=self.queries, documents=self.documents)

    def has_query(self, text: str) -> bool:
        """Return whether a query was trained on, however it is written."""
        return _has(self.queries, normal_text(text))

    def has_document(self, id: str) -> bool:
        """Return whether a document was trained on."""
        return _has(self.documents, id)


@dataclass(frozen=True, slots=True)
class JudgedQueries:
    """Queries with the grades of documents, both by the query's id."""

    queries: Mapping[str, str]
    qrels: Qrels

    @classmethod
    def of(cls, examples: Iterable[Example]) -> Self:
        """The queries of these examples whose documents are known by id.

        Those of one text are one, by the first id, since they would be trained on together.
        """
        queries: dict[str, str] = {}
        ids: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        for one in examples:
            if one.positive_id is None:
                continue
            id = ids.setdefault(normal_text(one.query), one.query_id)
            queries.setdefault(id, one.query)
            qrels.setdefault(id, {})[one.positive_id] = _grade(one)
        return cls(queries, qrels)

    @property
    def digest(self) -> str:
        """A text that tells these judgements from others."""
        written = json.dumps([dict(self.queries), dict(self.qrels)], sort_keys=True)
        return hashlib.sha256(written.encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write them as JSON Lines, a query each."""
        with path.open("w", encoding="utf-8") as file:
            for id, text in self.queries.items():
                line = {"id": id, "text": text, "grades": self.qrels[id]}
                file.write(json.dumps(line) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The judgements that :meth:`write` wrote, none if there is none; raises Damaged."""
        if not path.exists():
            return cls({}, {})
        queries: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                one = json.loads(line)
                queries[one["id"]], qrels[one["id"]] = str(one["text"]), dict(one["grades"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{path} does not hold judged queries ({error})") from error
        return cls(queries, qrels)


def keep_evidence(folder: Path, examples: Iterable[Example], splitting: Splitting) -> None:
    """Write what was trained on, and the queries held out, unless the method has done so."""
    if (folder / SEEN).exists():
        return
    queries: set[str] = set()
    documents: set[str] = set()
    held_out: list[Example] = []
    for one in examples:
        if splitting.trains(one.asked, one.document):
            queries.add(one.asked)
            documents.add(one.document)
        elif not one.query or one.positive_id is None:
            continue  # nothing that could be asked of a collection
        elif splitting.of_query(one.query) is Part.HELD_OUT:
            held_out.append(one)
    Seen.of(queries, documents).write(folder / SEEN)
    JudgedQueries.of(held_out).write(folder / JUDGED)


def known_judgements(
    collection: Collection, judged: JudgedQueries, most: int | None = None
) -> JudgedQueries:
    """The queries with a relevant document that is stored, without documents that are not.

    At most ``most`` of them.
    """
    named = sorted({id for grades in judged.qrels.values() for id in grades})
    stored: set[str] = set()
    for start in range(0, len(named), 1_000):
        part = named[start : start + 1_000]
        found = zip(part, collection.get(part), strict=True)
        stored |= {id for id, one in found if one is not None}
    qrels = {
        id: {one: grade for one, grade in grades.items() if one in stored}
        for id, grades in judged.qrels.items()
    }
    kept = [id for id, grades in qrels.items() if any(grade > 0 for grade in grades.values())]
    return JudgedQueries(
        {id: judged.queries[id] for id in kept[:most]}, {id: qrels[id] for id in kept[:most]}
    )


def _grade(example: Example) -> int:
    if not example.fits:
        return 0
    return 1 if example.grade is None else min(MOST_GRADE, max(1, round(example.grade)))


def _hashes(keys: Iterable[str]) -> NDArray[np.uint64]:
    found = {_hash(key) for key in keys}
    return np.array(sorted(found), dtype=np.uint64)


def _hash(key: str) -> int:
    encoded = key.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest())


def _has(hashes: NDArray[np.uint64], key: str) -> bool:
    wanted = np.uint64(_hash(key))
    place = int(np.searchsorted(hashes, wanted))
    return place < len(hashes) and bool(hashes[place] == wanted)
