"""The method ``adapter``: a map of queries' vectors, over documents that stay as they are.

Each query is judged by a map that was fitted without it, one for each fold; the map that serves is
fitted on all. How maps are fitted is in indexer.learning.query_map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.collection import Collection
from indexer.embedding.adapter import Adapter, Serving
from indexer.embedding.embedder import TextRole
from indexer.errors import Damaged, InvalidInput
from indexer.evaluation.statistics import difference_of
from indexer.learning.evidence import JUDGED, SEEN, JudgedQueries, Seen, known_judgements
from indexer.learning.methods.adapter_options import AdapterOptions
from indexer.learning.progress import Progress
from indexer.learning.query_map import QUERIES_ALONE, Judged, Sides, Solver, Strength, choose
from indexer.learning.run import Outcome, TrainingRun
from indexer.learning.split import DOCUMENTS, QUERIES, Splitting, by_document, by_query
from indexer.learning.trained import Figure, Setting, TrainedKind
from indexer.queries import Mode, Query

MAP: Final = "adapter.bin"
MEASURE: Final = "ndcg@10"
INNER_FOLDS: Final = 4
LEAST_QUERIES: Final = 10
NEGATIVES: Final = 10
"""The best hits of a query that are not relevant, from which it is moved away."""

_BATCH: Final = 64
_PART: Final = 1_000


@dataclass(frozen=True, slots=True)
class Fold:
    """A map that was fitted without the queries of a fold, and what it was fitted on."""

    adapter: Adapter
    seen: Seen


@dataclass(frozen=True, slots=True)
class Fitted:
    """Maps fitted to judged queries: the one that is to serve, and those to judge it by.

    ``settings`` are those that were chosen, ``write`` keeps all maps and judgements in a folder.
    """

    served: Adapter
    figures: tuple[Figure, ...]
    settings: Mapping[str, Setting]
    write: Callable[[Path], None]


def train_adapter(run: TrainingRun) -> Outcome:
    """Fit the map; raises InvalidInput without a collection, or for too few judged queries."""
    fitted = fit_maps(run, QUERIES_ALONE)
    return Outcome(TrainedKind.ADAPTER, fitted.write, fitted.figures, fitted.settings)


def fit_maps(run: TrainingRun, sides: Sides) -> Fitted:
    """Maps of these sides of a search; raises InvalidInput as :func:`train_adapter` does."""
    collection = run.collection
    if collection is None:
        raise InvalidInput("a map is fitted to a collection's documents: name it (-c NAME)")
    collection.identity.require(run.embedder.identity)
    options: AdapterOptions = run.options
    queries = known_judgements(collection, JudgedQueries.of(run.examples), options.queries)
    if len(queries.queries) < LEAST_QUERIES:
        raise InvalidInput(
            f"{len(queries.queries)} queries have a relevant document in {collection.name!r}, at "
            f"least {LEAST_QUERIES} are needed: are the ids of documents those of the collection?"
        )
    texts = list(queries.queries.values())
    run.tell(Progress("embedding", 0, 1))
    vectors = run.embedder.embed(texts, TextRole.QUERY).vectors
    judged, documents = _gather(collection, queries, vectors, options.candidates)
    fit = _Fit(judged, queries, documents, run.splitting, options, sides)
    folds = [fit.fold(number, run) for number in range(options.folds)]
    served, strength = fit.fitted(np.arange(len(texts)), "adapter")

    def write(folder: Path) -> None:
        write_map(folder / MAP, served)
        for number, fold in enumerate(folds):
            write_map(folder / f"fold-{number}.bin", fold.adapter)
            fold.seen.write(folder / f"fold-{number}.npz")
        queries.write(folder / JUDGED)
        fit.seen(range(len(texts))).write(folder / SEEN)

    chosen = {"ridge": strength.ridge, "blend": strength.blend}
    return Fitted(served, fit.figures(), chosen, write)


def write_map(path: Path, adapter: Adapter) -> None:
    """Write an adapter to a file."""
    path.write_bytes(Serving(adapter).encode())


def read_map(path: Path) -> Adapter:
    """The adapter that a file holds; raises Damaged."""
    try:
        adapter = Serving.decode(path.read_bytes()).present
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path} holds no map ({error})") from error
    if adapter is None:
        raise Damaged(f"{path} holds no map")
    return adapter


def read_folds(folder: Path) -> list[Fold]:
    """The maps of the folds that a model's folder keeps, in order."""
    paths = [
        folder / f"fold-{number}.bin" for number in range(len(list(folder.glob("fold-*.bin"))))
    ]
    return [Fold(read_map(path), Seen.read(path.with_suffix(".npz"))) for path in paths]


