"""A collection over any engine, as its users see it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final, Self

import numpy as np

from indexer.analysis.diagnosis import diagnose
from indexer.collection.adapters import Adapters, mark_of
from indexer.collection.calibrations import Calibrations
from indexer.collection.examples import example_queries
from indexer.collection.execution import answer_adapted
from indexer.collection.feedback import Feedback
from indexer.collection.modalities import graded_texts
from indexer.collection.pages import page_of, with_counts
from indexer.collection.restriction import RestrictedEngine, refuse
from indexer.collection.score_background import AT_ONCE_CHUNKS, NullVectors, ScoreBackgrounds
from indexer.collection.targets import require_model
from indexer.documents import (
    Change,
    Document,
    EmbeddedDocument,
    Page,
    StoredVectors,
    Vectors,
)
from indexer.embedding.adapter import Adapter
from indexer.embedding.embedder import Identity
from indexer.engine import Capabilities, Engine, Migration
from indexer.errors import ModelChanged
from indexer.facets import Count
from indexer.filters import Filter, Scalar
from indexer.index_choice import IndexChoice, Language
from indexer.ordering import ADDED, Order
from indexer.origins import Origins
from indexer.queries import Answer, Mode, Query
from indexer.ranking.calibration import Calibration
from indexer.ranking.grades import shipped_relevance
from indexer.ranking.score_annotations import judged
from indexer.ranking.significance import Background
from indexer.reports import Description, Diagnosis, FieldSummary, Map, Tell

VIEWS: Final = 256
"""Restricted views that are kept at most, with what was derived for them."""


class Collection:
    """Documents and their vectors, kept in step, with search over them.

    Safe to use from several threads. Once a write method has returned, the write is durable, if the
    engine promises that, and seen by every search that begins afterwards. A search sees one state
    of the collection throughout. A context manager; it closes its engine.
    """

    def __init__(
        self,
        engine: Engine,
        null_vectors: NullVectors | None = None,
        whole: Collection | None = None,
    ) -> None:
        """Over an engine; without ``null_vectors`` no significance is learned anew.

        In a part of a ``whole`` it is learned beside searches, never within one, and in turn with
        other parts, which all have the whole's adapter.
        """
        self._engine = engine
        self._null_vectors = null_vectors
        self._viewing = threading.Lock()
        self._views: OrderedDict[str, Collection] = OrderedDict()
        self._adapters: Adapters = whole._adapters if whole else Adapters(engine)  # noqa: SLF001 -- its own
        self._turns = threading.Lock()
        self._backgrounds = ScoreBackgrounds(
            engine,
            null_vectors,
            0 if whole else AT_ONCE_CHUNKS,
            self._adapters,
            whole._turns if whole else self._turns,  # noqa: SLF001 -- its own
        )
        self._calibrations = Calibrations(engine)

    @property
    def name(self) -> str:
        """Its name."""
        return self._engine.name

    @property
    def identity(self) -> Identity:
        """The model that filled it: the same object until a migration finishes."""
        return self._engine.identity

    @property
    def language(self) -> Language:
        """The language whose rules its words are stemmed by."""
        return self._engine.language

    @property
    def capabilities(self) -> Capabilities:
        """The promises of its engine."""
        return self._engine.capabilities

    def describe(self) -> Description:
        """Counts, sizes and the kind of search."""
        described = self._engine.describe()
        modes = {"modes": [str(mode) for mode in Mode]}
        told = self._adapters.serving(self.identity).summary
        index = {**modes, **described.index, **told}
        return replace(described, index=index, chunking=self.identity.chunking.plain)

    def close(self) -> None:
        """Release files and memory; searches under way finish first."""
        while self._views:
            self._views.popitem()[1].close()
        self._backgrounds.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def restricted(self, condition: Filter) -> Collection:
        """The collection as if it held only the documents that pass a filter.

        What is written to it must pass too. It is open as long as this one is; what cannot be had
        of a part raises Forbidden. BM25 goes on to weigh words by all documents.
        """
        written = repr(condition)  # as values, 1 and true are equal in Python
        with self._viewing:
            view = self._views.pop(written, None)
            if view is None:
                engine = RestrictedEngine(self._engine, condition)
                view = Collection(engine, self._null_vectors, self)
            self._views[written] = view
            while len(self._views) > VIEWS:
                self._views.popitem(last=False)
        return view

    @property
    def feedback(self) -> Feedback:
        """The judgements of its users."""
        return Feedback(self._engine)

    @property
    def origins(self) -> Origins:
        """The origins of its documents."""
        return self._engine.origins

    def trace(self, id: str) -> list[tuple[str, str]]:
        """The sources and their files that give a document, sorted; none where a part is seen."""
        if isinstance(self._engine, RestrictedEngine):
            return []
        return sorted({(source, claim.file) for source, claim in self.origins.claimed([id])})

    # Writing

    def writing(self, purpose: str = "write") -> AbstractContextManager[None]:
        """Hold the right to write over several calls; otherwise each write takes it by itself.

        Raises CollectionBusy, naming the process that holds it and what that is doing.
        """
        return self._engine.writing(purpose)

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """The change that storing each of these documents would make."""
        return self._engine.changes(documents)

    def refusals(self, documents: Sequence[Document]) -> Mapping[int, str]:
        """The reasons for which some of these may not be stored here, by their positions.

        Only a restricted collection has any: see :meth:`restricted`.
        """
        if not isinstance(self._engine, RestrictedEngine):
            return {}
        return {place: str(why) for place, why in self._engine.refusals(documents).items()}

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Add or replace documents, in one transaction; of two with one id the later wins.

        Raises InvalidVector for a vector that is not of unit length and the right dimension, and
        ModelChanged for one of another model; nothing is written then.
        """
        self._engine.put(documents)

    def amend(self, documents: Sequence[Document]) -> None:
        """Replace the metadata of documents whose content is stored and unchanged.

        Raises InvalidInput for one whose content differs; nothing is written then.
        """
        self._engine.amend(documents)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete those of these documents that exist, and return their number."""
        return self._engine.delete(ids)

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter, and return their number."""
        return self._engine.delete_matching(condition)

    def migrate(self, identity: Identity) -> Migration:
        """Begin a migration to another model, or continue one.

        Raises CollectionBusy while another migration is under way.
        """
        return self._engine.migrate(identity)

    def rebuild(self, choice: IndexChoice | None = None) -> Description:
        """Rebuild the index over all that is stored, and wait for it; searching goes on.

        ``choice`` is kept for this collection; None keeps the present one. Raises Unsupported for a
        kind of index that the engine does not have.
        """
        self._engine.rebuild(choice)
        return self.describe()

    def compact(self) -> bool:
        """Erase deleted and replaced documents; searching and writing go on meanwhile.

        False if a search elsewhere still uses some of them: then call it again.
        """
        return self._engine.compact()

    # Reading

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents with these ids, None where there is none."""
        with self._engine.reading() as state:
            keys = state.keys(ids)
            documents = state.documents(keys.values())
        return [documents[keys[id]] if id in keys else None for id in ids]

    def thumbnail(self, id: str) -> bytes | None:
        """The small JPEG of a document's picture; None if there is none."""
        with self._engine.reading() as state:
            return next(iter(state.thumbnails(state.keys([id]).values()).values()), None)

    def original(self, id: str) -> bytes | None:
        """A document's picture, if the collection keeps it; one left in its place is not."""
        with self._engine.reading() as state:
            return next(iter(state.originals(state.keys([id]).values()).values()), None)

    def page(
        self,
        condition: Filter | None = None,
        cursor: str | None = None,
        limit: int = 100,
        order: Order = ADDED,
        *,
        count: Count | None = None,
    ) -> Page:
        """The next ``limit`` documents that pass a filter, in insertion order or another.

        With ``count`` also what is on all pages; raises InvalidInput for a cursor of another order.
        """
        with self._engine.reading() as state:
            page = page_of(state, condition, cursor, limit, order)
            return page if count is None else with_counts(state, page, condition, order, count)

    def fields(self, limit: int = 100, common: int = 20) -> list[FieldSummary]:
        """The first ``limit`` metadata fields by name, each with its most common values."""
        with self._engine.reading() as state:
            return state.facets(limit, common)

    def column(self, field: str) -> Mapping[str, Scalar]:
        """The value of a metadata field by document id; of a list, its smallest."""
        with self._engine.reading() as state:
            return state.column(field)

    def vectors(self, ids: Sequence[str]) -> list[StoredVectors | None]:
        """The stored vectors of these documents, None where there is none."""
        with self._engine.reading() as state:
            keys = state.keys(ids)
            found = state.vectors(keys.values())
        return [found.get(keys[id]) if id in keys else None for id in ids]

    def embedded(self, ids: Sequence[str]) -> list[EmbeddedDocument | None]:
        """These documents as they are stored, each with its vectors; None where there is none."""
        with self._engine.reading() as state:
            keys = state.keys(ids)
            documents, vectors = state.documents(keys.values()), state.vectors(keys.values())
            truncated, mark = state.truncated(keys.values()), state.identity.mark
        return [
            EmbeddedDocument(
                documents[keys[id]],
                vectors[keys[id]].chunks,
                vectors[keys[id]].vectors,
                keys[id] in truncated,
                mark,
            )
            if id in keys
            else None
            for id in ids
        ]

    def sample(self, count: int, seed: int = 0) -> Vectors:
        """At most ``count`` stored vectors, drawn without replacement."""
        with self._engine.reading() as state:
            return state.sample(count, seed).vectors

    def examples(self, count: int) -> list[str]:
        """At most ``count`` queries to begin with, in the words of documents of all kinds."""
        with self._engine.reading() as state:
            return example_queries(state, count)

    def search(self, queries: Sequence[Query]) -> list[Answer]:
        """The k best documents of each query, best first; see promise 4 of the README.

        Every dense query carries its vector or examples. Raises NotFound for an example that
        is not stored, InvalidVector for a vector of another dimension.
        """
        lexical = any(query.mode is not Mode.DENSE for query in queries)
        with self._engine.reading(lexical=lexical) as state:
            adapter = self._adapters.of(state.identity)
            background = self._backgrounds.with_adapter(state, adapter)
            answers = answer_adapted(state, queries, adapter, background)
            calibrations = self._calibrations.of(state.identity, adapter)
            shipped = None if adapter else shipped_relevance(state.identity, background)
        if not calibrations and shipped is None:
            return answers
        return [
            graded_texts(query, judged(query, answer, calibrations, shipped))
            for query, answer in zip(queries, answers, strict=True)
        ]

    # Derived data

    def calibrations(self) -> Mapping[str, Calibration]:
        """The calibrations for the present model and adapter, by kind of ranking."""
        return self._calibrations.of(self.identity, self.adapter)

    @property
    def calibrated(self) -> frozenset[str]:
        """The kinds of ranking that were calibrated, with this model or one before."""
        return self._calibrations.rankings(self.identity)

    @property
    def mark(self) -> str:
        """The mark of its present model and adapter, which a calibration is learned for."""
        return mark_of(self.identity, self.adapter)

    def keep_calibration(self, calibration: Calibration) -> None:
        """Use this calibration from now on for its kind of ranking.

        Raises ModelChanged if it is for another model or adapter than the collection's.
        """
        with self._engine.writing("calibrate"):
            with self._engine.reading() as state:
                identity = state.identity
            adapter = self._adapters.of(identity)
            model, _, digest = calibration.model.partition("+")
            require_model(identity, model, "the calibration")
            if digest != (adapter.digest if adapter else ""):
                raise ModelChanged("the calibration is of another adapter: calibrate again")
            self._calibrations.keep(calibration, identity, adapter)

    # The adapter

    @property
    def adapter(self) -> Adapter | None:
        """The map of the vectors of texts that are asked; None if there is none. Raises Damaged."""
        return self._adapters.of(self.identity)

    def adapt(self, adapter: Adapter | None) -> None:
        """Map the vectors of texts that are asked by this from now on, durably; None by nothing.

        The one before it is kept. Raises InvalidInput for one of another dimension.
        """
        with self._engine.writing("promote"):
            self._changing().replace(adapter, self.identity)

    @property
    def came_from(self) -> str:
        """The model that the present one was promoted over, by name; "" for none."""
        return self._adapters.serving(self.identity).came_from

    def move(self, identity: Identity, *, forced: bool) -> None:
        """Note that a migration to a model is about to finish, which promotes it."""
        self._changing().arrive(identity, self.identity.name, forced=forced)

    def adapt_as_before(self) -> Adapter | None:
        """Go back to the adapter before the last, and return it; raises NotFound."""
        with self._engine.writing("promote"):
            return self._changing().roll_back(self.identity)

    def _changing(self) -> Adapters:
        """The adapters, to be changed; raises Forbidden in a part, which has those of the whole."""
        if isinstance(self._engine, RestrictedEngine):
            refuse("a change of its adapter")
        return self._adapters

    def background(self) -> Background | None:
        """The best scores of unrelated queries here, found anew as the collection grows.

        None while there are too few documents, while it is being computed, and, unless it was kept,
        while the model is not open.
        """
        with self._engine.reading() as state:
            return self._backgrounds.of(state)

    def prepare(self) -> None:
        """Make what a first search waits for: the background of scores, libraries that it loads."""
        self.background()
        direction = np.zeros(self.identity.dimension, np.float32)
        direction[0] = 1
        self.search([Query(vector=direction, k=1)])

    @property
    def is_prepared(self) -> bool:
        """Return whether a search finds all that is made once, and has nothing to make first."""
        return self._backgrounds.is_made

    def diagnose(self, tell: Tell) -> Diagnosis:
        """Diagnostics of its vectors; figures of pairs come from samples. Takes seconds."""
        with self._engine.reading() as state:
            self._backgrounds.make(state)
            return diagnose(self.name, state, self._backgrounds.of(state), tell)

    def map(self) -> Map:
        """The collection's map, as far as it is drawn.

        If documents were written since, an update begins in the background. Raises Unsupported,
        MissingExtra or StorageFailed if it cannot be drawn.
        """
        return self._engine.map()

    def draw_map(self, tell: Tell, *, anew: bool = False) -> Map:
        """Bring the map up to date now, and wait; ``anew`` redraws all documents together."""
        self._engine.draw_map(tell, anew=anew)
        return self._engine.map()
