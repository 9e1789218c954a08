"""A trial: how held-out queries are answered by what serves, and by a candidate, in each mode.

A map is tried on the collection itself, each query by the map that was fitted without it. A model
is tried on a part of the collection, since its vectors have to be made: the judged documents, what
the present model finds, and others, up to a bound; what serves is tried on the same part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.collection import Collection
from indexer.documents import Document, EmbeddedDocument, Vectors
from indexer.embedding.adapter import Adapter
from indexer.embedding.embedder import Embedder, TextRole
from indexer.engines import open_catalogue
from indexer.errors import InvalidInput
from indexer.evaluation.measures import measure_each
from indexer.evaluation.worsening import Placements, Told, Worsening, auc_fall, calibration_rise
from indexer.ingestion.pictures import develop
from indexer.ingestion.preparation import embed_documents
from indexer.learning.evidence import JudgedQueries, Seen
from indexer.learning.gate.judgement import MEASURE, InMode, Measured, Paired
from indexer.learning.gate.slices import slices_of
from indexer.learning.split import HeldOut, by_document, by_query
from indexer.queries import Answer, Mode, Query
from indexer.ranking.calibration import TOP, Judged, held_out_relevance
from indexer.ranking.null_queries import null_queries

Floats = NDArray[np.float64]

DEPTH: Final = 100
PART: Final = 5_000
"""Documents that a model is tried on, unless more are judged or found."""

_BATCH: Final = 64
_MEASURES: Final = {MEASURE: "nDCG@10"}


MODES: Final = (Mode.DENSE, Mode.HYBRID)
"""The modes that texts are searched in, unless by words alone, which no model changes."""

Answers: TypeAlias = Mapping[Mode, Sequence[Answer]]
Tell: TypeAlias = Callable[[int, int], None]
"""Gets what is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Texts with their vectors, (n, d); of the texts at ``unknown`` places the model knows no word.

    ``ms`` is the time from text to vector, for one.
    """

    texts: Sequence[str]
    vectors: Vectors
    unknown: frozenset[int]
    ms: float

    def only(self, places: Sequence[int]) -> Asked:
        """Those at these places, in their order."""
        unknown = frozenset(new for new, old in enumerate(places) if old in self.unknown)
        texts = [self.texts[place] for place in places]
        return Asked(texts, self.vectors[places], unknown, self.ms)


@dataclass(frozen=True, slots=True)
class Side:
    """The answers to the judged queries, in order, and the best scores of unrelated ones.

    ``unrelated`` is (m,) for each query: that of the map that answered it. ``query_ms`` is the time
    from text to vector, ``bytes`` the size of a document's vector and of the map.
    """

    answers: Answers
    unrelated: Sequence[Floats]
    query_ms: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Maps:
    """Maps of queries with what each was fitted on; ``fold`` numbers the one for a text."""

    maps: Sequence[tuple[Adapter, Seen]]
    fold: Callable[[str], int]

    def apply(self, texts: Sequence[str], vectors: Vectors) -> Vectors:
        """The vector of each text by the map for it."""
        mapped = np.empty_like(vectors)
        for row, text in enumerate(texts):
            adapter, _ = self.maps[self.fold(text)]
            mapped[row] = adapter.apply(vectors[row : row + 1])[0]
        return mapped

    def seen(self, judged: JudgedQueries) -> list[Seen]:
        """The training of the map for each query."""
        return [self.maps[self.fold(text)][1] for text in judged.queries.values()]


def try_maps(
    collection: Collection, embedder: Embedder, judged: JudgedQueries, maps: Maps
) -> Measured:
    """A trial of maps of the queries, held against the model as it is, without any map."""
    if trained := _trained_on(judged, maps.seen(judged)):
        return trained
    asked = _asked(embedder, list(judged.queries.values()))
    nulls = embedder.embed([one.text for one in null_queries()], TextRole.QUERY).vectors
    places = [maps.fold(text) for text in asked.texts]
    started = time.perf_counter()
    mapped = maps.apply(asked.texts, asked.vectors)
    map_ms = (time.perf_counter() - started) * 1e3 / max(1, len(places))
    moved = replace(asked, vectors=mapped, ms=asked.ms + map_ms)
    plain = _best(collection, nulls)
    turned = [_best(collection, adapter.apply(nulls)) for adapter, _ in maps.maps]
    own = 4 * asked.vectors.shape[1]
    size = sum(part.nbytes for part in (maps.maps[0][0].left, maps.maps[0][0].right))
    before = Side(_answers(collection, asked), [plain] * len(places), asked.ms, own)
    unrelated = [turned[place] for place in places]
    after = Side(_answers(collection, moved), unrelated, moved.ms, own + size)
    return _measure(collection, judged, maps.seen(judged), before, after)


def try_distances(
    collection: Collection, embedder: Embedder, judged: JudgedQueries, maps: Maps, tell: Tell
) -> Measured:
    """A trial of maps of queries and documents, on a part of the documents, by their vectors."""
    if trained := _trained_on(judged, maps.seen(judged)):
        return trained
    asked = _asked(embedder, list(judged.queries.values()))
    part = _part(collection, judged, _answers(collection, asked))
    ids = [one.id for one in part]
    stored = [
        one
        for start in range(0, len(ids), _BATCH)
        for one in collection.embedded(ids[start : start + _BATCH])
        if one is not None
    ]
    nulls = embedder.embed([one.text for one in null_queries()], TextRole.QUERY).vectors
    rows = [maps.fold(text) for text in asked.texts]
    total = len(maps.maps) + 1
    before = _mapped_side(collection, embedder, stored, asked, nulls, None)
    sides = []
    for number, (adapter, _) in enumerate(maps.maps):
        tell(number + 1, total)
        own = asked.only([place for place, fold in enumerate(rows) if fold == number])
        sides.append(_mapped_side(collection, embedder, stored, own, nulls, adapter))
    return _measure(collection, judged, maps.seen(judged), before, _together(sides, rows))


def _mapped_side(
    collection: Collection,
    embedder: Embedder,
    stored: Sequence[EmbeddedDocument],
    asked: Asked,
    nulls: Vectors,
    adapter: Adapter | None,
) -> Side:
    """The answers among these documents, they and the queries mapped, if there is a map."""
    started = time.perf_counter()
    moved = asked if adapter is None else replace(asked, vectors=adapter.apply(asked.vectors))
    ms = asked.ms + (time.perf_counter() - started) * 1e3 / max(1, len(asked.texts))
    with _part_collection(collection, embedder) as part:
        for start in range(0, len(stored), _BATCH):
            some = stored[start : start + _BATCH]
            if adapter is not None:
                some = [replace(one, vectors=adapter.apply(one.vectors)) for one in some]
            part.put(some)
        best = _best(part, nulls if adapter is None else adapter.apply(nulls))
        answers = _answers(part, moved)
    return Side(answers, [best] * len(asked.texts), ms, 4 * nulls.shape[1])


def _together(sides: Sequence[Side], rows: Sequence[int]) -> Side:
    """The sides of the folds as one, each query's place being in the fold of its number."""
    place = [rows[:at].count(fold) for at, fold in enumerate(rows)]
    order = list(zip(rows, place, strict=True))
    return Side(
        {mode: [sides[fold].answers[mode][at] for fold, at in order] for mode in MODES},
        [sides[fold].unrelated[at] for fold, at in order],
        float(np.mean([one.query_ms for one in sides])),
        sides[0].bytes,
    )


