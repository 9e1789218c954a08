"""A collection: what its users do with it, over whatever engine keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Self

from indexer.analysis.diagnosis import diagnose
from indexer.collection.calibrations import Calibrations
from indexer.collection.execution import answer_queries
from indexer.collection.score_background import ScoreBackgrounds
from indexer.collection.targets import require_model
from indexer.documents import (
    Change,
    Document,
    EmbeddedDocument,
    Page,
    StoredVectors,
    Vectors,
)
from indexer.embedding.embedder import Identity
from indexer.engine import Capabilities, Engine, Key, Migration
from indexer.errors import InvalidInput
from indexer.filters import Filter, Scalar
from indexer.index_choice import IndexChoice, Language
from indexer.queries import Answer, Mode, Query
from indexer.ranking.calibration import Calibration
from indexer.ranking.score_annotations import with_relevance
from indexer.ranking.significance import Background
from indexer.reports import Description, Diagnosis, FieldSummary, Map, Tell


class Collection:
    """Documents with their vectors, kept in step, that answers queries.

    Safe to use from several threads. What a write method has returned from is durable, where its
    engine promises that, and seen by every search that begins after it. A search sees one state
    of the collection throughout. A context manager; it closes its engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._backgrounds = ScoreBackgrounds(engine)
        self._calibrations = Calibrations(engine)

    @property
    def name(self) -> str:
        """Its name."""
        return self._engine.name

    @property
    def identity(self) -> Identity:
        """The model that filled it: the same object until another takes over."""
        return self._engine.identity

    @property
    def language(self) -> Language:
        """The language by whose rules its words are stemmed."""
        return self._engine.language

    @property
    def capabilities(self) -> Capabilities:
        """What the engine that keeps it promises."""
        return self._engine.capabilities

    def describe(self) -> Description:
        """Counts, sizes and how it searches."""
        described = self._engine.describe()
        modes = {"modes": [str(mode) for mode in Mode]}
        return replace(described, index={**modes, **described.index})

    def close(self) -> None:
        """Give back files and memory; searches under way finish first."""
        self._backgrounds.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Writing

    def writing(self, purpose: str = "write") -> AbstractContextManager[None]:
        """Hold the right to write over several calls; each write takes it by itself if need be.

        Raises CollectionBusy, naming the process that holds it and what it is doing.
        """
        return self._engine.writing(purpose)

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """What storing each of these documents would change."""
        return self._engine.changes(documents)

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Add or replace documents, in one transaction; of two with one id the later wins.

        Raises InvalidVector for a vector that is not of unit length and the right dimension, and
        ModelChanged for one of another model; then nothing is written.
        """
        self._engine.put(documents)

    def amend(self, documents: Sequence[Document]) -> None:
        """Replace the metadata of documents whose content is stored and unchanged.

        Raises InvalidInput for one whose content differs; then nothing is written.
        """
        self._engine.amend(documents)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete those of these documents that exist; how many did."""
        return self._engine.delete(ids)

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter; how many did."""
        return self._engine.delete_matching(condition)

    def migrate(self, identity: Identity) -> Migration:
        """Begin, or go on with, filling a generation for another model beside this one.

        Raises CollectionBusy while another migration is under way.
        """
        return self._engine.migrate(identity)

    def rebuild(self, choice: IndexChoice | None = None) -> Description:
        """Build the index anew over all that is stored, and wait for it; searching goes on.

        ``choice`` stays this collection's; None keeps the one it has. Raises Unsupported for a
        kind of index that the engine does not have.
        """
        self._engine.rebuild(choice)
        with self._engine.reading() as state:
            self._backgrounds.make(state)
        return self.describe()

    def compact(self) -> bool:
        """Let go of what was deleted and replaced; searching and writing go on meanwhile.

        False if a search elsewhere still holds on to some of it: then call it again.
        """
        return self._engine.compact()

    # Reading

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents of these ids, None where there is none."""
        with self._engine.reading() as state:
            keys = state.keys(ids)
            documents = state.documents(keys.values())
        return [documents[keys[id]] if id in keys else None for id in ids]

    def page(
        self, condition: Filter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """The next ``limit`` documents that pass a filter, in the order they first came."""
        after = _parse_cursor(cursor)
        with self._engine.reading() as state:
            found = state.page(condition, after, limit + 1)
        documents = tuple(document for _, document in found[:limit])
        more = 0 < limit < len(found)
        return Page(documents, str(found[limit - 1][0]) if more else None)

    def fields(self, limit: int = 100, common: int = 20) -> list[FieldSummary]:
        """The first ``limit`` metadata fields by name, each with so many of its common values."""
        with self._engine.reading() as state:
            return state.facets(limit, common)

    def column(self, field: str) -> Mapping[str, Scalar]:
        """The value of a metadata field by document, of a list its least; not of those without."""
        with self._engine.reading() as state:
            return state.column(field)

    def vectors(self, ids: Sequence[str]) -> list[StoredVectors | None]:
        """The stored vectors of these documents, None where there is none."""
        with self._engine.reading() as state:
            keys = state.keys(ids)
            found = state.vectors(keys.values())
        return [found.get(keys[id]) if id in keys else None for id in ids]

    def sample(self, count: int, seed: int = 0) -> Vectors:
        """At most ``count`` stored vectors, drawn without replacement."""
        with self._engine.reading() as state:
            return state.sample(count, seed).vectors

    def search(self, queries: Sequence[Query]) -> list[Answer]:
        """The k best documents of each query, best chunk first; see promise 4 of the README.

        Every dense query carries its vector or examples. Raises NotFound for an example that
        is not stored, InvalidVector for a vector of another dimension.
        """
        lexical = any(query.mode is not Mode.DENSE for query in queries)
        with self._engine.reading(lexical=lexical) as state:
            answers = answer_queries(state, queries, self._backgrounds.of(state))
            calibrations = self._calibrations.of(state.identity)
        if not calibrations:
            return answers
        return [
            replace(answer, hits=tuple(with_relevance(query, answer.hits, calibrations)))
            for query, answer in zip(queries, answers, strict=True)
        ]

    # What is derived

    def calibrations(self) -> Mapping[str, Calibration]:
        """What was learned from judged queries for its present model, by kind of ranking."""
        return self._calibrations.of(self.identity)

    def keep_calibration(self, calibration: Calibration) -> None:
        """Use this from now on for its kind of ranking.

        Raises ModelChanged if it is of another model than the collection's.
        """
        with self._engine.writing("calibrate"):
            with self._engine.reading() as state:
                identity = state.identity
            require_model(identity, calibration.model, "the calibration")
            self._calibrations.keep(calibration, identity)

    def background(self) -> Background | None:
        """What unrelated texts score here, by a sample that is drawn anew as the collection grows.

        None while there are too few documents to say, or while it is being made.
        """
        with self._engine.reading() as state:
            return self._backgrounds.of(state)

    def diagnose(self, tell: Tell) -> Diagnosis:
        """What its vectors are like, by samples where pairs are looked at; seconds of work."""
        with self._engine.reading() as state:
            self._backgrounds.make(state)
            return diagnose(self.name, state, self._backgrounds.of(state), tell)

    def map(self) -> Map:
        """The collection on a plane, as far as it is drawn.

        Where that is not as far as documents were written, drawing begins in the background.
        Raises Unsupported, MissingExtra or StorageFailed if it cannot be drawn.
        """
        return self._engine.map()

    def draw_map(self, tell: Tell, *, anew: bool = False) -> Map:
        """Bring the map up to all documents now, and wait; ``anew`` draws all of them together."""
        self._engine.draw_map(tell, anew=anew)
        return self._engine.map()


def _parse_cursor(cursor: str | None) -> Key:
    if cursor is None:
        return Key(0)
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise InvalidInput(f"cursor {cursor[:40]!r} is not one that a page gave")
    return Key(int(cursor))
