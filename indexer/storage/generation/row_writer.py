"""A write transaction on a generation's rows: owners, chunks, checksums and counts in step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from indexer.documents import EmbeddedDocument, Vectors
from indexer.storage.sqlite.records import NOBODY, Block, StoredChunk, StoredDocument
from indexer.storage.sqlite.transaction import Transaction
from indexer.storage.vector_file import BLOCK_ROWS, extend_checksum


class RowWriter:
    """One write transaction on the rows of a generation."""

    def __init__(self, transaction: Transaction, generation: int, rows: int) -> None:
        self._transaction = transaction
        self._generation = generation
        self._rows = rows

    def put(self, documents: Sequence[EmbeddedDocument], vectors: Vectors) -> None:
        """Record documents whose vectors, one a chunk, are appended to the generation's rows."""
        stored = self._transaction.stored(one.document.id for one in documents)
        self._transaction.advance(self._generation, self._rows + len(vectors))
        self._free(stored.values())
        numbers = self._record(documents, stored)
        owners = [numbers[one.document.id] for one in documents for _ in one.chunks]
        chunks = (chunk for one in documents for chunk in one.chunks)
        rows = range(self._rows, self._rows + len(vectors))
        self._transaction.add_chunks(self._generation, map(StoredChunk, rows, owners, chunks))
        self._append(np.array(owners, dtype=np.int32), vectors)
        truncated = sum(one.truncated for one in documents)
        truncated -= sum(old.truncated for old in stored.values())
        self._transaction.count(len(documents) - len(stored), len(owners), truncated)

    def remove(self, stored: Sequence[StoredDocument]) -> None:
        """Delete documents, their chunks, and their ownership of rows."""
        self._transaction.advance(self._generation, self._rows)
        self._free(stored)
        self._transaction.remove(stored)
        truncated = sum(old.truncated for old in stored)
        self._transaction.count(documents=-len(stored), truncated=-truncated)

    def _record(
        self, documents: Sequence[EmbeddedDocument], stored: Mapping[str, StoredDocument]
    ) -> dict[str, int]:
        """The numbers of these documents by id, after their texts and metadata were recorded."""
        old = [one for one in documents if one.document.id in stored]
        new = [one for one in documents if one.document.id not in stored]
        self._transaction.replace(
            [(stored[one.document.id], one.document, one.truncated) for one in old]
        )
        given = self._transaction.insert([(one.document, one.truncated) for one in new])
        numbers = {one.document.id: stored[one.document.id].number for one in old}
        numbers |= {one.document.id: n for one, n in zip(new, given, strict=True)}
        self._transaction.drop_pictures(
            stored[one.document.id].number for one in old if one.document.picture is None
        )
        self._transaction.keep_pictures(
            (numbers[one.document.id], one.files) for one in documents if one.files is not None
        )
        return numbers

    def _free(self, stored: Iterable[StoredDocument]) -> None:
        """Release the rows of documents."""
        numbers = [old.number for old in stored]
        if not numbers:
            return
        chunks = self._transaction.chunks_of(self._generation, numbers)
        rows = np.sort(np.array([chunk.row for chunk in chunks], dtype=np.int64))
        for number, run in groupby(rows.tolist(), key=lambda row: row // BLOCK_ROWS):
            block = self._transaction.block(self._generation, number)
            assert block is not None
            owners = block.owners.copy()
            owners[[row % BLOCK_ROWS for row in run]] = NOBODY
            self._transaction.write_block(self._generation, replace(block, owners=owners))
        self._transaction.drop_chunks(numbers)
        self._transaction.count(chunks=-len(chunks))

    def _append(self, owners: NDArray[np.int32], vectors: Vectors) -> None:
        """Add rows to the last block and start new ones."""
        done = 0
        while done < len(owners):
            number, offset = divmod(self._rows + done, BLOCK_ROWS)
            block = self._transaction.block(self._generation, number) if offset else None
            if block is None:
                block = Block(number, 0, np.empty(0, dtype=np.int32))
            part = slice(done, done + BLOCK_ROWS - offset)
            grown = Block(
                number,
                extend_checksum(block.checksum, vectors[part]),
                np.concatenate([block.owners, owners[part]]),
            )
            self._transaction.write_block(self._generation, grown)
            done += BLOCK_ROWS - offset
