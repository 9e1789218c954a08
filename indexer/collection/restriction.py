"""An engine of which only the documents that pass a filter are seen, changed and counted.

A collection over it answers everything as if it held no other documents, whatever is asked of it,
because all that it learns comes through here: each search, page and count has the filter added,
and ids of other documents are ids of none. What cannot be had of a part is refused (Forbidden).
Of the whole there remain the statistics of words behind BM25, and the numbers that documents have
in cursors.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NoReturn

import numpy as np

from indexer.admission import taken
from indexer.analysis.field_summaries import least_of, summarise
from indexer.documents import (
    Change,
    Chunk,
    Document,
    EmbeddedDocument,
    StoredVectors,
    Vector,
    Vectors,
)
from indexer.embedding.embedder import Identity
from indexer.engine import (
    Candidate,
    Capabilities,
    ChunkCosines,
    ChunkKey,
    Counts,
    Engine,
    EngineState,
    Keeper,
    Kept,
    KeptBytes,
    Key,
    LexicalState,
    Lines,
    Migration,
    Sample,
    Scope,
)
from indexer.errors import Conflict, Forbidden, InvalidDocument
from indexer.facets import FieldCounts
from indexer.filters import Condition, Every, Filter, Operator, Pictured, Scalar, fields_of, matches
from indexer.index_choice import IndexChoice, Language
from indexer.ordering import Order, Place
from indexer.origins import Origins
from indexer.parts import WHOLE, Parts
from indexer.passages import ReadPassage
from indexer.reports import Description, FieldSummary, Map, Tell

SAMPLED_DOCUMENTS: Final = 2_000
"""A sample is drawn from the vectors of so many documents at most, those that were added first."""

_PAGE: Final = 500


def both(one: Filter | None, other: Filter | None) -> Filter | None:
    """The filter that passes what passes both; None passes everything."""
    if one is None or other is None:
        return one or other
    return Every((one, other))


def passes(condition: Filter, document: Document) -> bool:
    """Return whether a document passes a filter."""
    return matches(condition, document.metadata, pictured=document.picture is not None)


def refuse(what: str, *_: object) -> NoReturn:
    """Raise Forbidden for what only the whole collection has."""
    raise Forbidden(f"{what} needs the whole collection, and only a part of it is seen here")


class RestrictedState:
    """One state of an engine, without the documents that fail a filter.

    Keys are given for documents that pass only, so what is asked by key needs no look.
    """

    def __init__(self, state: EngineState, condition: Filter) -> None:
        self._state = state
        self._condition = condition

    @property
    def token(self) -> str:
        """The engine's token."""
        return self._state.token

    @property
    def identity(self) -> Identity:
        """The model of its vectors."""
        return self._state.identity

    @property
    def counts(self) -> Counts:
        """The number of documents that pass; their chunks are not counted, and taken for as many.

        Nor is known how many are truncated, 0, or unknown: as many as in the whole at most.
        """
        documents = self.scope().total
        return Counts(documents, documents, 0, min(documents, self._state.counts.unknown))

    @property
    def has_pictures(self) -> bool:
        """Return whether a document that passes has a picture."""
        return self._state.has_pictures and self.scope(Pictured()).total > 0

    @property
    def is_exact(self) -> bool:
        """Return whether searches are exact without ``exact``."""
        return self._state.is_exact

    @property
    def is_behind(self) -> bool:
        """Return whether it may lack the newest writes."""
        return self._state.is_behind

    @property
    def lexical(self) -> LexicalState:
        """The words of the whole collection; what is found by them is in a scope."""
        return self._state.lexical

    def keys(self, ids: Iterable[str]) -> dict[str, Key]:
        """The keys of those of these documents that exist and pass."""
        found = self._state.keys(ids)
        documents = self._state.documents(found.values())
        return {
            id: key
            for id, key in found.items()
            if key in documents and passes(self._condition, documents[key])
        }

    def ids(self, keys: Iterable[Key]) -> dict[Key, str]:
        """The ids of documents by their keys."""
        return self._state.ids(keys)

    def documents(self, keys: Iterable[Key]) -> dict[Key, Document]:
        """Documents by their keys."""
        return self._state.documents(keys)

    def thumbnails(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The small JPEGs of pictures, by keys."""
        return self._state.thumbnails(keys)

    def originals(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The pictures that are kept, by keys."""
        return self._state.originals(keys)

    def vectors(self, keys: Iterable[Key]) -> dict[Key, StoredVectors]:
        """Chunks and vectors by keys."""
        return self._state.vectors(keys)

    def truncated(self, keys: Iterable[Key]) -> set[Key]:
        """Those of these documents whose text was truncated."""
        return self._state.truncated(keys)

    def chunks(self, keys: Iterable[Key]) -> dict[Key, list[tuple[ChunkKey, Chunk]]]:
        """Chunks by keys."""
        return self._state.chunks(keys)

    def unknown_chunks(self, keys: Iterable[Key]) -> set[ChunkKey]:
        """The chunks of these documents of which the model knows no word."""
        return self._state.unknown_chunks(keys)

    def passages(
        self, chunks: Iterable[ChunkKey], parts: Parts = WHOLE
    ) -> Mapping[ChunkKey, ReadPassage]:
        """These parts of chunks and their documents."""
        return self._state.passages(chunks, parts)

    def page(self, condition: Filter | None, after: Key, limit: int) -> list[tuple[Key, Document]]:
        """The next documents by key that pass this filter too."""
        return self._state.page(both(self._condition, condition), after, limit)

    def ordered(
        self, condition: Filter | None, order: Order, after: Place | None, limit: int
    ) -> list[tuple[Key, Document]]:
        """The next documents in an order that pass this filter too."""
        return self._state.ordered(both(self._condition, condition), order, after, limit)

    def facets(self, limit: int, common: int) -> list[FieldSummary]:
        """The metadata fields of the documents that pass; each of them is read."""
        return summarise((document for _, document in self.everything()), limit, common)

    def count_values(
        self, fields: Sequence[str], scope: Scope, most: int, keys: Sequence[Key] | None = None
    ) -> tuple[FieldCounts, ...]:
        """Each of these fields with its most common values in the documents in scope."""
        return self._state.count_values(fields, scope, most, keys)

    def known_fields(self, names: Collection[str]) -> set[str]:
        """Those of these metadata fields that a document that passes has."""
        known = self._state.known_fields(names)
        return {name for name in known if self.scope(_has(name)).total}

    def column(self, field: str) -> dict[str, Scalar]:
        """The value of a metadata field by document id; of a list, its smallest."""
        return {
            document.id: value
            for _, document in self.everything()
            if field in document.metadata
            for value in least_of(document.metadata[field])
        }

    def copies(self, limit: int) -> NoReturn:
        """Refused: it is for diagnostics, which are of the whole."""
        refuse("a count of copies", limit)

    def sample(self, count: int, seed: int) -> Sample:
        """At most ``count`` vectors of SAMPLED_DOCUMENTS that pass, in random order."""
        stored = self._state.vectors([key for key, _ in self.everything(SAMPLED_DOCUMENTS)])
        if not stored:
            return Sample(np.empty((0, self.identity.dimension), np.float32), np.empty(0, np.int64))
        vectors = np.concatenate([one.vectors for one in stored.values()])
        keys = np.repeat(
            np.array(list(stored), np.int64), [len(one.vectors) for one in stored.values()]
        )
        drawn = np.random.default_rng(seed).permutation(len(vectors))[:count]
        return Sample(vectors[drawn], keys[drawn])

    def scan(self, rows: int) -> NoReturn:
        """Refused: it is for diagnostics, which are of the whole."""
        refuse("a scan of all vectors", rows)

    def scope(
        self, condition: Filter | None = None, without: Sequence[Key] = (), token: str | None = None
    ) -> Scope:
        """The documents that pass this filter too."""
        return self._state.scope(both(self._condition, condition), without, token)

    def nearest(
        self, directions: Vectors, k: int, scope: Scope, *, exact: bool
    ) -> list[list[Candidate]]:
        """The k nearest documents in scope to each direction."""
        return self._state.nearest(directions, k, scope, exact=exact)

    def chunk_cosines(self, keys: Sequence[Key], directions: Vectors) -> ChunkCosines:
        """The cosines of all chunks of these documents."""
        return self._state.chunk_cosines(keys, directions)

    def own_cosines(self, keys: Sequence[Sequence[Key]], directions: Vectors) -> list[ChunkCosines]:
        """Of each direction the cosines of all chunks of its own documents."""
        return self._state.own_cosines(keys, directions)

    def chunk_vectors(self, keys: Sequence[Key]) -> Sample:
        """The vectors of all chunks of these documents."""
        return self._state.chunk_vectors(keys)

    def count_near(self, direction: Vector, least: float, scope: Scope) -> int:
        """The number of documents in scope that are as near as this."""
        return self._state.count_near(direction, least, scope)

    def everything(self, most: int | None = None) -> Iterator[tuple[Key, Document]]:
        """The documents that pass, by key, at most so many."""
        after, left = Key(0), most
        while left is None or left > 0:
            limit = _PAGE if left is None else min(_PAGE, left)
            page = self._state.page(self._condition, after, limit)
            yield from page
            if len(page) < limit:
                return
            after, left = page[-1][0], None if left is None else left - len(page)


def _has(field: str) -> Filter:
    return Condition(field, Operator.EXISTS, (True,))


class RestrictedEngine:
    """An engine without the documents that fail a filter. Closing it closes nothing.

    The engine itself looks at what a write would replace, within its transaction.
    """

    def __init__(self, engine: Engine, condition: Filter) -> None:
        self._engine = engine
        self._condition = condition
        self._mapping = threading.Lock()
        self._mapped: tuple[str, Map] | None = None

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._engine.name

    @property
    def identity(self) -> Identity:
        """The model that filled it."""
        return self._engine.identity

    @property
    def language(self) -> Language:
        """The language whose rules its words are stemmed by."""
        return self._engine.language

    @property
    def capabilities(self) -> Capabilities:
        """The promises of the engine."""
        return self._engine.capabilities

    @contextmanager
    def reading(self, *, lexical: bool = False) -> Iterator[EngineState]:
        """The newest state, restricted."""
        with self._engine.reading(lexical=lexical) as state:
            yield RestrictedState(state, self._condition)

    def writing(self, purpose: str) -> AbstractContextManager[None]:
        """Hold the right to write over several calls."""
        return self._engine.writing(purpose)

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """The change that storing each would make; raises what :meth:`put` would."""
        for refusal in self.refusals(documents).values():
            raise refusal
        return self._engine.changes(documents)

    def put(self, documents: Sequence[EmbeddedDocument], within: Filter | None = None) -> None:
        """Add or replace documents.

        Raises InvalidDocument for one that fails the filter, Conflict for one whose id another
        document has; nothing is written then.
        """
        self._require_passing(one.document for one in documents)
        self._engine.put(documents, both(self._condition, within))

    def amend(self, documents: Sequence[Document], within: Filter | None = None) -> None:
        """Replace the metadata of documents; raises what :meth:`put` does."""
        self._require_passing(documents)
        self._engine.amend(documents, both(self._condition, within))

    def delete(self, ids: Sequence[str], within: Filter | None = None) -> int:
        """Delete those of these documents that exist and pass, and return their number."""
        return self._engine.delete(ids, both(self._condition, within))

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass this filter too, and return their number."""
        return self._engine.delete_matching(Every((self._condition, condition)))

    def migrate(self, identity: Identity) -> Migration:
        """Refused."""
        refuse("a migration", identity)

    def rebuild(self, choice: IndexChoice | None) -> None:
        """Refused."""
        refuse("rebuilding the index", choice)

    def compact(self) -> bool:
        """Refused."""
        refuse("compacting")

    def keeper(self, what: Kept) -> Keeper:
        """The place of what is kept of the whole, to be read; none for the background of scores."""
        return _Nowhere() if what is Kept.SCORE_BACKGROUND else _Read(self._engine.keeper(what))

    @property
    def judgements(self) -> Lines:
        """The place of judgements, which are added to, and not read or cleared."""
        return _Added(self._engine.judgements)

    @property
    def origins(self) -> Origins:
        """Refused."""
        refuse("a record of sources")

    def map(self) -> Map:
        """The documents that pass, where the map of all has them; their clusters are their own."""
        from indexer.analysis.map_part import part_of  # brings FAISS, which a start does without
        from indexer.lexical.analyzer import Analyzer

        whole = self._engine.map()
        with self._mapping, self._engine.reading() as state:
            seen = f"{whole.state} {whole.version} {state.token}"
            if self._mapped is None or self._mapped[0] != seen:
                own = RestrictedState(state, self._condition)
                analyzer = Analyzer(self.language)

                def documents(numbers: Sequence[int]) -> Mapping[int, Document]:
                    found = own.documents(map(Key, numbers))
                    return {int(key): document for key, document in found.items()}

                part = part_of(whole, own.everything(), analyzer, documents)
                self._mapped = (seen, part)
            return self._mapped[1]

    def draw_map(self, tell: Tell, *, anew: bool) -> None:
        """Refused."""
        refuse("a map", tell, anew)

    def describe(self) -> Description:
        """Its name, its model, and the number of documents that pass."""
        identity = self.identity
        with self.reading() as state:
            documents = state.counts.documents
        return Description(
            self.name,
            identity.name,
            identity.mark,
            identity.dimension,
            documents,
            chunks=None,
            bytes=None,
            truncated=None,
            unknown=None,
            index={},
        )

    def close(self) -> None:
        """Release nothing: the engine is whose it is."""

    def refusals(self, documents: Sequence[Document]) -> dict[int, InvalidDocument | Conflict]:
        """The reasons for which some of these may not be stored, by their positions."""
        ids = [document.id for document in documents]
        with self._engine.reading() as state:
            others = state.keys(ids).keys() - RestrictedState(state, self._condition).keys(ids)
        found: dict[int, InvalidDocument | Conflict] = {}
        for place, document in enumerate(documents):
            if not passes(self._condition, document):
                found[place] = self._outside(document)
            elif document.id in others:
                found[place] = taken(document.id)
        return found

    def _require_passing(self, documents: Iterable[Document]) -> None:
        for document in documents:
            if not passes(self._condition, document):
                raise self._outside(document)

    def _outside(self, document: Document) -> InvalidDocument:
        fields = ", ".join(sorted(fields_of(self._condition)))
        return InvalidDocument(
            f"document {document.id!r}: its metadata must pass the filter that is set here, "
            f"on {fields}"
        )


class _Nowhere:
    """Keeps nothing."""

    def read(self, identity: Identity, known: KeptBytes | None = None) -> KeptBytes | None:
        """None."""
        del identity, known
        return None

    def write(self, identity: Identity, content: bytes) -> None:
        """Keep nothing."""


class _Read:
    """A place that is only read."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def read(self, identity: Identity, known: KeptBytes | None = None) -> KeptBytes | None:
        """The item last kept."""
        return self._keeper.read(identity, known)

    def write(self, identity: Identity, content: bytes) -> None:
        """Refused."""
        refuse("keeping an adapter or a calibration", identity, content)


class _Added:
    """Lines that may be added to."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def append(self, line: bytes, most: int) -> None:
        """Keep one more."""
        self._lines.append(line, most)

    def secret(self) -> bytes:
        """The secret of all lines."""
        return self._lines.secret()

    def read(self) -> Sequence[bytes]:
        """Refused."""
        refuse("reading judgements")

    def clear(self) -> int:
        """Refused."""
        refuse("clearing judgements")

    def fill(self, lines: Sequence[bytes], secret: bytes) -> None:
        """Refused."""
        refuse("filling judgements", lines, secret)
