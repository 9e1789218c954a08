"""One machine's collection: store, vector file and nearest rows, kept in step.

A write appends vectors and makes them durable, then commits the store's transaction that makes
their rows exist. A search works in one read transaction of the store, with the rows in memory
brought to exactly that state first; so it sees one state throughout, also while another thread
or another process writes, and never waits for them.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import numpy as np

from indexer.collection import StoredVectors
from indexer.documents import Change, Document, EmbeddedDocument, Page, Vectors, encode_metadata
from indexer.embedding.embedder import Identity
from indexer.errors import (
    AlreadyExists,
    Damaged,
    InvalidInput,
    NotFound,
    StorageFailed,
)
from indexer.filters import Filter, Scalar
from indexer.index_choice import IndexChoice, Language
from indexer.queries import Answer, Mode, Query
from indexer.ranking.calibration import Calibration
from indexer.ranking.score_annotations import with_relevance
from indexer.ranking.significance import Background
from indexer.reports import Description, Diagnosis, FieldSummary, Map, Tell
from indexer.storage.analysis.calibration_file import Calibrations
from indexer.storage.analysis.diagnosis import diagnose
from indexer.storage.analysis.map_file import Maps
from indexer.storage.analysis.score_background import Backgrounds
from indexer.storage.ann import index_file
from indexer.storage.ann.chosen_kind import keep_choice, kept_choice
from indexer.storage.ann.faiss_index import use_threads
from indexer.storage.ann.index_file import Sealed
from indexer.storage.generation.index_builder import IndexBuilder, seal_rows
from indexer.storage.generation.migration import Migration, MigrationContext, joined_vectors
from indexer.storage.generation.recall_monitor import Fall, RecallWatch, after_fall
from indexer.storage.generation.row_table import (
    VECTORS,
    Part,
    RowTable,
    generation_folder,
    load_rows,
    read_index,
)
from indexer.storage.generation.row_writer import NOBODY, RowWriter
from indexer.storage.lexical.folder import bytes_under
from indexer.storage.lexical.index_sync import LexicalIndex
from indexer.storage.lexical.snapshot import LexicalSnapshot
from indexer.storage.maintenance.backup import last_backup
from indexer.storage.maintenance.vector_checks import require_written_vectors
from indexer.storage.query.execution import answer_queries
from indexer.storage.query.filter_cache import FilterCache
from indexer.storage.query.targets import check_model, vectors_of
from indexer.storage.runtime.durable_files import sync_folder
from indexer.storage.runtime.locks import WriterLock
from indexer.storage.runtime.subprocess_job import lower_priority
from indexer.storage.sqlite.records import StoredDocument
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store
from indexer.storage.sqlite.transaction import Transaction
from indexer.storage.thresholds import DEFAULT, Thresholds
from indexer.storage.vector_file import VectorFile

_STORE: Final = "store.sqlite"
_LOCK: Final = "writer.lock"
_COMPACT_DOCUMENTS: Final = 2_000
_SEARCHES_BETWEEN_LOOKS: Final = 64

_log = logging.getLogger(__name__)


class LocalCollection:
    """A folder on this machine's disk; an implementation of indexer.collection.Collection."""

    def __init__(
        self, folder: Path, choice: IndexChoice | None = None, thresholds: Thresholds = DEFAULT
    ) -> None:
        """Open a collection that exists; raises NotFound or Damaged.

        ``choice`` says which index is kept over its rows, unless one was chosen for this
        collection (see rebuild); None chooses by measuring. Answers do not depend on
        ``thresholds``.
        """
        if not (folder / _STORE).is_file():
            raise NotFound(f"there is no collection in {folder}")
        self._folder = folder
        self._placed = 0, folder  # the generation that was asked for last; there is no 0
        self._store = Store(folder / _STORE)
        self._thresholds = thresholds
        self._lexical_index = LexicalIndex(folder, self._store, thresholds)
        self._wrote = False
        self._lock = WriterLock(folder / _LOCK, folder.name)
        self._transactions = threading.Lock()
        self._following = threading.Lock()
        self._noticing = threading.Lock()
        self._building_delta = threading.Lock()
        self._filter_cache = FilterCache()
        self._searches = 0
        with self._store.reading() as snapshot:
            self._rows = load_rows(folder, snapshot, None, thresholds)
        self._backgrounds = Backgrounds()
        self._calibrations = Calibrations(folder)
        self._maps = Maps(folder, self._store)
        self._watch = RecallWatch(self._heed)
        self._index_builder = IndexBuilder(
            kept_choice(folder) or choice or IndexChoice(), self._seal
        )

    @classmethod
    def create(
        cls,
        folder: Path,
        identity: Identity,
        language: Language = Language.ENGLISH,
        thresholds: Thresholds = DEFAULT,
    ) -> Self:
        """Make and open an empty collection, durably; raises AlreadyExists."""
        if folder.exists():
            raise AlreadyExists(f"collection {folder.name!r} is there already")
        draft = folder.parent / f".{folder.name}.{os.getpid()}.{threading.get_ident()}.new"
        try:
            shutil.rmtree(draft, ignore_errors=True)
            (draft / "generations" / "1").mkdir(parents=True)
            (draft / "generations" / "1" / VECTORS).touch()
            Store.create(draft / _STORE, identity, language)
            for path in (draft / "generations" / "1", draft / "generations", draft):
                sync_folder(path)
            draft.rename(folder)
            sync_folder(folder.parent)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            if folder.exists():
                raise AlreadyExists(f"collection {folder.name!r} is there already") from error
            raise StorageFailed(f"cannot create {folder}: {error.strerror}") from error
        return cls(folder, thresholds=thresholds)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self._folder.name

    @property
    def identity(self) -> Identity:
        """The model that filled it."""
        return self._rows.identity

    @property
    def language(self) -> Language:
        """The language by whose rules its words are stemmed."""
        with self._store.reading() as snapshot:
            return snapshot.language

    def describe(self) -> Description:
        """Counts, sizes and how it searches."""
        with self._store.reading() as snapshot:
            counts = snapshot.counts()
        return Description(
            name=self.name,
            model=self.identity.name,
            dimension=self.identity.dimension,
            documents=counts.documents,
            chunks=counts.chunks,
            bytes=bytes_under(self._folder),
            truncated=counts.truncated,
            index={
                **self._describe_index(),
                "modes": [str(mode) for mode in Mode],
                "lexical": self._lexical_index.describe(),
            },
            backed_up=last_backup(self._folder),
        )

    @contextmanager
    def writing(self, purpose: str = "write") -> Iterator[None]:
        """Hold the right to write; see the Protocol."""
        with self._lock.held(purpose):
            yield
        if (self._folder / _STORE).is_file():  # it was not deleted under the lock
            self._consider_sealing()

    def close(self) -> None:
        """Close the store; searches under way, and an index being sealed, finish first.

        What was written is put into the index of words, unless it is little.
        """
        if self._wrote and (self._folder / _STORE).is_file():
            self._lexical_index.finish()
        self._lexical_index.close()
        self._watch.close()
        self._index_builder.close()
        self._backgrounds.close()
        self._maps.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Writing

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """What storing each of these documents would change."""
        with self._store.reading() as snapshot:
            stored = snapshot.stored(document.id for document in documents)
        return [_change(document, stored.get(document.id)) for document in documents]

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Add or replace documents in one transaction; see the Protocol."""
        latest = list({one.document.id: one for one in documents}.values())
        if not latest:
            return
        with self._transaction() as transaction:
            generation = transaction.generation()
            identity = self._identity_of(transaction, generation.number)
            vectors = joined_vectors(latest, identity)
            self._file(generation.number, identity).append(generation.rows, vectors)
            RowWriter(transaction, generation.number, generation.rows).put(latest, vectors)

    def amend(self, documents: Sequence[Document]) -> None:
        """Replace metadata only; raises InvalidInput for a document whose content differs."""
        latest = {document.id: document for document in documents}
        with self._transaction() as transaction:
            stored = transaction.stored(latest)
            for document in latest.values():
                if _change(document, stored.get(document.id)) in (Change.NEW, Change.CONTENT):
                    raise InvalidInput(f"document {document.id!r} is not stored with this content")
            transaction.amend([(stored[id], one.metadata) for id, one in latest.items()])
            generation = transaction.generation()
            transaction.advance(generation.number, generation.rows)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents by id; how many there were."""
        with self._transaction() as transaction:
            stored = list(transaction.stored(ids).values())
            return self._remove(transaction, stored)

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter; how many did."""
        with self._transaction() as transaction:
            mask = transaction.matching(condition, transaction.last_number() + 1)
            numbers = np.flatnonzero(mask).tolist()
            ids = [document.id for document in transaction.documents(numbers).values()]
            return self._remove(transaction, list(transaction.stored(ids).values()))

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._lock.held("write"), self._transactions, self._store.writing() as transaction:
            yield transaction
        self._wrote = True
        self._consider_sealing()

    def _identity_of(self, snapshot: Snapshot, generation: int) -> Identity:
        rows = self._rows
        return rows.identity if rows.generation == generation else snapshot.identity(generation)

    def _remove(self, transaction: Transaction, stored: list[StoredDocument]) -> int:
        if stored:
            generation = transaction.generation()
            RowWriter(transaction, generation.number, generation.rows).remove(stored)
        return len(stored)

    def _file(self, generation: int, identity: Identity) -> VectorFile:
        return VectorFile(self._place(generation) / VECTORS, identity.dimension)

    def _place(self, generation: int) -> Path:
        known = self._placed
        if known[0] != generation:
            known = self._placed = generation, generation_folder(self._folder, generation)
        return known[1]

    # Migration

    def migrate(self, identity: Identity) -> Migration:
        """Begin, or go on with, a generation of another model; see the Protocol.

        Raises CollectionBusy while another migration is under way.
        """
        return Migration(
            MigrationContext(
                self._folder, self._store, self._transaction, self._seal_ahead, self._thresholds
            ),
            identity,
        )

    def compact(self) -> bool:
        """Write vectors and texts anew without what was deleted, while searching goes on.

        Afterwards the bytes of a deleted text are in no file of the collection; False if a
        search in another process still holds the log open: then call it again. Raises Damaged
        rather than give vectors that are not what was written a checksum of their own.
        """
        require_written_vectors(self._folder, self._store)
        with self.migrate(self.identity) as migration:
            done = False
            while not done:
                while documents := migration.pending(_COMPACT_DOCUMENTS):
                    migration.put(self._as_stored(documents))
                done = migration.finish()
        sequence = self._lexical_index.rebuild()  # the words of a deleted text are in no file then
        with self._transaction() as transaction:
            transaction.forget_deletions(sequence)
        return self._store.vacuum()

    def _as_stored(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """Documents with the vectors that are stored, less those that changed meanwhile."""
        with self._state() as (snapshot, rows):
            stored = snapshot.stored(document.id for document in documents)
            found = vectors_of(snapshot, rows, stored)
        return [
            EmbeddedDocument(
                document,
                found[document.id].chunks,
                found[document.id].vectors,
                stored[document.id].truncated,
                rows.identity.fingerprint,
            )
            for document in documents
            if _change(document, stored.get(document.id)) in (Change.NOTHING, Change.METADATA)
        ]

    def _seal_ahead(self, rows: RowTable) -> None:
        """Put an index over rows that are not searched yet."""
        seal_rows(self._place(rows.generation), rows, self._index_builder.choice)

    # Sealing

    def rebuild(self, choice: IndexChoice | None = None) -> Description:
        """Seal an index over all rows now, and wait for it.

        ``choice`` stays this collection's, also when it is opened again.
        """
        if choice is not None:
            with self._lock.held("choose an index"):
                keep_choice(self._folder, choice)
        self._index_builder.run(choice)
        self._lexical_index.rebuild()
        return self.describe()

    def _consider_sealing(self) -> None:
        """Begin to seal in the background if enough rows came since, and no bulk write is on."""
        if self._lexical_index.is_due():
            self._lexical_index.start()
        rows = self._rows if self._lock.is_held else self._follow_newest()
        many = rows.compared >= self._thresholds.delta_rows
        if many and not rows.distrusted and self._building_delta.acquire(blocking=False):
            threading.Thread(target=self._build_delta, name="delta index", daemon=True).start()
        if not self._lock.is_held and self._index_builder.is_due(rows):
            self._index_builder.start()

    def _seal(self, choice: IndexChoice) -> None:
        """Build an index over the rows there are now, and put it in the place of the last."""
        rows = self._follow_newest()
        place = self._place(rows.generation)
        if seal_rows(place, rows, choice):
            self._install(rows.generation, *read_index(place))
        self._backgrounds.make(place, rows)

    def _build_delta(self) -> None:
        """Put the unindexed rows into a delta index in memory, beside the searches."""
        try:
            lower_priority()
            use_threads(1)
            rows = self._rows
            if rows.index is None:
                return
            delta = rows.extended_delta(rows.index.target)
            with self._following:
                now = self._rows
                same = (now.generation, now.stamp) == (rows.generation, rows.stamp)
                if same and now.index and not now.distrusted:
                    self._rows = replace(now, delta=delta)
        finally:
            self._building_delta.release()

    def _notice_index(self) -> None:
        """Read the index that another process has sealed, beside the searches."""
        if self._noticing.acquire(blocking=False):
            threading.Thread(target=self._read_index, name="read index", daemon=True).start()

    def _read_index(self) -> None:
        try:
            generation = self._rows.generation
            self._install(generation, *read_index(self._place(generation)))
        finally:
            self._noticing.release()

    def _install(self, generation: int, index: Sealed | None, stamp: int) -> None:
        with self._following:
            if self._rows.generation == generation:
                self._rows = replace(
                    self._rows, index=index, stamp=stamp, delta=None, distrusted=frozenset()
                )

    def _describe_index(self) -> dict[str, object]:
        rows = self._follow_newest()
        if rows.index is None:
            return {"kind": "exact", "rows": len(rows.owners), "recall": 1.0}
        watched = self._watch.estimate()
        return {
            **rows.index.describe(),
            "late_rows": rows.unindexed,
            "compared_rows": len(rows.owners) if rows.compares_all else rows.compared,
            "watched_recall": watched and watched.mean,
            "watched_interval": watched and [watched.low, watched.high],
            "watched_queries": watched.queries if watched else 0,
            "watched_situations": {
                str(situation): {"recall": one.mean, "queries": one.queries}
                for situation, one in self._watch.situations().items()
            },
            "distrusted": sorted(rows.distrusted),
        }

    def _heed(self, fall: Fall) -> None:
        """Find more from now on, since real queries found too little."""
        with self._following:
            now, then = self._rows, fall.rows
            if now.index is not then.index or now.delta is not then.delta:
                return  # it is of what is searched no more
            better = after_fall(now, fall)
            self._rows = better
        _log.warning(
            "%s: recall@%d of real queries (%s) is %.4f (%.4f to %.4f), "
            "below the target of %.4f: %s",
            self.name,
            fall.recall.k,
            fall.situation,
            fall.recall.mean,
            fall.recall.low,
            fall.recall.high,
            now.index.target if now.index else 1.0,
            _remedy(better, fall),
        )

    # Reading

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents of these ids, None where there is none."""
        with self._store.reading() as snapshot:
            stored = snapshot.stored(ids)
            documents = snapshot.documents(old.number for old in stored.values())
        return [documents[stored[id].number] if id in stored else None for id in ids]

    def page(
        self, condition: Filter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """The next documents that pass a filter, in the order they first came."""
        after = _parse_cursor(cursor)
        with self._store.reading() as snapshot:
            if condition is None:
                found = snapshot.documents_after(after, limit + 1)
            else:
                found = list(_filtered_after(snapshot, condition, after, limit + 1))
        more = len(found) > limit
        page = found[:limit]
        return Page(
            tuple(document for _, document in page), str(page[-1][0]) if more and page else None
        )

    def fields(self, limit: int = 100, common: int = 20) -> list[FieldSummary]:
        """The first metadata fields by name; see the Protocol."""
        with self._store.reading() as snapshot:
            return snapshot.fields(limit, common)

    def vectors(self, ids: Sequence[str]) -> list[StoredVectors | None]:
        """The stored vectors of these documents, None where there is none."""
        with self._state() as (snapshot, rows):
            found = vectors_of(snapshot, rows, ids)
        return [found.get(id) for id in ids]

    def sample(self, count: int, seed: int = 0) -> Vectors:
        """At most ``count`` stored vectors, drawn without replacement."""
        with self._state() as (_, rows):
            members = np.flatnonzero(rows.owners != NOBODY)
            chosen = np.random.default_rng(seed).permutation(len(members))[:count]
            drawn: Vectors = np.array(rows.vectors[np.sort(members[chosen])])
            return drawn

    def calibrations(self) -> Mapping[str, Calibration]:
        """What was learned from judged queries; see the Protocol."""
        return self._calibrations.of(self.identity.fingerprint)

    def keep_calibration(self, calibration: Calibration) -> None:
        """Use this from now on; see the Protocol."""
        with self._lock.held("calibrate"):
            rows = self._follow_newest()
            check_model(rows, calibration.model, "the calibration")
            self._calibrations.keep(calibration)

    def diagnose(self, tell: Tell) -> Diagnosis:
        """What its vectors are like; see the Protocol."""
        with self._state() as (snapshot, rows):
            self._backgrounds.make(self._place(rows.generation), rows)
            return diagnose(self.name, snapshot, rows, self._background_of(rows), tell)

    def map(self) -> Map:
        """The collection on a plane, as far as it is drawn; see the Protocol."""
        with self._state() as (snapshot, rows):
            return self._maps.view(snapshot, rows.identity.fingerprint)

    def draw_map(self, tell: Tell, *, anew: bool = False) -> Map:
        """Bring the map up to all documents now; see the Protocol."""
        self._maps.draw(self.identity.fingerprint, tell, anew=anew)
        return self.map()

    def column(self, field: str) -> Mapping[str, Scalar]:
        """The value of a metadata field by document; see the Protocol."""
        with self._store.reading() as snapshot:
            values = snapshot.column(field)
            return {id: values[number] for number, id in snapshot.ids() if number in values}

    def background(self) -> Background | None:
        """What unrelated texts score here; see the Protocol."""
        return self._background_of(self._follow_newest())

    def _background_of(self, rows: RowTable) -> Background | None:
        return self._backgrounds.of(self._place(rows.generation), rows)

    def search(self, queries: Sequence[Query]) -> list[Answer]:
        """The k best documents of each query; see the Protocol."""
        self._searches += 1  # a lost count does no harm
        if self._searches % _SEARCHES_BETWEEN_LOOKS == 0:
            self._consider_sealing()  # whoever wrote may have died before it came to it
        if all(query.mode is Mode.DENSE for query in queries):
            with self._state() as (snapshot, rows):
                return self._answer(snapshot, rows, queries, None)
        with self._state_with_words() as (snapshot, rows, words):
            return self._answer(snapshot, rows, queries, words)

    def _answer(
        self,
        snapshot: Snapshot,
        rows: RowTable,
        queries: Sequence[Query],
        words: LexicalSnapshot | None,
    ) -> list[Answer]:
        background = self._background_of(rows)
        answers = answer_queries(
            snapshot, rows, self._filter_cache, queries, self._watch, background, words
        )
        calibrations = self._calibrations.of(rows.identity.fingerprint)
        if not calibrations:
            return answers
        return [
            replace(answer, hits=tuple(with_relevance(query, answer.hits, calibrations)))
            for query, answer in zip(queries, answers, strict=True)
        ]

    @contextmanager
    def _state_with_words(self) -> Iterator[tuple[Snapshot, RowTable, LexicalSnapshot]]:
        """A state of the store, with its rows and its words."""
        while True:
            view = (
                self._lexical_index.view()
            )  # before the snapshot, so that it stands for no later state
            with self._state() as (snapshot, rows):
                words = self._lexical_index.words(view, snapshot)
                if words is not None:
                    yield snapshot, rows, words
                    return
            self._lexical_index.catch_up()

    @contextmanager
    def _state(self) -> Iterator[tuple[Snapshot, RowTable]]:
        """A state of the store, and the rows in memory of exactly that state."""
        while True:
            with self._store.reading() as snapshot:
                rows = self._follow(snapshot)
                if rows is not None:
                    yield snapshot, rows
                    return

    def _follow(self, snapshot: Snapshot) -> RowTable | None:
        """The rows of a snapshot; None if another thread has gone on to a newer one."""
        rows = self._rows
        if rows.stamp != index_file.stamp(self._place(rows.generation)):
            self._notice_index()
        if rows.sequence == snapshot.sequence:
            return rows
        with self._following:
            rows = self._rows
            if rows.sequence < snapshot.sequence:
                try:
                    rows = self._rows = load_rows(self._folder, snapshot, rows, self._thresholds)
                except Damaged:
                    if self._is_outdated(snapshot):
                        return None
                    raise
            return rows if rows.sequence == snapshot.sequence else None

    def _is_outdated(self, snapshot: Snapshot) -> bool:
        """Whether the snapshot's generation has been replaced since, and its files are gone."""
        with self._store.reading() as newest:
            return newest.generation().number != snapshot.generation().number

    def _follow_newest(self) -> RowTable:
        with self._state() as (_, rows):
            return rows


def _change(document: Document, old: StoredDocument | None) -> Change:
    if old is None:
        return Change.NEW
    if old.content_hash != document.content_hash:
        return Change.CONTENT
    same = old.metadata == encode_metadata(document.metadata)
    return Change.NOTHING if same else Change.METADATA


def _remedy(rows: RowTable, fall: Fall) -> str:
    """What is done about it."""
    part = fall.situation.part
    if part not in rows.distrusted:
        layer = rows.delta if part is Part.LATE else rows.index and rows.index.measured
        return f"searching with {layer.params if layer else None}"
    if part is Part.LATE:
        return "late rows are compared one by one until the next sealing"
    return "rows are compared one by one until the next sealing; `bearing rebuild` seals now"


def _parse_cursor(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise InvalidInput(f"cursor {cursor[:40]!r} is not one that a page gave")
    return int(cursor)


def _filtered_after(
    snapshot: Snapshot, condition: Filter, after: int, limit: int
) -> Iterator[tuple[int, Document]]:
    mask = snapshot.matching(condition, snapshot.last_number() + 1)
    numbers = np.flatnonzero(mask[after + 1 :]) + after + 1
    left = limit
    for start in range(0, len(numbers), max(limit, 100)):
        documents = snapshot.documents(numbers[start : start + max(limit, 100)].tolist())
        for number in sorted(documents)[:left]:
            yield number, documents[number]
        left -= len(documents)
        if left <= 0:
            return
