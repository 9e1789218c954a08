"""Checks of every document: its hash, its metadata, its chunks."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import groupby

import numpy as np

from indexer.documents import Document
from indexer.pictures import Picture
from indexer.reports import Finding
from indexer.storage.maintenance.case import MOST_FINDINGS, REPLACE, RESTORE, Case
from indexer.storage.sqlite.facets import facets_of
from indexer.storage.sqlite.records import Generation, checksum_of
from indexer.storage.sqlite.schema import STORE
from indexer.storage.sqlite.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class _Line:
    """A document as a line of the store."""

    number: int
    id: bytes | None
    title: bytes | None
    metadata: bytes
    text: bytes
    hash: bytes
    picture: str | None

    @property
    def place(self) -> str:
        """The name of the document in a finding."""
        if self.id is None:
            return f"document number {self.number}"
        return f"document {self.id.decode(errors='replace')!r}"


def check_documents(case: Case) -> Iterator[Finding]:
    """Check every document: its hash, its metadata with the lines that filters read, its chunks."""
    with case.store.reading() as snapshot:
        generation, total = snapshot.generation(), snapshot.counts().documents
        told = case.steps("documents", total)
        facets = array("Q", bytes(8 * (snapshot.last_number() + 1)))
        chunks = _Chunks(snapshot, generation)
        for done, line in enumerate(_lines(snapshot), start=1):
            yield from _check_document(line, chunks.of(line.number), facets)
            yield from chunks.orphans()
            told(done)
        chunks.of(len(facets))
        yield from chunks.orphans()
        yield from _check_facets(snapshot, facets)


def _lines(snapshot: Snapshot) -> Iterator[_Line]:
    # as bytes, so that one that is no text can be named
    for values in snapshot.select(
        "SELECT number, CAST(id AS BLOB), CAST(title AS BLOB), CAST(metadata AS BLOB),"
        " CAST(text AS BLOB), hash, picture FROM documents ORDER BY number"
    ):
        yield _Line(*values)


def _check_document(line: _Line, chunks: list[_ChunkLine], facets: array[int]) -> Iterator[Finding]:
    try:
        title = None if line.title is None else line.title.decode()
        text, metadata = line.text.decode(), json.loads(line.metadata)
        picture = None if line.picture is None else Picture.decode(line.picture)
        for facet in facets_of(metadata):
            facets[line.number] ^= _facet_hash(*facet)
    except (ValueError, TypeError, AttributeError) as error:
        yield _wrong_document(line, f"it cannot be read ({error})")
        return
    if Document.stored("", text, title, metadata, picture).content_hash != line.hash:
        yield _wrong_document(line, "its text or title, or its picture, is not what was stored")
    positions = [chunk.position for chunk in chunks]
    if sorted(positions) != list(range(len(chunks))) or not chunks:
        yield _wrong_document(line, f"its chunks are numbered {positions[:10]}")
    if any(not 0 <= chunk.start <= chunk.end <= len(text) for chunk in chunks):
        yield _wrong_document(line, "a chunk of it lies outside its text")
    if not all(chunk.is_whole for chunk in chunks):
        yield _wrong_document(line, "a chunk of it is not what was written, by its checksum")


def _wrong_document(line: _Line, problem: str) -> Finding:
    return Finding(line.place, problem, "it may be found for the wrong queries", REPLACE)


def _facet_hash(name: str | None, kind: int, value: str | float) -> int:
    """A hash of 64 bits of a line of metadata, in this process; 1 and 1.0 have the same."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return hash(repr((name, kind, value))) & 0xFFFF_FFFF_FFFF_FFFF


def _check_facets(snapshot: Snapshot, facets: array[int]) -> Iterator[Finding]:
    """Check that the lines filters read match the documents' metadata."""
    for name, kind, value, document in snapshot.select(
        "SELECT fields.name, kind, value, document FROM facets LEFT JOIN fields USING(field)"
    ):
        facets[document] ^= _facet_hash(name, kind, value)
    wrong = np.flatnonzero(np.frombuffer(facets, dtype=np.uint64))
    for number in wrong[:MOST_FINDINGS].tolist():
        found = next(snapshot.select("SELECT id FROM documents WHERE number = ?", (number,)), None)
        yield Finding(
            f"document {found[0]!r}" if found else STORE,
            "its metadata and what filters read of it differ",
            "filters may pass it or leave it out wrongly",
            REPLACE if found else RESTORE,
        )


@dataclass(frozen=True, slots=True)
class _ChunkLine:
    """A chunk as a line of the store."""

    generation: int
    row: int
    document: int
    position: int
    start: int
    end: int
    unknown: int
    checksum: int

    @property
    def is_whole(self) -> bool:
        """Return whether it is as it was written."""
        return checksum_of(astuple(self)[:-1]) == self.checksum


class _Chunks:
    """The chunks of a generation, document by document, in the order of their numbers."""

    def __init__(self, snapshot: Snapshot, generation: Generation) -> None:
        lines = snapshot.select(
            'SELECT generation, row, document, position, "start", "end", unknown, checksum'
            " FROM chunks"
            " WHERE +generation = ? ORDER BY document, row",  # + makes SQLite use the other index
            (generation.number,),
        )
        self._groups = groupby(lines, key=lambda line: int(line[2]))
        self._ahead: tuple[int, list[_ChunkLine]] | None = None
        self._orphans: list[int] = []
        self._advance()

    def _advance(self) -> None:
        found = next(self._groups, None)
        self._ahead = found and (found[0], [_ChunkLine(*line) for line in found[1]])

    def of(self, document: int) -> list[_ChunkLine]:
        """The chunks of a document; to be called in rising order."""
        while self._ahead and self._ahead[0] < document:
            self._orphans.append(self._ahead[0])
            self._advance()
        if self._ahead is None or self._ahead[0] != document:
            return []
        chunks = self._ahead[1]
        self._advance()
        return chunks

    def orphans(self) -> Iterator[Finding]:
        """Findings for the chunks skipped because no document has their number."""
        for number in self._orphans:
            yield Finding(
                STORE,
                f"there are chunks of document number {number}, which does not exist",
                "pages of it are lost or wrong",
                RESTORE,
            )
        self._orphans.clear()
