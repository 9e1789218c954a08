"""Everything a collection keeps, checked: the store, the vectors, the index, the model.

A check reads, and never repairs: what it finds is said with what it means and what to do. Each
check works on one state of the store, so writing goes on meanwhile; memory stays bounded but
for 12 bytes a document and 4 a row.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.collection import Finding, Step, Tell, Verification
from indexer.documents import UNIT_TOLERANCE, Document, Vectors
from indexer.embedding.embedder import CANARIES, CANARY_COSINE, Embedder
from indexer.errors import BearingError, Damaged, ModelMismatch, NotFound, StorageFailed
from indexer.storage import sealed
from indexer.storage.lexical.examining import examine
from indexer.storage.lexical.index_sync import FOLDER
from indexer.storage.lexical.state import STATE
from indexer.storage.rows import VECTORS, generation_folder
from indexer.storage.store import Generation, Owners, Snapshot, Store, checksum_of, facets_of
from indexer.storage.vectors import BLOCK_ROWS, VectorFile
from indexer.storage.writing import NOBODY

MOST_FINDINGS: Final = 20
"""So many of one kind are told; a damaged disk gives thousands."""

STORE: Final = "store.sqlite"
PROBES: Final = 256
LEAST_FOUND: Final = 0.9
_CLOSE: Final = 1e-4
_TELL_EVERY: Final = 1_000

_RESTORE: Final = "restore the collection from a backup"
_RE_EMBED: Final = (
    "restore the collection from a backup, or compute all vectors anew from the stored texts: "
    "`bearing reindex --model` with the collection's own model"
)
_REPLACE: Final = "delete the document and index it again, or restore a backup"

OpenModel: TypeAlias = Callable[[str], Embedder]
"""Opens a model by its name."""


@dataclass(frozen=True, slots=True)
class Case:
    """A collection that is being checked."""

    folder: Path
    store: Store
    tell: Tell

    def steps(self, name: str, total: int) -> Callable[[int], None]:
        """Tells of one check's progress, not of each of its steps."""
        every = max(1, min(_TELL_EVERY, total // 100))

        def tell(done: int) -> None:
            if done % every == 0 or done == total:
                self.tell(Step(name, done, total))

        return tell


def verify(folder: Path, open_model: OpenModel | None, tell: Tell) -> Verification:
    """What is wrong with the collection in a folder, which need not be fit to be opened.

    Without ``open_model`` the model is not checked. Raises NotFound if there is no collection.
    """
    if not (folder / STORE).is_file():
        raise NotFound(f"there is no collection in {folder}")
    nothing = Verification(folder.name, 0, 0, 0, "not checked", "not checked", ())
    try:
        store = Store(folder / STORE)
    except (Damaged, StorageFailed) as error:
        return replace(nothing, findings=(_unreadable(error),))
    try:
        return _verify(Case(folder, store, tell), open_model, nothing)
    finally:
        store.close()


def _verify(case: Case, open_model: OpenModel | None, nothing: Verification) -> Verification:
    findings: list[Finding] = []
    for check in (_check_pages, _check_counts, _check_owners, _check_documents, _check_vectors):
        findings += _found(check, case)
    index, wrong = _check_index(case)
    findings += wrong
    model, wrong = _check_model(case, open_model)
    findings += wrong
    words, wrong = _check_words(case)
    findings += wrong
    told = replace(
        nothing, index=index, model=model, words=words, findings=tuple(dict.fromkeys(findings))
    )
    try:
        with case.store.reading() as snapshot:
            counts, rows = snapshot.counts(), snapshot.generation().rows
    except (Damaged, StorageFailed):
        return told
    return replace(told, documents=counts.documents, chunks=counts.chunks, vectors=rows)


def _found(check: Callable[[Case], Iterator[Finding]], case: Case) -> list[Finding]:
    """What a check finds, up to a bound; what keeps it from going on is a finding too."""
    findings: list[Finding] = []
    try:
        for finding in islice(check(case), MOST_FINDINGS):
            findings.append(finding)  # noqa: PERF402 - those before an error count
    except (Damaged, StorageFailed) as error:
        findings.append(_unreadable(error))
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        findings.append(
            Finding(
                STORE,
                f"it holds values of a kind that is never written ({error})",
                "answers may be wrong or fail",
                _RESTORE,
            )
        )
    return findings


def _unreadable(error: BearingError) -> Finding:
    return Finding(STORE, str(error), "what it holds cannot be read in full", _RESTORE)


# The store


def _check_pages(case: Case) -> Iterator[Finding]:
    """The file's pages and indexes, as SQLite sees them."""
    case.tell(Step("pages of the store", 0, 1))
    with case.store.reading() as snapshot:
        for (line,) in snapshot.select(f"PRAGMA integrity_check({MOST_FINDINGS})"):
            if line != "ok":
                yield Finding(STORE, str(line), "documents may be lost or wrong", _RESTORE)
        (page_bytes,) = next(snapshot.select("PRAGMA page_size"))
    case.tell(Step("pages of the store", 1, 1))
    log = case.folder / f"{STORE}-wal"
    logged = log.stat().st_size if log.exists() else 0
    if not logged and (case.folder / STORE).stat().st_size % page_bytes:
        yield Finding(STORE, "it ends within a page: it was cut", "documents are lost", _RESTORE)


def _check_counts(case: Case) -> Iterator[Finding]:
    """The counters, against what they count."""
    with case.store.reading() as snapshot:
        counts, generation = snapshot.counts(), snapshot.generation()
        counted = {
            "documents": _count(snapshot, "SELECT count(*) FROM documents"),
            "truncated": _count(snapshot, "SELECT count(*) FROM documents WHERE truncated"),
            "chunks": _count(
                snapshot, "SELECT count(*) FROM chunks WHERE generation = ?", generation.number
            ),
        }
        strays = _count(
            snapshot,
            "SELECT count(*) FROM chunks"
            " WHERE generation NOT IN (SELECT generation FROM generations)",
        )
    for name, count in counted.items():
        if count != getattr(counts, name):
            yield Finding(
                STORE,
                f"it counts {getattr(counts, name)} {name}, but holds {count}",
                "the store was not changed by Bearing alone, or pages of it are lost",
                _RESTORE,
            )
    if strays:
        yield Finding(
            STORE, f"{strays} chunks are of no generation", "pages of it are wrong", _RESTORE
        )


def _count(snapshot: Snapshot, query: str, *parameters: object) -> int:
    return int(next(snapshot.select(query, parameters))[0])


def _check_owners(case: Case) -> Iterator[Finding]:
    """Who owns each row, against whose chunk it is."""
    with case.store.reading() as snapshot:
        generation = snapshot.generation()
        told = case.steps("rows", generation.rows)
        at = 0
        for number, _, owners in _blocks(snapshot, generation):
            if number != at // BLOCK_ROWS or at % BLOCK_ROWS:
                break
            recorded = _recorded_owners(snapshot, generation, at, len(owners))
            wrong = np.flatnonzero(recorded != owners)
            if wrong.size:
                yield Finding(
                    STORE,
                    f"row {at + int(wrong[0])} and {wrong.size - 1} more are of other documents "
                    "by their owners than by their chunks",
                    "searches may find documents that were deleted, or miss some",
                    _RESTORE,
                )
            at += len(owners)
            told(at)
        if at != generation.rows:
            yield Finding(
                STORE,
                f"owners are recorded for {at} rows of {generation.rows}",
                "the rows behind them are not found by any search",
                _RESTORE,
            )


def _blocks(snapshot: Snapshot, generation: Generation) -> Iterator[tuple[int, int, Owners]]:
    """Number, checksum and owners of each block, in order."""
    for number, checksum, owners in snapshot.select(
        "SELECT block, checksum, owners FROM blocks WHERE generation = ? ORDER BY block",
        (generation.number,),
    ):
        yield number, checksum, np.frombuffer(owners, "<i4")


def _recorded_owners(snapshot: Snapshot, generation: Generation, start: int, rows: int) -> Owners:
    owners = np.full(rows, NOBODY, dtype=np.int32)
    for row, document in snapshot.select(
        "SELECT row, document FROM chunks WHERE generation = ? AND row >= ? AND row < ?",
        (generation.number, start, start + rows),
    ):
        owners[row - start] = document
    return owners


@dataclass(frozen=True, slots=True)
class _Line:
    """A document as the store has it."""

    number: int
    id: bytes | None
    title: bytes | None
    metadata: bytes
    text: bytes
    hash: bytes

    @property
    def place(self) -> str:
        """How a finding calls it."""
        if self.id is None:
            return f"document number {self.number}"
        return f"document {self.id.decode(errors='replace')!r}"


def _check_documents(case: Case) -> Iterator[Finding]:
    """Every document: its hash, its metadata with the lines that filters read, its chunks."""
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
        " CAST(text AS BLOB), hash FROM documents ORDER BY number"
    ):
        yield _Line(*values)


def _check_document(line: _Line, chunks: list[_ChunkLine], facets: array[int]) -> Iterator[Finding]:
    try:
        title = None if line.title is None else line.title.decode()
        text, metadata = line.text.decode(), json.loads(line.metadata)
        for facet in facets_of(metadata):
            facets[line.number] ^= _facet_hash(*facet)
    except (ValueError, AttributeError) as error:
        yield _wrong_document(line, f"it cannot be read ({error})")
        return
    if Document.stored("", text, title, metadata).content_hash != line.hash:
        yield _wrong_document(line, "its text or title is not what was stored")
    positions = [chunk.position for chunk in chunks]
    if sorted(positions) != list(range(len(chunks))) or not chunks:
        yield _wrong_document(line, f"its chunks are numbered {positions[:10]}")
    if any(not 0 <= chunk.start <= chunk.end <= len(text) for chunk in chunks):
        yield _wrong_document(line, "a chunk of it lies outside its text")
    if not all(chunk.is_whole for chunk in chunks):
        yield _wrong_document(line, "a chunk of it is not what was written, by its checksum")


def _wrong_document(line: _Line, problem: str) -> Finding:
    return Finding(line.place, problem, "it may be found for the wrong queries", _REPLACE)


def _facet_hash(name: str | None, kind: int, value: str | float) -> int:
    """64 bits that tell one line of metadata from others in this process; 1 and 1.0 are one."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return hash(repr((name, kind, value))) & 0xFFFF_FFFF_FFFF_FFFF


def _check_facets(snapshot: Snapshot, facets: array[int]) -> Iterator[Finding]:
    """The lines that filters read must cancel what the documents' metadata came to."""
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
            _REPLACE if found else _RESTORE,
        )


