"""An engine on one machine: store, vector file and nearest rows, kept in step.

A write appends vectors and makes them durable, then commits the store's transaction that makes
their rows exist. A search runs in one read transaction of the store, after bringing the rows in
memory to exactly that state; so it sees one state throughout, even while another thread or
another process writes, and never waits for them.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np

from indexer.admission import (
    change_of,
    is_within,
    joined_vectors,
    require_stored,
    require_within,
)
from indexer.documents import (
    Change,
    Document,
    EmbeddedDocument,
)
from indexer.embedding.embedder import Identity
from indexer.engine import Capabilities, Kept, Key
from indexer.errors import (
    AlreadyExists,
    NotFound,
    StorageFailed,
)
from indexer.filters import Filter
from indexer.index_choice import IndexChoice, IndexKind, Language
from indexer.reports import Description, Map, Tell
from indexer.storage.analysis.map_file import Maps
from indexer.storage.ann.chosen_kind import keep_choice
from indexer.storage.generation.live_rows import LiveRows
from indexer.storage.generation.migration import Migration, MigrationContext
from indexer.storage.generation.row_table import VECTORS, generation_folder
from indexer.storage.generation.row_writer import RowWriter
from indexer.storage.kept_files import CALIBRATIONS, SCORE_BACKGROUND, KeptFile, adapter_file
from indexer.storage.kept_lines import KeptLines
from indexer.storage.lexical.index_sync import LexicalIndex
from indexer.storage.maintenance.backup import last_backup
from indexer.storage.maintenance.vector_checks import require_written_vectors
from indexer.storage.origins import StoredOrigins
from indexer.storage.query.filter_cache import FilterCache
from indexer.storage.query.passage_cache import PassageCache
from indexer.storage.query.state import LocalState, Shared
from indexer.storage.runtime.durable_files import bytes_under, sync_folder
from indexer.storage.runtime.locks import writer_lock
from indexer.storage.runtime.shared_writes import SharedWrites
from indexer.storage.sqlite.records import StoredDocument
from indexer.storage.sqlite.schema import STORE
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store
from indexer.storage.sqlite.transaction import Transaction
from indexer.storage.vector_file import VectorFile
from indexer.thresholds import DEFAULT, Thresholds

_COMPACT_DOCUMENTS: Final = 2_000
_READS_BETWEEN_LOOKS: Final = 64

_log = logging.getLogger(__name__)


CAPABILITIES: Final = Capabilities(
    engine="a folder",
    durable=True,
    index_kinds=frozenset(IndexKind),
    maps=True,
    backups=True,
    many_writers=False,
)


class _Put(NamedTuple):
    """A document to be stored, unless one with its id fails a filter."""

    embedded: EmbeddedDocument
    within: Filter | None


def _require_within(transaction: Transaction, puts: Sequence[_Put]) -> None:
    """Raise Conflict unless each may replace what is stored, and what came before it."""
    if all(one.within is None for one in puts):
        return
    stored = transaction.stored(one.embedded.document.id for one in puts)
    known = {id: one.facts for id, one in stored.items()}
    for document, within in ((one.embedded.document, one.within) for one in puts):
        if document.id in known:
            require_within(within, {document.id: known[document.id]})
        known[document.id] = document.facts


class LocalEngine:
    """A folder on this machine's disk; see indexer.engine.Engine."""

    capabilities = CAPABILITIES

    def __init__(
        self, folder: Path, choice: IndexChoice | None = None, thresholds: Thresholds = DEFAULT
    ) -> None:
        """Open a collection that exists; raises NotFound, OtherFormat or Damaged.

        ``choice`` is the index to keep over its rows, unless one was chosen for this collection
        (see rebuild); None chooses by measuring. Answers do not depend on ``thresholds``.
        """
        if not (folder / STORE).is_file():
            raise NotFound(f"there is no collection in {folder}")
        self._folder = folder
        self._store = Store(folder / STORE)
        self._thresholds = thresholds
        self._lexical_index = LexicalIndex(folder, self._store, thresholds)
        self._wrote = False
        self._lock = writer_lock(folder)
        self._transactions = threading.Lock()
        self._puts = SharedWrites(self._turn, self._put_together)
        self._reads = 0
        self._live = LiveRows(folder, self._store, choice, thresholds)
        self._maps = Maps(folder, self._store)
        self.judgements = KeptLines(folder)
        self.origins = StoredOrigins(self._store, self._turn)
        self._shared = Shared(FilterCache(), self._live.watch, PassageCache())

    @classmethod
    def create(
        cls,
        folder: Path,
        identity: Identity,
        language: Language = Language.ENGLISH,
        thresholds: Thresholds = DEFAULT,
    ) -> Self:
        """Create and open an empty collection, durably; raises AlreadyExists."""
        _make_folder(folder, identity, language)
        return cls(folder, thresholds=thresholds)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self._folder.name

    @property
    def identity(self) -> Identity:
        """The model that filled it."""
        return self._live.current.identity

    @property
    def language(self) -> Language:
        """The language whose rules its words are stemmed by."""
        with self._store.reading() as snapshot:
            return snapshot.language

    def describe(self) -> Description:
        """Counts, sizes and the kind of search."""
        with self._store.reading() as snapshot:
            counts, beside = snapshot.counts(), _beside(self._folder, snapshot)
        return Description(
            name=self.name,
            model=self.identity.name,
            fingerprint=self.identity.mark,
            dimension=self.identity.dimension,
            documents=counts.documents,
            chunks=counts.chunks,
            bytes=bytes_under(self._folder),
            truncated=counts.truncated,
            unknown=counts.unknown,
            index={
                **self._live.describe(),
                "lexical": self._lexical_index.describe(),
                **beside,
            },
            backed_up=last_backup(self._folder),
        )

    @contextmanager
    def writing(self, purpose: str) -> Iterator[None]:
        """Hold the right to write; see the Protocol."""
        with self._lock.held(purpose):
            yield
        if (self._folder / STORE).is_file():  # it may have been deleted just before
            self._consider_sealing()

    def close(self) -> None:
        """Close the store, after searches and an index being sealed have finished.

        Recent writes are added to the lexical index, unless they are few.
        """
        if self._wrote and (self._folder / STORE).is_file():
            self._lexical_index.finish()
        self._lexical_index.close()
        self._live.close()
        self._maps.close()
        self._store.close()

    # Writing

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """The change that storing each of these documents would make."""
        with self._store.reading() as snapshot:
            stored = snapshot.stored(document.id for document in documents)
        return [_change(document, stored.get(document.id)) for document in documents]

    def put(self, documents: Sequence[EmbeddedDocument], within: Filter | None = None) -> None:
        """Add or replace documents in one transaction; see the Protocol.

        Threads that put at the same time share one, and with it the waits for the disk.
        """
        given = [_Put(one, within) for one in documents]
        if given and self._puts.submit(given):
            self._consider_sealing()

    def _put_together(self, puts: Sequence[_Put]) -> None:
        latest = list({one.embedded.document.id: one.embedded for one in puts}.values())
        with self._store.writing() as transaction:
            _require_within(transaction, puts)
            generation = transaction.generation()
            identity = self._identity_of(transaction, generation.number)
            vectors = joined_vectors(latest, identity)
            self._file(generation.number, identity).append(generation.rows, vectors)
            RowWriter(transaction, generation.number, generation.rows).put(latest, vectors)
        self._wrote = True

    def amend(self, documents: Sequence[Document], within: Filter | None = None) -> None:
        """Replace metadata only; raises InvalidInput for a document whose content differs."""
        latest = {document.id: document for document in documents}
        with self._transaction() as transaction:
            stored = transaction.stored(latest)
            require_within(within, {id: one.facts for id, one in stored.items()})
            for document in latest.values():
                require_stored(document, _change(document, stored.get(document.id)))
            transaction.amend([(stored[id], one) for id, one in latest.items()])
            generation = transaction.generation()
            transaction.advance(generation.number, generation.rows)

    def delete(self, ids: Sequence[str], within: Filter | None = None) -> int:
        """Delete those of these documents that exist and pass, and return their number."""
        with self._transaction() as transaction:
            stored = transaction.stored(ids).values()
            return self._remove(
                transaction, [one for one in stored if is_within(within, one.facts)]
            )

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter, and return their number."""
        with self._transaction() as transaction:
            mask = transaction.matching(condition, transaction.last_number() + 1)
            numbers = np.flatnonzero(mask).tolist()
            ids = [document.id for document in transaction.documents(numbers).values()]
            return self._remove(transaction, list(transaction.stored(ids).values()))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The right to write the next transaction."""
        with self._lock.held("write"), self._transactions:
            yield

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._turn(), self._store.writing() as transaction:
            yield transaction
        self._wrote = True
        self._consider_sealing()

    def _identity_of(self, snapshot: Snapshot, generation: int) -> Identity:
        rows = self._live.current
        return rows.identity if rows.generation == generation else snapshot.identity(generation)

    def _remove(self, transaction: Transaction, stored: list[StoredDocument]) -> int:
        if stored:
            generation = transaction.generation()
            RowWriter(transaction, generation.number, generation.rows).remove(stored)
        return len(stored)

    def _file(self, generation: int, identity: Identity) -> VectorFile:
        return VectorFile(self._live.place(generation) / VECTORS, identity.dimension)

    # Migration

    def migrate(self, identity: Identity) -> Migration:
        """Begin or continue a generation for another model; see the Protocol.

        Raises CollectionBusy while another migration is under way.
        """
        return Migration(
            MigrationContext(
                self._folder,
                self._store,
                self._transaction,
                self._live.seal_ahead,
                self._thresholds,
            ),
            identity,
        )

    def compact(self) -> bool:
        """Rewrite vectors and texts without what was deleted, while searching goes on.

        Afterwards the bytes of a deleted text are in no file of the collection; False if a search
        in another process still holds the log open: then call it again. Raises Damaged if vectors
        have changed since they were written, rather than give them a new checksum.
        """
        require_written_vectors(self._folder, self._store)
        with self.migrate(self.identity) as migration:
            done = False
            while not done:
                while documents := migration.pending(_COMPACT_DOCUMENTS):
                    migration.put(self._as_stored(documents))
                done = migration.finish()
        sequence = self._lexical_index.rebuild()  # so that no file has the words of a deleted text
        with self._transaction() as transaction:
            transaction.forget_deletions(sequence)
        return self._store.vacuum()

    def _as_stored(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """The documents with their stored vectors, without those that have changed meanwhile."""
        with self._state() as state:
            stored = state.snapshot.stored(document.id for document in documents)
            by_key = state.vectors(Key(old.number) for old in stored.values())
            found = {id: by_key[Key(old.number)] for id, old in stored.items()}
        return [
            EmbeddedDocument(
                document,
                found[document.id].chunks,
                found[document.id].vectors,
                stored[document.id].truncated,
                state.identity.fingerprint,
            )
            for document in documents
            # Vectors depend on the content only, so new metadata leaves them valid.
            if _change(document, stored.get(document.id)) in (Change.NOTHING, Change.METADATA)
        ]

    # Sealing

    def rebuild(self, choice: IndexChoice | None = None) -> None:
        """Seal an index over all rows now, and wait for it.

        ``choice`` is kept for this collection, even after it is reopened.
        """
        if choice is not None:
            with self._lock.held("choose an index"):
                keep_choice(self._folder, choice)
        self._live.rebuild(choice)
        self._lexical_index.rebuild()

    def _consider_sealing(self) -> None:
        """Index later rows in the background, if they are many."""
        if self._lexical_index.is_due():
            self._lexical_index.start()
        self._live.consider_sealing(bulk=self._lock.is_held)

    # Reading

    def reading(self, *, lexical: bool = False) -> AbstractContextManager[LocalState]:
        """The newest state, with its words if these are asked for."""
        self._reads += 1  # a lost count does no harm
        if self._reads % _READS_BETWEEN_LOOKS == 0:
            self._consider_sealing()  # the writer may have died before it did
        return self._worded_state() if lexical else self._state()

    def map(self) -> Map:
        """The collection's map, as far as it is drawn; see the Protocol."""
        with self._state() as state:
            return self._maps.view(state.snapshot, state.identity.fingerprint)

    def draw_map(self, tell: Tell, *, anew: bool) -> None:
        """Bring the map up to date now; see the Protocol."""
        self._maps.draw(self.identity.fingerprint, tell, anew=anew)

    # Small things kept for those above

    def keeper(self, what: Kept) -> KeptFile:
        """The place where this is kept beside the collection."""
        if what is Kept.CALIBRATIONS:
            return KeptFile(self._folder / CALIBRATIONS)
        if what is Kept.ADAPTER:
            return KeptFile(lambda identity: self._folder / adapter_file(identity))
        return KeptFile(self._beside_vectors)

    def _beside_vectors(self, identity: Identity) -> Path | None:
        """The file of the score background; None if another model's vectors are there."""
        rows = self._live.current
        if rows.identity.fingerprint != identity.fingerprint:
            return None
        return self._live.place(rows.generation) / SCORE_BACKGROUND

    # States

    @contextmanager
    def _worded_state(self) -> Iterator[LocalState]:
        """A state of the store, with its rows and its words."""
        while True:
            # before the snapshot, so that it is of no later state
            view = self._lexical_index.view()
            with self._state() as state:
                state.words = self._lexical_index.words(view, state.snapshot)
                if state.words is not None:
                    yield state
                    return
            self._lexical_index.catch_up()

    @contextmanager
    def _state(self) -> Iterator[LocalState]:
        """A state of the store, with the rows in memory of exactly that state."""
        with self._live.reading() as (snapshot, rows):
            yield LocalState(snapshot, rows, self._shared)


def _change(document: Document, old: StoredDocument | None) -> Change:
    if old is None:
        return change_of(document, None)
    return change_of(document, (old.content_hash, (old.metadata, old.picture)))


def _beside(folder: Path, snapshot: Snapshot) -> dict[str, object]:
    """The vectors of another model, those being filled or those that were left and kept."""
    searched = snapshot.generation().number
    number = next((one for one in snapshot.generations() if one != searched), None)
    if number is None:
        return {}
    return {
        "beside": {
            "model": snapshot.identity(number).name,
            "documents": snapshot.count_drafted(),
            "bytes": bytes_under(generation_folder(folder, number)),
        }
    }


def _make_folder(folder: Path, identity: Identity, language: Language) -> None:
    """Create an empty collection, durably; raises AlreadyExists or StorageFailed."""
    if folder.exists():
        raise AlreadyExists(f"collection {folder.name!r} already exists")
    draft = folder.parent / f".{folder.name}.{os.getpid()}.{threading.get_ident()}.new"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "generations" / "1").mkdir(parents=True)
        (draft / "generations" / "1" / VECTORS).touch()
        Store.create(draft / STORE, identity, language)
        for path in (draft / "generations" / "1", draft / "generations", draft):
            sync_folder(path)
        draft.rename(folder)  # in one step, so that no crash leaves half a collection
        sync_folder(folder.parent)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if folder.exists():
            raise AlreadyExists(f"collection {folder.name!r} already exists") from error
        raise StorageFailed(f"cannot create {folder}: {error.strerror}") from error