def try_model(
    collection: Collection,
    embedder: Embedder,
    candidate: Embedder,
    judged: JudgedQueries,
    seen: Seen,
    on_progress: Tell = lambda *_: None,
) -> Measured:
    """A trial of another model beside the collection's on a part of its documents."""
    each = [seen] * len(judged.queries)
    if trained := _trained_on(judged, each):
        return trained
    texts = list(judged.queries.values())
    found = _answers(collection, _asked(embedder, texts))
    documents = _part(collection, judged, found)
    sides = []
    total = 2 * len(documents)
    for number, model in enumerate((embedder, candidate)):
        with _part_collection(collection, model) as part:
            for start in range(0, len(documents), _BATCH):
                some = documents[start : start + _BATCH]
                part.put(embed_documents(model, some, develop(collection, model, some)))
                on_progress(number * len(documents) + start, total)
            sides.append(_side(part, model, texts))
    return _measure(collection, judged, each, *sides)


def _trained_on(judged: JudgedQueries, seen: Sequence[Seen]) -> Measured | None:
    """The result of a trial that says nothing, as queries were trained on; None if none was."""
    texts = judged.queries.values()
    trained = sum(one.has_query(text) for one, text in zip(seen, texts, strict=True))
    return Measured(len(texts), trained, 0.0, {}, None) if trained else None


