"""A new generation filled beside the one that is searched, and then replacing it in one step.

Documents are drafted in any order while searching and writing go on; a document that changes
meanwhile is drafted again. Drafts survive a crash: the next migration to the same model continues
from there. Nothing of it is searched before :meth:`Migration.finish`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from indexer.admission import joined_vectors
from indexer.documents import Document, EmbeddedDocument
from indexer.embedding.embedder import Identity
from indexer.errors import CollectionBusy, StorageFailed
from indexer.storage.generation.document_rows import spans_of
from indexer.storage.generation.row_table import VECTORS, RowTable, generation_folder
from indexer.storage.runtime.durable_files import sync_folder
from indexer.storage.runtime.locks import try_lock
from indexer.storage.sqlite.records import NOBODY, Block, Generation, Owners, StoredChunk
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store
from indexer.storage.sqlite.transaction import Transaction
from indexer.storage.vector_file import BLOCK_ROWS, VectorFile, extend_checksum
from indexer.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class MigrationContext:
    """The parts of a collection that a migration uses.

    ``transaction`` is a write transaction with the right to write, ``seal`` builds an index over
    rows that are not searched yet.
    """

    folder: Path
    store: Store
    transaction: Callable[[], AbstractContextManager[Transaction]]
    seal: Callable[[RowTable], None]
    thresholds: Thresholds


class Migration:
    """The next generation. Used by one thread; see Collection.migrate."""

    def __init__(self, context: MigrationContext, identity: Identity) -> None:
        self._context = context
        self._identity = identity
        self._passed = 0
        self._turn = _take_turn(context.folder)
        try:
            self._generation = self._begin()
        except BaseException:
            self._turn.close()
            raise

    def _begin(self) -> Generation:
        """The generation to fill, with a folder of its own."""
        context = self._context
        with context.transaction() as transaction:
            generation = transaction.draft(self._identity)
        place = generation_folder(context.folder, generation.number)
        try:
            with context.store.reading() as snapshot:
                # only after the commit: a crash before it would leave a draft without these files
                remove_strays(context.folder, snapshot)
            place.mkdir(parents=True, exist_ok=True)
            (place / VECTORS).touch()
            for folder in (place, place.parent):
                sync_folder(folder)
        except OSError as error:
            raise StorageFailed(f"cannot write to {place}: {error.strerror}") from error
        return generation

    def close(self) -> None:
        """Let another migration begin; drafts are kept for one to the same model."""
        self._turn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def _place(self) -> Path:
        return generation_folder(self._context.folder, self._generation.number)

    @property
    def _file(self) -> VectorFile:
        return VectorFile(self._place / VECTORS, self._identity.dimension)

    def pending(self, limit: int) -> list[Document]:
        """Some documents whose current content is not drafted; none when it is complete."""
        with self._context.store.reading() as snapshot:
            found = snapshot.undrafted_after(self._passed, limit)
            if not found and self._passed:
                found = snapshot.undrafted_after(0, limit)
        self._passed = found[-1][0] if found else 0
        return [document for _, document in found]

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Draft documents, except those deleted meanwhile."""
        with self._context.transaction() as transaction:
            stored = transaction.stored(one.document.id for one in documents)
            latest = {one.document.id: one for one in documents if one.document.id in stored}
            if not latest:
                return
            numbers = [stored[id].number for id in latest]
            vectors = joined_vectors(list(latest.values()), self._identity)
            transaction.undraft(self._generation.number, numbers)
            self._file.append(self._generation.rows, vectors)
            chunks = self._chunks(numbers, list(latest.values()))
            drafted = [
                (number, one.document.content_hash, one.truncated)
                for number, one in zip(numbers, latest.values(), strict=True)
            ]
            transaction.extend_draft(self._generation, chunks, drafted)
        self._generation = Generation(self._generation.number, self._generation.rows + len(chunks))

    def finish(self, *, keep: bool = False) -> bool:
        """Switch to the new generation; False if a document is still to be drafted.

        With ``keep`` the one before stays as a draft, so that a migration back continues from it.

        An index over it is sealed first, so that searches do not slow down.
        """
        self._context.seal(self._rows())
        with self._context.transaction() as transaction:
            # Under the write lock: documents may have been added while the index was sealed.
            if transaction.undrafted_after(0, 1):
                return False
            number, rows = self._generation.number, self._generation.rows
            transaction.advance(number, rows)
            self._write_blocks(transaction, transaction.owners(number, rows))
            before = transaction.generation()
            transaction.adopt(number, keep=keep)
        if keep:
            return True
        # After the commit: a crash in between leaves a stray, which the next migration removes.
        shutil.rmtree(generation_folder(self._context.folder, before.number), ignore_errors=True)
        return True

    def _chunks(
        self, numbers: Sequence[int], documents: Sequence[EmbeddedDocument]
    ) -> list[StoredChunk]:
        chunks: list[StoredChunk] = []
        for number, one in zip(numbers, documents, strict=True):
            first = self._generation.rows + len(chunks)
            chunks += [StoredChunk(first + i, number, c) for i, c in enumerate(one.chunks)]
        return chunks

    def _rows(self) -> RowTable:
        """The draft as a row table."""
        with self._context.store.reading() as snapshot:
            owners = snapshot.owners(self._generation.number, self._generation.rows)
            sequence = snapshot.sequence
        live = owners != NOBODY
        return RowTable(
            sequence,
            self._generation.number,
            self._identity,
            owners,
            spans_of(owners),
            self._file.view(self._generation.rows),
            None if live.all() else live,
            None,
            None,
            thresholds=self._context.thresholds,
        )

    def _write_blocks(self, transaction: Transaction, owners: Owners) -> None:
        vectors = self._file.view(self._generation.rows)
        for start in range(0, self._generation.rows, BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            checksum = extend_checksum(0, vectors[part])
            block = Block(start // BLOCK_ROWS, checksum, owners[part])
            transaction.write_block(self._generation.number, block)


def _take_turn(folder: Path) -> BinaryIO:
    """A file whose lock is held until it is closed: one migration at a time."""
    try:
        file = (folder / "succession.lock").open("ab")
    except OSError as error:
        raise StorageFailed(f"cannot write to {folder}: {error.strerror}") from error
    if try_lock(file):
        return file
    file.close()
    raise CollectionBusy(
        f"collection {folder.name!r} is being compacted or filled with another model: "
        "wait until that is done"
    )


def remove_strays(folder: Path, snapshot: Snapshot) -> None:
    """Delete the folders of generations that the store does not know; only a migration may."""
    known = {str(number) for number in snapshot.generations()}
    for stray in (folder / "generations").iterdir():
        if stray.name not in known:
            shutil.rmtree(stray, ignore_errors=True)