class _Fit:
    """Maps fitted to some of the queries, and how they rank the others."""

    def __init__(
        self,
        judged: Judged,
        queries: JudgedQueries,
        documents: Mapping[str, int],
        splitting: Splitting,
        options: AdapterOptions,
        sides: Sides,
    ) -> None:
        self._judged = judged
        self._queries = queries
        self._documents = documents
        self._options = options
        self._sides = sides
        self._ids = list(queries.queries)
        self._folds = np.array(
            [splitting.fold(text, options.folds) for text in queries.queries.values()]
        )
        self._values: dict[str, list[tuple[float, float]]] = {QUERIES: [], DOCUMENTS: []}

    def fitted(self, rows: NDArray[np.int64], name: str) -> tuple[Adapter, Strength]:
        """The map of these queries, as strong as is best among them."""
        options, sides = self._options, self._sides
        strength = choose(self._judged, rows, INNER_FOLDS, options.rank, options.seed, sides)
        left, right = sides.factors(Solver(self._judged, rows), strength, options.rank)
        return Adapter(name, left.astype(np.float32), right.astype(np.float32)), strength

    def fold(self, number: int, run: TrainingRun) -> Fold:
        """The map of all other folds, its rankings of this one noted."""
        run.tell(Progress("fitting", number, self._options.folds + 1))
        train = np.flatnonzero(self._folds != number)
        test = np.flatnonzero(self._folds == number)
        if len(train) < INNER_FOLDS or not len(test):
            raise InvalidInput(f"too few queries for {self._options.folds} folds")
        adapter, _ = self.fitted(train, f"fold {number}")
        self._note(train, test, adapter)
        return Fold(adapter, self.seen(train.tolist()))

    def seen(self, rows: Sequence[int]) -> Seen:
        """The queries of these rows, and their relevant documents."""
        chosen = [self._ids[row] for row in rows]
        return Seen.of((self._queries.queries[id] for id in chosen), self._relevant(chosen))

    def _relevant(self, ids: Sequence[str]) -> set[str]:
        grades = [self._queries.qrels[id].items() for id in ids]
        return {document for each in grades for document, grade in each if grade > 0}

    def _note(self, train: NDArray[np.int64], test: NDArray[np.int64], adapter: Adapter) -> None:
        judged = self._judged
        plain = judged.scores(judged.queries[test])
        mapped = self._sides.scores(judged, test, adapter)
        held = {self._ids[row]: self._queries.queries[self._ids[row]] for row in test.tolist()}
        known = self._relevant([self._ids[row] for row in train.tolist()])
        for part in (
            by_query(held, self._queries.qrels),
            by_document(held, self._queries.qrels, known),
        ):
            places = [place for place, id in enumerate(held) if id in part.qrels]
            rows = test[places]
            ignored = [
                frozenset(self._documents[one] for one in part.ignored.get(id, ()))
                for id in held
                if id in part.qrels
            ]
            before = judged.ndcg(plain[places], rows, ignored)
            after = judged.ndcg(mapped[places], rows, ignored)
            self._values[part.split] += zip(before.tolist(), after.tolist(), strict=True)

    def figures(self) -> tuple[Figure, ...]:
        """Each split's measure before and after, of all queries, each by the map without it."""
        return tuple(
            _figure(split, np.array(values)) for split, values in self._values.items() if values
        )


def _figure(split: str, values: NDArray[np.float64]) -> Figure:
    found = difference_of(values[:, 0], values[:, 1])
    return Figure(split, MEASURE, found.a, found.b, len(values), found.p, Mode.DENSE)


def _gather(
    collection: Collection,
    queries: JudgedQueries,
    vectors: NDArray[np.float32],
    depth: int,
) -> tuple[Judged, dict[str, int]]:
    """The queries with the passages of all that any of them finds, and documents' numbers."""
    found = _found(collection, vectors, depth)
    wanted = {document: None for grades in queries.qrels.values() for document in grades}
    wanted |= {document: None for each in found for document in each}
    parts = _passages(collection, list(wanted))
    numbers = {id: number for number, id in enumerate(parts)}
    sizes = [len(part) for part in parts.values()]
    gains = [
        {numbers[one]: grade for one, grade in queries.qrels[id].items() if one in numbers}
        for id in queries.queries
    ]
    moves = [
        _move(vector, queries.qrels[id], each, parts)
        for id, vector, each in zip(queries.queries, vectors, found, strict=True)
    ]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    passages = np.concatenate(list(parts.values()))
    return Judged(vectors, np.stack(moves), passages, starts, gains), numbers


def _found(
    collection: Collection, vectors: NDArray[np.float32], depth: int
) -> list[tuple[str, ...]]:
    """The ids of the hits of each vector, without any map."""
    asked = [Query(vector=vector, k=depth) for vector in vectors]
    return [
        tuple(hit.document.id for hit in answer.hits)
        for start in range(0, len(asked), _BATCH)
        for answer in collection.search(asked[start : start + _BATCH])
    ]


def _passages(collection: Collection, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The vectors of each of these documents that is stored."""
    stored = [
        one
        for start in range(0, len(ids), _PART)
        for one in collection.vectors(ids[start : start + _PART])
    ]
    return {id: one.vectors for id, one in zip(ids, stored, strict=True) if one is not None}


def _move(
    vector: NDArray[np.float32],
    grades: Mapping[str, int],
    found: Sequence[str],
    parts: Mapping[str, NDArray[np.float32]],
) -> NDArray[np.float32]:
    """The way from what a query finds to what it should: (d,), between passages nearest to it."""
    towards = [(parts[id], grade) for id, grade in grades.items() if grade > 0 and id in parts]
    away = [(parts[id], 1) for id in found if grades.get(id, 0) <= 0 and id in parts][:NEGATIVES]
    return _mean(vector, towards) - _mean(vector, away)


def _mean(
    vector: NDArray[np.float32], parts: Sequence[tuple[NDArray[np.float32], int]]
) -> NDArray[np.float32]:
    """The mean of the passages nearest to a vector, by their weights; 0 of none."""
    nearest = [passages[int(np.argmax(passages @ vector))] for passages, _ in parts]
    if not nearest:
        return np.zeros_like(vector)
    mean: NDArray[np.float32] = np.average(nearest, axis=0, weights=[w for _, w in parts])
    return mean.astype(np.float32)