def _asked(model: Embedder, texts: Sequence[str]) -> Asked:
    """The texts as queries of a model, all embedded together."""
    started = time.perf_counter()
    embedded = model.embed(texts, TextRole.QUERY)
    ms = (time.perf_counter() - started) * 1e3 / max(1, len(texts))
    return Asked(texts, embedded.vectors, frozenset(embedded.unknown), ms)


def _side(part: Collection, model: Embedder, texts: Sequence[str]) -> Side:
    started = time.perf_counter()
    each = [model.embed([text], TextRole.QUERY) for text in texts]  # by itself, as users ask
    ms = (time.perf_counter() - started) * 1e3 / max(1, len(texts))
    unknown = frozenset(place for place, one in enumerate(each) if one.unknown)
    asked = Asked(texts, np.concatenate([one.vectors for one in each]), unknown, ms)
    nulls = model.embed([one.text for one in null_queries()], TextRole.QUERY).vectors
    best = _best(part, nulls)
    return Side(_answers(part, asked), [best] * len(texts), ms, 4 * asked.vectors.shape[1])


@contextmanager
def _part_collection(collection: Collection, model: Embedder) -> Iterator[Collection]:
    """An empty collection in memory for a model, of the same name and language."""
    catalogue = open_catalogue("memory:")
    try:
        catalogue.create(collection.name, model.identity, collection.language)
        with Collection(catalogue.open(collection.name)) as part:
            yield part
    finally:
        catalogue.close()


def _part(collection: Collection, judged: JudgedQueries, answers: Answers) -> list[Document]:
    """The judged documents, those found, and others in their order, at least PART if there are."""
    wanted = {id: None for grades in judged.qrels.values() for id in grades}
    wanted |= {
        hit.document.id: None
        for found in answers.values()
        for answer in found
        for hit in answer.hits[:20]
    }
    ids = list(wanted)
    documents = [
        one
        for start in range(0, len(ids), 1_000)
        for one in collection.get(ids[start : start + 1_000])
        if one is not None
    ]
    missing = PART - len(documents)
    if missing > 0:
        page = collection.page(limit=PART)
        others = [one for one in page.documents if one.id not in wanted]
        documents += others[:missing]
    return documents


def _answers(collection: Collection, asked: Asked) -> Answers:
    """The answers of a collection in each mode to texts with these vectors, without any map."""
    return {mode: list(_answers_in(collection, asked, mode)) for mode in MODES}


def _answers_in(collection: Collection, asked: Asked, mode: Mode) -> Iterator[Answer]:
    queries = [
        Query(text=text, vector=vector, k=DEPTH, mode=mode, unknown=place in asked.unknown)
        for place, (text, vector) in enumerate(zip(asked.texts, asked.vectors, strict=True))
    ]
    for start in range(0, len(queries), _BATCH):
        yield from collection.search(queries[start : start + _BATCH])


def _best(collection: Collection, vectors: Vectors) -> Floats:
    """The best score of each of these vectors, (n,)."""
    queries = [Query(vector=vector, k=1) for vector in vectors]
    found = [
        answer.hits[0].score if answer.hits else -1.0
        for start in range(0, len(queries), _BATCH)
        for answer in collection.search(queries[start : start + _BATCH])
    ]
    return np.array(found, dtype=np.float64)


