"""One write to the store, committed as a whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Final

import numpy as np

from indexer.documents import Document, encode_metadata
from indexer.embedding.embedder import Identity
from indexer.filters import Metadata
from indexer.pictures import PictureFiles
from indexer.storage.sqlite.facets import facet_lines
from indexer.storage.sqlite.identities import write_generation
from indexer.storage.sqlite.records import (
    Block,
    Generation,
    StoredChunk,
    StoredDocument,
    checksum_of,
    chunk_line,
)
from indexer.storage.sqlite.snapshot import Snapshot

LINES: Final = 256
"""Lines that one statement inserts, at most: SQLite's bound of 32,766 values is far."""


class Transaction(Snapshot):
    """A write transaction: its changes exist once the store has committed it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._fields: dict[str, int] = {}

    def advance(self, generation: int, rows: int) -> int:
        """Count a commit and the generation's rows, and return the new sequence."""
        self.sequence += 1
        self._connection.execute(
            "UPDATE facts SET value = ? WHERE name = 'sequence'", (self.sequence,)
        )
        self._connection.execute(
            "UPDATE generations SET rows = ? WHERE generation = ?", (rows, generation)
        )
        return self.sequence

    def draft(self, identity: Identity) -> Generation:
        """The generation being filled for a model, created if there is none.

        One for another model is dropped.
        """
        row = self._connection.execute(
            "SELECT generation, rows FROM generations WHERE generation != ?",
            (self._fact("generation"),),
        ).fetchone()
        if row is not None and self.identity(row[0]).made(identity.mark):
            return Generation(row[0], row[1])
        if row is not None:
            self._drop_generation(row[0])
        self._connection.execute("DELETE FROM drafts")
        number = self._connection.execute("SELECT max(generation) FROM generations").fetchone()[0]
        number = max(number, row[0] if row else 0) + 1  # the dropped one's folder may still exist
        write_generation(self._connection, number, identity)
        return Generation(number, 0)

    def undraft(self, generation: int, numbers: Iterable[int]) -> None:
        """Forget the drafts of documents, so that they can be drafted again."""
        gone = [(number, generation) for number in numbers]
        self._connection.executemany(
            "DELETE FROM chunks WHERE document = ? AND generation = ?", gone
        )

    def extend_draft(
        self,
        generation: Generation,
        chunks: Sequence[StoredChunk],
        drafted: Iterable[tuple[int, bytes, bool]],
    ) -> None:
        """Record chunks after a draft's rows, and the content (number, hash) they are of."""
        self.add_chunks(generation.number, chunks)
        self._connection.execute(
            "UPDATE generations SET rows = ? WHERE generation = ?",
            (generation.rows + len(chunks), generation.number),
        )
        self._connection.executemany("INSERT OR REPLACE INTO drafts VALUES (?, ?, ?)", drafted)

    def adopt(self, generation: int, *, keep: bool = False) -> None:
        """Make a draft the generation that is searched, and drop the one before it.

        With ``keep`` that one becomes the draft, complete as it is.
        """
        before = self._fact("generation")
        drafted = "SELECT number, hash, truncated FROM documents"
        complete = self._connection.execute(drafted).fetchall() if keep else []
        self._connection.execute(
            "UPDATE facts SET value = ? WHERE name = 'generation'", (generation,)
        )
        self._connection.execute(
            "UPDATE documents SET truncated = drafts.truncated FROM drafts"
            " WHERE drafts.document = number AND documents.truncated != drafts.truncated"
        )
        for name, counted in (
            ("chunks", "SELECT count(*) FROM chunks WHERE generation = :generation"),
            ("truncated", "SELECT count(*) FROM documents WHERE truncated"),
        ):
            self._connection.execute(
                f"UPDATE facts SET value = ({counted}) WHERE name = :name",  # noqa: S608 - ours
                {"generation": generation, "name": name},
            )
        self._connection.execute("DELETE FROM drafts")
        if keep:
            self._connection.execute("DELETE FROM blocks WHERE generation = ?", (before,))
            self._connection.executemany("INSERT INTO drafts VALUES (?, ?, ?)", complete)
        else:
            self._drop_generation(before)

    def _drop_generation(self, generation: int) -> None:
        for table in ("chunks", "blocks", "generations"):
            self._connection.execute(f"DELETE FROM {table} WHERE generation = ?", (generation,))  # noqa: S608

    def count(self, documents: int = 0, chunks: int = 0, truncated: int = 0) -> None:
        """Add to the counters."""
        self._connection.executemany(
            "UPDATE facts SET value = value + ? WHERE name = ?",
            [(documents, "documents"), (chunks, "chunks"), (truncated, "truncated")],
        )

    def insert(self, documents: Sequence[tuple[Document, bool]]) -> list[int]:
        """Insert documents, each with whether its text was truncated; return their numbers."""
        # A number is never given twice: indexes and cursors would confuse the documents.
        first = 1 + max(self._last_given(), self.last_number())
        numbers = list(range(first, first + len(documents)))
        insert_lines(
            self._connection,
            "INSERT INTO documents"
            "(hash, truncated, title, metadata, text, picture, changed, number, id)",
            [
                (*_columns(document, truncated), self.sequence, number, document.id)
                for number, (document, truncated) in zip(numbers, documents, strict=True)
            ],
        )
        self._add_facets(zip(numbers, (one.metadata for one, _ in documents), strict=True))
        return numbers

    def _last_given(self) -> int:
        """The largest number ever assigned to a document."""
        row = self._connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'documents'"
        ).fetchone()
        return int(row[0]) if row else 0

    def replace(self, documents: Sequence[tuple[StoredDocument, Document, bool]]) -> None:
        """Replace the documents with the same ids."""
        self._connection.executemany(
            "UPDATE documents SET hash = ?, truncated = ?, title = ?, metadata = ?, text = ?,"
            " picture = ?, changed = ? WHERE number = ?",
            [
                (*_columns(document, truncated), self.sequence, old.number)
                for old, document, truncated in documents
            ],
        )
        self._replace_facets((old, document.metadata) for old, document, _ in documents)

    def amend(self, documents: Sequence[tuple[StoredDocument, Document]]) -> None:
        """Replace the metadata of documents, and the facts of their pictures."""
        self._connection.executemany(
            "UPDATE documents SET metadata = ?, picture = ? WHERE number = ?",
            [(*document.facts, old.number) for old, document in documents],
        )
        self._replace_facets((old, document.metadata) for old, document in documents)

    def keep_pictures(self, files: Iterable[tuple[int, PictureFiles]]) -> None:
        """Keep the files of the pictures of documents, in place of those before."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)",
            [(number, one.thumbnail, one.original) for number, one in files],
        )

    def drop_pictures(self, numbers: Iterable[int]) -> None:
        """Delete the files of the pictures of documents."""
        gone = [(number,) for number in numbers]
        self._connection.executemany("DELETE FROM pictures WHERE document = ?", gone)

    def remove(self, documents: Sequence[StoredDocument]) -> None:
        """Delete documents, without their chunks."""
        self._connection.executemany(
            "DELETE FROM documents WHERE number = ?", [(old.number,) for old in documents]
        )
        self._connection.executemany(
            "INSERT INTO deletions VALUES (?, ?)",
            [(old.number, self.sequence) for old in documents],
        )
        self._drop_facets(documents)
        self.drop_pictures(old.number for old in documents if old.picture is not None)

    def forget_deletions(self, sequence: int) -> None:
        """Delete the records of documents deleted up to a sequence."""
        self._connection.execute("DELETE FROM deletions WHERE sequence <= ?", (sequence,))
        self._connection.execute(
            "UPDATE facts SET value = max(value, ?) WHERE name = 'forgotten'", (sequence,)
        )

    def add_chunks(self, generation: int, chunks: Iterable[StoredChunk]) -> None:
        """Record the chunks of rows."""
        insert_lines(
            self._connection,
            'INSERT INTO chunks(generation, row, document, position, "start", "end", unknown,'
            " checksum)",
            [(*line, checksum_of(line)) for line in map(partial(chunk_line, generation), chunks)],
        )

    def drop_chunks(self, numbers: Iterable[int]) -> None:
        """Delete the chunks of documents, in every generation, and the records of their drafts."""
        gone = [(number,) for number in numbers]
        self._connection.executemany("DELETE FROM chunks WHERE document = ?", gone)
        self._connection.executemany("DELETE FROM drafts WHERE document = ?", gone)

    def block(self, generation: int, number: int) -> Block | None:
        """One block of rows, if it exists."""
        row = self._connection.execute(
            "SELECT checksum, owners FROM blocks WHERE generation = ? AND block = ?",
            (generation, number),
        ).fetchone()
        return row and Block(number, row[0], np.frombuffer(row[1], "<i4"))

    def write_block(self, generation: int, block: Block) -> None:
        """Write a block of rows; it carries the sequence of this transaction."""
        self._connection.execute(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)",
            (
                generation,
                block.number,
                self.sequence,
                block.checksum,
                block.owners.astype("<i4").tobytes(),
            ),
        )

    def _field(self, name: str) -> int:
        if name not in self._fields:
            self._connection.execute("INSERT OR IGNORE INTO fields(name) VALUES (?)", (name,))
            row = self._connection.execute(
                "SELECT field FROM fields WHERE name = ?", (name,)
            ).fetchone()
            self._fields[name] = row[0]
        return self._fields[name]

    def _add_facets(self, documents: Iterable[tuple[int, Metadata]]) -> None:
        insert_lines(
            self._connection,
            "INSERT OR IGNORE INTO facets",
            [
                (self._field(name), kind, value, number)
                for number, metadata in documents
                for name, held in metadata.items()
                for kind, value in facet_lines(held)
            ],
        )

    def _drop_facets(self, documents: Iterable[StoredDocument]) -> None:
        self._connection.executemany(
            "DELETE FROM facets WHERE field = ? AND kind = ? AND value = ? AND document = ?",
            [
                (self._field(name), kind, value, old.number)
                for old in documents
                for name, held in json.loads(old.metadata).items()
                for kind, value in facet_lines(held)
            ],
        )

    def _replace_facets(self, documents: Iterable[tuple[StoredDocument, Metadata]]) -> None:
        changed = [
            (old, metadata)
            for old, metadata in documents
            if old.metadata != encode_metadata(metadata)
        ]
        self._drop_facets(old for old, _ in changed)
        self._add_facets((old.number, metadata) for old, metadata in changed)


def insert_lines(
    connection: sqlite3.Connection, into: str, lines: Sequence[tuple[object, ...]]
) -> None:
    """Insert lines of one length into the table that the beginning of a statement names.

    Many go into one statement: between two, the interpreter may be with another thread for long.
    """
    for start in range(0, len(lines), LINES):
        some = lines[start : start + LINES]
        marks = f"({', '.join('?' * len(some[0]))})"
        values = ", ".join([marks] * len(some))
        connection.execute(f"{into} VALUES {values}", list(chain.from_iterable(some)))


def _columns(document: Document, truncated: bool) -> tuple[object, ...]:
    """The columns of a line of ``documents``, except number and id."""
    metadata, picture = document.facts
    return (
        *(document.content_hash, truncated, document.title, metadata),
        *(document.text, picture),
    )
