"""Checks of every block of vectors."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from indexer.documents import UNIT_TOLERANCE
from indexer.errors import Damaged
from indexer.reports import Finding
from indexer.storage.generation.row_table import VECTORS, generation_folder
from indexer.storage.maintenance.case import RE_EMBED, Case, blocks
from indexer.storage.sqlite.records import NOBODY, Generation, Owners
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store
from indexer.storage.vector_file import BLOCK_ROWS, VectorFile


def check_vectors(case: Case) -> Iterator[Finding]:
    """Check every block of rows: its checksum, and the lengths of the owned vectors."""
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
    for number, checksum, owners in blocks(snapshot, generation):
        data = file.read(len(owners) * row_bytes)
        if len(data) < len(owners) * row_bytes:
            problem = f"it ends before or within {_rows(number, owners)}: it was cut"
            yield _wrong_vectors(place, problem)
            return
        yield from _check_block(place, number, checksum, owners, data)
        done += len(owners)
        told(done)


def _was_replaced(case: Case, searched: Generation) -> bool:
    """Return whether another generation has replaced this one, so that its files may be gone."""
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
    return Finding(place, problem, "documents there are found for the wrong queries", RE_EMBED)


def require_written_vectors(folder: Path, store: Store) -> None:
    """Raise Damaged, naming the place, unless all vectors are as written."""
    for finding in check_vectors(Case(folder, store, lambda _: None)):
        raise Damaged(f"{finding.place}: {finding.problem}; {finding.remedy}")


def _check_drafts(case: Case, snapshot: Snapshot, searched: int) -> Iterator[Finding]:
    """Check that a generation beside the one searched has all the rows committed to it."""
    for number, rows in snapshot.select(
        "SELECT generation, rows FROM generations WHERE generation != ? AND rows > 0", (searched,)
    ):
        path = generation_folder(case.folder, number) / VECTORS
        try:
            VectorFile(path, snapshot.identity(number).dimension).view(rows)
        except Damaged as error:
            yield Finding(
                str(path.relative_to(case.folder)),
                str(error),
                "a move to another model, or back to one, cannot go on; searches are not touched",
                "begin a move to yet another model, which drops this one, or restore a backup",
            )
