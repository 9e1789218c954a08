"""A write transaction on a generation's rows: owners, chunks, checksums and counts in step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import EmbeddedDocument, Vectors
from indexer.storage.store import Block, StoredChunk, StoredDocument, Transaction
from indexer.storage.vectors import BLOCK_ROWS, extend_checksum

NOBODY: Final = -1
"""The owner of a row that no document has any more."""


class RowWriter:
    """One write transaction on the rows of a generation."""

    def __init__(self, transaction: Transaction, generation: int, rows: int) -> None:
        self._transaction = transaction
        self._generation = generation
        self._rows = rows

    def put(self, documents: Sequence[EmbeddedDocument], vectors: Vectors) -> None:
        """Record documents whose vectors, one a chunk, lie behind the generation's rows."""
        stored = self._transaction.stored(one.document.id for one in documents)
        self._transaction.advance(self._generation, self._rows + len(vectors))
        self._free(stored.values())
        chunks: list[StoredChunk] = []
        for one in documents:
            number = self._record(one, stored.get(one.document.id))
            first = self._rows + len(chunks)
            chunks += [StoredChunk(first + i, number, c) for i, c in enumerate(one.chunks)]
        self._transaction.add_chunks(self._generation, chunks)
        self._append(np.array([chunk.document for chunk in chunks], dtype=np.int32), vectors)
        self._transaction.count(len(documents) - len(stored), len(chunks))

    def remove(self, stored: Sequence[StoredDocument]) -> None:
        """Delete documents, their chunks, and their claim to rows."""
        self._transaction.advance(self._generation, self._rows)
        self._free(stored)
        for old in stored:
            self._transaction.remove(old)
        truncated = sum(old.truncated for old in stored)
        self._transaction.count(documents=-len(stored), truncated=-truncated)

    def _record(self, one: EmbeddedDocument, old: StoredDocument | None) -> int:
        before = old is not None and old.truncated
        self._transaction.count(truncated=int(one.truncated) - int(before))
        if old is None:
            return self._transaction.insert(one.document, one.truncated)
        self._transaction.replace(old, one.document, one.truncated)
        return old.number

    def _free(self, stored: Iterable[StoredDocument]) -> None:
        """Take the rows of documents away from them."""
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
        """Add rows to the last block and begin new ones."""
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