def _measure(
    collection: Collection,
    judged: JudgedQueries,
    seen: Sequence[Seen],
    before: Side,
    after: Side,
) -> Measured:
    """The figures of both sides."""
    sees = dict(zip(judged.queries, seen, strict=True))
    relevant = [
        (id, one)
        for id, grades in judged.qrels.items()
        for one, grade in grades.items()
        if grade > 0
    ]
    known = [(id, one) for id, one in relevant if sees[id].has_document(one)]
    whole, rest = by_query(judged.queries, judged.qrels), _unseen(judged, known)
    slices = slices_of(whole.queries, judged.qrels, collection)
    return Measured(
        queries=len(whole.queries),
        trained=0,
        known=len(known) / max(1, len(relevant)),
        modes={
            mode: _in_mode(judged, (whole, rest), slices, before.answers[mode], after.answers[mode])
            for mode in MODES
        },
        off_topic=auc_fall(_standing_out(before), _standing_out(after)),
        costs={
            "query_ms": (before.query_ms, after.query_ms),
            "bytes": (before.bytes, after.bytes),
        },
    )


def _in_mode(
    judged: JudgedQueries,
    splits: tuple[HeldOut, HeldOut],
    slices: Mapping[str, frozenset[str]],
    before: Sequence[Answer],
    after: Sequence[Answer],
) -> InMode:
    """The figures of both sides in one mode; slices are of the first split."""
    ids = list(judged.queries)
    values = {one.split: _values(one, ids, before, after) for one in splits if one.queries}
    whole = splits[0]
    places = {id: place for place, id in enumerate(whole.qrels)}
    rows = {name: sorted(places[id] for id in members) for name, members in slices.items()}
    own = values.get(whole.split)
    found = {name: Paired(own.before[some], own.after[some]) for name, some in rows.items() if own}
    return InMode(values, found, _calibration(judged, before, after))


def _unseen(judged: JudgedQueries, known: Sequence[tuple[str, str]]) -> HeldOut:
    """The queries with only the relevant documents that training, as each saw it, did not see."""
    seen_by: dict[str, set[str]] = {}
    for id, document in known:
        seen_by.setdefault(id, set()).add(document)
    parts = [
        by_document({id: text}, judged.qrels, seen_by.get(id, set()))
        for id, text in judged.queries.items()
    ]
    merged = by_document({}, {}, set())
    return replace(
        merged,
        queries={id: text for part in parts for id, text in part.queries.items()},
        qrels={id: grades for part in parts for id, grades in part.qrels.items()},
        ignored={id: left for part in parts for id, left in part.ignored.items()},
    )


def _values(
    held: HeldOut, ids: Sequence[str], before: Sequence[Answer], after: Sequence[Answer]
) -> Paired:
    """The measure of the held-out queries, in their order."""
    found = []
    for answers in (before, after):
        run = {
            id: [
                hit.document.id
                for hit in answer.hits
                if hit.document.id not in held.ignored.get(id, ())
            ]
            for id, answer in zip(ids, answers, strict=True)
            if id in held.qrels
        }
        found.append(measure_each(run, held.qrels, _MEASURES)[MEASURE])
    return Paired(*found)


def _standing_out(side: Side) -> Placements:
    """The places of the queries among unrelated ones, by the best score that each finds."""
    best = [answer.hits[0].score if answer.hits else -1.0 for answer in side.answers[Mode.DENSE]]
    return Placements.of(best, side.unrelated)


def _calibration(
    judged: JudgedQueries, before: Sequence[Answer], after: Sequence[Answer]
) -> Worsening | None:
    """The expected calibration error of either side; None if too little is relevant to learn it."""
    try:
        return calibration_rise(_told(judged, before), _told(judged, after))
    except InvalidInput:
        return None


def _told(judged: JudgedQueries, answers: Sequence[Answer]) -> Told:
    """The relevance of the first hits by calibrations of other queries."""
    rows = [
        (number, hit.score, place, judged.qrels[id].get(hit.document.id, 0) > 0)
        for number, (id, answer) in enumerate(zip(judged.queries, answers, strict=True))
        for place, hit in enumerate(answer.hits, start=1)
    ]
    if not rows:
        raise InvalidInput("nothing was found")
    numbers, scores, places, relevant = zip(*rows, strict=True)
    given = Judged(
        np.array(numbers, dtype=np.int64),
        np.array(scores, dtype=np.float64),
        np.array(scores, dtype=np.float64),
        np.array(places, dtype=np.int64),
        np.array(relevant, dtype=np.bool_),
    )
    relevance, top = held_out_relevance(given), given.places <= TOP
    return Told(given.queries[top], relevance[top], given.relevant[top])