@dataclass(frozen=True, slots=True)
class _ChunkLine:
    """A chunk as the store has it."""

    generation: int
    row: int
    document: int
    position: int
    start: int
    end: int
    checksum: int

    @property
    def is_whole(self) -> bool:
        """Whether it is what was written."""
        return checksum_of(astuple(self)[:-1]) == self.checksum


class _Chunks:
    """The chunks of a generation, document by document, in order of their numbers."""

    def __init__(self, snapshot: Snapshot, generation: Generation) -> None:
        lines = snapshot.select(
            'SELECT generation, row, document, position, "start", "end", checksum FROM chunks'
            " WHERE +generation = ? ORDER BY document, row",  # + leaves it the other index
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
        """Its chunks; asked for in rising order."""
        while self._ahead and self._ahead[0] < document:
            self._orphans.append(self._ahead[0])
            self._advance()
        if self._ahead is None or self._ahead[0] != document:
            return []
        chunks = self._ahead[1]
        self._advance()
        return chunks

    def orphans(self) -> Iterator[Finding]:
        """The chunks that were passed over, since no document has their number."""
        for number in self._orphans:
            yield Finding(
                STORE,
                f"there are chunks of document number {number}, which does not exist",
                "pages of it are lost or wrong",
                _RESTORE,
            )
        self._orphans.clear()


# The vectors


def _check_vectors(case: Case) -> Iterator[Finding]:
    """Every block of rows: its checksum, and the lengths of the vectors that are owned."""
    with case.store.reading() as snapshot:
        searched = snapshot.generation()
        dimension = snapshot.identity(searched.number).dimension
        path = generation_folder(case.folder, searched.number) / VECTORS
        place = str(path.relative_to(case.folder))
        try:
            with path.open("rb") as file:
                yield from _check_blocks(case, snapshot, file, place, dimension * 4)
        except OSError as error:
            if not _was_replaced(case, searched):
                yield _wrong_vectors(place, f"it cannot be read ({error.strerror})")
        yield from _check_drafts(case, snapshot, searched.number)


def _check_blocks(
    case: Case, snapshot: Snapshot, file: IO[bytes], place: str, row_bytes: int
) -> Iterator[Finding]:
    generation = snapshot.generation()
    told = case.steps("vectors", generation.rows)
    done = 0
    for number, checksum, owners in _blocks(snapshot, generation):
        data = file.read(len(owners) * row_bytes)
        if len(data) < len(owners) * row_bytes:
            problem = f"it ends before or within {_rows(number, owners)}: it was cut"
            yield _wrong_vectors(place, problem)
            return
        yield from _check_block(place, number, checksum, owners, data)
        done += len(owners)
        told(done)


def _was_replaced(case: Case, searched: Generation) -> bool:
    """Whether another generation has taken over since, so that files are gone rightly."""
    with case.store.reading() as newest:
        return newest.generation().number != searched.number


def _check_block(
    place: str, number: int, checksum: int, owners: Owners, data: bytes
) -> Iterator[Finding]:
    if zlib.crc32(data) != checksum:
        yield _wrong_vectors(
            place, f"{_rows(number, owners)} are not what was written, by their checksum"
        )
    vectors = np.frombuffer(data, "<f4").reshape(len(owners), -1).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero((owners != NOBODY) & ~(np.abs(norms - 1) <= UNIT_TOLERANCE))
    if wrong.size:
        row = int(wrong[0])
        yield _wrong_vectors(
            place,
            f"row {number * BLOCK_ROWS + row} has length {norms[row]:.6g}, not 1"
            + (f", and so have {wrong.size - 1} more" if wrong.size > 1 else ""),
        )


def _rows(number: int, owners: Owners) -> str:
    return f"rows {number * BLOCK_ROWS} to {number * BLOCK_ROWS + len(owners) - 1}"


def _wrong_vectors(place: str, problem: str) -> Finding:
    return Finding(place, problem, "documents there are found for the wrong queries", _RE_EMBED)


def require_written_vectors(folder: Path, store: Store) -> None:
    """Raise Damaged, naming the place, unless all vectors are what was written."""
    for finding in _check_vectors(Case(folder, store, lambda _: None)):
        raise Damaged(f"{finding.place}: {finding.problem}; {finding.remedy}")


def _check_drafts(case: Case, snapshot: Snapshot, searched: int) -> Iterator[Finding]:
    """A generation that is being filled has all the rows that were committed to it."""
    for number, rows in snapshot.select(
        "SELECT generation, rows FROM generations WHERE generation > ? AND rows > 0", (searched,)
    ):
        path = generation_folder(case.folder, number) / VECTORS
        try:
            VectorFile(path, snapshot.identity(number).dimension).view(rows)
        except Damaged as error:
            yield Finding(
                str(path.relative_to(case.folder)),
                str(error),
                "a move to another model was under way and cannot go on; searches are not touched",
                "begin a move to yet another model, which drops this one, or restore a backup",
            )


# The index


def _check_index(case: Case) -> tuple[str, list[Finding]]:
    """The sealed index: its hash, and whether it finds vectors that are stored."""
    problems: list[str] = []
    try:
        with case.store.reading() as snapshot:
            generation = snapshot.generation()
            dimension = snapshot.identity(generation.number).dimension
            owners = snapshot.owners(generation.number, generation.rows)
        folder = generation_folder(case.folder, generation.number)
        index = sealed.read(folder, problems.append)
        if index is None:
            return ("damaged" if problems else "none"), [_wrong_index(p) for p in problems]
        vectors = VectorFile(folder / VECTORS, dimension).view(generation.rows)
    except (Damaged, StorageFailed, ValueError, TypeError, LookupError) as error:
        return f"not checked: {error}", []  # the store's or the vectors' fault, told there
    live = np.flatnonzero(owners[: index.index.rows] != NOBODY)
    share = _share_found(index, vectors, live)
    if share < LEAST_FOUND:
        problem = f"it finds {share:.0%} of vectors that are stored when asked for them"
        return "damaged", [_wrong_index(problem)]
    return f"{index.index.kind} over {index.index.rows} rows", []


def _share_found(index: sealed.Sealed, vectors: Vectors, live: NDArray[np.intp]) -> float:
    """The share of stored vectors for which the index proposes the same or one as close."""
    drawn = np.sort(np.random.default_rng(0).permutation(live)[:PROBES])
    if not drawn.size:
        return 1.0
    asked = np.array(vectors[drawn])
    effort = index.measured.effort
    _, proposed = index.index.candidates(asked, max(effort.depth, 10), effort.probes)
    found = 0
    for query, rows in zip(asked, proposed, strict=True):
        rows = rows[(rows >= 0) & (rows < len(vectors))]
        found += bool((vectors[rows] @ query >= 1 - _CLOSE).any())
    return found / len(drawn)


def _check_words(case: Case) -> tuple[str, list[Finding]]:
    """The index of words: its checksums, its count, and whether it finds documents."""
    case.tell(Step("words", 0, 1))
    try:
        told, problems = examine(case.folder, case.store)
    except (Damaged, StorageFailed) as error:
        return f"not checked: {error}", []  # the store's fault, told there
    case.tell(Step("words", 1, 1))
    return told, [_wrong_words(problem) for problem in problems]


def _wrong_words(problem: str) -> Finding:
    return Finding(
        f"{FOLDER}/{STATE}",
        problem,
        "searches for words may miss documents; nothing is lost, the index is derived",
        "make it anew: `bearing rebuild`",
    )


def _wrong_index(problem: str) -> Finding:
    return Finding(
        sealed.DESCRIPTION,
        problem,
        "searches compare rows one by one or miss some; nothing is lost, the index is derived",
        "it is built anew by itself when the collection is next written to or served, "
        "and at once by `bearing rebuild`",
    )


# The model


def _check_model(case: Case, open_model: OpenModel | None) -> tuple[str, list[Finding]]:
    """Whether the model at hand gives the vectors of known texts that it gave before."""
    if open_model is None:
        return "not checked", []
    try:
        with case.store.reading() as snapshot:
            identity = snapshot.identity(snapshot.generation().number)
        case.tell(Step("model", 0, 1))
        embedder = open_model(identity.name)
    except BearingError as error:
        return f"not checked: {error}", []
    try:
        identity.require(embedder.identity)
    except ModelMismatch as error:
        return "another", [_wrong_model(str(error))]
    cosines = np.einsum("ij,ij->i", identity.canaries, embedder.embed(CANARIES).vectors)
    case.tell(Step("model", 1, 1))
    if not float(cosines.min()) >= CANARY_COSINE:
        problem = f"it gives other vectors of known texts than before (cosine {cosines.min():.5f})"
        return "another", [_wrong_model(problem)]
    return f"{identity.name} gives the vectors it gave", []


def _wrong_model(problem: str) -> Finding:
    return Finding(
        "model",
        problem,
        "queries are embedded unlike the documents, so scores mean nothing",
        "put back the model's files or its backend, or move the collection with `bearing reindex`",
    )
